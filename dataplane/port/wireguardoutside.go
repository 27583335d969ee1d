package port

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// outsideEnd is where a tunnel's packets are encrypted: a host on the emulated
// Internet with one address and one UDP port. To wireguard-go it is a socket.
type outsideEnd struct {
	config  *WireGuardConfig
	in, out *ring // from the engine, to the engine
	sleeper *sleeper
	address packet.Addr
	// together is how many datagrams one frame may have.
	together int

	meeting sync.Once
	met     chan struct{} // closed once there is a peer to send to

	opening sync.Mutex
	port    uint16
	done    chan struct{} // of the socket that is open; nil: none is

	// Of receive's only goroutine.
	frames    [1]packet.Frame // whose datagrams are being handed out
	from      *remote
	datagrams []byte // those that are left
	size      int    // of each but the last
	remotes   map[netip.AddrPort]*remote

	id             atomic.Uint32 // IPv4 identification of the next datagram
	sent, received counter       // datagrams and bytes of UDP payload
	ignored        atomic.Uint64
	malformed      atomic.Uint64
}

func newOutsideEnd(config *WireGuardConfig, out *ring) *outsideEnd {
	e := &outsideEnd{
		config: config, out: out, sleeper: newSleeper(), address: packet.AddrFrom(config.Address), together: maxDatagrams,
		remotes: map[netip.AddrPort]*remote{}, met: make(chan struct{}),
	}
	if config.Peer.IsValid() {
		e.meet()
	}
	e.in = &ring{size: config.Queue, wake: e.sleeper.wake}
	return e
}

// Open begins to receive. wireguard-go closes and opens again to change the port.
func (e *outsideEnd) Open(port uint16) ([]conn.ReceiveFunc, uint16, error) {
	e.opening.Lock()
	defer e.opening.Unlock()
	if e.done != nil {
		return nil, 0, conn.ErrBindAlreadyOpen
	}
	done := make(chan struct{})
	e.port, e.done = port, done
	receive := func(buffers [][]byte, sizes []int, endpoints []conn.Endpoint) (int, error) {
		return e.receive(buffers, sizes, endpoints, port, done)
	}
	return []conn.ReceiveFunc{receive}, port, nil
}

// Close ends receive. wireguard-go waits for it before it opens again.
func (e *outsideEnd) Close() error {
	e.opening.Lock()
	defer e.opening.Unlock()
	if e.done != nil {
		close(e.done)
		e.done = nil
	}
	return nil
}

// receive waits for a datagram and takes more if they are there.
func (e *outsideEnd) receive(buffers [][]byte, sizes []int, endpoints []conn.Endpoint, port uint16, done <-chan struct{}) (n int, err error) {
	for n < len(buffers) {
		if len(e.datagrams) == 0 && !e.next(n == 0, port, done) {
			break
		}
		datagram := e.datagrams[:min(len(e.datagrams), e.size)]
		e.datagrams = e.datagrams[len(datagram):]
		if !isMessage(datagram) || len(datagram) > len(buffers[n]) {
			e.malformed.Add(1)
			continue
		}
		sizes[n] = copy(buffers[n], datagram)
		endpoints[n] = e.from
		n++
	}
	if n == 0 {
		return 0, net.ErrClosed
	}
	return n, nil
}

// next begins with the next frame that is for the port, and waits for it if it
// may. It returns false when there is none.
func (e *outsideEnd) next(wait bool, port uint16, done <-chan struct{}) bool {
	var p packet.Packet
	for {
		e.in.release()
		if wait && !e.sleeper.wait(e.in, done) || e.in.take(e.frames[:]) == 0 {
			return false
		}
		f := &e.frames[0]
		// The UDP checksum need not be looked at: what counts is authenticated.
		if packet.Parse(&p, f) != packet.ProblemNone || p.Proto != packet.ProtoUDP || p.Fragment ||
			p.Dst != e.address || p.DstPort != port || p.Payload >= p.End {
			e.ignored.Add(1)
			continue
		}
		e.datagrams, e.size = f.Data[p.Payload:p.End], p.End-p.Payload
		if f.Offload.GSO != packet.GSONone {
			if f.Offload.GSO != packet.GSOUDP || f.Offload.SegmentSize == 0 {
				e.datagrams = nil
				e.ignored.Add(1)
				continue
			}
			e.size = int(f.Offload.SegmentSize)
		}
		e.received.add((len(e.datagrams)+e.size-1)/e.size, len(e.datagrams))
		e.from = e.remote(netip.AddrPortFrom(p.Src.Netip(), p.SrcPort))
		return true
	}
}

// isMessage reports that a datagram has the type and the length of a message of
// the protocol.
func isMessage(b []byte) bool {
	if len(b) < device.MinMessageSize {
		return false
	}
	switch binary.LittleEndian.Uint32(b) {
	case device.MessageInitiationType:
		return len(b) == device.MessageInitiationSize
	case device.MessageResponseType:
		return len(b) == device.MessageResponseSize
	case device.MessageCookieReplyType:
		return len(b) == device.MessageCookieReplySize
	case device.MessageTransportType:
		return true
	}
	return false
}

