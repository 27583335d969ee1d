package dataplane

import "github.com/vpcsim/vpcsim/dataplane/packet"

// CaptureFilter says which packets a capture keeps: tests and the words that join
// them, in reverse Polish order. It is data and no function, because forwarding
// runs it. The zero filter keeps everything.
type CaptureFilter []FilterOp

// MaxFilterDepth is how many results a filter may hold at a time.
const MaxFilterDepth = 64

// FilterOp is one step of a filter: a test that has a result, or a word that joins
// the last ones.
type FilterOp struct {
	Test FilterTest
	// Ends of the packet that the test is about: the source's, the destination's,
	// either's, or, with Both, both.
	Source, Destination, Both bool
	Prefix                    packet.Prefix // FilterNet
	Low, High                 uint16        // FilterPort: the range; FilterProtocol, FilterFamily and FilterLength: Low
	Reason                    Reason        // FilterReason
}

// FilterTest is what a step of a filter does.
type FilterTest uint8

// The tests, and the words that join their results.
const (
	FilterNone     FilterTest = iota // never holds
	FilterFamily                     // Low is 4, 6 or, for ARP, 0
	FilterProtocol                   // Low is the number
	FilterNet                        // an address is in Prefix
	FilterPort                       // a port of TCP or UDP is from Low to High
	FilterLess                       // the frame has at most Low bytes
	FilterGreater                    // at least
	FilterDrop                       // it is dropped, here or further on its way
	FilterReason                     // its way ends for Reason
	FilterNot
	FilterAnd
	FilterOr
)

// filterSubject is what a filter looks at.
type filterSubject struct {
	tuple   *packet.Tuple
	family  uint8 // 0 for ARP and what is neither
	arp     bool
	length  int
	verdict Verdict
	reason  Reason
}

// keeps runs the filter. The results are the bits of one word: joining them
// touches no memory.
func (f CaptureFilter) keeps(s *filterSubject) bool {
	if len(f) == 0 {
		return true
	}
	results := uint64(0)
	for i := range f {
		op := &f[i]
		switch op.Test {
		case FilterNot:
			results ^= 1
		case FilterAnd:
			results = results>>1&^1 | results&(results>>1)&1
		case FilterOr:
			results = results>>1 | results&1
		default:
			results <<= 1
			if op.holds(s) {
				results |= 1
			}
		}
	}
	return results&1 != 0
}

func (op *FilterOp) holds(s *filterSubject) bool {
	switch op.Test {
	case FilterFamily:
		if op.Low == 0 {
			return s.arp
		}
		return uint16(s.family) == op.Low
	case FilterProtocol:
		return s.family != 0 && uint16(s.tuple.Proto) == op.Low
	case FilterNet:
		return (s.family != 0 || s.arp) && op.ends(op.Prefix.Contains(s.tuple.Src), op.Prefix.Contains(s.tuple.Dst))
	case FilterPort:
		if s.family == 0 || s.tuple.Proto != packet.ProtoTCP && s.tuple.Proto != packet.ProtoUDP {
			return false
		}
		within := func(port uint16) bool { return op.Low <= port && port <= op.High }
		return op.ends(within(s.tuple.SrcPort), within(s.tuple.DstPort))
	case FilterLess:
		return s.length <= int(op.Low)
	case FilterGreater:
		return s.length >= int(op.Low)
	case FilterDrop:
		return s.verdict == VerdictDrop
	case FilterReason:
		return s.reason == op.Reason
	}
	return false
}

// ends joins what holds for the source and for the destination.
func (op *FilterOp) ends(source, destination bool) bool {
	if op.Both {
		return source && destination
	}
	return op.Source && source || op.Destination && destination
}

// Reasons are the names of all reasons, for those who ask for packets by them.
func Reasons() []string { return reasonNames[1:] }

// ReasonNamed is the reason with a name.
func ReasonNamed(name string) (Reason, bool) {
	for r, n := range reasonNames {
		if n == name {
			return Reason(r), true
		}
	}
	return ReasonBug, false
}

// Keeps says what the filter does with a frame by itself.
func (f CaptureFilter) Keeps(frame []byte, verdict Verdict, reason Reason) bool {
	var p packet.Packet
	packet.Parse(&p, &packet.Frame{Data: frame})
	return f.keeps(&filterSubject{
		tuple: &p.Tuple, family: p.Family, arp: p.EtherType == packet.EtherTypeARP, length: len(frame), verdict: verdict, reason: reason,
	})
}
