package dataplane

import (
	"time"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// OffloadStatistics is what the port has forwarded by itself.
type OffloadStatistics struct {
	// Flows that it forwards now, each a direction of a connection.
	Flows int `json:"flows"`
	// Frames, of which a superframe is one, Packets on the wire and Bytes of IP, since the
	// engine was made.
	Frames  uint64 `json:"frames"`
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
	// Unjudged packets were on another CPU while the rules changed, and are in no other
	// counter.
	Unjudged uint64 `json:"unjudged"`
}

// OffloadStatistics returns false for an engine without an offloading port.
func (e *Engine) OffloadStatistics() (OffloadStatistics, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.offload == nil {
		return OffloadStatistics{}, false
	}
	e.collectOffload()
	o := e.offload
	return OffloadStatistics{o.taken, o.total.Frames, o.total.Packets, o.total.Bytes, o.unjudged}, true
}

// collectOffload makes the counters include all that took shortcuts so far. The caller
// holds the lock.
func (e *Engine) collectOffload() {
	if e.offload != nil {
		e.harvest(e.snapshot.Load(), e.config.Clock())
	}
}

// harvest replays what the port has counted since the last time, and gives back the places
// of flows that are idle.
func (e *Engine) harvest(snap *Snapshot, now int64) {
	o := e.offload
	o.harvested = now
	for place := range o.entries {
		entry := &o.entries[place]
		if entry.key.scope == 0 || e.collect(snap, now, place) {
			continue
		}
		if idle := now - entry.active; idle > offloadIdle || !entry.taken && idle > offloadRest {
			o.discard(place, now)
		}
	}
}

// collect replays what was counted in a place, and reports whether there was anything.
func (e *Engine) collect(snap *Snapshot, now int64, place int) bool {
	entry := &e.offload.entries[place]
	c := e.offload.port.Shortcut(place)
	if c.Frames == entry.counted.Frames {
		return false
	}
	more := &e.offload.count
	*more = packet.ShortcutCount{
		Frames: c.Frames - entry.counted.Frames, Packets: c.Packets - entry.counted.Packets,
		Bytes: c.Bytes - entry.counted.Bytes, Pushed: c.Pushed - entry.counted.Pushed,
	}
	// The port's clock is another one: not before the last time.
	more.Age = time.Duration(min(int64(c.Age), max(now-entry.active, 0)))
	entry.counted, entry.missed, entry.active = c, 0, now-int64(more.Age)
	e.replay(snap, entry, place)
	return true
}

// discard gives an entry's place back.
func (o *offload) discard(place int, now int64) {
	entry := &o.entries[place]
	o.withdraw(place)
	o.flows.remove(&entry.key)
	*entry = offloadEntry{}
	o.free = append(o.free, freedPlace{uint32(place), now})
}

// replay walks one packet for all that took a shortcut, and commits it with their number:
// what would have become of the tracking, the flow logs and the counters.
func (e *Engine) replay(snap *Snapshot, entry *offloadEntry, place int) {
	o, w, s, count := e.offload, &e.offload.walk, &entry.shortcut, &e.offload.count
	flags := uint8(packet.TCPFlagACK)
	if count.Pushed > 0 {
		flags |= packet.TCPFlagPSH // a transit gateway's log shows it
	}
	o.frame = packet.Frame{Link: s.From, Data: packet.Append(o.bytes[:0], packet.Spec{
		DstMAC: s.DstMAC, SrcMAC: s.SrcMAC, Tuple: s.Tuple, TTL: entry.ttl, TCPFlags: flags,
	})}
	// A superframe, so that nobody takes it for a packet that counts as one.
	o.frame.Offload = packet.Offload{GSO: packet.GSOTCP4, SegmentSize: 1}
	if !s.Src.Is4() {
		o.frame.Offload.GSO = packet.GSOTCP6
	}
	at := entry.active
	if records := e.state.records; records != nil {
		at = max(at, records.start) // of the window that is counted in
	}
	e.begin(w, snap, at)
	hop, _ := w.start(&o.frame, e)
	w.run(hop)
	o.total.Frames += count.Frames
	o.total.Packets += count.Packets
	o.total.Bytes += count.Bytes
	if !w.passesPlainly() || uint32(w.snap.interfaces[w.out].handle) != s.To {
		// The rules have changed while a CPU had these in hand.
		o.unjudged += count.Packets
		o.withdraw(place)
		return
	}
	w.count = count
	w.commitCount(e)
	w.count = nil
	if !w.established() {
		o.withdraw(place) // one side was closed by a packet that did not reach the other
	}
}

// commitCount is commit for packets that the port has sent already.
func (w *Walk) commitCount(e *Engine) {
	s := &e.state
	w.commitFlows(s)
	if w.snap.logged {
		w.observe(s)
	}
	s.counters.Reasons[w.reason] += w.count.Frames
	s.counters.Received += w.count.Frames
	s.counters.Forwarded += w.count.Frames
	w.account(s)
}

// total is how many packets on the wire the walk is about, and their bytes of IP.
func (w *Walk) total() (packets, bytes int) {
	if w.count != nil {
		return int(w.count.Packets), int(w.count.Bytes)
	}
	return packet.TotalBytes(&w.pkt)
}
