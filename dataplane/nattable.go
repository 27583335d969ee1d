package dataplane

import (
	"math/bits"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

const (
	natFirstPort = 1024
	natPorts     = 65536 - natFirstPort
	// natPortsPerTarget is how many connections one NAT address can have to
	// one destination address and port (R42).
	natPortsPerTarget = 55000
)

// natMapping is one translated connection of a gateway, or of a Client VPN
// endpoint's interface.
type natMapping struct {
	// key is the connection as the inside sees it: local is the inside host,
	// remote the destination. The scope is the gateway's.
	key     flowKey
	address packet.Addr // the gateway's address it goes out with
	port    uint16      // the port, or ICMP identifier
	flow    flow
	// Of a connection through a VPC endpoint: the load balancer node that goes on
	// with it, and to where. Node is 0 for all others.
	node       Handle
	target     packet.Addr
	targetPort uint16
}

// outside is the connection as the other side sees it, from the gateway: the
// key that an answer has. A NAT gateway's is IPv4 whatever the inside is.
func (m *natMapping) outside() flowKey {
	k := m.key
	k.local, k.localPort = m.address, m.port
	if m.node != 0 {
		k.scope = uint32(m.node)<<8 | k.scope&0xff
		k.remote, k.remotePort = m.target, m.targetPort
		return k
	}
	if k.remote.Is4() || !m.address.Is4() { // all but NAT64
		return k
	}
	k.remote = embedded4(k.remote)
	if uint8(k.scope) == packet.ProtoICMPv6 {
		k.scope = k.scope&^0xff | packet.ProtoICMP
		k.remotePort = icmpEchoRequest<<8 | k.remotePort&0xff
	}
	return k
}

// natTarget is what a gateway's ports are counted per (R42).
type natTarget struct {
	address, remote packet.Addr
	scope           uint32
	remotePort      uint16
}

func (m *natMapping) per() natTarget {
	k := m.outside()
	return natTarget{k.local, k.remote, k.scope, k.remotePort}
}

// natTable holds the mappings of all gateways, found from both sides. It is
// guarded by the engine's lock.
type natTable struct {
	inside, outside keyTable[uint32] // → index in mappings
	mappings        []*natPage       // in pages, so that growing copies none
	used            int              // places that were ever taken
	free            []uint32
	limit           int
	targets         map[natTarget]int
	hand            int // where the sweeper stopped
	effort          sweepEffort
	statistics      natStatistics
}

type natPage [natPageSize]natMapping

const natPageSize = 1024

func (t *natTable) at(index uint32) *natMapping {
	return &t.mappings[index/natPageSize][index%natPageSize]
}

func (t *natTable) count() int { return t.used - len(t.free) }
func (t *natTable) full() bool { return t.count() >= t.limit }

// mappingAt returns a mapping that is still alive.
func (w *Walk) mappingAt(e *slot[uint32]) (*natMapping, uint32, bool) {
	if e == nil {
		return nil, 0, false
	}
	m := w.state.nat.at(e.value)
	return m, e.value, m.flow.expires > w.now
}

// findMapping looks a connection up from inside, in the live table or among
// what an earlier walk of a trace assumes.
func (w *Walk) findMapping(key *flowKey) (*natMapping, uint32, bool) {
	if m, i, ok := w.mappingAt(w.state.nat.inside.find(key)); ok {
		return m, i, true
	}
	for i := range w.assumedMappings {
		if m := &w.assumedMappings[i]; m.key == *key {
			return m, 0, true
		}
	}
	return nil, 0, false
}

// findMappingIn looks a connection up from outside.
func (w *Walk) findMappingIn(key *flowKey) (*natMapping, uint32, bool) {
	if m, i, ok := w.mappingAt(w.state.nat.outside.find(key)); ok {
		return m, i, true
	}
	for i := range w.assumedMappings {
		if m := &w.assumedMappings[i]; m.outside() == *key {
			return m, 0, true
		}
	}
	return nil, 0, false
}

// proposeMapping completes m, a new connection, with an address of ni's and a port
// without taking them: commit does. Where the search starts follows from the connection,
// so a trace proposes what the packet would get. It returns nil, and the packet is
// dropped, when the table is full or every port towards the destination in use (R42).
func (w *Walk) proposeMapping(ni *networkInterface, m natMapping) *natMapping {
	proposed := w.newMapping(ni)
	if proposed == nil {
		return nil
	}
	*proposed = m
	switch {
	case w.state.nat.full():
		w.drop(ni.natStage(), ReasonTableFull, ni.gateway, 0)
	case !w.freePort(ni, proposed, m.key.hash(w.state.nat.inside.seed, 0)):
		w.drop(ni.natStage(), ReasonNATPortAllocation, ni.gateway, 0)
	default:
		return proposed
	}
	return nil
}

// newMapping is the place of the mapping that the walk proposes next. A packet that
// so many gateways translate goes in a circle.
func (w *Walk) newMapping(ni *networkInterface) *natMapping {
	if w.nNATEffects == maxNATEffects {
		w.drop(ni.natStage(), ReasonLoop, ni.gateway, 0)
		return nil
	}
	return &w.natEffects[w.nNATEffects].proposed
}

// freePort completes the proposed mapping with an address of ni's and a port that
// no other connection to the same destination has.
func (w *Walk) freePort(ni *networkInterface, m *natMapping, h uint64) bool {
	nat := &w.state.nat
	for i := range ni.addresses {
		m.address = ni.addresses[(int(h>>40)+i)%len(ni.addresses)]
		if m.address.Is4() != (m.node == 0 || m.target.Is4()) { // IPv6 needs no translation, but by a load balancer
			continue
		}
		if nat.targets[m.per()] >= natPortsPerTarget {
			continue
		}
		if ni.kind == KindClientVPNInterface { // the port stays if it can (C6)
			m.port = m.key.localPort
			k := m.outside()
			if _, _, taken := w.mappingAt(nat.outside.find(&k)); !taken {
				return true
			}
		}
		start, _ := bits.Mul32(uint32(h), natPorts)
		for n := range uint32(natPorts) {
			m.port = natFirstPort + uint16((start+n)%natPorts)
			k := m.outside()
			if _, _, taken := w.mappingAt(nat.outside.find(&k)); !taken {
				return true
			}
		}
	}
	return false
}

// natEffect is what a walk wants done to a mapping. A walk has one for each gateway that
// translates its packet: such as a private NAT gateway and, behind a transit gateway,
// a public one (R41), or a Client VPN endpoint and a NAT gateway (C8).
type natEffect struct {
	index    uint32
	found    bool // false: take proposed into the table
	dir      direction
	proposed natMapping
}

// noteMapping asks commit to keep the mapping alive, or to take it.
func (w *Walk) noteMapping(m *natMapping, index uint32, found bool, dir direction) {
	for i := range w.assumedMappings {
		if m == &w.assumedMappings[i] {
			return // a trace's own assumption has nothing to keep alive
		}
	}
	if w.nNATEffects == maxNATEffects {
		return // none was proposed, so nothing is lost but a little of its idle time
	}
	e := &w.natEffects[w.nNATEffects]
	e.index, e.found, e.dir = index, found, dir
	w.nNATEffects++
}

// commitMapping does what noteMapping asked for.
func (w *Walk) commitMapping(nat *natTable, e *natEffect) {
	if !e.found {
		e.index = nat.take(&e.proposed)
	}
	m := nat.at(e.index)
	before := m.flow.state
	timeouts := &natTimeouts
	if m.node != 0 {
		timeouts = &proxyTimeouts
	}
	m.flow.expires = w.now + int64(m.flow.next(timeouts, &w.pkt, e.dir))
	if m.flow.state == flowEstablished && before != flowEstablished {
		nat.statistics.at(m.owner()).ConnectionsEstablished++
	}
}

// take enters a mapping, replacing what expired under the same keys.
func (t *natTable) take(m *natMapping) uint32 {
	out := m.outside()
	for _, old := range []*slot[uint32]{t.inside.find(&m.key), t.outside.find(&out)} {
		if old != nil {
			t.release(old.value)
		}
	}
	var index uint32
	if n := len(t.free); n > 0 {
		index, t.free = t.free[n-1], t.free[:n-1]
	} else {
		index = uint32(t.used)
		if t.used++; int(index/natPageSize) == len(t.mappings) {
			t.mappings = append(t.mappings, &natPage{})
		}
	}
	*t.at(index) = *m
	t.inside.insert(&m.key).value = index
	t.outside.insert(&out).value = index
	t.targets[m.per()]++
	t.statistics.taken(m)
	return index
}

// release forgets a mapping. Releasing one twice does nothing.
func (t *natTable) release(index uint32) {
	m := t.at(index)
	if m.key.scope == 0 {
		return
	}
	out := m.outside()
	t.inside.remove(&m.key)
	t.outside.remove(&out)
	if n := t.targets[m.per()] - 1; n > 0 {
		t.targets[m.per()] = n
	} else {
		delete(t.targets, m.per())
	}
	t.statistics.released(m)
	*m = natMapping{}
	t.free = append(t.free, index)
}

// sweep releases a bounded number of mappings that expired or whose gateway is
// gone (R51).
func (t *natTable) sweep(now int64, budget int, snap *Snapshot) {
	before := t.count()
	for range min(budget, t.used) {
		t.hand++
		if t.hand >= t.used {
			t.hand = 0
		}
		m := t.at(uint32(t.hand))
		if m.key.scope != 0 && (m.flow.expires <= now || !snap.translates(Handle(m.key.scope>>8)) || m.node != 0 && !snap.translates(m.node)) {
			t.release(uint32(t.hand))
		}
	}
	t.effort.freed = before - t.count()
}
