package dataplane

import "github.com/vpcsim/vpcsim/dataplane/packet"

// Offloader is a port that can forward packets of flows by itself, if it is shown how:
// it replays what a walk did, and decides nothing. There are [packet.MaxShortcuts] places
// for flows.
type Offloader interface {
	// Offload makes the port take a shortcut with a flow, in place of the one that was
	// there; false if it cannot.
	Offload(place int, s *packet.Shortcut) bool
	// Withdraw and WithdrawAll end shortcuts at once: the next packet of the flow is
	// received. The place must not be another flow's for a moment.
	Withdraw(place int)
	WithdrawAll()
	// Shortcut counts what took shortcuts of a place, ever. It may be asked after the port
	// was closed.
	Shortcut(place int) packet.ShortcutCount
}

// offload hands flows to the port that the walk has nothing to say about for the moment:
// plain segments of TCP connections between two network interfaces, of which nothing
// but the Ethernet header and the TTL changes.
//
// A shortcut says what the walk said about a packet of the same flow, on the same
// interface, that was no smaller. It is good as long as the walk would say the same, and
// the walk reads the packet, the snapshot and the flow table only. So all shortcuts end
// with the snapshot, and when somebody wants to see packets; and a flow's end when the
// walk sees a segment that changes its state. What only time ends, an idle connection's
// tracking, takes far longer than an idle shortcut's life.
//
// What took a shortcut is counted as if it had been walked, by walking one packet for all
// of it (see replay): tracking, flow logs and counters are exact whenever they are read.
type offload struct {
	port       Offloader
	flows      keyTable[uint32] // place + 1 by flow, as its sender sends it
	entries    []offloadEntry   // by place, as many as were ever used
	free       []freedPlace     // oldest first
	candidates [candidateSets]candidateSet
	considered uint64 // packets of flows that the port does not have
	harvested  int64  // when the counts were read last
	taken      int    // entries that the port has
	total      packet.ShortcutCount
	unjudged   uint64

	walk  Walk // replay's own
	frame packet.Frame
	bytes [128]byte
	count packet.ShortcutCount // that is being replayed
}

const (
	// offloadAfter packets in a row a flow is worth it: a short one never is.
	offloadAfter = 8
	// offloadIdle is how long a shortcut lives without packets, in nanoseconds, and
	// another second until somebody looks. A flow's tracking must live twice as long in
	// whatever state: no packet may take a shortcut that the walk would find expired.
	offloadIdle = 4e9
	// offloadRest is how long a place is nobody's between two flows: a CPU may have read
	// the old one's entry just before it was withdrawn.
	offloadRest = 1e9
	// harvestEvery is how often the counts are read where nobody asks for them, in
	// nanoseconds.
	harvestEvery  = 200e6
	candidateSets = 128
)

type offloadEntry struct {
	key      flowKey // no scope: nobody's
	shortcut packet.Shortcut
	ttl      uint8
	taken    bool // by the port
	missed   int  // plain packets that came all the same
	counted  packet.ShortcutCount
	active   int64 // when there were packets last
}

type freedPlace struct {
	place uint32
	since int64
}

// candidate is a flow that may be worth a shortcut.
type candidate struct {
	key     flowKey
	packets int
	last    uint64 // as of offload.considered
}

// candidateSet are flows of the same hash: several, because both directions of a
// connection take turns, and would push each other out of a single place for ever.
type candidateSet [4]candidate

func (o *offload) candidatesOf(key *flowKey) *candidateSet {
	return &o.candidates[key.hash(o.flows.seed, 0)%candidateSets]
}

// find returns the flow's place; if it has none, that of the flow that has been silent
// for longest.
func (s *candidateSet) find(key *flowKey, now uint64) *candidate {
	oldest := &s[0]
	for i := range s {
		c := &s[i]
		if c.key == *key {
			c.last = now
			return c
		}
		if c.last < oldest.last {
			oldest = c
		}
	}
	*oldest = candidate{key: *key, last: now}
	return oldest
}

