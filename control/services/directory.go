package services

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/vpcsim/vpcsim/control"
)

// Directory is what the servers know: an immutable view of one world, by the
// handle of the network interface that asks. Every apply makes a new one; the
// servers read the one in force from an atomic pointer.
//
// It is a struct and no interface: it has no other implementation, and the
// tests of the servers use real worlds.
type Directory struct {
	// zones are the names' apexes, and who knows the names below.
	zones      []zone
	interfaces map[uint32]*networkInterface
	// instances by ID, which is their resource name (A46).
	instances map[string]*instance
	// public finds what a public IPv4 address translates to.
	public map[netip.Addr]translation
	// ipv6 finds the instance that holds an IPv6 address. Private blocks may
	// repeat, so it is per VPC.
	ipv6 map[vpcAddress]*instance
	// labNames are the names of the convenience zone, without the zone.
	labNames map[string][]netip.Addr
	// hosts are the lab names of Internet hosts, by address.
	hosts map[netip.Addr]string
	// awsServices are the names of AWS's services, as their own zones.
	awsServices []meaning
}

type vpcAddress struct {
	vpc  *vpc
	addr netip.Addr
}

// translation is what a public address stands for: an address of an instance or
// of a NAT gateway.
type translation struct {
	vpc     *vpc
	private netip.Addr
}

// The views are the stored resources, with the ones around them at hand: no
// server looks anything up by name.
type (
	networkInterface struct {
		*control.NetworkInterface
		instance *instance
		subnet   *control.Subnet
		vpc      *vpc
		// groups are the security groups' names and IDs, in the order of the
		// interface.
		groups []group
	}
	instance struct {
		*control.Instance
		interfaces []*networkInterface // by device index
	}
	vpc struct {
		*control.VPC
		name string
		// peers are the VPCs whose names the resolver of this one knows.
		peers map[*vpc]peerNames
		// private are names of services that mean endpoints of this VPC.
		private []meaning
	}
	group struct{ name, id string }
)

// NewDirectory is the view of a world that has been prepared and whose
// resources have their handles. The world must not change afterwards; what of
// it does not fit together is left out.
func NewDirectory(w *control.World) *Directory {
	d := &Directory{
		interfaces: map[uint32]*networkInterface{},
		instances:  map[string]*instance{},
		public:     map[netip.Addr]translation{},
		ipv6:       map[vpcAddress]*instance{},
		labNames:   map[string][]netip.Addr{},
		hosts:      map[netip.Addr]string{},
	}
	for name, host := range w.InternetHosts {
		d.addHost(strings.ToLower(name), host)
	}
	vpcs := map[string]*vpc{}
	for name, v := range w.VPCs {
		vpcs[name] = &vpc{VPC: v, name: name, peers: map[*vpc]peerNames{}}
	}
	d.addZones(w)
	introducePeers(w, vpcs)
	// Elastic IPs have public names whatever they are associated with.
	for _, gateway := range w.NATGateways {
		for _, a := range gateway.Status.Addresses {
			if owner := vpcs[gateway.Status.VPC]; owner != nil && a.PublicIP.IsValid() {
				d.public[a.PublicIP] = translation{owner, a.PrivateIP}
			}
		}
	}
	// In order, so that of two names that differ in case alone the same one wins
	// in every run: DNS cannot tell them apart.
	for _, name := range slices.Sorted(maps.Keys(w.Instances)) {
		view := &instance{Instance: w.Instances[name]}
		for _, eniName := range view.Status.NetworkInterfaces {
			eni := w.NetworkInterfaces[eniName]
			if eni == nil || w.Subnets[eni.Subnet] == nil || vpcs[eni.VPC] == nil {
				continue // a world that was not prepared
			}
			view.interfaces = append(view.interfaces, &networkInterface{
				NetworkInterface: eni, instance: view,
				subnet: w.Subnets[eni.Subnet], vpc: vpcs[eni.VPC], groups: groupsOf(w, eni),
			})
		}
		if len(view.interfaces) > 0 {
			d.addInstance(strings.ToLower(name), view)
		}
	}
	d.addClientVPN(w, vpcs)
	d.addAWSServices(w, vpcs)
	return d
}

