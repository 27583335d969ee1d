package control

import "time"

// PeeringPatience is how long a request for a peering waits for its answer (P1).
const PeeringPatience = 7 * 24 * time.Hour

// dateRequests gives peerings that wait for acceptance the time at which they expire:
// the one they had in the previous world, or a new one from now on. A request that
// begins anew, or by a file that is applied, has all seven days again.
func (w *World) dateRequests(previous *World, now time.Time) {
	for name, p := range w.VPCPeerings {
		p.Status.ExpirationTime = time.Time{}
		if p.state() != PeeringPending {
			continue
		}
		// Of the wall's clock alone: a machine that slept has slept through some of
		// the seven days.
		p.Status.ExpirationTime = now.Add(PeeringPatience).Truncate(time.Second)
		if old := previous.VPCPeerings[name]; old != nil && old.VPC == p.VPC && old.PeerVPC == p.PeerVPC && !old.Status.ExpirationTime.IsZero() {
			p.Status.ExpirationTime = old.Status.ExpirationTime
		}
	}
}

// NextExpiration is the peering whose request expires next, and when; "" if none
// waits. Only the world of a Store knows times.
func (w *World) NextExpiration() (peering string, at time.Time) {
	for _, name := range sorted(w.VPCPeerings) {
		if t := w.VPCPeerings[name].Status.ExpirationTime; !t.IsZero() && (peering == "" || t.Before(at)) {
			peering, at = name, t
		}
	}
	return peering, at
}
