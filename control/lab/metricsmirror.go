package lab

import (
	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/metrics"
	"github.com/vpcsim/vpcsim/dataplane"
)

// measureMirrors has all sessions of the world. The core knows those alone that have
// copied something, and one that copies nothing is what somebody may look for.
func measureMirrors(w *metrics.Writer, world *control.World, counted []dataplane.TrafficMirrorStatistics) {
	bySession := map[dataplane.Handle]*dataplane.TrafficMirrorStatistics{}
	for i := range counted {
		bySession[counted[i].Session] = &counted[i]
	}
	for _, family := range []struct {
		name, help string
		value      func(*dataplane.TrafficMirrorStatistics) uint64
	}{
		{"vpcsim_traffic_mirror_copied_packets_total", "Packets that a traffic mirror session copied.", func(s *dataplane.TrafficMirrorStatistics) uint64 { return s.Copies }},
		{"vpcsim_traffic_mirror_delivered_packets_total", "Copies of a traffic mirror session that reached its target.", func(s *dataplane.TrafficMirrorStatistics) uint64 { return s.Delivered }},
		{"vpcsim_traffic_mirror_lost_packets_total", "NetworkSkipMirror: packets that a traffic mirror session did not copy, for want of memory.", func(s *dataplane.TrafficMirrorStatistics) uint64 { return s.Lost }},
	} {
		w.Counter(family.name, family.help, "traffic_mirror_session", "id")
		for _, name := range sortedKeys(world.TrafficMirrorSessions) {
			session := &world.TrafficMirrorSessions[name].Status
			value := uint64(0)
			if s := bySession[dataplane.Handle(session.Handle)]; s != nil {
				value = family.value(s)
			}
			w.Sample(float64(value), name, session.ID)
		}
	}
}
