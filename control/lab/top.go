package lab

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/vpcsim/vpcsim/dataplane"
)

// Top is what moved in a lab during one interval. Rates are per second of it.
type Top struct {
	Time    time.Time `json:"time"`
	Seconds float64   `json:"seconds"`
	// Of all packets, dropped ones included: packets on the wire and bits of IP.
	PacketsPerSecond float64 `json:"packetsPerSecond"`
	BitsPerSecond    float64 `json:"bitsPerSecond"`
	DropsPerSecond   float64 `json:"dropsPerSecond"`
	// OtherPacketsPerSecond are those of flows that are not in Flows.
	OtherPacketsPerSecond float64 `json:"otherPacketsPerSecond"`
	Tracked               int     `json:"tracked"` // connections now

	Flows      []TopFlow      `json:"flows"`      // the busiest by bits, packets and drops; most bits first
	Drops      []TopDrop      `json:"drops"`      // most packets in the interval first, then ever
	Interfaces []TopInterface `json:"interfaces"` // most bits of both directions first
}

// TopFlow is one direction of a flow.
type TopFlow struct {
	From             string              `json:"from"` // name of the interface or host that sent
	To               string              `json:"to,omitempty"`
	Addresses        dataplane.Addresses `json:"addresses"` // as sent
	PacketsPerSecond float64             `json:"packetsPerSecond"`
	BitsPerSecond    float64             `json:"bitsPerSecond"`
	DropsPerSecond   float64             `json:"dropsPerSecond"`
	Verdict          string              `json:"verdict"`
	// Drop is what dropped the last packet.
	Drop *TraceStep `json:"drop,omitempty"`
}

// TopDrop is what one object dropped for one reason, by one rule.
type TopDrop struct {
	Reason           string  `json:"reason"`
	Object           string  `json:"object"`
	Rule             string  `json:"rule,omitempty"`
	Text             string  `json:"text"` // about the last packet
	PacketsPerSecond float64 `json:"packetsPerSecond"`
	Packets          uint64  `json:"packets"` // since the lab came up; a superframe is one
}

// TopInterface is one interface, as its own machine sees it.
type TopInterface struct {
	Kind                     string  `json:"kind"`
	Name                     string  `json:"name"`
	ReceivePacketsPerSecond  float64 `json:"receivePacketsPerSecond"`
	ReceiveBitsPerSecond     float64 `json:"receiveBitsPerSecond"`
	TransmitPacketsPerSecond float64 `json:"transmitPacketsPerSecond"`
	TransmitBitsPerSecond    float64 `json:"transmitBitsPerSecond"`
}

// Bounds on what top is asked for and answers.
const (
	ShortestTopInterval = 100 * time.Millisecond
	LongestTopInterval  = time.Minute
	maxTopRows          = 200
	maxTopFlows         = 100 // by each of bits, packets and drops
)

