package scenarios

import (
	"net/netip"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// Ports that clients send from; also the identifiers of their echo requests.
// Linux's range, which network ACLs are commonly written for (S37).
const (
	firstEphemeralPort = 32768
	lastEphemeralPort  = 60999
)

func nextEphemeralPort(port uint16) uint16 {
	if port >= lastEphemeralPort {
		return firstEphemeralPort
	}
	return port + 1
}

// memExchange is the client's side of one probe.
type memExchange struct {
	client  *memHost
	probe   Probe
	port    uint16 // the client's
	outcome Outcome

	seq, ack uint32
	state    memState
}

type memState uint8

const (
	memAsked     memState = iota // the request, or a SYN, is under way
	memConnected                 // TCP: connected, the request is under way
	memClosing                   // TCP: the client said FIN
	memDone
)

// begin sends the request.
func (x *memExchange) begin() {
	if to := x.probe.To; to.IsLoopback() || x.client.owns(to) { // on no wire, as in any host
		x.outcome = Outcome{Delivered: true, Answered: true, SourceSeen: to}
		return
	}
	msg := x.message()
	switch msg.proto {
	case packet.ProtoTCP:
		x.seq = 1000
		msg.flags = packet.TCPFlagSYN
		msg.seq = x.seq
		x.seq++
	case packet.ProtoICMP:
		msg.icmpType = icmpEchoRequest
	case packet.ProtoICMPv6:
		msg.icmpType = icmp6EchoRequest
	}
	if n, _ := x.client.route(netip.Addr{}, x.probe.To); n == nil {
		x.outcome.Detail = x.client.name + " has no address of that family"
		return
	}
	x.client.output(msg)
}

// message is the frame of everything that the client sends.
func (x *memExchange) message() message {
	return message{
		dst: x.probe.To, proto: x.probe.protocol(),
		srcPort: x.port, dstPort: x.probe.Port, seq: x.seq, ack: x.ack,
	}
}

// arrived notes that a request reached its receiver. It is the probe's: nobody
// else asks for anything meanwhile, and a NAT gateway may have changed its source
// port, its identifier and its family, so that nothing would be left to compare.
func (x *memExchange) arrived(msg *message) {
	if x != nil && !x.outcome.Delivered {
		x.outcome.Delivered, x.outcome.SourceSeen = true, msg.src
	}
}

// belongsTo reports whether a message that reached h is for the probe's client.
func (x *memExchange) belongsTo(h *memHost, msg *message) bool {
	if x == nil || x.client != h {
		return false
	}
	if q := msg.quoted; q != nil { // an ICMP error about it
		return q.proto == x.probe.protocol() && q.srcPort == x.port && q.dst == x.probe.To
	}
	return msg.proto == x.probe.protocol() && msg.dstPort == x.port && msg.src == x.probe.To
}

// input takes the next message of the other side.
func (x *memExchange) input(msg *message) {
	switch {
	case msg.quoted != nil:
		x.outcome.Refused = msg.isPortUnreachable()
	case msg.proto == packet.ProtoTCP:
		x.inputTCP(msg)
	default:
		x.outcome.Answered = true
	}
}

// requestSize is what the client of a TCP probe sends: three segments, which
// leave it as one superframe, as they would leave a Linux host.
const (
	requestSize        = 2*requestSegmentSize + 1
	requestSegmentSize = 500
)

// inputTCP is as much of a TCP client as a probe needs. There is no
// retransmission and no window: if something does not come, the driver begins
// again where that may help.
func (x *memExchange) inputTCP(msg *message) {
	switch {
	case msg.flags&packet.TCPFlagRST != 0:
		// Later it would be a bug of the server's; the probe then ends
		// without an answer.
		x.outcome.Refused = x.state == memAsked
		x.state = memDone
	case x.state == memAsked && msg.flags&packet.TCPFlagSYN != 0:
		x.ack = msg.seq + 1
		x.state = memConnected
		x.send(packet.TCPFlagACK, nil)
		x.send(packet.TCPFlagPSH|packet.TCPFlagACK, make([]byte, requestSize))
	case x.state == memConnected && len(msg.payload) > 0:
		// Not at the SYN-ACK: a filter that lets connections begin and
		// nothing more through must fail the check.
		x.outcome.Answered = true
		x.ack += uint32(len(msg.payload))
		x.state = memClosing
		x.send(packet.TCPFlagFIN|packet.TCPFlagACK, nil)
		x.seq++
	case x.state == memClosing && msg.flags&packet.TCPFlagFIN != 0:
		x.ack++
		x.state = memDone
		x.send(packet.TCPFlagACK, nil)
	}
}

func (x *memExchange) send(flags uint8, payload []byte) {
	msg := x.message()
	msg.flags, msg.payload = flags, payload
	if len(payload) > requestSegmentSize {
		msg.segmentSize = requestSegmentSize
	}
	x.client.output(msg)
	x.seq += uint32(len(payload))
}

// traceRequest asks the tracer about the probe; ok is false of one that does not
// come to the core.
func (x *memExchange) traceRequest() (req dataplane.TraceRequest, ok bool) {
	n, sender := x.client.entry(x.probe.To), x.client.interfaces[0]
	switch {
	case n == nil && x.client.router != nil:
		return req, false
	case n == nil:
		n = sender
	case x.client.router == nil:
		sender = n
	}
	source := sender.address(x.probe.To)
	if !source.IsValid() {
		return req, false
	}
	req = dataplane.TraceRequest{
		From: dataplane.Handle(n.link),
		Tuple: packet.Tuple{
			Src: packet.AddrFrom(source), Dst: packet.AddrFrom(x.probe.To), Proto: x.probe.protocol(),
			SrcPort: nextEphemeralPort(x.port), DstPort: x.probe.Port,
		},
		Reply: true,
	}
	switch req.Proto {
	case packet.ProtoICMP:
		req.ICMPType = icmpEchoRequest
	case packet.ProtoICMPv6:
		req.ICMPType = icmp6EchoRequest
	}
	return req, true
}

// memConnection names a connection at a server.
type memConnection struct {
	local, remote         netip.Addr
	localPort, remotePort uint16
}

// memServer is the server's side of a TCP connection.
type memServer struct {
	initial  uint32 // the client's sequence number
	seq, ack uint32
	segments map[uint32]int // lengths, by sequence number: links double and reorder
}

func (c *memServer) received() (total int) {
	for _, length := range c.segments {
		total += length
	}
	return total
}

// serve handles a TCP segment for a port of the host: it answers a request of
// requestSize with a byte, closes when the client does, and refuses what
// belongs to no connection.
func (h *memHost) serve(msg *message) {
	key := memConnection{msg.dst, msg.src, msg.dstPort, msg.srcPort}
	c := h.connections[key]
	reply := message{src: msg.dst, dst: msg.src, proto: msg.proto, srcPort: msg.dstPort, dstPort: msg.srcPort}
	opens := msg.flags&(packet.TCPFlagSYN|packet.TCPFlagACK|packet.TCPFlagRST) == packet.TCPFlagSYN
	switch {
	case msg.flags&packet.TCPFlagRST != 0:
		delete(h.connections, key)
		return
	case opens && c != nil && c.initial == msg.seq:
		return // the same again
	case opens && h.listens(control.ProtocolTCP, msg.dstPort):
		h.m.exchange.arrived(msg)
		h.connections[key] = &memServer{initial: msg.seq, seq: 5001, ack: msg.seq + 1, segments: map[uint32]int{}}
		reply.flags, reply.seq, reply.ack = packet.TCPFlagSYN|packet.TCPFlagACK, 5000, msg.seq+1
	case c == nil:
		reply.flags, reply.seq, reply.ack = packet.TCPFlagRST|packet.TCPFlagACK, msg.ack, msg.seq+1
	case len(msg.payload) > 0:
		if c.segments[msg.seq] != 0 {
			return // the same again
		}
		c.segments[msg.seq] = len(msg.payload)
		c.ack = msg.seq + uint32(len(msg.payload))
		reply.flags, reply.seq, reply.ack = packet.TCPFlagACK, c.seq, c.ack
		if c.received() == requestSize {
			reply.flags |= packet.TCPFlagPSH
			reply.payload = []byte{'!'}
			c.seq++
		}
	case msg.flags&packet.TCPFlagFIN != 0:
		reply.flags, reply.seq, reply.ack = packet.TCPFlagFIN|packet.TCPFlagACK, c.seq, msg.seq+1
		delete(h.connections, key)
	default:
		return
	}
	h.output(reply)
}