func newOffload(port Offloader, seed uint64) *offload {
	o := &offload{port: port}
	o.flows.seed, o.flows.limit = seed, packet.MaxShortcuts
	o.entries = make([]offloadEntry, 0, packet.MaxShortcuts)
	o.free = make([]freedPlace, 0, packet.MaxShortcuts)
	return o
}

// leaveOffload looks at a packet that has been walked and is not committed yet. It may
// end its connection, or begin another on the same ports: what came before it counts
// first.
func (e *Engine) leaveOffload(w *Walk) {
	o := e.offload
	if w.pkt.Proto != packet.ProtoTCP || w.entry == 0 || o.flows.count == 0 || plainSegment(w.pkt.TCPFlags) {
		return
	}
	var key flowKey
	key.set(w.entry, &w.pkt.Tuple, 0, egress)
	to := Handle(0)
	if w.verdict == VerdictPass {
		to = w.snap.interfaces[w.out].handle
	}
	if entry := e.endShortcut(w, &key); entry != nil {
		to = Handle(entry.shortcut.To)
	}
	t := w.pkt.Tuple
	t.Src, t.Dst, t.SrcPort, t.DstPort = t.Dst, t.Src, t.DstPort, t.SrcPort
	key.set(to, &t, 0, egress)
	e.endShortcut(w, &key)
}

// considerOffload looks at a packet that was just committed.
func (e *Engine) considerOffload(w *Walk) {
	if w.pkt.Proto == packet.ProtoTCP && w.entry != 0 && plainSegment(w.pkt.TCPFlags) && e.offloadable(w) {
		var key flowKey
		key.set(w.entry, &w.pkt.Tuple, 0, egress)
		e.offload.consider(w, &key)
	}
}

// plainSegment: ACK, perhaps with PSH. Such a segment changes no established connection.
func plainSegment(flags uint8) bool {
	return flags&^packet.TCPFlagPSH == packet.TCPFlagACK
}

// offloadable reports whether all that the walk did to the packet is what a shortcut can
// do, and whether it would do the same to the next one.
func (e *Engine) offloadable(w *Walk) bool {
	p := &w.pkt
	switch {
	case !w.passesPlainly():
		return false
	case e.taps != nil || e.state.watches != nil || w.snap.mirrored:
		return false // somebody looks
	case p.Fragment || p.TTL+w.hops <= 1 || p.L4-p.L3 != headerLength(p.Family):
		return false
	case w.pathMTU != 0 && w.wireLength() > int(w.pathMTU):
		return false // it was cut
	}
	from, to := w.snap.interfaceOf(uint32(w.entry)), &w.snap.interfaces[w.out]
	if from < 0 || w.snap.interfaces[from].kind != KindNetworkInterface || to.kind != KindNetworkInterface {
		return false
	}
	if !w.snap.interfaces[from].owns(p.Src) || !to.owns(p.Dst) {
		return false // a middlebox
	}
	return w.established()
}

// established: all who track the connection have seen both its sides, and will not forget
// it before an idle shortcut.
func (w *Walk) established() bool {
	for i := range w.effects[:w.nEffects] {
		f := &w.effects[i]
		if f.slot.state != flowEstablished || min(f.timeouts.TCPEstablished, f.timeouts.TCPClosed, f.timeouts.TCPHalfOpen) < 2*offloadIdle {
			return false
		}
	}
	return true
}

// passesPlainly: no link has the packet, no gateway translates it, and it makes no new
// state.
func (w *Walk) passesPlainly() bool {
	return w.verdict == VerdictPass && w.nNew == 0 && w.nPassages == 0 && w.lag == 0 &&
		w.nTuples == 1 && w.tuple == w.pkt.Tuple && w.nNATEffects == 0 && !w.serviceEffect.used
}

// headerLength is that of an IP header without options or extensions.
func headerLength(family uint8) int {
	if family == 6 {
		return 40
	}
	return 20
}

