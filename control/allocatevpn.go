package control

import (
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
)

// This file assigns what Site-to-Site VPN needs: addresses of sites and of the hosts
// there, and the inside blocks of tunnels. Public IPv4 addresses are picked together
// with all others; see publicAddresses.

// sitePublic gives sites and AWS's ends of tunnels the public addresses that the
// file writes, and returns their wishes for others.
func (a *allocation) sitePublic(taken map[netip.Addr]bool) (open []publicDemand) {
	for _, name := range sorted(a.w.Sites) {
		s := a.w.Sites[name]
		s.Status.PublicIP = s.PublicIP
		if s.PublicIP.IsValid() {
			continue // it is among taken
		}
		d := publicDemand{path: field("sites", name), settle: func(ip netip.Addr) { s.Status.PublicIP = ip }}
		if old := a.previous.Sites[name]; old != nil && !old.PublicIP.IsValid() {
			d.had = old.Status.PublicIP
		}
		open = append(open, d)
	}
	for _, name := range sorted(a.w.VPNConnections) {
		tunnels := a.w.VPNConnections[name].Status.Tunnels
		for i := range tunnels {
			t := &tunnels[i]
			if a.w.VPNConnections[name].Status.OutsideIPAddressType == OutsideIPv6 {
				continue // outsideIPv6's
			}
			d := publicDemand{path: field("vpnConnections", name), settle: func(ip netip.Addr) { t.OutsideIP = ip }}
			if old, _ := a.previous.VPNTunnel(t.Name); old != nil {
				d.had = old.OutsideIP
			}
			t.OutsideIP = netip.Addr{}
			open = append(open, d)
		}
	}
	return open
}

// sites assigns the rest of a site's addresses: the router's IPv6 one, its address in
// each network, and those of the hosts there. AWS's ends of tunnels get theirs, too.
func (a *allocation) sites() {
	taken := a.siteIPv6()
	a.outsideIPv6(taken)
	a.clientVPNOutsideIPv6(taken)
	for _, name := range sorted(a.w.Sites) {
		a.siteNetworks(name, a.w.Sites[name])
	}
}

// siteIPv6 assigns IPv6 addresses to routers, each in a /64 of its own, of the upper
// half of the Internet hosts' space. It returns all that are taken there.
func (a *allocation) siteIPv6() (taken map[netip.Addr]bool) {
	taken = map[netip.Addr]bool{}
	for _, host := range a.w.InternetHosts {
		taken[host.Status.IPv6] = true
	}
	for _, s := range a.w.Sites {
		if s.Status.IPv6 = s.IPv6.Addr; s.IPv6.Choice == Explicit {
			taken[s.IPv6.Addr] = true
		}
	}
	for _, keep := range []bool{true, false} {
		n := uint32(1 << 23)
		for _, name := range sorted(a.w.Sites) {
			s := a.w.Sites[name]
			if s.IPv6.Choice == Explicit || s.IPv6.Choice == None || s.Status.IPv6.IsValid() {
				continue
			}
			old := a.previous.Sites[name]
			if keep && old != nil && internetIPv6.Contains(old.Status.IPv6) && !taken[old.Status.IPv6] {
				s.Status.IPv6 = old.Status.IPv6
				taken[old.Status.IPv6] = true
			}
			for !keep && !s.Status.IPv6.IsValid() {
				n++
				if candidate := internetAddress(n); !taken[candidate] {
					s.Status.IPv6 = candidate
					taken[candidate] = true
				}
			}
		}
	}
	return taken
}

// internetAddress is the first address of the nth /64 of the Internet hosts' space,
// which has 1<<24.
func internetAddress(n uint32) netip.Addr {
	bytes := internetIPv6.Addr().As16()
	bytes[5], bytes[6], bytes[7], bytes[15] = byte(n>>16), byte(n>>8), byte(n), 1
	return netip.AddrFrom16(bytes)
}

// outsideIPv6 assigns AWS's ends of tunnels that have IPv6 outside their addresses,
// each in a /64 of its own: the two of a connection end in different places. They are
// of the upper half of what routers of sites come from.
func (a *allocation) outsideIPv6(taken map[netip.Addr]bool) {
	for _, keep := range []bool{true, false} {
		n := uint32(3 << 22)
		for _, name := range sorted(a.w.VPNConnections) {
			c := a.w.VPNConnections[name]
			if c.Status.OutsideIPAddressType != OutsideIPv6 {
				continue
			}
			for i := range c.Status.Tunnels {
				t := &c.Status.Tunnels[i]
				if keep {
					t.OutsideIP = netip.Addr{}
					if old, _ := a.previous.VPNTunnel(t.Name); old != nil && internetIPv6.Contains(old.OutsideIP) && !taken[old.OutsideIP] {
						t.OutsideIP, taken[old.OutsideIP] = old.OutsideIP, true
					}
				}
				for !keep && !t.OutsideIP.IsValid() {
					n++
					if candidate := internetAddress(n); !taken[candidate] {
						t.OutsideIP, taken[candidate] = candidate, true
					}
				}
			}
		}
	}
}

