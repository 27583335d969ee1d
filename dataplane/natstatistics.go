package dataplane

import "github.com/vpcsim/vpcsim/dataplane/packet"

// NATStatistics is what a NAT gateway did since it was made, in the words of its
// CloudWatch metrics.
type NATStatistics struct {
	// ActiveConnections are those that it translates now, of all protocols. One
	// that was idle for too long counts until it is swept out.
	ActiveConnections uint64
	// ConnectionAttempts and ConnectionsEstablished are of TCP: first packets, and
	// handshakes that both sides have taken part in.
	ConnectionAttempts, ConnectionsEstablished uint64
	// IdleTimeouts are connections that were not closed and that the gateway has
	// forgotten (R43).
	IdleTimeouts uint64
	// Destinations is the traffic on the side of the destinations; that of the
	// sources is the gateway's own.
	Destinations Traffic
}

// natStatistics is by the handle of a gateway's interface; it has those of Client
// VPN endpoints and NAT devices, too.
type natStatistics struct {
	of map[Handle]*NATStatistics
	// recent is the last one's: a burst is of one gateway.
	recent       *NATStatistics
	recentHandle Handle
}

func (s *natStatistics) at(h Handle) *NATStatistics {
	if s.recent != nil && h == s.recentHandle {
		return s.recent
	}
	n := s.of[h]
	if n == nil {
		if s.of == nil {
			s.of = map[Handle]*NATStatistics{}
		}
		n = &NATStatistics{}
		s.of[h] = n
	}
	s.recent, s.recentHandle = n, h
	return n
}

// bind forgets gateways that are gone. What is released of theirs later counts
// nowhere.
func (s *natStatistics) bind(snap *Snapshot) {
	for h := range s.of {
		if !snap.translates(h) && snap.interfaceOf(uint32(h)) < 0 {
			delete(s.of, h)
		}
	}
	s.recent = nil
}

// owner is the interface that translates the mapping.
func (m *natMapping) owner() Handle { return Handle(m.key.scope >> 8) }

// taken counts a new mapping.
func (s *natStatistics) taken(m *natMapping) {
	n := s.at(m.owner())
	n.ActiveConnections++
	if uint8(m.key.scope) == packet.ProtoTCP {
		n.ConnectionAttempts++
	}
}

// released counts one that ends, by itself or with its gateway.
func (s *natStatistics) released(m *natMapping) {
	n := s.of[m.owner()]
	if n == nil {
		return
	}
	n.ActiveConnections--
	if m.flow.state != flowClosed {
		n.IdleTimeouts++
	}
}