// remote is one value for each sender, so that a packet costs no memory. Most
// tunnels have one ever; who invents others costs no more than this.
func (e *outsideEnd) remote(at netip.AddrPort) *remote {
	if e.from != nil && e.from.at == at {
		return e.from
	}
	if r := e.remotes[at]; r != nil {
		return r
	}
	if len(e.remotes) >= 64 {
		clear(e.remotes)
	}
	r := &remote{at: at, address: packet.AddrFrom(at.Addr()), bytes: addrPortBytes(at)}
	e.remotes[at] = r
	return r
}

// maxDatagrams is how many datagrams Linux lets one superframe have.
const maxDatagrams = 64

// Send sends datagrams to a peer: one frame for as many of the same length as one
// holds.
func (e *outsideEnd) Send(buffers [][]byte, to conn.Endpoint) error {
	r, ok := to.(*remote)
	if !ok {
		return conn.ErrWrongEndpointType
	}
	if r.address.Is4() != e.address.Is4() {
		return fmt.Errorf("no way from %s to %s", e.config.Address, r.at)
	}
	if len(buffers) == 1 && isResponse(buffers[0]) {
		e.meet() // nobody else is answered: he has proved who he is
	}
	out, published, bytes := e.out, 0, 0
	out.producing.Lock()
	for i := 0; i < len(buffers); {
		n, total := together(buffers[i:], e.together, e.most())
		bytes += total
		if e.frame(buffers[i:i+n], total, r) {
			published++
		}
		i += n
	}
	out.producing.Unlock()
	e.sent.add(len(buffers), bytes)
	out.announce(published)
	return nil
}

func (e *outsideEnd) meet() { e.meeting.Do(func() { close(e.met) }) }

func isResponse(b []byte) bool {
	return len(b) == device.MessageResponseSize && binary.LittleEndian.Uint32(b) == device.MessageResponseType
}

// most is how many bytes of datagrams fit an IP packet.
func (e *outsideEnd) most() int {
	if e.address.Is4() {
		return 0xffff - 20 - 8
	}
	return 0xffff - 8
}

// together is how many of the first buffers make one superframe: all but the last
// of one length, and the last no longer; at most so many, and so many bytes.
func together(buffers [][]byte, limit, most int) (n, total int) {
	for n < len(buffers) && n < limit {
		length := len(buffers[n])
		if n > 0 && (length > len(buffers[0]) || total+length > most) {
			break
		}
		total += length
		n++
		if length < len(buffers[0]) {
			break
		}
	}
	return n, total
}

// frame puts datagrams, total bytes together, into one frame for the engine. The
// caller holds out.producing.
func (e *outsideEnd) frame(datagrams [][]byte, total int, to *remote) bool {
	const headers = ethernetHeaderLen + 40 + 8
	room := e.out.reserve(headers + total)
	if room == nil {
		e.out.dropped.Add(1)
		return false
	}
	c := e.config
	room, offload := packet.AppendUDPHeaders(room, packet.Spec{
		SrcMAC: c.Outside.MAC, DstMAC: c.Outside.Router,
		Tuple: packet.Tuple{Src: e.address, Dst: to.address, SrcPort: c.Port, DstPort: to.at.Port(), Proto: packet.ProtoUDP},
		// What is too large for the way may be cut: nothing here would hear
		// that it was.
		IPv4ID: uint16(e.id.Add(uint32(len(datagrams)))),
	}, total, len(datagrams[0]))
	for _, d := range datagrams {
		room = append(room, d...)
	}
	e.out.publish(packet.Frame{Data: room, Link: c.Outside.Link, Offload: offload})
	return true
}

func (e *outsideEnd) SetMark(uint32) error { return nil }
func (e *outsideEnd) BatchSize() int       { return wireGuardBatch }

func (e *outsideEnd) ParseEndpoint(s string) (conn.Endpoint, error) {
	at, err := netip.ParseAddrPort(s)
	if err != nil {
		return nil, err
	}
	return &remote{at: at, address: packet.AddrFrom(at.Addr()), bytes: addrPortBytes(at)}, nil
}

// remote is a place that datagrams come from. It never changes.
type remote struct {
	at      netip.AddrPort
	address packet.Addr
	bytes   []byte
}

func addrPortBytes(at netip.AddrPort) []byte {
	b, _ := at.MarshalBinary() // never fails
	return b
}

func (r *remote) ClearSrc()           {} // there is one
func (r *remote) SrcToString() string { return "" }
func (r *remote) SrcIP() netip.Addr   { return netip.Addr{} }
func (r *remote) DstToString() string { return r.at.String() }
func (r *remote) DstToBytes() []byte  { return r.bytes }
func (r *remote) DstIP() netip.Addr   { return r.at.Addr() }
