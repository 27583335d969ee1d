package dataplane

import "github.com/vpcsim/vpcsim/dataplane/packet"

// A later fragment has no ports, so it cannot be judged by itself. It takes
// over what its first part said and then walks like it: the same rules give
// the same verdict (S33).

// fragmentKey names the packet a fragment belongs to, on the link it came
// from.
type fragmentKey struct {
	src, dst packet.Addr
	link, id uint32
	proto    uint8
}

// fragmentHead is what a first part tells the later ones.
type fragmentHead struct {
	expires            int64
	srcPort, dstPort   uint16
	icmpType, icmpCode uint8
}

const (
	// fragmentLifetime is how long later parts may follow the first: the
	// reassembly timeout of common stacks.
	fragmentLifetime = 30e9 // nanoseconds
	maxFragmentHeads = 4096
)

// adoptFragment gives a later fragment its first part's ports. It reports
// false, and drops, when the first part was not seen.
func (w *Walk) adoptFragment(ni *networkInterface) bool {
	head, ok := w.state.fragments[w.fragmentKey()]
	if !ok || head.expires <= w.now {
		w.drop(StageFragment, ReasonFragmentWithoutHead, ni.handle, 0)
		return false
	}
	w.pkt.SrcPort, w.pkt.DstPort = head.srcPort, head.dstPort
	w.pkt.ICMPType, w.pkt.ICMPCode = head.icmpType, head.icmpCode
	w.tuple = w.pkt.Tuple
	w.icmpType, w.icmpCode = head.icmpType, head.icmpCode
	w.tuples[0] = w.tuple
	w.pass(StageFragment, ReasonFirstSeen, ni.handle, 0)
	return true
}

// rememberFragment lets commit keep what a first part said.
func (w *Walk) rememberFragment(s *state) {
	if len(s.fragments) >= maxFragmentHeads {
		for k, head := range s.fragments {
			if head.expires <= w.now {
				delete(s.fragments, k)
			}
		}
		if len(s.fragments) >= maxFragmentHeads {
			return // the later parts drop, with their reason
		}
	}
	s.fragments[w.fragmentKey()] = fragmentHead{
		expires: w.now + fragmentLifetime,
		srcPort: w.pkt.SrcPort, dstPort: w.pkt.DstPort,
		icmpType: w.pkt.ICMPType, icmpCode: w.pkt.ICMPCode,
	}
}

// fragmentKey uses the sender's addresses: translation happens later, and the
// same for every part.
func (w *Walk) fragmentKey() fragmentKey {
	return fragmentKey{
		src: w.tuples[0].Src, dst: w.tuples[0].Dst,
		link: w.pkt.Frame.Link, id: w.pkt.FragmentID, proto: w.pkt.Proto,
	}
}
