package dataplane

import (
	"math/bits"
	"time"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// Timeouts are the idle times after which an interface forgets a connection
// (S27, S28). Zero fields mean the defaults.
type Timeouts struct {
	TCPEstablished time.Duration // 432000 s
	TCPHalfOpen    time.Duration // 30 s: the handshake is not over, or only one side was seen
	TCPClosed      time.Duration // 10 s: reset, or both sides said FIN
	UDP            time.Duration // 30 s: one direction, or one request and response
	UDPStream      time.Duration // 180 s: more than one request and response
	ICMP           time.Duration // 30 s
	Other          time.Duration // 600 s (S26)
}

// DefaultTimeouts are AWS's, or this project's choice where AWS does not say.
var DefaultTimeouts = Timeouts{
	TCPEstablished: 432000 * time.Second,
	TCPHalfOpen:    30 * time.Second,
	TCPClosed:      10 * time.Second,
	UDP:            30 * time.Second,
	UDPStream:      180 * time.Second,
	ICMP:           30 * time.Second,
	Other:          600 * time.Second,
}

// withDefaults fills the zero fields.
func (t Timeouts) withDefaults() Timeouts {
	fill := func(field *time.Duration, value time.Duration) {
		if *field == 0 {
			*field = value
		}
	}
	fill(&t.TCPEstablished, DefaultTimeouts.TCPEstablished)
	fill(&t.TCPHalfOpen, DefaultTimeouts.TCPHalfOpen)
	fill(&t.TCPClosed, DefaultTimeouts.TCPClosed)
	fill(&t.UDP, DefaultTimeouts.UDP)
	fill(&t.UDPStream, DefaultTimeouts.UDPStream)
	fill(&t.ICMP, DefaultTimeouts.ICMP)
	fill(&t.Other, DefaultTimeouts.Other)
	return t
}

// flowKey names a connection of one interface, seen from it. 40 bytes without
// a pointer: it hashes and compares as five words.
type flowKey struct {
	local, remote         packet.Addr
	scope                 uint32 // interface handle << 8 | protocol
	localPort, remotePort uint16
}

// flow is one tracked connection; with its key it fills one cache line.
type flow struct {
	expires   int64 // nanoseconds, on the walks' clock
	state     flowState
	initiator direction // who sent the first packet: egress is the interface itself
	replies   uint8     // packets of the other side, up to 2
	fin       uint8     // bit per direction: it said FIN
	// record are the references of the packets' flow log records, by direction,
	// good in the window alone.
	record [2]uint32
	window uint32
}

type flowState uint8

const (
	flowEmpty       flowState = iota
	flowNew                   // one side seen, or a handshake that is not over
	flowEstablished           // TCP: both sides seen, and one is past its SYN
	flowClosed                // TCP: reset, or FIN from both
)

// next advances the connection's state by one packet and returns how long it
// may now stay idle.
func (f *flow) next(t *Timeouts, p *packet.Packet, dir direction) time.Duration {
	// A gateway lets a connection open again on the ports of a closed one; an
	// interface asks its rules first (see reopens).
	if f.state == flowEmpty || f.state == flowClosed && opens(p) {
		*f = flow{state: flowNew, initiator: dir}
	}
	// A later fragment was counted with its first part.
	if dir != f.initiator && f.replies < 2 && !p.LaterFragment {
		f.replies++
	}
	switch p.Proto {
	case packet.ProtoTCP:
		return f.nextTCP(t, dir, p.TCPFlags)
	case packet.ProtoUDP:
		// A second answer makes it a stream: more than one request and
		// response (S27).
		if f.replies == 2 {
			return t.UDPStream
		}
		return t.UDP
	case packet.ProtoICMP, packet.ProtoICMPv6:
		return t.ICMP
	}
	return t.Other
}

func (f *flow) nextTCP(t *Timeouts, dir direction, flags uint8) time.Duration {
	if flags&packet.TCPFlagFIN != 0 {
		f.fin |= 1 << dir
	}
	switch {
	case f.fin == 3 || flags&packet.TCPFlagRST != 0:
		f.state = flowClosed
	case f.state == flowNew && f.replies > 0 && flags&packet.TCPFlagSYN == 0:
		// One side alone establishes nothing, not even in the middle of a
		// connection (S28): else a flood of single packets, or of SYNs to a
		// port that answers, would fill the table for five days.
		f.state = flowEstablished
	}
	switch f.state {
	case flowEstablished:
		return t.TCPEstablished
	case flowClosed:
		return t.TCPClosed
	}
	return t.TCPHalfOpen
}

// opens reports that the packet is the first of a TCP connection.
func opens(p *packet.Packet) bool {
	return p.Proto == packet.ProtoTCP && p.TCPFlags&(packet.TCPFlagSYN|packet.TCPFlagACK) == packet.TCPFlagSYN
}

// effect is what a walk wants done to the tracking state: a packet seen on a
// known flow (slot), or a new flow (key).
type effect struct {
	timeouts *Timeouts // of the interface or gateway, in the snapshot
	dir      direction
	slot     *flow // nil: insert key
	key      flowKey
}

// touch asks commit to count this packet to a tracked flow. A flow that an
// earlier walk of the same trace only assumes has no slot to touch.
func (w *Walk) touch(timeouts *Timeouts, slot *flow, dir direction) {
	if slot == nil || w.nEffects == maxEffects {
		return
	}
	e := &w.effects[w.nEffects]
	e.timeouts, e.dir, e.slot = timeouts, dir, slot
	w.nEffects++
}

// track asks commit to remember a new flow of an owner that may have so many, 0
// meaning as many as there is room for; false means that there is none (S30).
func (w *Walk) track(timeouts *Timeouts, allowance uint32, key *flowKey, dir direction) bool {
	// A walk may need several new flows; what it asked for already counts, of
	// which no two have one owner. One that takes the place of its predecessor
	// needs no room.
	full := w.state.flows.count+w.nNew >= w.state.flows.limit
	if allowance > 0 {
		full = full || w.state.tracked.of(key.owner()) >= allowance
	}
	if full && w.state.flows.find(key) == nil {
		return false
	}
	if w.nEffects < maxEffects {
		w.nNew++
		e := &w.effects[w.nEffects]
		e.timeouts, e.dir, e.slot, e.key = timeouts, dir, nil, *key
		w.nEffects++
	}
	return true
}

// findFlow looks a flow up in the live state, or among the assumed effects,
// for which it returns no slot.
func (w *Walk) findFlow(key *flowKey) (slot *flow, found bool) {
	if f := w.state.flows.find(key); f != nil && f.value.expires > w.now {
		return &f.value, true
	}
	return nil, w.assumes(key)
}

func (w *Walk) assumes(key *flowKey) bool {
	for i := range w.assumed {
		if w.assumed[i].slot == nil && w.assumed[i].key == *key {
			return true
		}
	}
	return false
}

// hashedKey is a key with its hash in the table of flows.
type hashedKey struct {
	flowKey
	hash uint64
}

// flowAt is findFlow for the packet's connection as owner sees it, whose key it
// leaves in keys.
func (w *Walk) flowAt(owner Handle, dir direction) (slot *flow, found bool) {
	key, other := &w.keys[ingress], &w.keys[egress]
	if dir == egress {
		key, other = other, key
	}
	key.set(owner, &w.tuple, w.icmpType, dir)
	if other.scope != 0 && key.turns(&other.flowKey) {
		// Who saw the packet before, from the other side, has the same hash (see
		// flowKey.hash), unless something was translated in between.
		key.hash = other.hash
	} else {
		key.hash = key.flowKey.hash(w.state.flows.seed, w.state.flows.together)
	}
	if f := w.state.flows.findHashed(&key.flowKey, key.hash); f != nil && f.value.expires > w.now {
		return &f.value, true
	}
	return nil, w.assumes(&key.flowKey)
}

// turns reports that o is the same connection as its other side sees it.
func (k *flowKey) turns(o *flowKey) bool {
	return k.remotePort == o.localPort && k.localPort == o.remotePort && uint8(k.scope) == uint8(o.scope) &&
		k.remote == o.local && k.local == o.remote
}

// reopens reports that the packet starts a new connection on the addresses and
// ports of one that ended: it is judged by the rules again.
func (w *Walk) reopens(slot *flow) bool {
	return slot != nil && slot.state == flowClosed && opens(&w.pkt)
}

// quotedFlowKey is the key of the connection that an ICMP error passing owner
// in direction dir is about: the quoted packet went the other way.
func quotedFlowKey(owner Handle, t *packet.Tuple, icmpType uint8, dir direction) flowKey {
	return tupleFlowKey(owner, t, icmpType, 1-dir)
}

// tupleFlowKey is the key of a tuple that passes owner, an interface or a
// gateway, in direction dir; egress means that Src is on owner's side.
func tupleFlowKey(owner Handle, t *packet.Tuple, icmpType uint8, dir direction) (k flowKey) {
	k.set(owner, t, icmpType, dir)
	return k
}

// owner is the interface or gateway that tracks the connection.
func (k *flowKey) owner() Handle { return Handle(k.scope >> 8) }

// set makes k the key of a tuple; see tupleFlowKey. A packet and its reply have
// the same key. Made in place, it need not be copied in words while its fields
// are on their way to memory.
func (k *flowKey) set(owner Handle, t *packet.Tuple, icmpType uint8, dir direction) {
	k.scope = uint32(owner)<<8 | uint32(t.Proto)
	if dir == egress {
		k.local, k.remote, k.localPort, k.remotePort = t.Src, t.Dst, t.SrcPort, t.DstPort
	} else {
		k.local, k.remote, k.localPort, k.remotePort = t.Dst, t.Src, t.DstPort, t.SrcPort
	}
	switch t.Proto {
	case packet.ProtoICMP, packet.ProtoICMPv6:
		// The identifier names the exchange; the other word holds what was
		// asked and by whom, so that a request the other side makes with
		// the same identifier is no reply.
		request, isRequest := icmpRequest(t.Proto, icmpType)
		asked := dir
		if !isRequest {
			asked = 1 - dir
		}
		k.remotePort = uint16(request)<<8 | uint16(asked)
	}
}

// icmpRequest returns the request type that icmpType belongs to, and whether
// it is the request itself.
func icmpRequest(protocol, icmpType uint8) (request uint8, isRequest bool) {
	if protocol == packet.ProtoICMP {
		switch icmpType {
		case 0: // echo reply
			return 8, false
		case 14, 16, 18: // timestamp, information and mask replies
			return icmpType - 1, false
		}
	} else if icmpType == 129 { // echo reply
		return 128, false
	}
	return icmpType, true
}

// equals compares field by field: a key that was just made is still on its way
// to memory, and comparing it in words would wait for that.
func (k *flowKey) equals(o *flowKey) bool {
	return k.remotePort == o.remotePort && k.localPort == o.localPort && k.scope == o.scope &&
		k.remote == o.remote && k.local == o.local
}

// hash mixes a key with a table's seed. Both sides of a connection have the
// same hash, and so have all its interfaces when together leaves the handle out
// of the scope: a packet that two interfaces track then meets their flows side
// by side, with one wait for memory. Every word meets a secret before it is
// multiplied, so nobody can choose keys whose product is nothing.
func (k *flowKey) hash(seed uint64, together uint32) uint64 {
	const m1, m2, m3 = 0x9e3779b97f4a7c15, 0xd6e8feb86659fd93, 0xa0761d6478bd642f
	turned := bits.RotateLeft64(seed, 32) ^ m1
	hi1, lo1 := bits.Mul64(k.local.Lo^seed, k.local.Hi^turned)
	hi2, lo2 := bits.Mul64(k.remote.Lo^seed, k.remote.Hi^turned)
	low, high := min(k.localPort, k.remotePort), max(k.localPort, k.remotePort)
	rest := uint64(k.scope&^together)<<32 | uint64(high)<<16 | uint64(low)
	hi, lo := bits.Mul64((hi1^lo1)+(hi2^lo2)+m3, rest^turned^m2)
	// The first bits of a product follow its factors in even steps: ports in a
	// row would lie in a row.
	h := hi ^ lo
	return (h ^ h>>32) * m1
}
