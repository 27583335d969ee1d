package port

import (
	"bytes"
	"encoding/binary"
	"slices"
	"time"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// reassembler joins the fragments of UDP datagrams that arrive for a host, of both
// families. Whoever sends it garbage gets nothing, and takes nothing from others but
// what the limits allow: it keeps what was sent, and nothing for what was promised.
// What is too old goes when the next fragment comes. It is not safe for concurrent use.
type reassembler struct {
	pending []*partial // oldest first; so few that a search is no cost
	bytes   int        // of all parts
	// refused counts fragments that will be in no datagram.
	refused uint64
}

// Limits of a reassembler. A datagram of 64 KiB is 47 parts on an Ethernet; the
// largest that a tunnel of AWS's size sends, two or three.
const (
	// reassemblyTime is how long the parts of a datagram may take: what common stacks
	// allow, and the engine that carries them.
	reassemblyTime = 30 * time.Second
	// mostParts are those of one datagram.
	mostParts = 64
	// Of all senders together, and of each: it takes many senders to push out the
	// parts of another.
	mostPending, mostPendingBytes          = 64, 512 << 10
	mostPendingOfSender, mostBytesOfSender = 16, 128 << 10
)

const (
	udpHeaderLen    = 8
	largestDatagram = 0xffff - 20 // what an IPv4 packet has room for
	offsetUnit      = 8           // of the starts of fragments
)

// partial is a datagram of which parts are missing.
type partial struct {
	reassemblyKey
	expires time.Time
	parts   []part // by start; no two overlap
	bytes   int    // of parts
	total   int    // length, 0 until the last part has come
	// bad: a part contradicts another. What belongs to it is dropped until it
	// expires (RFC 5722, section 4).
	bad bool
}

type reassemblyKey struct {
	link     uint32
	src, dst packet.Addr
	id       uint32
}

type part struct {
	start int
	data  []byte
}

func (p *part) end() int { return p.start + len(p.data) }

// add takes a fragment of a UDP datagram for the host's port, and returns the whole
// datagram, with its header, when the last missing one has come; nil otherwise. The
// bytes are the caller's.
func (r *reassembler) add(p *packet.Packet, port uint16, now time.Time) []byte {
	data := p.Frame.Data[p.Payload:p.End]
	if !p.LaterFragment {
		data = p.Frame.Data[p.L4:p.End]
	}
	next := part{int(p.FragmentStart), data}
	if next.start == 0 && p.LastFragment { // RFC 6946: alone, whatever else has its identification
		return r.finish(data, 1, port)
	}
	r.expire(now)
	key := reassemblyKey{p.Frame.Link, p.Src, p.Dst, p.FragmentID}
	at := slices.IndexFunc(r.pending, func(d *partial) bool { return d.reassemblyKey == key })
	if at < 0 {
		at = len(r.pending)
		r.pending = append(r.pending, &partial{reassemblyKey: key, expires: now.Add(reassemblyTime)})
	}
	d := r.pending[at]
	switch {
	case d.has(&next): // a copy from the network
		r.refused++
		return nil
	case d.bad || !d.takes(&next, p.LastFragment) || next.start == 0 && !isFor(data, port):
		r.refuse(d)
		r.refused++
	default:
		// The frame is the ring's, which reuses it.
		next.data = bytes.Clone(data)
		r.insert(d, next, p.LastFragment)
	}
	if d.total == 0 || d.bytes < d.total || d.bad {
		r.makeRoom(d)
		return nil
	}
	r.forget(at)
	return r.finish(d.join(), len(d.parts), port)
}

// finish is a datagram that came in so many parts, nil if its own header says that it
// is not the host's or has another length.
func (r *reassembler) finish(data []byte, parts int, port uint16) []byte {
	if !isFor(data, port) || int(binary.BigEndian.Uint16(data[4:])) != len(data) {
		r.refused += uint64(parts)
		return nil
	}
	return data
}

// isFor reports that the header of a UDP datagram names the port.
func isFor(data []byte, port uint16) bool {
	return len(data) >= udpHeaderLen && binary.BigEndian.Uint16(data[2:]) == port
}

func (d *partial) has(next *part) bool {
	return slices.ContainsFunc(d.parts, func(old part) bool {
		return old.start == next.start && bytes.Equal(old.data, next.data)
	})
}

// takes reports that a part neither overlaps others nor contradicts the length that is
// known, and is one that can be followed by others if it has to be.
func (d *partial) takes(next *part, last bool) bool {
	size, end := len(next.data), next.end()
	switch {
	// Parts without content would be kept for nothing, those beyond the end would make
	// a datagram that no sender could have cut, and many tiny ones are an attack.
	case size == 0, end > largestDatagram, len(d.parts) == mostParts:
		return false
	case !last && (size%offsetUnit != 0 || d.total != 0 && end >= d.total):
		return false
	case last && d.total != 0:
		return false
	}
	// An overlap is nobody's mistake: it is how to show one datagram to whoever looks
	// at the parts, and another to the end (RFC 5722).
	return !slices.ContainsFunc(d.parts, func(old part) bool {
		return old.start < end && next.start < old.end() || last && old.end() > next.start
	})
}

func (r *reassembler) insert(d *partial, next part, last bool) {
	at, _ := slices.BinarySearchFunc(d.parts, next.start, func(old part, start int) int { return old.start - start })
	d.parts = slices.Insert(d.parts, at, next)
	d.bytes += len(next.data)
	r.bytes += len(next.data)
	if last {
		d.total = next.end()
	}
}

// join is the datagram of a partial one that misses nothing.
func (d *partial) join() []byte {
	whole := make([]byte, 0, d.total)
	for i := range d.parts {
		whole = append(whole, d.parts[i].data...)
	}
	return whole
}

// refuse gives up a datagram, and remembers that it did.
func (r *reassembler) refuse(d *partial) {
	r.refused += uint64(len(d.parts))
	r.bytes -= d.bytes
	d.parts, d.bytes, d.total, d.bad = nil, 0, 0, true
}

// drop gives up a datagram, and forgets it.
func (r *reassembler) drop(at int) {
	r.refuse(r.pending[at])
	r.pending = slices.Delete(r.pending, at, at+1)
}

// forget lets a datagram go that is complete.
func (r *reassembler) forget(at int) {
	r.bytes -= r.pending[at].bytes
	r.pending = slices.Delete(r.pending, at, at+1)
}

func (r *reassembler) expire(now time.Time) {
	for len(r.pending) > 0 && !now.Before(r.pending[0].expires) { // the oldest expires first
		r.drop(0)
	}
}

// makeRoom drops the oldest datagrams of a sender who has too many, then the oldest of
// all, until the limits are kept.
func (r *reassembler) makeRoom(of *partial) {
	for {
		count, size, oldest := 0, 0, -1
		for i, d := range r.pending {
			if d.src == of.src && d.link == of.link {
				if oldest < 0 {
					oldest = i
				}
				count, size = count+1, size+d.bytes
			}
		}
		if count <= mostPendingOfSender && size <= mostBytesOfSender {
			break
		}
		r.drop(oldest)
	}
	for len(r.pending) > mostPending || r.bytes > mostPendingBytes {
		r.drop(0)
	}
}
