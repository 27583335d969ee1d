package dataplane

// A later fragment has no ports, so it cannot be judged by itself. It takes
// over what its first part said and then walks like it: the same rules give
// the same verdict (S33).

// fragmentHead is what a first part tells the later ones.
type fragmentHead struct {
	expires            int64
	place              uint32 // in the table's order
	srcPort, dstPort   uint16
	icmpType, icmpCode uint8
}

// fragmentTable holds the last first parts seen. A new one takes the place of
// the oldest: later parts come soon after their first, so a flood of first
// parts must be faster than that to do harm, and costs no search.
type fragmentTable struct {
	heads keyTable[fragmentHead]
	order []flowKey // by age, as a ring that starts at next once it is full
	next  int
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
	key := w.fragmentKey()
	found := w.state.fragments.heads.find(&key)
	if found == nil || found.value.expires <= w.now {
		w.drop(StageFragment, ReasonFragmentWithoutHead, ni.handle, 0)
		return false
	}
	head := &found.value
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
	t, key := &s.fragments, w.fragmentKey()
	if t.order == nil {
		t.order = make([]flowKey, maxFragmentHeads)
	}
	// What came later under the same key as the oldest has another place.
	if oldest := &t.order[t.next]; oldest.scope != 0 {
		if f := t.heads.find(oldest); f != nil && f.value.place == uint32(t.next) {
			t.heads.remove(oldest)
		}
	}
	t.order[t.next] = key
	t.heads.insert(&key).value = fragmentHead{
		expires: w.now + fragmentLifetime, place: uint32(t.next),
		srcPort: w.pkt.SrcPort, dstPort: w.pkt.DstPort,
		icmpType: w.pkt.ICMPType, icmpCode: w.pkt.ICMPCode,
	}
	t.next = (t.next + 1) % maxFragmentHeads
}

// fragmentKey names the packet a fragment belongs to, on the link it came from;
// the identification stands where flows have their ports. It uses the sender's
// addresses: translation happens later, and the same for every part.
func (w *Walk) fragmentKey() flowKey {
	return flowKey{
		local: w.tuples[0].Src, remote: w.tuples[0].Dst,
		scope:     w.pkt.Frame.Link<<8 | uint32(w.pkt.Proto),
		localPort: uint16(w.pkt.FragmentID >> 16), remotePort: uint16(w.pkt.FragmentID),
	}
}
