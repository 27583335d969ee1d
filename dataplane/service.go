package dataplane

import (
	"net/netip"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// Services is the interface of the namespace in which the platform's own
// services listen: name resolution, instance metadata, time, DHCP (addressing.md
// section 7). A lab has one.
type Services struct {
	Object
	MAC packet.MAC
}

// The services listen on their well-known addresses. DHCP has none: its
// requests are broadcasts, and the core gives them these.
var (
	ResolverAddress4 = netip.MustParseAddr("169.254.169.253")
	ResolverAddress6 = netip.MustParseAddr("fd00:ec2::253")
	MetadataAddress4 = netip.MustParseAddr("169.254.169.254")
	MetadataAddress6 = netip.MustParseAddr("fd00:ec2::254")
	TimeAddress4     = netip.MustParseAddr("169.254.169.123")
	TimeAddress6     = netip.MustParseAddr("fd00:ec2::123")
	DHCPAddress4     = netip.MustParseAddr("169.254.169.250")
	DHCPAddress6     = netip.MustParseAddr("fd00:ec2::547")
)

// VPCs may overlap, so a request reaches its service with a source address that
// belongs to one interface only: 240.0.0.0/8 or fd00:ec2:ffff::/96 with the
// interface's handle in its last bytes. Nothing else uses either.
var (
	serviceClients4 = packet.PrefixFrom(netip.MustParsePrefix("240.0.0.0/8"))
	serviceClients6 = packet.PrefixFrom(netip.MustParsePrefix("fd00:ec2:ffff::/96"))
)

// ServiceClient is the address by which a service sees the interface h.
func ServiceClient(h Handle, ipv6 bool) netip.Addr {
	return serviceClient(h, !ipv6).Netip()
}

func serviceClient(h Handle, ipv4 bool) packet.Addr {
	if ipv4 {
		return packet.Addr{Lo: serviceClients4.Addr.Lo | uint64(h)}
	}
	return packet.Addr{Hi: serviceClients6.Addr.Hi, Lo: uint64(h)}
}

// ServiceClientHandle is the inverse of ServiceClient.
func ServiceClientHandle(a netip.Addr) (Handle, bool) {
	return serviceClientHandle(packet.AddrFrom(a.Unmap()))
}

func serviceClientHandle(a packet.Addr) (Handle, bool) {
	if a.Is4() && serviceClients4.Contains(a) || !a.Is4() && serviceClients6.Contains(a) {
		return Handle(a.Lo) & MaxHandle, true
	}
	return 0, false
}

const (
	portDNS          = 53
	portDHCPServer   = 67
	portDHCPClient   = 68
	portHTTP         = 80
	portNTP          = 123
	portDHCP6Client  = 546
	portDHCP6Server  = 547
	serviceRateLimit = 1024 // packets per second and interface, all services together (A43)
)

var (
	resolver4, resolver6 = packet.AddrFrom(ResolverAddress4), packet.AddrFrom(ResolverAddress6)
	metadata4, metadata6 = packet.AddrFrom(MetadataAddress4), packet.AddrFrom(MetadataAddress6)
	time4, time6         = packet.AddrFrom(TimeAddress4), packet.AddrFrom(TimeAddress6)
	dhcp4, dhcp6         = packet.AddrFrom(DHCPAddress4), packet.AddrFrom(DHCPAddress6)
	serviceAddresses     = []packet.Addr{resolver4, resolver6, metadata4, metadata6, time4, time6, dhcp4, dhcp6}
	unspecified4         = packet.AddrFrom(netip.IPv4Unspecified())
	broadcast4           = packet.AddrFrom(netip.MustParseAddr("255.255.255.255"))
	allDHCPAgents        = packet.AddrFrom(netip.MustParseAddr("ff02::1:2"))
)

// A request that gets no answer, or a connection that is idle, is forgotten.
// Together with the rate limit the short time of datagrams keeps the busiest
// legal client below its share of the table: nobody can take the services away
// from the other interfaces, or VPCs.
const (
	serviceIdleUDP          = 5e9   // nanoseconds
	serviceIdleTCP          = 300e9 // nanoseconds
	maxServiceFlows         = 1 << 17
	maxServiceFlowsOfClient = 1 << 13
)

// serviceFlow remembers how an interface asked, so that the answer comes from
// the address that was asked and goes to the one that asked.
type serviceFlow struct {
	expires  int64
	src, dst packet.Addr
}

// serviceFor says which service a packet of ni is for. Services are answered
// on the host: no group, no ACL, no route sees the packet (A42, S17, S40).
func (w *Walk) serviceFor(ni *networkInterface) (service packet.Addr, ok bool) {
	t := &w.tuple
	udp, tcp := t.Proto == packet.ProtoUDP, t.Proto == packet.ProtoTCP
	switch {
	case w.snap.services < 0 || ni.kind != KindNetworkInterface && ni.kind != KindClientVPNInterface:
		return packet.Addr{}, false
	case t.DstPort == portDNS && (udp || tcp):
		if t.Dst == resolver4 || t.Dst == w.snap.vpcs[ni.vpc].resolver {
			return resolver4, true
		}
		return resolver6, t.Dst == resolver6
	case t.DstPort == portHTTP && tcp:
		return t.Dst, t.Dst == metadata4 || t.Dst == metadata6
	case t.DstPort == portNTP && udp:
		return t.Dst, t.Dst == time4 || t.Dst == time6
	case t.DstPort == portDHCPServer && t.SrcPort == portDHCPClient && udp:
		return dhcp4, t.Dst == broadcast4 || w.snap.isRouterAddress(ni, t.Dst)
	case t.DstPort == portDHCP6Server && t.SrcPort == portDHCP6Client && udp:
		return dhcp6, t.Dst == allDHCPAgents
	}
	return packet.Addr{}, false
}

// toService hands a request to the services' namespace, with the address that
// tells the service which interface asks.
func (w *Walk) toService(ni *networkInterface, service packet.Addr) Hop {
	if w.tuple.DstPort == portDNS && w.snap.vpcs[ni.vpc].dnsDisabled {
		return w.drop(StageService, ReasonDNSDisabled, w.snap.vpcs[ni.vpc].handle, 0)
	}
	if w.serviceRate(ni.handle) >= serviceRateLimit {
		return w.drop(StageService, ReasonServiceRate, ni.handle, serviceRateLimit)
	}
	if !w.cross(ni.sends) {
		return Hop{}
	}
	w.serviceEffect = serviceEffect{
		key: serviceKey(ni.handle, service, w.tuple.Proto, w.tuple.SrcPort, w.tuple.DstPort),
		src: w.tuple.Src, dst: w.tuple.Dst, used: true,
	}
	if !w.serviceRoom(&w.serviceEffect.key) {
		w.serviceEffect.used = false
		return w.drop(StageService, ReasonTableFull, ni.handle, 0)
	}
	w.tuple.Src, w.tuple.Dst = serviceClient(ni.handle, service.Is4()), service
	w.routed = true
	w.translated(StageService, ReasonService, ni.handle)
	return w.deliver(uint32(w.snap.services))
}

// leaveService starts the way of an answer: back to the interface whose address
// it is for, past everything.
func (w *Walk) leaveService(index uint32) Hop {
	services := &w.snap.interfaces[index]
	h, ok := serviceClientHandle(w.tuple.Dst)
	client := w.snap.interfaceOf(uint32(h))
	if !ok || client < 0 || !askers.has(w.snap.interfaces[client].kind) {
		return w.drop(StageService, ReasonServiceAnswer, services.handle, 0)
	}
	ni := &w.snap.interfaces[client]
	key := serviceKey(h, w.tuple.Src, w.tuple.Proto, w.tuple.DstPort, w.tuple.SrcPort)
	asked, ok := w.findService(&key)
	if !ok {
		return w.drop(StageService, ReasonServiceAnswer, services.handle, 0)
	}
	w.tuple.Src, w.tuple.Dst = asked.dst, asked.src
	switch {
	case asked.dst == broadcast4 || asked.src == unspecified4:
		// The client has no address yet: the answer names the one it gets,
		// and comes from the subnet's router (A37).
		w.tuple.Src, w.tuple.Dst = w.snap.subnets[ni.subnet].router(4), ni.addressFor(unspecified4)
	case asked.dst == allDHCPAgents:
		w.tuple.Src = w.snap.subnets[ni.subnet].router(6)
	}
	if w.tuple.Src.IsZero() || w.tuple.Dst.IsZero() {
		// Asked by DHCP for IPv4, which its subnet does not have.
		return w.drop(StageService, ReasonServiceAnswer, services.handle, 0)
	}
	w.routed = true
	w.translated(StageService, ReasonService, ni.handle)
	switch ni.kind {
	case KindClientVPNInterface:
		return w.backToClient(uint32(client))
	case KindVPNClient:
		return w.serviceToClient(uint32(client))
	}
	if !w.cross(ni.receives) {
		return Hop{}
	}
	return w.deliver(uint32(client))
}

// findService looks a request up, in the live table or among what an earlier
// walk of a trace assumes.
func (w *Walk) findService(key *flowKey) (asked serviceFlow, found bool) {
	if f := w.state.serviceFlows.find(key); f != nil && f.value.expires > w.now {
		return f.value, true
	}
	for i := range w.assumedServices {
		if e := &w.assumedServices[i]; e.key == *key {
			return serviceFlow{src: e.src, dst: e.dst}, true
		}
	}
	return serviceFlow{}, false
}

func serviceKey(h Handle, service packet.Addr, protocol uint8, clientPort, servicePort uint16) flowKey {
	return flowKey{remote: service, scope: uint32(h)<<8 | uint32(protocol), localPort: clientPort, remotePort: servicePort}
}

// serviceEffect is what a request wants remembered.
type serviceEffect struct {
	key      flowKey
	src, dst packet.Addr
	used     bool
}

// serviceRoom reports that a request can be remembered: it already is, or there
// is room in the table and in the client's share of it.
func (w *Walk) serviceRoom(key *flowKey) bool {
	flows := &w.state.serviceFlows
	if !flows.full() && w.state.serviceRates[Handle(key.scope>>8)].flows < maxServiceFlowsOfClient {
		return true
	}
	return flows.find(key) != nil
}

// serviceRate is how many packets the interface has sent to services in this
// second.
func (w *Walk) serviceRate(h Handle) int {
	r := w.state.serviceRates[h]
	if r.second != w.now/1e9 {
		return 0
	}
	return r.count
}

type serviceRate struct {
	second int64
	count  int
	flows  int // its entries in the table of requests
}

// commitService remembers the request and counts it.
func (w *Walk) commitService(s *state) {
	e := &w.serviceEffect
	h := Handle(e.key.scope >> 8)
	rate := s.serviceRates[h]
	rate.second, rate.count = w.now/1e9, w.serviceRate(h)+1
	before := s.serviceFlows.count
	f := s.serviceFlows.insert(&e.key)
	rate.flows += s.serviceFlows.count - before
	s.serviceRates[h] = rate
	idle := int64(serviceIdleUDP)
	if uint8(e.key.scope) == packet.ProtoTCP {
		idle = serviceIdleTCP
	}
	f.value = serviceFlow{expires: w.now + idle, src: e.src, dst: e.dst}
}

// sweepServices forgets a bounded number of requests that expired, or whose
// client is gone.
func (s *state) sweepServices(now int64, budget int, snap *Snapshot) {
	s.serviceFlows.sweep(budget, func(f *slot[serviceFlow]) bool {
		h := Handle(f.key.scope >> 8)
		if snap.interfaceOf(uint32(h)) < 0 {
			delete(s.serviceRates, h)
			return true
		}
		if f.value.expires > now {
			return false
		}
		if rate, ok := s.serviceRates[h]; ok {
			rate.flows--
			s.serviceRates[h] = rate
		}
		return true
	})
}
