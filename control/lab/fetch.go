package lab

import (
	"context"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/scenarios"
)

// Single requests from inside a node: one probe, one page.

func (s *apiServer) probe(w http.ResponseWriter, r *http.Request) {
	var query TraceQuery
	if receive(w, r, maxRequest, &query) {
		s.lab.checking.Lock()
		defer s.lab.checking.Unlock()
		answer(w)(probeOnce(r.Context(), s.lab, query))
	}
}

func probeOnce(ctx context.Context, l *lab, q TraceQuery) (*ProbeResult, error) {
	w, _ := l.store.World()
	what, err := parseTraffic(q.Traffic)
	if err != nil {
		return nil, err
	}
	from, err := findSender(w, q.From)
	if err != nil {
		return nil, err
	}
	to, err := findDestination(w, &from, q.To, q.Family)
	if err != nil {
		return nil, err
	}
	outcome, err := (&prober{l}).Probe(ctx, scenarios.Probe{From: from.Node, To: to, Protocol: control.Protocol(what.protocol), Port: what.port})
	if err != nil {
		return nil, err
	}
	result := &ProbeResult{Answered: outcome.Answered, Refused: outcome.Refused, Detail: outcome.Detail}
	if outcome.SourceSeen.IsValid() {
		result.Source = outcome.SourceSeen.String()
	}
	if outcome.Dropped != nil {
		step := traceStep(outcome.Dropped)
		result.Dropped = &step
	}
	return result, nil
}

// fetchLimit bounds how much of a page is passed on, in bytes.
const fetchLimit = 64 << 10

func (s *apiServer) fetch(w http.ResponseWriter, r *http.Request) {
	var query FetchQuery
	if !receive(w, r, maxRequest, &query) {
		return
	}
	world, _ := s.lab.store.World()
	node := nodeName(world, query.From)
	if node == "" {
		fail(w, unknownNode(world, query.From))
		return
	}
	dial := func(ctx context.Context, network, address string) (conn net.Conn, err error) {
		err = s.lab.host.In(node, func() (err error) {
			conn, err = new(net.Dialer).DialContext(ctx, network, address)
			return err
		})
		return conn, err
	}
	client := http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}, Timeout: 5 * time.Second}
	request, err := http.NewRequestWithContext(r.Context(), http.MethodGet, query.URL, nil)
	if err != nil {
		fail(w, &UsageError{err.Error(), "write http://ADDRESS/"})
		return
	}
	response, err := client.Do(request)
	if err != nil {
		fail(w, err)
		return
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, fetchLimit))
	answer(w)(&FetchResult{Status: response.Proto + " " + response.Status, Body: string(body)}, err)
}
