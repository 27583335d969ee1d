package dataplane

// sight is a packet at a network interface: where the flow logs see it, and which
// interface a network ACL's word is about.
type sight struct {
	ni    uint32    // index in the snapshot's interfaces
	step  uint8     // the first that was taken there
	tuple uint8     // the packet's addresses there, among the walk's
	dir   direction // egress: the interface sends
	// behind is how many links the packet had crossed when it was there, or
	// notArrived.
	behind uint8
	flow   *flow // the interface's own connection that the packet is of, if it tracks it
}

const (
	// maxSights is more than the longest legal way has.
	maxSights  = 12
	notArrived = 0xff
)

// leaves notes that the interface sends the packet.
func (w *Walk) leaves(index uint32) { w.sight(index, egress, w.nPassages) }

// reaches notes that the packet is on its way into the interface; arrives, that
// no link has lost it so far.
func (w *Walk) reaches(index uint32) { w.sight(index, ingress, notArrived) }

func (w *Walk) arrives() {
	if w.nSights > 0 {
		w.sights[w.nSights-1].behind = w.nPassages
	}
}

func (w *Walk) sight(index uint32, dir direction, behind uint8) {
	n := min(w.nSights, maxSights-1) // keep the last one, where the way ends
	s := &w.sights[n]
	s.ni, s.step, s.tuple, s.dir, s.behind, s.flow = index, uint8(w.nSteps), uint8(w.nTuples-1), dir, behind, nil
	w.nSights = n + 1
}

// at is the interface that the packet was at last, 0 if it was at none.
func (w *Walk) at() Handle {
	if w.nSights == 0 {
		return 0
	}
	return w.snap.interfaces[w.sights[w.nSights-1].ni].handle
}

// The numbers that AWS gives to the ways out of an interface (section 5 of AWS's
// flow logs).
const (
	pathNone uint8 = iota
	pathSameVPC
	pathInternetOrEndpoint
	pathVPNGateway
	pathPeering
	pathInterRegionPeering
	pathLocalGateway
	pathGatewayEndpoint
	pathInternetGateway
)

// pathFrom is the way by which the packet left its i-th interface, and the
// interface in the same VPC that it came to, if any. The first step that belongs to
// a way says which.
func (w *Walk) pathFrom(i int) (path uint8, next Handle) {
	end := w.nSteps
	if i+1 < w.nSights {
		to := &w.sights[i+1]
		end = uint(to.step)
		ni := &w.snap.interfaces[to.ni]
		if to.dir == ingress && ni.vpc == w.snap.interfaces[w.sights[i].ni].vpc {
			path, next = pathSameVPC, ni.handle
		}
	}
	for _, s := range w.steps[w.sights[i].step:end] {
		switch s.Stage {
		case StageInternetGatewayOut:
			return pathInternetGateway, 0
		case StageEgressOnlyGateway:
			return pathNone, 0 // AWS's list has no number for it
		case StageVPCEndpoint:
			return pathGatewayEndpoint, 0
		case StageVPNGateway:
			return pathVPNGateway, 0
		case StagePeering:
			if w.snap.crossesRegions(s.Object) {
				return pathInterRegionPeering, 0
			}
			return pathPeering, 0
		}
	}
	return path, next
}

// crossesRegions reports whether a peering joins two Regions.
func (s *Snapshot) crossesRegions(peering Handle) bool {
	for i := range s.peerings {
		if p := &s.peerings[i]; p.handle == peering {
			return p.interRegion
		}
	}
	return false
}
