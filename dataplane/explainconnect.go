package dataplane

import (
	"fmt"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// explainConnectPeer words what happens at a GRE tunnel. Its own packets, the outer
// ones, belong to no attachment's traffic but the Connect attachment's; what carries
// them is another.
func (s *Snapshot) explainConnectPeer(step Step, before, after packet.Tuple) string {
	// An index may be of a snapshot that is gone by now.
	carrier := func(index uint32) Object {
		if int(index) < len(s.attachments) {
			return s.objectOf(s.attachments[index].handle)
		}
		return Object{}
	}
	switch {
	case step.Reason == ReasonOK:
		return fmt.Sprintf("a GRE packet from %s to %s: traffic of %s, not of what carries it", after.Src, after.Dst, carrier(step.Detail))
	// Detail tells the outside, where the GRE packet starts, from the inside.
	case step.Reason == ReasonEncapsulated && step.Detail > 0:
		return fmt.Sprintf("its GRE packet from %s to %s goes by %s", after.Src, after.Dst, carrier(step.Detail-1))
	case step.Reason == ReasonEncapsulated:
		return "goes into the GRE tunnel"
	case step.Reason == ReasonDecapsulated:
		return fmt.Sprintf("came out of the GRE tunnel: %s → %s", after.Src, after.Dst)
	case step.Reason == ReasonGRE:
		return fmt.Sprintf("a GRE packet that the tunnel does not take: %s", packet.GREProblem(step.Detail))
	case step.Reason == ReasonInterfaceDown:
		return "the gateway's end of the GRE tunnel is down"
	case step.Reason == ReasonTooBig:
		return fmt.Sprintf("larger than %d bytes, which is what fits into the GRE tunnel: with DF its sender is told", step.Detail)
	case step.Reason == ReasonTTLExpired:
		return "its hop limit ends before the gateway's BGP speaker, which is a hop behind the tunnel: BGP has to be multihop, with a TTL of 2"
	case step.Reason == ReasonNoListener:
		return fmt.Sprintf("%s is an address of the gateway's, which nobody listens on", after.Dst)
	case step.Reason == ReasonLoop:
		return "it is in more tunnels than any packet: one leads into another, and back"
	}
	return s.explainPlace(step, before, after)
}
