package control

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/vpcsim/vpcsim/dataplane"
)

// ManagedInterface is a requester-managed network interface: of a VPC endpoint, of a
// load balancer, or of a transit gateway's attachment. No instance has it (A27).
type ManagedInterface struct {
	Identity
	Subnet           string     `json:"subnet"`
	AvailabilityZone string     `json:"availabilityZone"`
	PrivateIP        netip.Addr `json:"privateIp,omitzero"`
	IPv6             netip.Addr `json:"ipv6,omitzero"`
	// MAC follows from the Handle. Store assigns both.
	MAC MAC `json:"mac"`
}

func (n *ManagedInterface) addresses() []netip.Addr {
	return slices.DeleteFunc([]netip.Addr{n.PrivateIP, n.IPv6}, func(a netip.Addr) bool { return !a.IsValid() })
}

// managedInterfaces are those of a resource, one per subnet of the list that there
// is, with what is known of them from before.
func (w *World) managedInterfaces(plural, name string, subnets []string, before []ManagedInterface) []ManagedInterface {
	list := []ManagedInterface{}
	for i, subnet := range subnets {
		s := w.Subnets[subnet]
		if s == nil || slices.Contains(subnets[:i], subnet) {
			continue
		}
		n := ManagedInterface{Subnet: subnet}
		if old := managedIn(before, subnet); old != nil {
			n = *old
		}
		n.AvailabilityZone = s.zone(w)
		n.ID = resourceID("eni", w.Name, plural, name+"/"+subnet)
		list = append(list, n)
	}
	return list
}

// managedIn is the interface in a subnet, nil if there is none.
func managedIn(list []ManagedInterface, subnet string) *ManagedInterface {
	for i := range list {
		if list[i].Subnet == subnet {
			return &list[i]
		}
	}
	return nil
}

// managedOwner is a resource that has such interfaces.
type managedOwner struct {
	plural, name string
	// life tells a resource from a former one of its name: addresses go with it.
	life       string
	interfaces []ManagedInterface
	// wanted are addresses that the file writes, by subnet; v4 and v6 say which
	// families the interfaces have, where their subnet has them.
	wanted map[string]netip.Addr
	v4, v6 bool
	// full reports a subnet without an address for them.
	full func(v *validation, subnet string)
}

func (o *managedOwner) key() string { return o.plural + " " + o.name }

// managedOwners are load balancers and VPC endpoints, in a fixed order.
func (w *World) managedOwners() (owners []managedOwner) {
	full := func(plural, name string) func(*validation, string) {
		return func(v *validation, subnet string) {
			v.subnetFull(field(plural, name), "The specified subnet does not have enough free addresses to satisfy the request.", subnet)
		}
	}
	for _, name := range sorted(w.LoadBalancers) {
		b := w.LoadBalancers[name]
		owners = append(owners, managedOwner{"loadBalancers", name, "", b.Status.Nodes, b.PrivateIPs, true, b.dualstack(), full("loadBalancers", name)})
	}
	for _, name := range sorted(w.VPCEndpoints) {
		e := w.VPCEndpoints[name]
		t := e.Status.IPAddressType
		owners = append(owners, managedOwner{"vpcEndpoints", name, "", e.Status.Interfaces, e.PrivateIPs,
			t != IPAddressTypeIPv6, t != IPAddressTypeIPv4, full("vpcEndpoints", name)})
	}
	return owners
}

// managedInterfacesOf copies interfaces by their owners' keys: the world whose
// addresses are given out anew may be the very one that they are remembered from.
func managedInterfacesOf(owners []managedOwner) map[string]managedOwner {
	had := map[string]managedOwner{}
	for _, o := range owners {
		o.interfaces = slices.Clone(o.interfaces)
		had[o.key()] = o
	}
	return had
}

