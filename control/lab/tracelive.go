package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// LiveTraceQuery asks for the ways of the packets that pass, in the user's words.
// What is left out holds for every packet.
type LiveTraceQuery struct {
	// From and To are instances, interfaces, hosts or clients, or addresses.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	// Protocol is tcp, udp, icmp (of both families) or a number, Port that of
	// either end.
	Protocol string `json:"protocol,omitempty"`
	Port     uint16 `json:"port,omitempty"`
	Dropped  bool   `json:"dropped,omitempty"`
	Reason   string `json:"reason,omitempty"` // that ended the way
	Count    int    `json:"count,omitempty"`  // after so many it ends; 0 is never
	// Rate is how many are shown a second; default 50. Others are counted.
	Rate int `json:"rate,omitempty"`
}

// LiveTrace is one packet that passed, or, with NotShown, how many did since the
// last one that are not shown.
type LiveTrace struct {
	Time time.Time `json:"time"`
	*TraceLeg
	// Decision is the one thing that decided, for a drop.
	Decision string `json:"decision,omitempty"`
	NotShown uint64 `json:"notShown,omitempty"`
}

// Bounds of a live trace.
const (
	defaultLiveRate = 50
	maxLiveRate     = 1000
	liveRing        = 1024 // ways that wait to be read
)

