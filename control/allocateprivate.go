package control

import (
	"fmt"
	"net/netip"
	"slices"
)

// privateAddresses assigns private IPv4 and IPv6 addresses to network interfaces
// and NAT gateways, transit gateway attachments and Client VPN endpoints, and counts what is left in each
// subnet. Instances come before gateways, so that a gateway that is added to a file
// moves none.
func (a *allocation) privateAddresses() {
	v4, v6 := map[string]*pool{}, map[string]*pool{}
	for name, subnet := range a.w.Subnets {
		v4[name], v6[name] = newPool(subnet.CIDR), newPool(subnet.Status.IPv6CIDR)
	}
	var demands []*demand
	for _, name := range sorted(a.w.NetworkInterfaces) {
		eni := a.w.NetworkInterfaces[name]
		eni.Status.PrivateIPs, eni.Status.IPv6s = nil, nil
		subnet, spec := a.w.Subnets[eni.Subnet], a.w.interfaceSpec(eni)
		if subnet == nil {
			continue
		}
		var had NetworkInterfaceStatus
		if old := a.previous.NetworkInterfaces[name]; old != nil && old.Subnet == eni.Subnet {
			had = old.Status
		}
		demands = append(demands, &demand{
			pool: v4[eni.Subnet], got: spec.privateIPs(subnet), had: had.PrivateIPs,
			settle: func(got []netip.Addr) { eni.Status.PrivateIPs = got },
			full:   func(i int) { a.interfaceFull(eni, i) },
		}, &demand{
			pool: v6[eni.Subnet], got: spec.ipv6Addresses(subnet), had: had.IPv6s,
			settle: func(got []netip.Addr) { eni.Status.IPv6s = got },
		})
	}
	for _, name := range sorted(a.w.NATGateways) {
		if d := a.natGatewayDemand(name, v4); d != nil {
			demands = append(demands, d)
		}
	}
	demands = append(demands, a.managedDemands(a.w.transitGatewayOwners(), a.previous.transitGatewayOwners(), v4, v6)...)
	for _, name := range sorted(a.w.ClientVPNEndpoints) {
		demands = append(demands, a.clientVPNDemands(name, v4)...)
	}
	demands = append(demands, a.managedDemands(a.w.managedOwners(), a.previous.managedOwners(), v4, v6)...)
	satisfy(demands)
	a.clientVPNBlocks(v6) // of what is left
	for name, subnet := range a.w.Subnets {
		subnet.Status.AvailableIPAddressCount = v4[name].free()
	}
}

func (a *allocation) natGatewayDemand(name string, pools map[string]*pool) *demand {
	g := a.w.NATGateways[name]
	g.Status.Addresses = []NATGatewayAddress{}
	if pools[g.Subnet] == nil || !pools[g.Subnet].block.IsValid() {
		return nil
	}
	var had []netip.Addr
	if old := a.previous.NATGateways[name]; old != nil && old.Subnet == g.Subnet {
		for _, address := range old.Status.Addresses {
			had = append(had, address.PrivateIP)
		}
	}
	return &demand{
		pool: pools[g.Subnet], got: g.privateIPs(), had: had,
		settle: func(got []netip.Addr) {
			g.Status.Addresses = []NATGatewayAddress{}
			for _, ip := range got {
				g.Status.Addresses = append(g.Status.Addresses, NATGatewayAddress{PrivateIP: ip})
			}
		},
		full: func(int) { // QG8
			a.v.subnetFull(field("natGateways", name), "Subnet has insufficient free addresses to create this NAT gateway", g.Subnet)
		},
	}
}

// demand is what one owner wants of one pool.
type demand struct {
	pool *pool
	// got are the addresses wanted, the primary first: written ones, and
	// invalid ones that the pool is to fill.
	got []netip.Addr
	// had are the addresses of the same places in the previous world.
	had []netip.Addr
	// settle receives the addresses, without those that could not be had; full
	// is told the place of the first of these, and may be nil.
	settle func([]netip.Addr)
	full   func(place int)
}

