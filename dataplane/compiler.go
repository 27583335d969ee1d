package dataplane

import (
	"fmt"
	"net/netip"

	"github.com/gaissmai/bart"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// compiler is the state of one Seal.
type compiler struct {
	b         *Builder
	s         *Snapshot
	index     map[Handle]uint32 // place in the snapshot's slice of the object's kind
	groupSets map[string]*groupSet
	zones     map[zone]uint32
	errs      []error
}

// register gives every object its place, so that references can be resolved in
// any order.
func (c *compiler) register() {
	add := func(o Object, i int) {
		if o.Handle == 0 || o.Handle > MaxHandle {
			c.errs = append(c.errs, fmt.Errorf("%s: handle %d is out of range", o, o.Handle))
		}
		if other, taken := c.s.objects[o.Handle]; taken {
			c.errs = append(c.errs, fmt.Errorf("%s: handle %d is taken by %s", o, o.Handle, other))
		}
		c.s.objects[o.Handle] = o
		c.index[o.Handle] = uint32(i)
	}
	for i, x := range c.b.VPCs {
		add(x.Object, i)
	}
	for i, x := range c.b.Subnets {
		add(x.Object, i)
	}
	for i, x := range c.b.RouteTables {
		add(x.Object, i)
	}
	for i, x := range c.b.NetworkACLs {
		add(x.Object, i)
	}
	for i, x := range c.b.SecurityGroups {
		add(x.Object, i)
	}
	for i, x := range c.b.NetworkInterfaces {
		add(x.Object, i)
	}
	for i, x := range c.b.InternetGateways {
		add(x.Object, i)
	}
	for i, x := range c.b.EgressOnlyInternetGateways {
		add(x.Object, i)
	}
	for i, x := range c.b.TrafficMirrorSessions {
		add(x.Object, i)
	}
	// NAT gateways and hosts are interfaces too: they follow the ENIs.
	for i, x := range c.b.NATGateways {
		add(x.Object, len(c.b.NetworkInterfaces)+i)
	}
	for i, x := range c.b.InternetHosts {
		add(x.Object, c.firstHost()+i)
	}
	c.registerTransitGateways(add)
	c.registerVPN(add)
	c.registerConnectPeers(add)
	c.registerClientVPN(add)
	c.registerEndpoints(add)
	for i, x := range c.b.Wires {
		add(x.Object, i)
	}
	for i, x := range c.b.Links {
		add(x.Object, i)
	}
	add(c.b.Internet, 0)
	if c.b.Services.Handle != 0 {
		add(c.b.Services.Object, 0)
	}
}

// firstTransit is the place of the first interface of a transit gateway, and
// firstHost that of the first Internet host.
func (c *compiler) firstTransit() int { return len(c.b.NetworkInterfaces) + len(c.b.NATGateways) }

func (c *compiler) firstHost() int {
	n := c.firstTransit()
	for i := range c.b.TransitGatewayAttachments {
		n += len(c.b.TransitGatewayAttachments[i].Interfaces)
	}
	return n
}

// resolve finds the place of the object that owner refers to.
func (c *compiler) resolve(owner Object, kind Kind, h Handle) uint32 {
	if o, ok := c.s.objects[h]; !ok || o.Kind != kind {
		c.errs = append(c.errs, fmt.Errorf("%s: no %s has handle %d", owner, kind, h))
		return 0
	}
	return c.index[h]
}

func (c *compiler) networkACLs() {
	c.s.networkACLs = make([]networkACL, len(c.b.NetworkACLs))
	for i := range c.b.NetworkACLs {
		c.s.networkACLs[i] = c.b.NetworkACLs[i].compile()
	}
}

func (c *compiler) vpcs() {
	c.s.vpcs = make([]vpc, len(c.b.VPCs))
	for i, v := range c.b.VPCs {
		c.s.vpcs[i] = vpc{handle: v.Handle, internetGateway: -1, egressOnly: -1, dnsDisabled: v.DNSDisabled}
		if len(v.CIDRs) > 0 && v.CIDRs[0].Addr().Is4() {
			c.s.vpcs[i].resolver = packet.AddrFrom(v.CIDRs[0].Masked().Addr().Next().Next())
		}
		for _, p := range v.CIDRs {
			c.s.vpcs[i].prefixes = append(c.s.vpcs[i].prefixes, packet.PrefixFrom(p))
			if p.Addr().Is6() {
				c.s.vpcs[i].prefixes6 = append(c.s.vpcs[i].prefixes6, packet.PrefixFrom(p))
			}
		}
	}
}

func (c *compiler) subnets() {
	c.s.subnets = make([]subnet, len(c.b.Subnets))
	for i, s := range c.b.Subnets {
		out := subnet{
			handle:     s.Handle,
			vpc:        c.resolve(s.Object, KindVPC, s.VPC),
			routeTable: c.resolve(s.Object, KindRouteTable, s.RouteTable),
			networkACL: c.resolve(s.Object, KindNetworkACL, s.NetworkACL),
			zone:       c.zone(s.Zone, c.regionOf(s.VPC)),
			routerMAC:  routerMAC(s.Handle),
			byMAC:      map[packet.MAC]uint32{},
		}
		for _, p := range s.CIDRs {
			out.prefixes = append(out.prefixes, packet.PrefixFrom(p))
			if p.Addr().Is6() {
				out.prefixes6 = append(out.prefixes6, packet.AdvertisedPrefix{
					Prefix: packet.PrefixFrom(p), OnLink: true, Valid: 0xffffffff, Preferred: 0xffffffff,
				})
			}
			if p.Addr().Is4() {
				out.routerAddresses = append(out.routerAddresses, packet.AddrFrom(p.Masked().Addr().Next()))
			}
		}
		out.routerAddresses = append(out.routerAddresses, packet.AddrFrom(RouterLinkLocal(s.Handle)), routerWellKnown)
		c.s.subnets[i] = out
	}
}

var routerWellKnown = packet.AddrFrom(netip.MustParseAddr("fe80:ec2::1"))

// routerMAC is the address of a subnet's (or Internet host's) implied router.
func routerMAC(h Handle) packet.MAC {
	return packet.MAC{0x0a, 0xff, 0, byte(h >> 16), byte(h >> 8), byte(h)}
}

// RouterLinkLocal is the EUI-64 link-local address of the implied router of
// subnet h: what router advertisements name as default gateway (A35).
func RouterLinkLocal(h Handle) netip.Addr {
	m := routerMAC(h)
	return netip.AddrFrom16([16]byte{0xfe, 0x80, 8: m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]})
}