// top sends what moved, interval by interval, as long as somebody reads.
func (s *apiServer) top(w http.ResponseWriter, r *http.Request) {
	interval, err := time.ParseDuration(cmp.Or(r.URL.Query().Get("interval"), "1s"))
	if err != nil || interval < ShortestTopInterval || interval > LongestTopInterval {
		fail(w, &UsageError{fmt.Sprintf("the interval %q is none", r.URL.Query().Get("interval")), fmt.Sprintf("write one from %s to %s", ShortestTopInterval, LongestTopInterval)})
		return
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // it takes as long as it takes
	w.Header().Set("Content-Type", "application/x-ndjson")
	_ = control.Flush()
	watch := newTopWatch(s.lab.engine)
	defer watch.close()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	encoder := json.NewEncoder(w)
	for {
		select {
		case <-r.Context().Done():
			return
		case <-ticker.C:
		}
		if encoder.Encode(watch.next()) != nil || control.Flush() != nil {
			return
		}
	}
}

// topWatch makes rates of two reads of the engine's counters.
type topWatch struct {
	engine  *dataplane.Engine
	flows   *dataplane.FlowWatch
	traffic map[dataplane.Handle]dataplane.Traffic
	drops   map[dataplane.Step]uint64
}

func newTopWatch(engine *dataplane.Engine) *topWatch {
	t := &topWatch{engine: engine, traffic: map[dataplane.Handle]dataplane.Traffic{}, drops: map[dataplane.Step]uint64{}, flows: engine.WatchFlows()}
	for _, o := range engine.Statistics().Interfaces {
		t.traffic[o.Handle] = o.Traffic
	}
	counts, _ := engine.DropCounts()
	for i := range counts {
		t.drops[counts[i].Last.Step] = counts[i].Packets
	}
	return t
}

func (t *topWatch) close() { t.flows.Close() }

// next is what moved since the last call.
func (t *topWatch) next() *Top {
	read := t.flows.Read(maxTopFlows)
	statistics := t.engine.Statistics()
	counts, _ := t.engine.DropCounts()
	seconds := time.Duration(read.Duration).Seconds()
	rate := func(n uint64) float64 { return float64(n) / seconds }
	top := &Top{
		Time: time.Now(), Seconds: seconds, Tracked: statistics.Tables.Flows,
		PacketsPerSecond: rate(read.Packets), BitsPerSecond: 8 * rate(read.Bytes), OtherPacketsPerSecond: rate(read.Missed),
		DropsPerSecond: rate(read.Dropped), Flows: []TopFlow{}, Interfaces: t.interfaces(statistics, rate), Drops: t.dropped(statistics.Snapshot, counts, rate),
	}
	for i := range read.Flows {
		top.Flows = append(top.Flows, topFlow(&read.Flows[i], rate))
	}
	return top
}

func topFlow(f *dataplane.WatchedFlow, rate func(uint64) float64) TopFlow {
	row := TopFlow{
		From: nameOf(f.From), Addresses: f.Addresses, Verdict: f.Verdict.String(),
		PacketsPerSecond: rate(f.Packets), BitsPerSecond: 8 * rate(f.Bytes), DropsPerSecond: rate(f.Dropped),
	}
	// A packet that a gateway drops in the middle was at an interface of the gateway,
	// which is nobody that it was for.
	underWay := f.Drop != nil && f.To.Kind == dataplane.KindTransitGatewayInterface
	if f.To.Kind != dataplane.KindNone && !underWay {
		row.To = nameOf(f.To)
	}
	if f.Drop != nil {
		step := traceStep(f.Drop)
		row.Drop = &step
	}
	return row
}

// nameOf is what a person calls an interface: an instance's by the instance, if
// it is the first.
func nameOf(o dataplane.Object) string {
	switch o.Kind {
	case dataplane.KindNone: // the platform's own answer
		return "vpc"
	case dataplane.KindServices:
		return "services"
	}
	return strings.TrimSuffix(o.Name, "/eth0")
}

func (t *topWatch) interfaces(s *dataplane.Statistics, rate func(uint64) float64) []TopInterface {
	list := make([]TopInterface, 0, len(s.Interfaces))
	now := make(map[dataplane.Handle]dataplane.Traffic, len(s.Interfaces))
	for _, o := range s.Interfaces {
		before := t.traffic[o.Handle]
		now[o.Handle] = o.Traffic
		list = append(list, TopInterface{
			Kind: o.Kind.String(), Name: strings.TrimSuffix(cmp.Or(o.Name, o.Kind.String())+":"+sideOf(&o), ":"),
			ReceivePacketsPerSecond:  rate(o.ReceivedPackets - before.ReceivedPackets),
			ReceiveBitsPerSecond:     8 * rate(o.ReceivedBytes-before.ReceivedBytes),
			TransmitPacketsPerSecond: rate(o.SentPackets - before.SentPackets),
			TransmitBitsPerSecond:    8 * rate(o.SentBytes-before.SentBytes),
		})
	}
	t.traffic = now
	slices.SortStableFunc(list, func(a, b TopInterface) int {
		return cmp.Or(cmp.Compare(b.ReceiveBitsPerSecond+b.TransmitBitsPerSecond, a.ReceiveBitsPerSecond+a.TransmitBitsPerSecond), cmp.Compare(a.Name, b.Name))
	})
	return list[:min(len(list), maxTopRows)]
}

func (t *topWatch) dropped(snapshot *dataplane.Snapshot, counts []dataplane.DropCount, rate func(uint64) float64) []TopDrop {
	list := make([]TopDrop, 0, len(counts))
	now := make(map[dataplane.Step]uint64, len(counts))
	for i := range counts {
		c := &counts[i]
		key := c.Last.Step
		now[key] = c.Packets
		words := snapshot.Explain(c.Last)
		step := traceStep(&words)
		list = append(list, TopDrop{
			Reason: step.Reason, Object: step.Object(), Rule: step.Rule, Text: step.Text,
			Packets: c.Packets, PacketsPerSecond: rate(c.Packets - min(t.drops[key], c.Packets)),
		})
	}
	t.drops = now
	slices.SortStableFunc(list, func(a, b TopDrop) int {
		return cmp.Or(cmp.Compare(b.PacketsPerSecond, a.PacketsPerSecond), cmp.Compare(b.Packets, a.Packets))
	})
	return list[:min(len(list), maxTopRows)]
}
