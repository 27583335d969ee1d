package scenarios

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// memHost is a host of the memory driver: what of Linux's network stack a lab
// can notice. It asks for its neighbours' MAC addresses, sends to its gateway
// what is not on the link, answers echo requests, refuses ports that nobody
// listens on, and forwards if it is told to.
type memHost struct {
	m           *Memory
	name        string
	interfaces  []*memInterface // eth0 first
	forward     bool
	services    []control.Service
	connections map[memConnection]*memServer
	// routes of a site's router or of an appliance, the longest destination first;
	// none of others.
	routes []memRoute
	// router is that of the host's site; nil of what is not at one.
	router *memHost
}

// memInterface is one network interface of a host.
type memInterface struct {
	host *memHost
	name string // of the ENI or the Internet host
	link uint32
	mac  packet.MAC
	// addresses carry the length of the on-link prefix; the first of a
	// family is the source of the host's own packets.
	addresses []netip.Prefix
	gateways  []netip.Addr // at most one of a family
	neighbors map[netip.Addr]packet.MAC
	// tunnel is what the interface stands for, if it is none; nil of others.
	tunnel *memTunnel
}

// setHosts makes hosts of the world's instances, Internet hosts, sites and VPN
// clients. Instances that are down have none.
func (m *Memory) setHosts(w *control.World) {
	m.hosts, m.links = map[string]*memHost{}, map[uint32]*memInterface{}
	for name, i := range w.Instances {
		if i.Down() {
			continue
		}
		h := m.addHost(name, i.Serve)
		h.forward = i.Forward
		for _, eni := range i.Status.NetworkInterfaces {
			n := w.NetworkInterfaces[eni]
			h.add(instanceInterface(eni, n, w.Subnets[n.Subnet]))
		}
		m.setAppliance(w, name, h)
	}
	for name, h := range w.InternetHosts {
		host := m.addHost(name, h.Serve)
		host.add(internetInterface(name, h))
	}
	m.setSites(w)
	m.setClients(w)
	m.setServices(w)
}

func (m *Memory) addHost(name string, services []control.Service) *memHost {
	h := m.newHost(name, services)
	m.hosts[name] = h
	return h
}

// newHost is one that cannot be asked for by its name.
func (m *Memory) newHost(name string, services []control.Service) *memHost {
	return &memHost{m: m, name: name, services: services, connections: map[memConnection]*memServer{}}
}

func (h *memHost) add(n *memInterface) {
	n.host, n.neighbors = h, map[netip.Addr]packet.MAC{} // none but those of a site are known before they are asked
	h.interfaces = append(h.interfaces, n)
	h.m.links[n.link] = n
}

func instanceInterface(name string, n *control.NetworkInterface, s *control.Subnet) *memInterface {
	i := &memInterface{name: name, link: n.Status.Handle, mac: packet.MAC(n.Status.MAC)}
	for _, a := range n.Status.PrivateIPs {
		i.addresses = append(i.addresses, netip.PrefixFrom(a, s.CIDR.Bits()))
	}
	for _, a := range n.Status.IPv6s {
		i.addresses = append(i.addresses, netip.PrefixFrom(a, s.Status.IPv6CIDR.Bits()))
	}
	i.gateways = []netip.Addr{dataplane.RouterLinkLocal(dataplane.Handle(s.Status.Handle))}
	if s.CIDR.IsValid() { // not IPv6-only
		i.gateways = append(i.gateways, s.CIDR.Addr().Next())
	}
	return i
}