// InterfaceMAC is the MAC of the interface with handle h: locally administered
// unicast (A28), and distinct from every router's.
func InterfaceMAC(h Handle) packet.MAC {
	return packet.MAC{0x0a, 0x5b, 0, byte(h >> 16), byte(h >> 8), byte(h)}
}

func (c *compiler) interfaces() {
	all := make([]networkInterface, 0, c.firstHost()+len(c.b.InternetHosts))
	for i, n := range c.b.NetworkInterfaces {
		sub := c.resolve(n.Object, KindSubnet, n.Subnet)
		ni := networkInterface{
			handle: n.Handle, kind: KindNetworkInterface, mac: n.MAC,
			sourceDestCheck: n.SourceDestCheck, stopped: n.Stopped, forwards: n.Forwards,
			subnet: sub, addresses: addresses(n.Addresses), timeouts: n.Timeouts.withDefaults(),
			allowance: n.TrackingAllowance, routerMAC: routerMAC(n.Subnet),
		}
		if len(c.errs) == 0 {
			c.attach(&ni, uint32(i))
		}
		all = append(all, ni)
	}
	for i, n := range c.b.NATGateways {
		ni := networkInterface{
			handle: n.Handle, gateway: n.Handle, kind: KindNATGateway, mac: n.MAC, stopped: n.Stopped,
			subnet: c.resolve(n.Object, KindSubnet, n.Subnet), addresses: addresses(n.Addresses),
			routerMAC: routerMAC(n.Subnet),
		}
		if len(c.errs) == 0 {
			c.attach(&ni, uint32(len(c.b.NetworkInterfaces)+i))
		}
		all = append(all, ni)
	}
	all = c.transitGatewayInterfaces(all)
	for _, h := range c.b.InternetHosts {
		all = append(all, networkInterface{
			handle: h.Handle, gateway: h.Handle, kind: KindInternetHost, mac: h.MAC, addresses: addresses(h.Addresses),
			timeouts: DefaultTimeouts, routerMAC: routerMAC(h.Handle),
		})
		if h.Behind.IsValid() {
			all[len(all)-1].behind = packet.AddrFrom(h.Behind)
		}
	}
	if s := c.b.Services; s.Handle != 0 {
		c.s.services = len(all)
		all = append(all, networkInterface{handle: s.Handle, kind: KindServices, mac: s.MAC, addresses: serviceAddresses, routerMAC: routerMAC(s.Handle)})
	}
	all = c.vpnInterfaces(all)
	all = c.connectPeerInterfaces(all)
	all = c.clientVPNInterfaces(all)
	all = c.endpointInterfaces(all)
	c.s.interfaces = all
	for i := range all {
		c.link(all[i].handle, uint32(i))
	}
}