// siteNetworks gives the router the first address of each network that hosts can be
// in, unless a host has it, and hosts the lowest free ones of the first network of
// each family.
func (a *allocation) siteNetworks(name string, s *Site) {
	written := map[netip.Addr]bool{}
	for _, host := range s.Status.Hosts {
		h := a.w.SiteHosts[host]
		written[h.IP], written[h.IPv6.Addr] = true, true
	}
	s.Status.LAN = []netip.Prefix{}
	var v4, v6 *pool
	for _, network := range s.Networks {
		if !network.IsValid() || !hasLAN(network) || overlapsAny(notAtASite, network) {
			continue
		}
		own := network.Addr().Next()
		for written[own] {
			own = own.Next()
		}
		s.Status.LAN = append(s.Status.LAN, netip.PrefixFrom(own, network.Bits()))
		p := newPool(network)
		p.reserve(own)
		if network.Addr().Is4() && v4 == nil {
			v4 = p
		} else if network.Addr().Is6() && v6 == nil {
			v6 = p
		}
	}
	empty := newPool(netip.Prefix{})
	if v4 == nil {
		v4 = empty
	}
	if v6 == nil {
		v6 = empty
	}
	var demands []*demand
	for _, host := range s.Status.Hosts {
		h := a.w.SiteHosts[host]
		had := SiteHostStatus{}
		if old := a.previous.SiteHosts[host]; old != nil && old.Site == h.Site {
			had = old.Status
		}
		demands = append(demands, &demand{
			pool: v4, got: []netip.Addr{h.IP}, had: []netip.Addr{had.IP},
			settle: func(got []netip.Addr) { h.Status.IP = first(got) },
		})
		h.Status.IPv6 = netip.Addr{}
		if h.IPv6.Choice != None {
			demands = append(demands, &demand{
				pool: v6, got: []netip.Addr{h.IPv6.Addr}, had: []netip.Addr{had.IPv6},
				settle: func(got []netip.Addr) { h.Status.IPv6 = first(got) },
			})
		}
	}
	satisfy(demands)
}

// insideCIDRs assigns the inside blocks of tunnels. Where to begin looking follows
// from the names, so that a tunnel gets the same block in every run, whatever others
// come and go. No two tunnels of the lab get the same one: they may end at one
// router.
func (a *allocation) insideCIDRs() {
	taken := map[netip.Prefix]bool{}
	for _, p := range insideReserved {
		taken[p] = true
	}
	each := func(visit func(t *VPNTunnel, o TunnelOptions, c *VPNConnection)) {
		for _, name := range sorted(a.w.VPNConnections) {
			c := a.w.VPNConnections[name]
			for i := range c.Status.Tunnels {
				visit(&c.Status.Tunnels[i], c.options(i), c)
			}
		}
	}
	each(func(t *VPNTunnel, o TunnelOptions, _ *VPNConnection) {
		t.InsideCIDR, t.InsideIPv6CIDR = o.InsideCIDR, o.InsideIPv6CIDR
		taken[o.InsideCIDR], taken[o.InsideIPv6CIDR] = true, true
	})
	each(func(t *VPNTunnel, _ TunnelOptions, c *VPNConnection) {
		old, before := a.previous.VPNTunnel(t.Name)
		if old == nil {
			return
		}
		keep := func(block *netip.Prefix, had netip.Prefix, wanted, written bool) {
			if wanted && !block.IsValid() && !written && had.IsValid() && !taken[had] {
				*block, taken[had] = had, true
			}
		}
		o := before.options(t.number() - 1)
		keep(&t.InsideCIDR, old.InsideCIDR, true, o.InsideCIDR.IsValid())
		keep(&t.InsideIPv6CIDR, old.InsideIPv6CIDR, c.Status.TunnelInsideIPVersion == IPv6, o.InsideIPv6CIDR.IsValid())
	})
	each(func(t *VPNTunnel, _ TunnelOptions, c *VPNConnection) {
		sum := sha256.Sum256([]byte(a.w.Name + "\x00" + t.Name))
		if !t.InsideCIDR.IsValid() {
			t.InsideCIDR = freeInsideCIDR(binary.BigEndian.Uint32(sum[:]), taken)
		}
		if c.Status.TunnelInsideIPVersion == IPv6 && !t.InsideIPv6CIDR.IsValid() {
			t.InsideIPv6CIDR = freeInsideIPv6CIDR(sum, taken)
		}
	})
}

// freeInsideCIDR is a /30 of 169.254.0.0/16 that nothing has taken: none of
// 169.254.168.0/22 either, where instances find AWS's services, nor of the first
// kilobyte or so, which AWS keeps in parts.
func freeInsideCIDR(seed uint32, taken map[netip.Prefix]bool) netip.Prefix {
	const blocks = 1 << 14
	for n := range uint32(blocks) {
		at := (seed + n) % blocks * 4
		block := netip.PrefixFrom(netip.AddrFrom4([4]byte{169, 254, byte(at >> 8), byte(at)}), 30)
		if at>>8 >= 6 && !linkLocalIPv4.Overlaps(block) && !taken[block] {
			taken[block] = true
			return block
		}
	}
	return netip.Prefix{} // 16,000 tunnels: more than any quota
}

// freeInsideIPv6CIDR is a /126 of fd00::/8 that nothing has taken, and none of the
// block where instances find AWS's services.
func freeInsideIPv6CIDR(seed [32]byte, taken map[netip.Prefix]bool) netip.Prefix {
	for {
		bytes := [16]byte(seed[4:20])
		bytes[0] = 0xfd
		bytes[15] &^= 3
		block := netip.PrefixFrom(netip.AddrFrom16(bytes), 126)
		if !taken[block] && !linkLocalIPv6.Overlaps(block) {
			taken[block] = true
			return block
		}
		seed = sha256.Sum256(seed[:])
	}
}