func internetInterface(name string, h *control.InternetHost) *memInterface {
	i := &memInterface{
		name: name, link: h.Status.Handle, mac: dataplane.InterfaceMAC(dataplane.Handle(h.Status.Handle)),
		gateways: []netip.Addr{dataplane.InternetRouter4, dataplane.InternetRouter6},
	}
	for _, a := range []netip.Addr{h.IP, h.Status.IPv6} {
		if a.IsValid() {
			i.addresses = append(i.addresses, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	return i
}

// owns reports whether a is an address of the host.
func (h *memHost) owns(a netip.Addr) bool {
	return slices.ContainsFunc(h.interfaces, func(n *memInterface) bool { return n.owns(a) })
}

func (n *memInterface) owns(a netip.Addr) bool {
	return slices.ContainsFunc(n.addresses, func(p netip.Prefix) bool { return p.Addr() == a })
}

// address is the interface's first of the family of like.
func (n *memInterface) address(like netip.Addr) netip.Addr {
	for _, p := range n.addresses {
		if p.Addr().Is4() == like.Is4() {
			return p.Addr()
		}
	}
	return netip.Addr{}
}

// route picks the interface and the next hop towards dst: what a site's router
// knows, else a neighbour on the link, else the gateway of the interface that owns
// src, else the first gateway. Binding the gateway to the source is what AWS's images do on
// instances with several interfaces, lest a reply leave by another interface
// than its request came in by.
func (h *memHost) route(src, dst netip.Addr) (n *memInterface, hop netip.Addr) {
	if n, hop := h.known(dst); n != nil {
		return n, hop
	}
	candidates := slices.Clone(h.interfaces)
	slices.SortStableFunc(candidates, func(a, b *memInterface) int {
		switch {
		case a.owns(src) && !b.owns(src):
			return -1
		case b.owns(src) && !a.owns(src):
			return 1
		}
		return 0
	})
	for _, n := range candidates {
		for _, p := range n.addresses {
			if !p.IsSingleIP() && p.Contains(dst) {
				return n, dst
			}
		}
	}
	for _, n := range candidates {
		for _, g := range n.gateways {
			if g.Is4() == dst.Is4() && n.address(dst).IsValid() {
				return n, g
			}
		}
	}
	return nil, netip.Addr{}
}

// output sends a message of the host's own; a missing source is filled in. It
// reports false if the host has no way to send it: no address of the family,
// or no answer from the next hop.
func (h *memHost) output(msg message) bool {
	n, hop := h.route(msg.src, msg.dst)
	if n == nil {
		return false
	}
	if !msg.src.IsValid() {
		msg.src = n.address(msg.dst)
	}
	mac, ok := n.resolve(hop)
	if !ok {
		return false
	}
	h.send(n, msg.frame(n.link, n.mac, mac))
	return true
}

// send puts a frame on the wire, or into a tunnel.
func (h *memHost) send(n *memInterface, f packet.Frame) {
	if n.tunnel != nil {
		h.sendInto(n.tunnel, f)
		return
	}
	h.m.queue = append(h.m.queue, f)
}

// resolve asks the link for a neighbour's MAC address, once.
func (n *memInterface) resolve(hop netip.Addr) (packet.MAC, bool) {
	if mac, known := n.neighbors[hop]; known || n.tunnel != nil {
		return mac, true
	}
	question := n.arpRequest(hop)
	if hop.Is6() {
		question = n.neighborSolicitation(hop)
	}
	var found packet.MAC
	var ok bool
	for _, out := range n.host.m.walk(question) {
		mac, answers := neighborIn(out.Data, hop)
		if !answers || out.Link != n.link { // it came over a link just now
			n.host.m.arrivals = append(n.host.m.arrivals, out)
			continue
		}
		n.neighbors[hop] = mac
		found, ok = mac, true
	}
	return found, ok
}

// receive takes a frame from the wire.
func (h *memHost) receive(n *memInterface, data []byte) {
	msg, ok := parseMessage(data)
	if !ok || msg.dstMAC != n.mac {
		return
	}
	if t, inside := h.unwrapped(&msg); t != nil {
		h.receive(t, inside)
		return
	}
	switch {
	case h.owns(msg.dst):
		if !h.m.mute {
			h.input(&msg)
		}
	case h.forward:
		h.relay(&msg, data)
	}
	// What is not its own and not to be forwarded, a kernel drops in silence.
}

// relay forwards a packet as a router does: one off the TTL, new MAC addresses,
// nothing else.
func (h *memHost) relay(msg *message, data []byte) {
	if msg.ttl <= 1 {
		h.output(msg.timeExceeded())
		return
	}
	n, hop := h.route(netip.Addr{}, msg.dst)
	if n == nil {
		return
	}
	mac, ok := n.resolve(hop)
	if !ok {
		return
	}
	h.send(n, packet.Frame{Link: n.link, Data: forwarded(data, n.mac, mac)})
}

// forwarded is a router's copy of a frame.
func forwarded(data []byte, from, to packet.MAC) []byte {
	data = append([]byte(nil), data...)
	copy(data[0:6], to[:])
	copy(data[6:12], from[:])
	ip := data[ethernetHeader:]
	if ip[0]>>4 == 6 {
		ip[7]--
		return data
	}
	ip[8]--
	header := ip[:int(ip[0]&15)*4]
	binary.BigEndian.PutUint16(header[10:], 0)
	binary.BigEndian.PutUint16(header[10:], ^fold(sum(header)))
	return data
}

// input handles a message to the host itself.
func (h *memHost) input(msg *message) {
	switch {
	case msg.isEchoRequest():
		h.m.exchange.arrived(msg)
		h.output(msg.echoReply())
	case msg.proto == packet.ProtoUDP && h.listens(control.ProtocolUDP, msg.dstPort):
		h.m.exchange.arrived(msg)
		h.output(message{
			src: msg.dst, dst: msg.src, proto: msg.proto,
			srcPort: msg.dstPort, dstPort: msg.srcPort, payload: msg.payload,
		})
	case h.m.exchange.belongsTo(h, msg):
		h.m.exchange.input(msg)
	case msg.proto == packet.ProtoUDP:
		h.output(msg.portUnreachable())
	case msg.proto == packet.ProtoTCP:
		h.serve(msg)
	}
}

// listens reports whether a server answers. Where none does, one stands in for
// as long as the probe of its port lasts, as in namespaces: a check is about the
// network, and must not depend on what happens to run.
func (h *memHost) listens(transport control.Protocol, port uint16) bool {
	if x := h.m.exchange; x != nil && x.probe.Protocol == transport && x.probe.Port == port {
		return true
	}
	return slices.ContainsFunc(h.services, func(s control.Service) bool {
		return s.Transport() == transport && uint16(s.Port) == port
	})
}