// addClientVPN makes the interfaces of Client VPN endpoints known, by which clients
// ask the resolver of the VPC, and the clients themselves. They have no names of their own.
func (d *Directory) addClientVPN(w *control.World, vpcs map[string]*vpc) {
	for _, e := range w.ClientVPNEndpoints {
		for _, a := range e.Status.Associations {
			if w.Subnets[a.Subnet] == nil || vpcs[e.Status.VPC] == nil || a.Handle == 0 {
				continue
			}
			eni := &control.NetworkInterface{VPC: e.Status.VPC, Subnet: a.Subnet}
			eni.Status.Handle = a.Handle
			d.interfaces[a.Handle] = &networkInterface{
				NetworkInterface: eni, instance: &instance{Instance: &control.Instance{}}, subnet: w.Subnets[a.Subnet], vpc: vpcs[e.Status.VPC],
			}
			// Over IPv6 each client asks by itself: its address is its own (C6).
			for _, name := range e.Status.Clients {
				if c := w.VPNClients[name]; c != nil && c.Status.Subnet == a.Subnet && c.Status.Handle != 0 {
					d.interfaces[c.Status.Handle] = d.interfaces[a.Handle]
				}
			}
			if a.PublicIP.IsValid() {
				d.public[a.PublicIP] = translation{vpcs[e.Status.VPC], a.PrivateIP}
			}
		}
	}
}

// addInstance makes an instance and its interfaces findable. Of an instance and an
// Internet host with the same name, the instance has it in the lab's zone.
func (d *Directory) addInstance(name string, i *instance) {
	d.instances[i.Status.ID] = i
	d.labNames[name] = slices.Concat(i.interfaces[0].Status.PrivateIPs, i.interfaces[0].Status.IPv6s)
	for _, eni := range i.interfaces {
		if h := eni.Status.Handle; h != 0 { // 0: no store has seen the world
			d.interfaces[h] = eni
		}
		for _, a := range eni.Status.Associations {
			d.public[a.PublicIP] = translation{eni.vpc, a.PrivateIP}
		}
		for _, a := range eni.Status.IPv6s {
			d.ipv6[vpcAddress{eni.vpc, a}] = i
		}
	}
}

// addHost makes an Internet host findable. AWS knows nothing about it: it has a
// name in the lab's zone only.
func (d *Directory) addHost(name string, host *control.InternetHost) {
	for _, a := range []netip.Addr{host.IP, host.Status.IPv6} {
		if a.IsValid() {
			d.labNames[name] = append(d.labNames[name], a)
			d.hosts[a] = name
		}
	}
}

// groupsOf names groups as AWS does: the default group of every VPC is called
// "default", and only the lab puts the VPC's name before it.
func groupsOf(w *control.World, eni *control.NetworkInterface) []group {
	groups := make([]group, 0, len(eni.SecurityGroups))
	for _, name := range eni.SecurityGroups {
		g := group{name: name}
		if sg := w.SecurityGroups[name]; sg != nil {
			g.id = sg.Status.ID
		}
		if _, isDefault := strings.CutSuffix(name, "/default"); isDefault {
			g.name = "default"
		}
		groups = append(groups, g)
	}
	return groups
}

// interfaceBy is the interface with this handle, or nil: it may have gone while
// its request was under way.
func (d *Directory) interfaceBy(handle uint32) *networkInterface {
	if d == nil {
		return nil
	}
	return d.interfaces[handle]
}

// names reports whether Amazon's own names exist in the VPC: private, resource
// and public ones, and those of addresses. It takes both attributes (A47, A49).
func (v *vpc) names() bool { return v.Status.EnableDNSSupport && v.EnableDNSHostnames }

// has reports whether an IPv4 address lies in a block of the VPC.
func (v *vpc) has(a netip.Addr) bool {
	return slices.ContainsFunc(v.Status.CIDRs, func(block netip.Prefix) bool { return block.Contains(a) })
}

// primary is the interface with device index 0, whose addresses are the instance's.
func (i *instance) primary() *networkInterface { return i.interfaces[0] }

// privateIPv4 is the primary private address: the one that DHCP gives out and to
// which a public one translates (A37, A21). It is invalid in an IPv6-only subnet.
func (e *networkInterface) privateIPv4() netip.Addr { return first(e.Status.PrivateIPs) }

// hostname is the host part of the private name, which DHCP gives out too: the
// IP name, or the resource name where the subnet says so or there is no IPv4
// address to name (A46).
func (e *networkInterface) hostname() string {
	if e.subnet.Status.PrivateDNSHostnameType == control.HostnameResource || !e.privateIPv4().IsValid() {
		return e.instance.Status.ID
	}
	return ipName(e.privateIPv4())
}

// privateName is the full name as the instance knows it: in the domain of the
// VPC's DHCP option set, be it Amazon's or the user's.
func (e *networkInterface) privateName() string {
	if domain := e.vpc.Status.DHCPOptions.DomainName; domain != "" {
		return e.hostname() + "." + domain
	}
	return e.hostname()
}

// publicName is "" unless the interface has a public address and the VPC names
// (A47).
func (e *networkInterface) publicName() string {
	if !e.Status.PublicIP.IsValid() || !e.vpc.names() {
		return ""
	}
	return control.PublicName(e.vpc.Status.Region, e.Status.PublicIP)
}

func first(list []netip.Addr) netip.Addr {
	if len(list) == 0 {
		return netip.Addr{}
	}
	return list[0]
}