// traceLive sends the ways of packets, as long as somebody reads.
func (s *apiServer) traceLive(w http.ResponseWriter, r *http.Request) {
	var query LiveTraceQuery
	if !receive(w, r, maxRequest, &query) {
		return
	}
	world, _ := s.lab.store.World()
	config, err := query.capture(world)
	if err != nil {
		fail(w, err)
		return
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // it takes as long as it takes
	w.Header().Set("Content-Type", "application/x-ndjson")
	capture := s.lab.engine.Capture(config)
	defer capture.Close()
	_ = control.Flush() // from here on packets are seen
	encoder := json.NewEncoder(w)
	t := liveTrace{capture: capture, query: query, started: s.lab.started, send: func(l *LiveTrace) error {
		if err := encoder.Encode(l); err != nil {
			return err
		}
		return control.Flush()
	}}
	t.run(r.Context())
}

// liveTrace is one live trace under way.
type liveTrace struct {
	capture *dataplane.Capture
	query   LiveTraceQuery
	started time.Time // the engine's time 0
	send    func(*LiveTrace) error

	shown    int
	second   int    // shown in this second
	notShown uint64 // and not reported yet
	lost     uint64 // by the capture, and counted
	err      error
}

// run sends until ctx ends, the reader has gone, or there are enough.
func (t *liveTrace) run(ctx context.Context) {
	poll := time.NewTicker(capturePoll)
	defer poll.Stop()
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for !t.done() {
		select {
		case <-ctx.Done():
			return
		case <-second.C:
			t.nextSecond()
		case <-poll.C:
		}
		for !t.done() && t.take() {
		}
	}
	t.nextSecond()
}

func (t *liveTrace) done() bool {
	return t.err != nil || t.query.Count > 0 && t.shown >= t.query.Count
}

// take looks at one way, and reports whether there was one.
func (t *liveTrace) take() bool {
	if t.second >= t.query.Rate {
		if !t.capture.NextWay(nil) {
			return false
		}
		t.notShown++
		return true
	}
	return t.capture.NextWay(func(way *dataplane.Way) {
		t.shown++
		t.second++
		leg := traceLegs([]dataplane.Leg{way.Leg})[0]
		if way.From.Kind == dataplane.KindNone {
			leg.From = "the platform"
		}
		l := &LiveTrace{Time: t.started.Add(time.Duration(way.Time)), TraceLeg: &leg}
		if way.Verdict == dataplane.VerdictDrop {
			l.Decision = Decision(way.Decisive())
		}
		t.err = t.send(l)
	})
}

// nextSecond says what the last one had too many of.
func (t *liveTrace) nextSecond() {
	t.second = 0
	lost := uint64(0)
	for _, n := range t.capture.Lost() {
		lost += n
	}
	t.notShown += lost - t.lost
	t.lost = lost
	if t.notShown > 0 && t.err == nil {
		t.err = t.send(&LiveTrace{Time: time.Now(), NotShown: t.notShown})
		t.notShown = 0
	}
}

// capture is the query as the engine understands it.
func (q *LiveTraceQuery) capture(w *control.World) (dataplane.CaptureConfig, error) {
	config := dataplane.CaptureConfig{Packets: liveRing, Bytes: 1, Ways: &dataplane.Ways{}}
	switch {
	case q.Count < 0:
		return config, &UsageError{fmt.Sprintf("a count of %d is none", q.Count), "write how many packets, or leave it out"}
	case q.Rate < 0 || q.Rate > maxLiveRate:
		return config, &UsageError{fmt.Sprintf("a rate of %d is none", q.Rate), fmt.Sprintf("write how many packets to show a second, at most %d", maxLiveRate)}
	case q.Rate == 0:
		q.Rate = defaultLiveRate
	}
	var err error
	if config.Ways.From, err = wayEnd(w, q.From); err != nil {
		return config, err
	}
	if config.Ways.To, err = wayEnd(w, q.To); err != nil {
		return config, err
	}
	config.Filter, err = q.filter()
	return config, err
}

// filter joins everything that is asked of a packet itself.
func (q *LiveTraceQuery) filter() (f dataplane.CaptureFilter, err error) {
	and := func(ops ...dataplane.FilterOp) {
		join := len(f) > 0
		if f = append(f, ops...); join {
			f = append(f, dataplane.FilterOp{Test: dataplane.FilterAnd})
		}
	}
	protocol := func(n uint16) dataplane.FilterOp {
		return dataplane.FilterOp{Test: dataplane.FilterProtocol, Low: n}
	}
	switch word := strings.ToLower(q.Protocol); word {
	case "":
	case "icmp", "icmpv6", "ping":
		and(protocol(packet.ProtoICMP), protocol(packet.ProtoICMPv6), dataplane.FilterOp{Test: dataplane.FilterOr})
	default:
		n, known := liveProtocols[word]
		if !known {
			if _, err := fmt.Sscanf(word, "%d", &n); err != nil || n > 255 || fmt.Sprint(n) != word {
				return nil, &UsageError{fmt.Sprintf("%q is no protocol", q.Protocol), "write tcp, udp, icmp or a number"}
			}
		}
		and(protocol(n))
	}
	if q.Port != 0 {
		and(dataplane.FilterOp{Test: dataplane.FilterPort, Source: true, Destination: true, Low: q.Port, High: q.Port})
	}
	if q.Dropped {
		and(dataplane.FilterOp{Test: dataplane.FilterDrop})
	}
	if q.Reason != "" {
		reason, known := dataplane.ReasonNamed(q.Reason)
		if !known {
			hint := "vpcsim metrics and vpcsim top name those that occur"
			if near := Closest(q.Reason, dataplane.Reasons()); near != "" {
				hint = fmt.Sprintf("did you mean %s?", near)
			}
			return nil, &UsageError{fmt.Sprintf("%q is no reason", q.Reason), hint}
		}
		and(dataplane.FilterOp{Test: dataplane.FilterReason, Reason: reason})
	}
	return f, nil
}

var liveProtocols = map[string]uint16{"tcp": packet.ProtoTCP, "udp": packet.ProtoUDP}

// wayEnd understands FROM and TO of a live trace: all interfaces and addresses of
// what has the name, or one address. Addresses of the other side of a translation
// are its own as well.
func wayEnd(w *control.World, text string) (end dataplane.WayEnd, err error) {
	if text == "" {
		return end, nil
	}
	address := func(a netip.Addr) {
		if a.IsValid() {
			end.Addresses = append(end.Addresses, packet.PrefixFrom(netip.PrefixFrom(a, a.BitLen())))
		}
	}
	if a, err := netip.ParseAddr(text); err == nil {
		address(a)
		return end, nil
	}
	if machine, ok := outsideMachine(w, text); ok {
		for _, a := range machine.addresses {
			address(a)
		}
		for _, a := range machine.internetIPs {
			address(a)
		}
		if c := w.VPNClients[text]; c != nil {
			end.Interfaces = append(end.Interfaces, dataplane.Handle(c.Status.Handle))
		}
		if machine.site == "" { // its packets come out of a tunnel, and go into one
			end.Interfaces = append(end.Interfaces, dataplane.Handle(machine.handle))
		}
		return end, nil
	}
	names := []string{interfaceName(w, text)}
	if i := w.Instances[text]; i != nil {
		names = i.Status.NetworkInterfaces
	}
	for _, name := range names {
		eni := w.NetworkInterfaces[name]
		if eni == nil {
			return end, unknownEnd(w, text)
		}
		end.Interfaces = append(end.Interfaces, dataplane.Handle(eni.Status.Handle))
		for _, a := range slices.Concat(eni.Status.PrivateIPs, eni.Status.IPv6s) {
			address(a)
		}
		for _, as := range eni.Status.Associations {
			address(as.PublicIP)
		}
	}
	return end, nil
}
