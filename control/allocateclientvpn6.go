package control

import (
	"net/netip"
	"slices"
)

// clientIPv6Bits is the prefix length of the block that an association gives IPv6
// addresses from: what AWS delegates to a network interface at once.
const clientIPv6Bits = 80

// clientVPNBlocks gives each association that carries IPv6 a block of its subnet: the
// one it had, or the highest that nobody has an address in, since other addresses are
// given out from below. AWS says that clients get addresses of the associated subnet,
// and not which.
func (a *allocation) clientVPNBlocks(pools map[string]*pool) {
	type wish struct {
		of  *ClientVPNAssociation
		had netip.Prefix
	}
	var open []wish
	given := map[string][]netip.Prefix{} // by subnet
	for _, name := range sorted(a.w.ClientVPNEndpoints) {
		e := a.w.ClientVPNEndpoints[name]
		for i := range e.Status.Associations {
			s := &e.Status.Associations[i]
			s.IPv6CIDR = netip.Prefix{}
			if p := pools[s.Subnet]; !e.TrafficIPAddressType.ipv6() || p == nil || !p.block.IsValid() {
				continue // Validate says what is missing
			}
			x := wish{of: s}
			if old := a.previous.clientVPNAssociation(name, s.Subnet); old != nil {
				x.had = old.IPv6CIDR
			}
			if pools[s.Subnet].hasFree(x.had) && !slices.Contains(given[s.Subnet], x.had) {
				s.IPv6CIDR = x.had
				given[s.Subnet] = append(given[s.Subnet], x.had)
				continue
			}
			open = append(open, x)
		}
	}
	for _, x := range open {
		p := pools[x.of.Subnet]
		block := netip.PrefixFrom(lastAddress(p.block), clientIPv6Bits).Masked()
		for block.IsValid() && p.block.Overlaps(block) && (!p.hasFree(block) || slices.Contains(given[x.of.Subnet], block)) {
			block = blockBelow(block)
		}
		if p.hasFree(block) {
			x.of.IPv6CIDR = block
			given[x.of.Subnet] = append(given[x.of.Subnet], block)
		}
	}
}

// hasFree reports whether a block is in the pool's, and nobody has an address in it.
func (p *pool) hasFree(block netip.Prefix) bool {
	if !block.IsValid() || !contains(p.block, block) {
		return false
	}
	for taken := range p.taken {
		if block.Contains(taken) {
			return false
		}
	}
	return true
}

// blockBelow is the block of the same size that comes before, invalid if there is none.
func blockBelow(block netip.Prefix) netip.Prefix {
	return netip.PrefixFrom(block.Addr().Prev(), block.Bits()).Masked()
}

// clientIPv6Addresses gives clients that landed on an association addresses of its
// block: those they had, or the lowest that are free. The first two are left out, as of
// the IPv4 block.
func (a *allocation) clientIPv6Addresses(block netip.Prefix, landed []string) {
	if !block.IsValid() {
		return
	}
	taken := map[netip.Addr]bool{}
	for _, name := range landed {
		c, old := a.w.VPNClients[name], a.previous.VPNClients[name]
		if old == nil || old.Endpoint != c.Endpoint {
			continue
		}
		if had := old.Status.IPv6; had.IsValid() && block.Contains(had) && !taken[had] {
			c.Status.IPv6, taken[had] = had, true
		}
	}
	next := block.Addr().Next().Next()
	for _, name := range landed {
		c := a.w.VPNClients[name]
		if c.Status.IPv6.IsValid() {
			continue
		}
		for taken[next] {
			next = next.Next()
		}
		c.Status.IPv6, taken[next] = next, true // 2^48 are enough for everybody
	}
}

// landed are the clients of an endpoint that are on an association, sorted.
func (w *World) landed(e *ClientVPNEndpoint, subnet string) (names []string) {
	for _, name := range e.Status.Clients {
		if w.VPNClients[name].Status.Subnet == subnet {
			names = append(names, name)
		}
	}
	return names
}

// connected are the clients of an endpoint that are on any association, sorted.
func (w *World) connected(e *ClientVPNEndpoint) (names []string) {
	for _, name := range e.Status.Clients {
		if w.VPNClients[name].Status.Place() != "" {
			names = append(names, name)
		}
	}
	return names
}

// landedIPv6 are the addresses of those that have one.
func (w *World) landedIPv6(e *ClientVPNEndpoint, subnet string) (list []netip.Addr) {
	for _, name := range w.landed(e, subnet) {
		list = append(list, addressList(w.VPNClients[name].Status.IPv6)...)
	}
	return list
}

// clientVPNOutsideIPv6 assigns what clients call by IPv6, and their machines, addresses
// on the Internet: those they had, or ones of the last quarter of what AWS's ends of
// tunnels come from, each in a /64 of its own.
func (a *allocation) clientVPNOutsideIPv6(taken map[netip.Addr]bool) {
	type wish struct {
		address *netip.Addr
		had     netip.Addr
	}
	var wishes []wish
	for _, name := range sorted(a.w.ClientVPNEndpoints) {
		e := a.w.ClientVPNEndpoints[name]
		for i := range e.Status.Associations {
			s := &e.Status.Associations[i]
			s.OutsideIPv6 = netip.Addr{}
			if x := (wish{address: &s.OutsideIPv6}); e.EndpointIPAddressType.ipv6() {
				if old := a.previous.clientVPNAssociation(name, s.Place()); old != nil {
					x.had = old.OutsideIPv6
				}
				wishes = append(wishes, x)
			}
		}
	}
	for _, name := range sorted(a.w.VPNClients) {
		c := a.w.VPNClients[name]
		c.Status.InternetIPv6 = netip.Addr{}
		if e := a.w.ClientVPNEndpoints[c.Endpoint]; e == nil || !c.Status.InLab || !e.EndpointIPAddressType.ipv6() {
			continue
		}
		x := wish{address: &c.Status.InternetIPv6}
		if old := a.previous.VPNClients[name]; old != nil {
			x.had = old.Status.InternetIPv6
		}
		wishes = append(wishes, x)
	}
	for _, x := range wishes {
		if internetIPv6.Contains(x.had) && !taken[x.had] {
			*x.address, taken[x.had] = x.had, true
		}
	}
	n := uint32(15 << 20)
	for _, x := range wishes {
		for !x.address.IsValid() {
			n++
			if candidate := internetAddress(n); !taken[candidate] {
				*x.address, taken[candidate] = candidate, true
			}
		}
	}
}