// link makes the interface known by its handle, which register has checked.
func (c *compiler) link(h Handle, index uint32) {
	if h > MaxHandle {
		return
	}
	page := int(h / linkPageSize)
	for len(c.s.links) <= page {
		c.s.links = append(c.s.links, nil)
	}
	if c.s.links[page] == nil {
		c.s.links[page] = &linkPage{}
	}
	c.s.links[page][h%linkPageSize] = index + 1
}

// attach makes the interface known to its subnet and VPC.
func (c *compiler) attach(ni *networkInterface, index uint32) {
	sub := &c.s.subnets[ni.subnet]
	ni.vpc = sub.vpc
	sub.byMAC[ni.mac] = index
	for _, a := range ni.addresses {
		c.deliverTo(ni.subnet, c.s.objects[ni.handle], a, index)
	}
}

// deliverTo makes interface index the one that a subnet's address leads to.
func (c *compiler) deliverTo(subnet uint32, owner Object, a packet.Addr, index uint32) {
	sub := &c.s.subnets[subnet]
	if other, taken := c.s.vpcs[sub.vpc].owners.get(a); taken {
		c.errs = append(c.errs, fmt.Errorf("%s: address %s is taken by interface %d", owner, a, other))
	}
	sub.byAddress.set(a, index)
	c.s.vpcs[sub.vpc].owners.set(a, index)
}

func addresses(list []netip.Addr) []packet.Addr {
	out := make([]packet.Addr, len(list))
	for i, a := range list {
		out[i] = packet.AddrFrom(a)
	}
	return out
}

func (c *compiler) routeTables() {
	c.s.routeTables = make([]routeTable, len(c.b.RouteTables))
	for i, t := range c.b.RouteTables {
		out := routeTable{handle: t.Handle, table: &bart.Table[routeEntry]{}, unavailable: map[uint32]string{}}
		for j, r := range t.Routes {
			if _, taken := out.table.Get(r.Destination.Masked()); taken {
				c.errs = append(c.errs, fmt.Errorf("%s: two routes for %s", t.Object, r.Destination))
			}
			out.table.Insert(r.Destination.Masked(), routeEntry{c.target(t.Object, t.VPC, r.Target), uint32(j)})
			out.texts = append(out.texts, r.Text)
			if r.Unavailable != "" {
				out.unavailable[uint32(j)] = r.Unavailable
			}
		}
		out.chooseFirst()
		c.s.routeTables[i] = out
	}
}

func (c *compiler) target(owner Object, vpc Handle, t Target) Hop {
	switch t.Kind {
	case TargetLocal:
		return Hop{hopVPC, c.resolve(owner, KindVPC, t.Handle)}
	case TargetNetworkInterface:
		return Hop{hopEnterInterface, c.resolve(owner, KindNetworkInterface, t.Handle)}
	case TargetInternetGateway:
		return Hop{hopInternetGateway, c.resolve(owner, KindInternetGateway, t.Handle)}
	case TargetNATGateway:
		return Hop{hopEnterInterface, c.resolve(owner, KindNATGateway, t.Handle)}
	case TargetEgressOnlyInternetGateway:
		return Hop{hopEgressOnlyGateway, c.resolve(owner, KindEgressOnlyInternetGateway, t.Handle)}
	case TargetVPCPeering:
		return c.peeringSide(owner, t.Handle, vpc)
	case TargetVPNGateway:
		return Hop{hopVPNGateway, c.resolve(owner, KindVPNGateway, t.Handle)}
	case TargetGatewayEndpoint:
		return Hop{hopGatewayEndpoint, c.resolve(owner, KindVPCEndpoint, t.Handle)}
	case TargetTransitGateway:
		return Hop{hopTransitGateway, c.resolve(owner, KindTransitGatewayAttachment, t.Handle)}
	}
	return Hop{Kind: hopBlackhole}
}
