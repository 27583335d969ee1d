package dataplane

import (
	"slices"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// state is everything a walk may read that is neither packet nor snapshot.
// commit and the engine's housekeeping are its only writers.
type state struct {
	flows        keyTable[flow]
	tracked      trackedCounts // of flows
	nat          natTable
	serviceFlows keyTable[serviceFlow]
	serviceRates map[Handle]serviceRate
	fragments    fragmentTable
	counters     Counters
	journal      journal
	traffic      trafficTable
	drops        dropTable
	watches      *flowWatches // of those who look at flows; nil while nobody does
	links        []*linkState // by the index of the snapshot's directions
	flights      delayQueue
	records      *flowRecordTable // of the flow logs; nil before the first
}

// commit makes the walk real: tracking, bytes, counters, the frames that go
// out. Effects stand where the packet passed, whatever became of it later,
// because AWS enforces each interface on its own host: a UDP packet that leaves
// A and is refused at B has opened A for B's packets.
func (w *Walk) commit(e *Engine, out []packet.Frame) []packet.Frame {
	s := &e.state
	w.commitFlows(s)
	if w.serviceEffect.used {
		w.commitService(s)
	}
	for i := range w.natEffects[:w.nNATEffects] {
		w.commitMapping(&s.nat, &w.natEffects[i])
	}
	if w.pkt.Fragment && !w.pkt.LaterFragment && w.judged {
		w.rememberFragment(s)
	}
	if w.snap.mirrored {
		e.mirrorSent(w)
	}
	if e.taps == nil {
		w.rewrite(e)
	} else {
		e.rewriteTapped(w)
	}
	if w.snap.logged {
		w.observe(s)
	}
	s.counters.Reasons[w.reason]++
	w.account(s)
	if w.verdict == VerdictDrop {
		s.journal.add(w)
		s.drops.add(w)
		if w.nPassages > 0 {
			e.sendGhost(w)
		}
		return e.answerDrop(w, out)
	}
	if w.verdict != VerdictPass {
		return out
	}
	first := len(out)
	out = w.send(e, out)
	if w.snap.mirrored {
		e.mirrorReceived(w, out[first:])
	}
	if w.nPassages > 0 || w.lag > 0 {
		out = e.ship(w, out, first)
	}
	return out
}

// commitFlows advances the flows the packet was seen on, then inserts the new
// ones: inserting may move the slots that the first kind points to.
func (w *Walk) commitFlows(s *state) {
	for i := range w.effects[:w.nEffects] {
		if e := &w.effects[i]; e.slot != nil {
			w.advance(e.slot, e)
		}
	}
	if w.nNew == 0 {
		return
	}
	for i := range w.effects[:w.nEffects] {
		if e := &w.effects[i]; e.slot == nil {
			before := s.flows.count
			w.advance(&s.flows.insert(&e.key).value, e)
			s.tracked.add(e.key.owner(), s.flows.count-before)
		}
	}
}

func (w *Walk) advance(f *flow, e *effect) {
	f.expires = w.now + int64(f.next(e.timeouts, &w.pkt, e.dir))
}

// rewrite gives the frame the addresses that the walk ended with, or drops it
// when it has no counterpart in the other family.
func (w *Walk) rewrite(e *Engine) {
	if w.verdict != VerdictPass {
		return
	}
	if w.hops != 0 {
		packet.SetTTL(&w.pkt, w.pkt.TTL-w.hops)
	}
	if w.clampMSS != 0 {
		packet.ClampMSS(&w.pkt, w.clampMSS)
	}
	if w.tuple.Src.Is4() != (w.pkt.Family == 4) {
		if !w.translateFamily(e) {
			w.drop(StageNATGateway, ReasonUntranslatable, w.translator(), 0)
		}
		return
	}
	if w.pkt.QuotedOK && w.quoted != w.pkt.Quoted {
		packet.RewriteQuoted(&w.pkt, w.quoted)
	}
	if !sameAddresses(&w.tuple, &w.pkt.Tuple) {
		packet.Rewrite(&w.pkt, w.tuple)
	}
}

// send addresses the frame to its receiver and appends it to out.
func (w *Walk) send(e *Engine, out []packet.Frame) []packet.Frame {
	if len(out) == cap(out) {
		out = slices.Grow(out, 1)
	}
	out = out[:len(out)+1]
	f := &out[len(out)-1]
	to := &w.snap.interfaces[w.out]
	// Field by field: a whole frame is copied by way of the stack, in pieces that
	// overlap, and the second copy waits for the first (5 ns a packet).
	f.Data = w.pkt.Frame.Data
	f.Offload = w.pkt.Frame.Offload
	f.Link = uint32(to.handle)
	src := &to.routerMAC
	if !w.routed && to.kind == KindNetworkInterface {
		src = &w.snap.interfaces[w.sender].mac // layer 2: the neighbour's own
	}
	packet.SetEthernet(f.Data, to.mac, *src)
	e.state.counters.Forwarded++
	if w.pathMTU != 0 && w.tuple.Src.Is4() && !w.pkt.DontFragment && w.wireLength() > int(w.pathMTU) {
		whole := *f
		first := len(out) - 1
		out = e.fragment(out[:first], &whole, int(w.pathMTU))
		w.accountFragments(&e.state, to.handle, out[first:])
	}
	return out
}
