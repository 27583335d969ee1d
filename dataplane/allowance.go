package dataplane

// trackedCounts is how many connections each interface tracks, by its handle:
// what an instance may track is its own, so that a flood at one takes nothing from
// another (S30). Handles are small and never used again.
type trackedCounts []uint32

// admit makes room for the interfaces of a snapshot, so that no packet has to.
func (c *trackedCounts) admit(snap *Snapshot) {
	most := Handle(0)
	for i := range snap.interfaces {
		most = max(most, snap.interfaces[i].handle)
	}
	if more := int(most) + 1 - len(*c); more > 0 {
		*c = append(*c, make(trackedCounts, more)...)
	}
}

func (c trackedCounts) of(owner Handle) uint32 {
	if int(owner) < len(c) {
		return c[owner]
	}
	return 0
}

// exhausted returns the allowance that ni has used up, 0 if it is not that.
func (c trackedCounts) exhausted(ni *networkInterface) uint32 {
	if c.of(ni.handle) < ni.allowance {
		return 0
	}
	return ni.allowance
}

// add counts connections that owner tracks from now on, or no longer. Gateways,
// which have no allowance, may be left out.
func (c trackedCounts) add(owner Handle, connections int) {
	if int(owner) < len(c) {
		c[owner] += uint32(connections)
	}
}
