package lab

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// TraceQuery asks what would become of a packet, in the user's words.
type TraceQuery struct {
	From string `json:"from"`
	To   string `json:"to"`
	// Traffic is tcp/PORT, udp/PORT or icmp; icmp when empty.
	Traffic string         `json:"traffic,omitempty"`
	Family  control.Family `json:"family,omitzero"`
}

// Trace is the answer: every step of the packet and of its reply.
type Trace struct {
	From    string `json:"from"`
	To      string `json:"to"`
	Traffic string `json:"traffic"`
	Passed  bool   `json:"passed"`
	// Decision is the one thing that decided, for a drop: "securityGroup web:
	// no ingress rule allows tcp/22 from 203.0.113.10".
	Decision string     `json:"decision,omitempty"`
	Request  []TraceLeg `json:"request"`
	// Reply is empty when nothing arrived that could be answered.
	Reply []TraceLeg `json:"reply,omitempty"`
}

// TraceLeg is one sender's packet up to where it ends. A way through an
// instance that forwards has a leg per sender.
type TraceLeg struct {
	From    string              `json:"from"` // kind and name
	To      string              `json:"to,omitempty"`
	Verdict string              `json:"verdict"`
	Reason  string              `json:"reason"`
	Sent    dataplane.Addresses `json:"sent"`
	Steps   []TraceStep         `json:"steps"`
}

// TraceStep is what one object said about the packet.
type TraceStep struct {
	Stage   string      `json:"stage"`
	Verdict string      `json:"verdict"`
	Reason  string      `json:"reason"`
	Objects []ObjectRef `json:"objects"`
	Rule    string      `json:"rule,omitempty"`
	Text    string      `json:"text"`
	// After is the packet behind this step.
	After dataplane.Addresses `json:"after"`
}

// ObjectRef names a resource.
type ObjectRef struct {
	Kind string `json:"kind"`
	Name string `json:"name,omitempty"`
	ID   string `json:"id,omitempty"`
}

func (o ObjectRef) String() string { return strings.TrimSpace(o.Kind + " " + o.Name) }

// Object is the step's objects in words.
func (s *TraceStep) Object() string {
	names := make([]string, len(s.Objects))
	for i, o := range s.Objects {
		names[i] = o.String()
	}
	return strings.Join(names, ", ")
}

// RunTrace asks engine, which must forward by w. The engine need not be
// connected to anything, so this is also how a file is traced without a lab.
func RunTrace(engine *dataplane.Engine, w *control.World, q TraceQuery) (*Trace, error) {
	request, what, err := traceRequest(w, q)
	if err != nil {
		return nil, err
	}
	t := engine.Trace(request)
	result := &Trace{
		From: q.From, To: q.To, Traffic: what.String(), Passed: t.Passed(),
		Request: traceLegs(t.Request), Reply: traceLegs(t.Reply),
	}
	if !result.Passed {
		step := t.Last().Decisive()
		result.Decision = Decision(step)
		if len(t.Reply) > 0 {
			result.Decision += " (the reply)"
		}
	}
	return result, nil
}

// Decision is a step that drops, in one line.
func Decision(step *dataplane.TraceStep) string {
	names := make([]string, len(step.Objects))
	for i, o := range step.Objects {
		names[i] = o.String()
	}
	return fmt.Sprintf("%s: %s", strings.Join(names, ", "), step.Text)
}

// The ports and ICMP types of a traced packet. Any ephemeral port would do; a
// fixed one keeps the output the same from run to run.
const (
	tracePort       = 49152
	icmpEchoRequest = 8
	icmpv6Echo      = 128
)

func traceRequest(w *control.World, q TraceQuery) (dataplane.TraceRequest, traffic, error) {
	var request dataplane.TraceRequest
	what, err := parseTraffic(q.Traffic)
	if err != nil {
		return request, what, err
	}
	from, err := findSender(w, q.From)
	if err != nil {
		return request, what, err
	}
	to, err := findDestination(w, &from, q.To, q.Family)
	if err != nil {
		return request, what, err
	}
	from = from.toward(w, to)
	source := from.address(to.Is6())
	if a, err := netip.ParseAddr(q.From); err == nil && a.Is6() == to.Is6() && ownAddress(&from, a) {
		source = a // one of several of the same interface
	}
	if !source.IsValid() {
		return request, what, &UsageError{
			fmt.Sprintf("%s has no %s address to send to %s from", q.From, familyOf(to), to), "give it one in the file, or use the other family"}
	}
	if from.Site != "" {
		if from.Handle, err = siteEntry(w, &from, to); err != nil {
			return request, what, err
		}
	}
	request = dataplane.TraceRequest{From: from.Handle, Reply: true}
	request.Tuple = packet.Tuple{
		Src: packet.AddrFrom(source), Dst: packet.AddrFrom(to), Proto: what.protocol, SrcPort: tracePort, DstPort: what.port,
	}
	if what.protocol == packet.ProtoICMP {
		request.SrcPort, request.DstPort, request.ICMPType = 1, 1, icmpEchoRequest // 1 is the echo's identifier
		if to.Is6() {
			request.Proto, request.ICMPType = packet.ProtoICMPv6, icmpv6Echo
		}
	}
	return request, what, nil
}

// siteEntry is the tunnel by which what a site's host sends enters AWS: a trace
// begins there.
func siteEntry(w *control.World, from *sender, to netip.Addr) (dataplane.Handle, error) {
	routes := w.SiteRoutes(from.Site)
	name := control.SiteTunnel(routes, to)
	if tunnel, _ := w.VPNTunnel(name); tunnel != nil {
		return dataplane.Handle(tunnel.Handle), nil
	}
	known := make([]string, len(routes))
	for i, r := range routes {
		known[i] = fmt.Sprintf("%s by %s", r.Destination, r.Tunnel)
	}
	hint := "it knows no routes by its tunnels: see vpcsim get vpnConnections"
	if len(known) > 0 {
		hint = "it knows " + strings.Join(known, ", ")
	}
	return 0, &UsageError{fmt.Sprintf("the router of site %s sends nothing for %s into a tunnel", from.Site, to), hint}
}

func ownAddress(s *sender, a netip.Addr) bool {
	for _, own := range s.Addresses {
		if own == a {
			return true
		}
	}
	return false
}

func familyOf(a netip.Addr) control.Family {
	if a.Is4() {
		return control.IPv4
	}
	return control.IPv6
}

func traceLegs(legs []dataplane.Leg) []TraceLeg {
	list := make([]TraceLeg, len(legs))
	for i := range legs {
		l := &legs[i]
		list[i] = TraceLeg{
			From: l.From.String(), Verdict: l.Verdict.String(), Reason: l.Reason.String(), Sent: l.Sent,
			Steps: make([]TraceStep, len(l.Steps)),
		}
		if l.To.Kind != dataplane.KindNone {
			list[i].To = l.To.String()
		}
		for j := range l.Steps {
			list[i].Steps[j] = traceStep(&l.Steps[j])
		}
	}
	return list
}

func traceStep(s *dataplane.TraceStep) TraceStep {
	step := TraceStep{
		Stage: s.Stage.String(), Verdict: s.Verdict.String(), Reason: s.Reason.String(),
		Rule: s.Rule, Text: s.Text, After: s.After,
	}
	for _, o := range s.Objects {
		step.Objects = append(step.Objects, ObjectRef{o.Kind.String(), o.Name, o.ID})
	}
	return step
}
