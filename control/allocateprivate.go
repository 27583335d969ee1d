package control

import (
	"fmt"
	"net/netip"
)

// networkInterfaces assigns private IPv4 and IPv6 addresses and counts what is
// left in each subnet.
func (a *allocation) networkInterfaces() {
	v4, v6 := map[string]*pool{}, map[string]*pool{}
	for name, subnet := range a.w.Subnets {
		v4[name], v6[name] = newPool(subnet.CIDR), newPool(subnet.Status.IPv6CIDR)
	}
	names := sorted(a.w.NetworkInterfaces)
	for _, name := range names { // what the file writes
		eni := a.w.NetworkInterfaces[name]
		spec := a.w.interfaceSpec(eni)
		eni.Status.PrivateIPs, eni.Status.IPv6s = nil, nil
		if v4[eni.Subnet] == nil {
			continue
		}
		v4[eni.Subnet].reserve(spec.IP)
		for _, secondary := range spec.SecondaryIPs {
			v4[eni.Subnet].reserve(secondary)
		}
		v6[eni.Subnet].reserve(spec.IPv6.Addr)
	}
	// What each had, then what is free for those that had nothing.
	for _, keep := range []bool{true, false} {
		for _, name := range names {
			eni := a.w.NetworkInterfaces[name]
			if v4[eni.Subnet] == nil {
				continue
			}
			spec := a.w.interfaceSpec(eni)
			var had NetworkInterfaceStatus
			if old := a.previous.NetworkInterfaces[name]; old != nil && old.Subnet == eni.Subnet {
				had = old.Status
			}
			if len(eni.Status.PrivateIPs) == 0 {
				if ip := choose(v4[eni.Subnet], spec.IP, true, first(had.PrivateIPs), keep); ip.IsValid() {
					eni.Status.PrivateIPs = append([]netip.Addr{ip}, spec.SecondaryIPs...)
				} else if !keep {
					a.full(name, eni)
				}
			}
			subnet := a.w.Subnets[eni.Subnet]
			wanted := spec.IPv6.Choice == Auto || spec.IPv6.Choice == Unset && subnet.Status.AssignIPv6
			if len(eni.Status.IPv6s) == 0 {
				if ip := choose(v6[eni.Subnet], spec.IPv6.Addr, wanted, first(had.IPv6s), keep); ip.IsValid() {
					eni.Status.IPv6s = []netip.Addr{ip}
				}
			}
		}
	}
	for name, subnet := range a.w.Subnets {
		subnet.Status.AvailableIPAddressCount = v4[name].free()
	}
}

// choose is the address of one interface in one family: the written one, else,
// if one is wanted, the one it had (if keep) or the lowest free one (if not).
func choose(p *pool, written netip.Addr, wanted bool, had netip.Addr, keep bool) netip.Addr {
	switch {
	case written.IsValid():
		return written
	case !wanted:
		return netip.Addr{}
	case !keep:
		return p.lowest()
	case p.usable(had):
		p.reserve(had)
		return had
	}
	return netip.Addr{}
}

func first(list []netip.Addr) netip.Addr {
	if len(list) == 0 {
		return netip.Addr{}
	}
	return list[0]
}

// full reports a subnet without free addresses, in the words of the call that AWS
// would refuse: RunInstances for eth0, CreateNetworkInterface for the others.
func (a *allocation) full(name string, eni *NetworkInterface) {
	if !a.w.Subnets[eni.Subnet].CIDR.Addr().Is4() {
		return // Validate reports the missing block
	}
	message := fmt.Sprintf("There are not enough free addresses in subnet '%s' to satisfy the requested number of instances.", eni.Subnet) // QN2
	if eni.DeviceIndex > 0 {
		message = "The specified subnet does not have enough free addresses to satisfy the request." // QN1
	}
	a.v.report(interfacePath(eni.Instance, eni.DeviceIndex), "InsufficientFreeAddressesInSubnet", message,
		fmt.Sprintf("%s has %s: use a larger or another subnet", eni.Subnet, a.w.Subnets[eni.Subnet].CIDR))
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
