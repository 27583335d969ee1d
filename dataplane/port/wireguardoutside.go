package port

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// outsideEnd is where a tunnel's packets are encrypted: a host on the emulated
// Internet with one UDP port. To wireguard-go it is a socket.
type outsideEnd struct {
	own     uint16                        // UDP port, also after the socket has closed
	ways    atomic.Pointer[[]*outsideWay] // one, unless somebody changes them
	in, out *ring                         // from the engine, to the engine; of all ways
	sleeper *sleeper
	// together is how many datagrams one frame may have.
	together int
	// initiation, if not nil, is shown each message that begins a handshake, by
	// receive's goroutine.
	initiation func(message []byte, from netip.AddrPort)

	meeting sync.Once
	met     chan struct{} // closed once there is a peer to send to

	opening sync.Mutex
	port    uint16
	done    chan struct{} // of the socket that is open; nil: none is
	real    *net.UDPConn  // see realSocket; nil: there is none

	// Of receive's only goroutine.
	frames      [1]packet.Frame // whose datagrams are being handed out
	from        *remote
	datagrams   []byte // those that are left
	size        int    // of each but the last
	remotes     map[remoteKey]*remote
	mostRemotes int
	parts       reassembler

	id             atomic.Uint32 // IPv4 identification of the next datagram
	sent, received counter       // datagrams and bytes of UDP payload
	ignored        atomic.Uint64
	reassembled    atomic.Uint64
	malformed      atomic.Uint64
}

// outsideWay is an address of the host's, and the link that leads to it.
type outsideWay struct {
	TunnelLink
	address packet.Addr
}

type remoteKey struct {
	way *outsideWay
	at  netip.AddrPort
}

func newOutsideEnd(port uint16, queue int, out *ring, ways ...*outsideWay) *outsideEnd {
	e := &outsideEnd{
		own: port, out: out, sleeper: newSleeper(), together: maxDatagrams,
		remotes: map[remoteKey]*remote{}, mostRemotes: 64, met: make(chan struct{}),
	}
	e.ways.Store(&ways)
	e.in = &ring{size: queue, wake: e.sleeper.wake}
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
	functions := []conn.ReceiveFunc{receive}
	if e.real != nil {
		functions = append(functions, e.receiveReal(e.real))
	}
	return functions, port, nil
}

// Close ends receive. wireguard-go waits for it before it opens again.
func (e *outsideEnd) Close() error {
	e.opening.Lock()
	defer e.opening.Unlock()
	if e.done != nil {
		close(e.done)
		e.done = nil
		interruptReal(e.real)
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
		e.show(datagram, e.from.at)
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
		var way *outsideWay
		if packet.Parse(&p, f) == packet.ProblemNone && p.Proto == packet.ProtoUDP && (p.DstPort == port || p.Fragment) && p.Payload < p.End {
			way = e.way(f.Link, p.Dst)
		}
		if way == nil {
			e.ignored.Add(1)
			continue
		}
		if p.Fragment {
			if e.join(&p, way, port) {
				return true
			}
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
		e.from = e.remote(way, netip.AddrPortFrom(p.Src.Netip(), p.SrcPort))
		return true
	}
}

// join adds a fragment to those that wait for others, and begins with the datagram
// that it completes; false if it completes none.
func (e *outsideEnd) join(p *packet.Packet, way *outsideWay, port uint16) bool {
	refused := e.parts.refused
	datagram := e.parts.add(p, port, time.Now())
	e.ignored.Add(e.parts.refused - refused)
	if len(datagram) <= udpHeaderLen {
		return false
	}
	e.reassembled.Add(1)
	e.datagrams, e.size = datagram[udpHeaderLen:], len(datagram)-udpHeaderLen
	e.received.add(1, e.size)
	e.from = e.remote(way, netip.AddrPortFrom(p.Src.Netip(), binary.BigEndian.Uint16(datagram)))
	return true
}

// way is that of a link and an address, nil if there is none.
func (e *outsideEnd) way(link uint32, address packet.Addr) *outsideWay {
	for _, w := range *e.ways.Load() {
		if w.Link == link && w.address == address {
			return w
		}
	}
	return nil
}

func (e *outsideEnd) show(message []byte, from netip.AddrPort) {
	if e.initiation != nil && message[0] == device.MessageInitiationType { // isMessage has seen the rest
		e.initiation(message, from)
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
func (e *outsideEnd) remote(way *outsideWay, at netip.AddrPort) *remote {
	if e.from != nil && e.from.at == at && e.from.way == way {
		return e.from
	}
	key := remoteKey{way, at}
	if r := e.remotes[key]; r != nil {
		return r
	}
	if len(e.remotes) >= e.mostRemotes {
		clear(e.remotes)
	}
	r := newRemote(way, at)
	e.remotes[key] = r
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
	if r.way == nil {
		return e.sendReal(buffers, r)
	}
	if r.address.Is4() != r.way.address.Is4() {
		return fmt.Errorf("no way from %s to %s", r.way.address, r.at)
	}
	if len(buffers) == 1 && isResponse(buffers[0]) {
		e.meet() // nobody else is answered: he has proved who he is
	}
	out, published, bytes := e.out, 0, 0
	out.producing.Lock()
	for i := 0; i < len(buffers); {
		n, total := together(buffers[i:], e.together, r.way.most())
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
func (w *outsideWay) most() int {
	if w.address.Is4() {
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
	way := to.way
	room, offload := packet.AppendUDPHeaders(room, packet.Spec{
		SrcMAC: way.MAC, DstMAC: way.Router,
		Tuple: packet.Tuple{Src: way.address, Dst: to.address, SrcPort: e.own, DstPort: to.at.Port(), Proto: packet.ProtoUDP},
		// What is too large for the way may be cut: nothing here would hear
		// that it was.
		IPv4ID: uint16(e.id.Add(uint32(len(datagrams)))),
	}, total, len(datagrams[0]))
	for _, d := range datagrams {
		room = append(room, d...)
	}
	e.out.publish(packet.Frame{Data: room, Link: way.Link, Offload: offload})
	return true
}

func (e *outsideEnd) SetMark(uint32) error { return nil }
func (e *outsideEnd) BatchSize() int       { return wireGuardBatch }

func (e *outsideEnd) ParseEndpoint(s string) (conn.Endpoint, error) {
	at, err := netip.ParseAddrPort(s)
	if err != nil {
		return nil, err
	}
	return newRemote((*e.ways.Load())[0], at), nil
}

// remote is a place that datagrams come from, and the way that they came; nil: by
// the real socket. It never changes.
type remote struct {
	way     *outsideWay
	at      netip.AddrPort
	address packet.Addr
	bytes   []byte
}

func newRemote(way *outsideWay, at netip.AddrPort) *remote {
	bytes, _ := at.MarshalBinary() // never fails
	return &remote{way: way, at: at, address: packet.AddrFrom(at.Addr()), bytes: bytes}
}

func (r *remote) ClearSrc()           {} // there is one
func (r *remote) SrcToString() string { return "" }
func (r *remote) SrcIP() netip.Addr   { return netip.Addr{} }
func (r *remote) DstToString() string { return r.at.String() }
func (r *remote) DstToBytes() []byte  { return r.bytes }
func (r *remote) DstIP() netip.Addr   { return r.at.Addr() }
