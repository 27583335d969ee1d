package control

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"net/netip"
	"slices"
)

// Allocate gives a completed world the addresses that AWS would pick: IPv6
// blocks of VPCs and subnets, private, IPv6 and public addresses of network
// interfaces and NAT gateways, IPv6 addresses of Internet hosts, addresses of sites
// of tunnels, of Connect peers and of VPN clients. What the file writes is
// reserved first. A resource keeps what it had in previous as long as that is
// still possible, so that adding an instance never moves another's address; a
// nil previous means w itself. The result depends on nothing but the two
// worlds.
//
// The Problems are resources that no address is left for; they go without one.
// References that lead nowhere are passed over, for Validate to report.
func (w *World) Allocate(previous *World) Problems {
	if previous == nil {
		previous = w.Clone()
	}
	a := &allocation{w: w, previous: previous, v: &validation{w: w}}
	a.vpcBlocks()
	a.subnetBlocks()
	a.privateAddresses()
	a.publicAddresses()
	a.internetHosts()
	a.sites()
	a.insideCIDRs()
	a.connectAddresses()
	a.vpnClients()
	a.keepAttachmentAges()
	w.computeStatus()
	return a.v.problems.sorted()
}

type allocation struct {
	w, previous *World
	v           *validation // for reporting
}

// sorted lists names in the order in which addresses are given out: that of a
// map would change from run to run.
func sorted[T any](m map[string]*T) []string { return slices.Sorted(maps.Keys(m)) }

// assignedIPv6 is where VPCs' blocks and Internet hosts' addresses come from:
// documentation space.
var assignedIPv6 = netip.MustParsePrefix("2001:db8::/32")

// vpcBlocks assigns the /56 blocks. Where to begin looking follows from the
// names, so that a VPC gets the same block in every run, whatever others come
// and go.
func (a *allocation) vpcBlocks() {
	taken := []netip.Prefix{internetIPv6, awsServicesIPv6}
	for _, host := range a.w.InternetHosts {
		if addr := host.IPv6.Addr; addr.Is6() {
			taken = append(taken, netip.PrefixFrom(addr, 128))
		}
	}
	for _, site := range a.w.Sites {
		if addr := site.IPv6.Addr; addr.Is6() {
			taken = append(taken, netip.PrefixFrom(addr, 128))
		}
	}
	var open []string
	for _, name := range sorted(a.w.VPCs) {
		vpc := a.w.VPCs[name]
		vpc.Status.IPv6CIDR = netip.Prefix{}
		switch vpc.IPv6.Choice {
		case Explicit:
			vpc.Status.IPv6CIDR = vpc.IPv6.Prefix
			if vpc.IPv6.Prefix.Bits() >= widestIPv6 {
				taken = append(taken, vpc.IPv6.Prefix)
			}
		case Auto:
			open = append(open, name)
		}
	}
	for _, keep := range []bool{true, false} {
		for _, name := range open {
			status := &a.w.VPCs[name].Status
			if keep {
				if old := a.previous.VPCs[name]; old != nil && old.IPv6.Choice == Auto {
					block := old.Status.IPv6CIDR
					if block.IsValid() && block.Bits() == 56 && contains(assignedIPv6, block) && !overlapsAny(taken, block) {
						status.IPv6CIDR = block
						taken = append(taken, block)
					}
				}
			} else if !status.IPv6CIDR.IsValid() {
				status.IPv6CIDR = freeVPCBlock(a.w.Name+"\x00"+name, taken)
				taken = append(taken, status.IPv6CIDR)
			}
		}
	}
}

// widestIPv6 is the shortest prefix that a VPC's block can have (A10). A file may
// write a shorter one, which Validate refuses; nothing is to be looked for beside
// or inside it, for that could take for ever.
const widestIPv6 = 44

// freeVPCBlock is a /56 that overlaps none of taken. There are 2^24, so one is
// always found.
func freeVPCBlock(seed string, taken []netip.Prefix) netip.Prefix {
	sum := sha256.Sum256([]byte(seed))
	for n := binary.BigEndian.Uint32(sum[:]); ; n++ {
		bytes := assignedIPv6.Addr().As16()
		bytes[4], bytes[5], bytes[6] = byte(n>>16), byte(n>>8), byte(n)
		block := netip.PrefixFrom(netip.AddrFrom16(bytes), 56)
		if !overlapsAny(taken, block) {
			return block
		}
	}
}