// consider offers the packet's flow to the port, if it has come often enough.
func (o *offload) consider(w *Walk, key *flowKey) {
	if found := o.flows.find(key); found != nil {
		entry := &o.entries[found.value-1]
		entry.missed++
		// Larger than what the port may take; or it should have: it has forgotten, or
		// the packet was on its way already.
		if !entry.taken && entry.missed >= offloadAfter || entry.taken && (w.wireLength() > int(entry.shortcut.MaxLength) || entry.missed >= 8*offloadAfter) {
			o.offer(int(found.value-1), w)
		}
		return
	}
	o.considered++ // before: an empty place is older than any
	c := o.candidatesOf(key).find(key, o.considered)
	if c.packets++; c.packets < offloadAfter {
		return
	}
	c.packets = 0
	place, ok := o.place(w.now)
	if !ok {
		return
	}
	entry := &o.entries[place]
	*entry = offloadEntry{key: *key, counted: o.port.Shortcut(place)}
	o.flows.insert(key).value = uint32(place + 1)
	o.offer(place, w)
}

// place finds one that nobody has.
func (o *offload) place(now int64) (int, bool) {
	if len(o.free) > 0 && now-o.free[0].since >= offloadRest {
		place := int(o.free[0].place)
		o.free = o.free[:copy(o.free, o.free[1:])]
		return place, true
	}
	if len(o.entries) == packet.MaxShortcuts {
		return 0, false
	}
	o.entries = append(o.entries, offloadEntry{})
	return len(o.entries) - 1, true
}

// offer shows the port what the walk has done to the packet.
func (o *offload) offer(place int, w *Walk) {
	entry := &o.entries[place]
	sent := w.pkt.Frame.Data // as it goes out
	s := packet.Shortcut{
		From: uint32(w.entry), Tuple: w.pkt.Tuple, DstMAC: w.pkt.DstMAC, SrcMAC: w.pkt.SrcMAC,
		To: uint32(w.snap.interfaces[w.out].handle), NewDstMAC: packet.MAC(sent[0:6]), NewSrcMAC: packet.MAC(sent[6:12]),
		Hops: w.hops, MaxLength: uint16(min(w.wireLength(), 0xffff)),
	}
	if entry.taken && s.MaxLength < entry.shortcut.MaxLength {
		s.MaxLength = entry.shortcut.MaxLength
	}
	entry.shortcut, entry.ttl = s, w.pkt.TTL+w.hops
	entry.missed, entry.active = 0, w.now
	o.setTaken(entry, o.port.Offload(place, &s))
}

func (o *offload) setTaken(entry *offloadEntry, taken bool) {
	if entry.taken != taken {
		if entry.taken = taken; taken {
			o.taken++
		} else {
			o.taken--
		}
	}
}

// endShortcut lets the port forget a flow for now, and counts what it has carried. The
// entry stays until it has been idle: another CPU may have a frame in hand. It returns nil
// if there is none.
func (e *Engine) endShortcut(w *Walk, key *flowKey) *offloadEntry {
	found := e.offload.flows.find(key)
	if found == nil {
		return nil
	}
	place := int(found.value - 1)
	entry := &e.offload.entries[place]
	e.offload.withdraw(place)
	e.collect(w.snap, w.now, place)
	return entry
}

func (o *offload) withdraw(place int) {
	o.port.Withdraw(place)
	o.setTaken(&o.entries[place], false)
	o.entries[place].missed = 0
}

// stopOffload ends all shortcuts, and counts what they carried by the rules that they
// were good under. The caller holds the lock, so that no packet is walked meanwhile.
// A frame that another CPU has in hand at this moment is counted next time.
func (e *Engine) stopOffload() {
	o := e.offload
	if o == nil {
		return
	}
	o.port.WithdrawAll()
	e.harvest(e.snapshot.Load(), e.config.Clock())
	for i := range o.entries {
		o.setTaken(&o.entries[i], false)
		o.entries[i].missed = 0
	}
}
