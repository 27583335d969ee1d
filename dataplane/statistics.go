package dataplane

import (
	"cmp"
	"slices"
)

// Statistics is what an engine did and holds, by what is in the published
// snapshot. Counters only grow while an object exists.
type Statistics struct {
	Snapshot *Snapshot // that the names are of
	Counters Counters
	// Interfaces are all that frames come from and go to, and Gateways what stands
	// between them, in the order of their handles.
	Interfaces []ObjectTraffic
	Gateways   []ObjectTraffic
	// NATGateways are by the gateway's handle, whose Traffic is in Gateways.
	NATGateways map[Handle]NATStatistics
	Tables      Tables
	Memory      FrameMemory
}

// ObjectTraffic is the traffic of one interface or gateway.
type ObjectTraffic struct {
	Object
	// Of is the transit gateway of an attachment.
	Of Object
	// Outside: it is the object's interface on the Internet, where its packets are
	// encrypted; another is inside.
	Outside bool
	Traffic
	// Tracked are the connections that a network interface tracks now, of the
	// Allowance that its instance's type has; 0 is none to speak of.
	Tracked, Allowance uint32
}

// Tables says how full the engine's tables are.
type Tables struct {
	Flows, MaxFlows               int // connections that interfaces and gateways track
	Mappings, MaxMappings         int // connections that gateways translate
	ServiceFlows, MaxServiceFlows int // connections to the platform's services
}

// FrameMemory says what the memory for frames under way on links holds, in bytes.
type FrameMemory struct {
	Used, Held, Limit int
	Frames            int // under way now
}

// Statistics returns a copy. Forwarding waits for a page of counters at a time,
// which is microseconds, however many interfaces there are.
func (e *Engine) Statistics() *Statistics {
	s := &Statistics{NATGateways: map[Handle]NATStatistics{}}
	pages, tracked := e.statistics(s)
	traffic := make([]trafficPage, len(pages))
	for i, page := range pages {
		if page != nil {
			e.copyPage(&traffic[i], page)
		}
	}
	read := func(h Handle) (t Traffic) {
		if int(h/linkPageSize) < len(traffic) { // else the snapshot is younger than the pages
			t = traffic[h/linkPageSize][h%linkPageSize]
		}
		return t
	}
	snap := s.Snapshot
	for i := range snap.interfaces {
		ni := &snap.interfaces[i]
		t := ObjectTraffic{Object: snap.Object(ni.handle), Traffic: read(ni.handle), Allowance: ni.allowance}
		t.Outside = ni.kind == KindInternetHost && t.Kind != KindInternetHost
		switch ni.kind {
		case KindNATGateway:
			s.Gateways = append(s.Gateways, t)
			continue
		case KindTransitGatewayInterface, KindClientVPNInterface: // their gateways count
			continue
		case KindTransitGatewayConnectPeer:
			if uint32(i) == snap.connectPeers[ni.place].outside { // the same packets, wrapped
				continue
			}
		case KindNetworkInterface:
			t.Tracked = tracked.of(ni.handle)
		}
		s.Interfaces = append(s.Interfaces, t)
	}
	for _, h := range snap.gateways() {
		s.Gateways = append(s.Gateways, ObjectTraffic{Object: snap.Object(h), Traffic: read(h)})
	}
	byHandle := func(a, b ObjectTraffic) int { return cmp.Compare(a.Handle, b.Handle) }
	slices.SortFunc(s.Interfaces, byHandle)
	slices.SortFunc(s.Gateways, byHandle)
	snap.nameTransitGateways(s.Gateways)
	return s
}

// statistics fills in all but the traffic, and returns where that is.
func (e *Engine) statistics(s *Statistics) ([]*trafficPage, trackedCounts) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.collectOffload()
	s.Snapshot = e.snapshot.Load()
	e.bind(s.Snapshot, e.config.Clock())
	s.Counters = e.state.counters
	for h, n := range e.state.nat.statistics.of {
		if s.Snapshot.Object(h).Kind == KindNATGateway {
			s.NATGateways[h] = *n
		}
	}
	s.Tables = Tables{
		Flows: e.state.flows.count, MaxFlows: e.state.flows.limit,
		Mappings: e.state.nat.count(), MaxMappings: e.state.nat.limit,
		ServiceFlows: e.state.serviceFlows.count, MaxServiceFlows: e.state.serviceFlows.limit,
	}
	pool := &e.state.flights.pool
	s.Memory = FrameMemory{Used: pool.held - pool.idle(), Held: pool.held, Limit: pool.limit, Frames: len(e.state.flights.heap)}
	return slices.Clone(e.state.traffic.pages), slices.Clone(e.state.tracked)
}

func (e *Engine) copyPage(to, from *trafficPage) {
	e.mu.Lock()
	defer e.mu.Unlock()
	*to = *from
}

// nameTransitGateways says which gateway each attachment in the list is of.
func (s *Snapshot) nameTransitGateways(list []ObjectTraffic) {
	of := map[Handle]Handle{}
	for i := range s.attachments {
		a := &s.attachments[i]
		of[a.handle] = s.transitGateways[a.gateway].handle
	}
	for i := range list {
		if gateway, is := of[list[i].Handle]; is {
			list[i].Of = s.Object(gateway)
		}
	}
}