// subnetBlocks assigns the /64 blocks: the lowest free one of the VPC's.
func (a *allocation) subnetBlocks() {
	taken := map[string][]netip.Prefix{} // by VPC
	var open []string
	for _, name := range sorted(a.w.Subnets) {
		subnet := a.w.Subnets[name]
		subnet.Status.IPv6CIDR = netip.Prefix{}
		switch subnet.ipv6().Choice {
		case Explicit:
			subnet.Status.IPv6CIDR = subnet.IPv6.Prefix
			taken[subnet.VPC] = append(taken[subnet.VPC], subnet.IPv6.Prefix)
		case Auto:
			if vpc := a.w.VPCs[subnet.VPC]; vpc != nil && vpc.Status.IPv6CIDR.Addr().Is6() && vpc.Status.IPv6CIDR.Bits() >= widestIPv6 {
				open = append(open, name)
			}
		}
	}
	for _, name := range open {
		subnet := a.w.Subnets[name]
		old := a.previous.Subnets[name]
		if old == nil || old.ipv6().Choice != Auto {
			continue
		}
		block := old.Status.IPv6CIDR
		if block.IsValid() && block.Bits() == 64 && contains(a.w.VPCs[subnet.VPC].Status.IPv6CIDR, block) && !overlapsAny(taken[subnet.VPC], block) {
			subnet.Status.IPv6CIDR = block
			taken[subnet.VPC] = append(taken[subnet.VPC], block)
		}
	}
	for _, name := range open {
		subnet := a.w.Subnets[name]
		if subnet.Status.IPv6CIDR.IsValid() {
			continue
		}
		block, ok := freeSubnetBlock(a.w.VPCs[subnet.VPC].Status.IPv6CIDR, taken[subnet.VPC])
		if !ok {
			a.v.reportf(field(field("subnets", name), "ipv6"), "InsufficientCidrBlocks", "use a larger block for the VPC, or several VPCs",
				"The VPC '%s' has no free IPv6 /64 left", subnet.VPC)
			continue
		}
		subnet.Status.IPv6CIDR = block
		taken[subnet.VPC] = append(taken[subnet.VPC], block)
	}
}

// freeSubnetBlock is the lowest /64 of a VPC's block that overlaps none of taken.
// A subnet may hold a wider block than a /64, so overlap decides, not equality.
func freeSubnetBlock(vpc netip.Prefix, taken []netip.Prefix) (netip.Prefix, bool) {
	bytes := vpc.Addr().As16()
	base := binary.BigEndian.Uint64(bytes[:8])
	for n := uint64(0); n < 1<<max(0, 64-vpc.Bits()); n++ {
		binary.BigEndian.PutUint64(bytes[:8], base+n)
		block := netip.PrefixFrom(netip.AddrFrom16(bytes), 64)
		if !overlapsAny(taken, block) {
			return block, true
		}
	}
	return netip.Prefix{}, false
}

// internetHosts assigns IPv6 addresses to Internet hosts, each in a /64 of its
// own: strangers share no network.
func (a *allocation) internetHosts() {
	taken := map[netip.Addr]bool{}
	for _, site := range a.w.Sites {
		taken[site.IPv6.Addr] = true
	}
	var open []string
	for _, name := range sorted(a.w.InternetHosts) {
		host := a.w.InternetHosts[name]
		host.Status.IPv6 = netip.Addr{}
		switch host.IPv6.Choice {
		case Explicit:
			host.Status.IPv6 = host.IPv6.Addr
			taken[host.IPv6.Addr] = true
		case Unset, Auto:
			open = append(open, name)
		}
	}
	for _, name := range open {
		if old := a.previous.InternetHosts[name]; old != nil && internetIPv6.Contains(old.Status.IPv6) && !taken[old.Status.IPv6] {
			a.w.InternetHosts[name].Status.IPv6 = old.Status.IPv6
			taken[old.Status.IPv6] = true
		}
	}
	n := uint32(0)
	for _, name := range open {
		host := a.w.InternetHosts[name]
		for !host.Status.IPv6.IsValid() {
			n++
			if candidate := internetAddress(n); !taken[candidate] {
				host.Status.IPv6 = candidate
				taken[candidate] = true
			}
		}
	}
}