// satisfy fills all demands in three rounds: what is written, then what each owner
// had, then the lowest free addresses. Later rounds never take from earlier ones.
func satisfy(demands []*demand) {
	for _, d := range demands {
		for _, a := range d.got {
			d.pool.reserve(a)
		}
	}
	for _, d := range demands {
		for i, a := range d.got {
			if !a.IsValid() && i < len(d.had) && d.pool.usable(d.had[i]) {
				d.pool.reserve(d.had[i])
				d.got[i] = d.had[i]
			}
		}
	}
	for _, d := range demands {
		for i, a := range d.got {
			if !a.IsValid() {
				d.got[i] = d.pool.lowest()
			}
		}
		missing := slices.Index(d.got, netip.Addr{})
		if missing >= 0 && d.full != nil {
			d.full(missing)
		}
		if missing == 0 {
			d.got = nil // secondary addresses without a primary one are none
		}
		got := slices.DeleteFunc(d.got, func(a netip.Addr) bool { return !a.IsValid() })
		if len(got) == 0 {
			got = nil
		}
		d.settle(got)
	}
}

// interfaceFull reports a subnet without free addresses, in the words of the call
// that AWS would refuse: RunInstances for eth0's primary address,
// CreateNetworkInterface or AssignPrivateIpAddresses for the others.
func (a *allocation) interfaceFull(eni *NetworkInterface, place int) {
	if !a.w.Subnets[eni.Subnet].CIDR.Addr().Is4() {
		return // Validate reports the missing block
	}
	path := interfacePath(eni.Instance, eni.DeviceIndex)
	message := fmt.Sprintf("There are not enough free addresses in subnet '%s' to satisfy the requested number of instances.", eni.Subnet) // QN2
	if eni.DeviceIndex > 0 || place > 0 {
		message = "The specified subnet does not have enough free addresses to satisfy the request." // QN1
	}
	if place > 0 {
		path = index(field(path, "secondaryIps"), place-1)
	}
	a.v.subnetFull(path, message, eni.Subnet)
}

// subnetFull reports something at path that finds no free address in a subnet.
func (v *validation) subnetFull(path, message, subnet string) {
	v.report(path, "InsufficientFreeAddressesInSubnet", message,
		fmt.Sprintf("%s has %s: use a larger or another subnet", subnet, v.w.Subnets[subnet].CIDR))
}

// pool hands out the addresses of one subnet block.
type pool struct {
	block netip.Prefix
	taken map[netip.Addr]bool
	next  netip.Addr // no address below it is free
	last  netip.Addr // reserved, as are the first four (A15, A16)
}

// newPool makes a pool of block; of an invalid block (the subnet has none of this
// family) it has no addresses.
func newPool(block netip.Prefix) *pool {
	p := &pool{block: block, taken: map[netip.Addr]bool{}}
	if block.IsValid() {
		p.last = lastAddress(block)
		p.next = block.Addr().Next().Next().Next().Next()
	}
	return p
}

// reserve takes an address out of the pool, in the pool or not; the invalid one is
// nobody's.
func (p *pool) reserve(a netip.Addr) {
	if a.IsValid() {
		p.taken[a] = true
	}
}

// usable reports whether a can be given to an interface.
func (p *pool) usable(a netip.Addr) bool {
	return a.IsValid() && p.block.IsValid() && p.block.Contains(a) && !reservedIn(p.block, a) && !p.taken[a]
}

// lowest reserves the lowest free address; invalid if there is none.
func (p *pool) lowest() netip.Addr {
	for ; p.next.IsValid() && p.block.Contains(p.next) && p.next != p.last; p.next = p.next.Next() {
		if a := p.next; !p.taken[a] {
			p.taken[a] = true
			return a
		}
	}
	return netip.Addr{}
}

// free counts the IPv4 addresses that are left.
func (p *pool) free() int {
	if !p.block.IsValid() || !p.block.Addr().Is4() {
		return 0
	}
	taken := 0
	for a := range p.taken {
		if p.block.Contains(a) && !reservedIn(p.block, a) {
			taken++
		}
	}
	return max(0, 1<<(32-p.block.Bits())-5-taken)
}