// managedDemands asks for the addresses of the owners' interfaces. An address is fixed
// as long as its owner and its subnet last (E12).
func (a *allocation) managedDemands(owners, before []managedOwner, v4, v6 map[string]*pool) (demands []*demand) {
	had := managedInterfacesOf(before)
	for _, o := range owners {
		for i := range o.interfaces {
			n := &o.interfaces[i]
			n.PrivateIP, n.IPv6 = netip.Addr{}, netip.Addr{}
			var old ManagedInterface
			if m := managedIn(had[o.key()].interfaces, n.Subnet); m != nil && had[o.key()].life == o.life {
				old = *m
			}
			if o.v4 {
				demands = append(demands, &demand{
					pool: v4[n.Subnet], got: []netip.Addr{o.wanted[n.Subnet]}, had: []netip.Addr{old.PrivateIP},
					settle: func(got []netip.Addr) { n.PrivateIP = first(got) },
					full:   func(int) { o.full(a.v, n.Subnet) },
				})
			}
			if o.v6 && v6[n.Subnet].block.IsValid() {
				demands = append(demands, &demand{
					pool: v6[n.Subnet], got: make([]netip.Addr, 1), had: []netip.Addr{old.IPv6},
					settle: func(got []netip.Addr) { n.IPv6 = first(got) },
				})
			}
		}
	}
	return demands
}

// first is the only address of a list that may be empty.
func first(list []netip.Addr) netip.Addr {
	if len(list) == 0 {
		return netip.Addr{}
	}
	return list[0]
}

// assignManagedHandles gives the owners' interfaces their handles: those they had
// before, unless their owner or subnet is replaced. New ones come from next.
func assignManagedHandles(owners, before []managedOwner, replaced map[string]bool, next func(*Identity) error) error {
	had := managedInterfacesOf(before)
	for _, o := range owners {
		for i := range o.interfaces {
			n := &o.interfaces[i]
			n.Handle = 0
			if m := managedIn(had[o.key()].interfaces, n.Subnet); m != nil && !replaced[o.key()] && !replaced["subnets "+n.Subnet] {
				n.Handle = m.Handle
			}
			if n.Handle == 0 {
				if err := next(&n.Identity); err != nil {
					return err
				}
			}
			n.MAC = MAC(dataplane.InterfaceMAC(dataplane.Handle(n.Handle)))
		}
	}
	return nil
}

// validateManaged checks the subnets of such interfaces, one per Availability Zone,
// and the addresses that the file writes for them.
func (v *validation) validateManaged(path, vpc string, subnets []string, wanted map[string]netip.Addr, sameZone func(subnet string) badValue) {
	zones := map[string]bool{}
	for i, subnet := range subnets {
		s := v.w.Subnets[subnet]
		if s == nil || s.VPC != vpc {
			continue
		}
		if zone := s.zone(v.w); zones[zone] {
			v.reportAt(index(field(path, "subnets"), i), false, sameZone(subnet))
		} else {
			zones[zone] = true
		}
	}
	for _, subnet := range slices.Sorted(maps.Keys(wanted)) {
		at := field(field(path, "privateIps"), subnet)
		if !slices.Contains(subnets, subnet) {
			v.reportKey(at, "InvalidParameter", fmt.Sprintf("%s is none of its subnets", subnet), "write a subnet that is under subnets")
		} else if s := v.w.Subnets[subnet]; s != nil {
			inSubnet(v, at, wanted[subnet], s.CIDR)
		}
	}
}

// collectManaged enters interfaces with the groups that they carry.
func (w *World) collectManaged(owner string, interfaces []ManagedInterface, groups []string) {
	for i := range interfaces {
		for _, g := range groups {
			if group := w.SecurityGroups[g]; group != nil {
				group.Status.NetworkInterfaces = append(group.Status.NetworkInterfaces, owner+"/"+interfaces[i].Subnet)
			}
		}
	}
}

// computeEndpoints fills the Status of endpoints, and of what is behind them.
// Instances have theirs.
func (w *World) computeEndpoints() {
	for _, group := range w.TargetGroups {
		group.computeStatus(w)
	}
	for name, balancer := range w.LoadBalancers {
		balancer.computeStatus(w, name)
	}
	for name, service := range w.VPCEndpointServices {
		service.computeStatus(w, name)
	}
	for name, endpoint := range w.VPCEndpoints {
		endpoint.computeStatus(w, name)
	}
}
