package lab

import (
	"net/netip"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/packet"
	"github.com/vpcsim/vpcsim/scenarios"
)

// way is the last part of the way that the probe will take: who gets it, and what it
// looks like there. It is nil of a host at a site whose router knows no way yet.
func (x *exchange) way(w *control.World, from *sender) *dataplane.Leg {
	request := dataplane.TraceRequest{From: from.Handle}
	request.Dst, request.SrcPort, request.DstPort = packet.AddrFrom(x.probe.To), tracePort, x.probe.Port
	if from.Site != "" { // what it sends comes out of a tunnel, which has no address of its
		entry, err := siteEntry(w, from, x.probe.To)
		if err != nil {
			return nil
		}
		request.From, request.Src = entry, packet.AddrFrom(from.address(x.probe.To.Is6()))
	}
	request.Proto = wireProtocol(x.probe)
	switch request.Proto {
	case packet.ProtoICMP:
		request.ICMPType = icmpEchoRequest
	case packet.ProtoICMPv6:
		request.ICMPType = icmpv6Echo
	}
	trace := x.lab.engine.Trace(request)
	return trace.Last()
}

// receiveByTrace completes the receiver of a probe to a service, or to an endpoint:
// the way says where it comes out, and with which address and port. It returns the
// receiver's name, and the probe as it arrives there.
func (x *exchange) receiveByTrace(w *control.World, from *sender, r *receiver) (name string, arriving scenarios.Probe) {
	leg := x.way(w, from)
	if leg == nil {
		r.node = ""
		return "", x.probe
	}
	handle, after := leg.To.Handle, leg.Decisive().After
	arriving = x.probe
	if arriving.Port != 0 {
		arriving.Port = after.DstPort
	}
	arriving.To, _ = netip.ParseAddr(after.Dst)
	r.address, r.interfaces = arriving.To, []dataplane.Handle{handle}
	switch {
	case leg.Verdict != dataplane.VerdictPass:
		r.node = ""
	case frontBehind(w, handle) != "":
		name, r.node = leg.To.Name, frontBehind(w, handle)
	default:
		name = leg.To.Name
		if n := w.NetworkInterfaces[name]; n != nil {
			name = n.Instance
		}
		r.node = nodeName(w, name)
	}
	return name, arriving
}
