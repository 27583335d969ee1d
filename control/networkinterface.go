package control

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
)

// NetworkInterfaceSpec is what a file says about one network interface of an
// instance.
type NetworkInterfaceSpec struct {
	// Subnet that the interface is in.
	Subnet string `json:"subnet"`
	// Primary private IPv4 address; the lowest free one unless written.
	IP netip.Addr `json:"ip,omitzero"`
	// Further private IPv4 addresses.
	SecondaryIPs []netip.Addr `json:"secondaryIps,omitempty"`
	// true: the next free IPv6 address; false: none; or the address itself.
	// What the subnet says unless written.
	IPv6 AddressChoice `json:"ipv6,omitzero"`
	// Security groups, at most five; the VPC's default group unless written.
	SecurityGroups []string `json:"securityGroups,omitempty"`
	// true: AWS picks a public IPv4 address; false: none; an address: an
	// Elastic IP. What the subnet says unless written.
	PublicIP AddressChoice `json:"publicIp,omitzero"`
	// Whether the interface handles only packets of its own addresses; true
	// unless written.
	SourceDestCheck *bool `json:"sourceDestCheck,omitempty"`
}

// NetworkInterface is an ENI. Complete derives it from its instance; all its
// addresses are in Status.
type NetworkInterface struct {
	Instance    string `json:"instance"`
	DeviceIndex int    `json:"deviceIndex"` // 0 is the primary interface
	VPC         string `json:"vpc"`
	Subnet      string `json:"subnet"`
	// SecurityGroups are names, never empty in a valid world.
	SecurityGroups  []string `json:"securityGroups"`
	SourceDestCheck bool     `json:"sourceDestCheck"`

	Status NetworkInterfaceStatus `json:"status"`
}

// NetworkInterfaceStatus is what AWS makes of a network interface.
type NetworkInterfaceStatus struct {
	Identity
	State string `json:"state"` // "in-use"
	// MAC never changes. Store assigns it together with the Handle.
	MAC MAC `json:"mac"`
	// PrivateIPs are the IPv4 addresses, the primary first.
	PrivateIPs []netip.Addr `json:"privateIps"`
	IPv6s      []netip.Addr `json:"ipv6s,omitempty"`
	// PublicIP translates to the primary private address at the internet
	// gateway; invalid if there is none.
	PublicIP netip.Addr `json:"publicIp,omitzero"`
	// ElasticIP tells an address of the user's own choice from one that AWS
	// picked and takes back when the instance stops (A22).
	ElasticIP bool `json:"elasticIp,omitempty"`
}

// NetworkInterfaceName is the name of an instance's interface: "web/eth0".
func NetworkInterfaceName(instance string, deviceIndex int) string {
	return fmt.Sprintf("%s/eth%d", instance, deviceIndex)
}

// MAC is an Ethernet address.
type MAC [6]byte

func (m MAC) String() string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5])
}

func (e *NetworkInterface) identity() *Identity { return &e.Status.Identity }

// references is empty: the instance's are the same, at places in the file.
func (e *NetworkInterface) references(*World, string) []reference { return nil }

func (e *NetworkInterface) validate(*validation, string) {}

// interfaceSpec is what the file says about an interface, nil if its instance
// is gone.
func (w *World) interfaceSpec(e *NetworkInterface) *NetworkInterfaceSpec {
	instance := w.Instances[e.Instance]
	if instance == nil {
		return nil
	}
	specs := instance.interfaceSpecs()
	if e.DeviceIndex >= len(specs) {
		return nil
	}
	return specs[e.DeviceIndex]
}

func (s *NetworkInterfaceSpec) references(w *World, path string) []reference {
	refs := []reference{{
		path: field(path, "subnet"), value: s.Subnet, set: func(r string) { s.Subnet = r },
		kinds: []string{"subnets"}, required: "write the subnet that the interface is in",
	}}
	vpc := w.vpcOf("subnets", s.Subnet)
	for i := range s.SecurityGroups {
		refs = append(refs, reference{
			path:  index(field(path, "securityGroups"), i),
			value: s.SecurityGroups[i], set: func(r string) { s.SecurityGroups[i] = r },
			kinds: []string{"securityGroups"}, vpc: vpc, foreign: differentNetworks, // QS9
			required: "write the name of a security group",
		})
	}
	return refs
}

// Limits of the largest instance types; the lab has no types.
const (
	mostInterfaces = 15
	mostAddresses  = 50
)

// validate checks what can be wrong with one interface by itself; addresses that
// two interfaces claim are publicAddresses' to find.
func (s *NetworkInterfaceSpec) validate(v *validation, path string, instance *Instance) {
	if n := len(s.SecurityGroups); n > v.quotas.SecurityGroupsPerInterface { // QS6b
		v.reportf(field(path, "securityGroups"), "InvalidParameterValue", "raise securityGroupsPerInterface under quotas, as AWS does on request",
			"exceeded limit %d on the number of interface security group memberships", v.quotas.SecurityGroupsPerInterface)
	}
	for i, g := range s.SecurityGroups {
		if slices.Contains(s.SecurityGroups[:i], g) {
			v.reportf(index(field(path, "securityGroups"), i), "InvalidParameterValue", "remove one", "security group %s is given twice", g)
		}
	}
	if n := 1 + len(s.SecondaryIPs); n > mostAddresses {
		v.reportf(field(path, "secondaryIps"), "PrivateIpAddressLimitExceeded", fmt.Sprintf("at most %d addresses per interface", mostAddresses),
			"Number of private addresses will exceed limit.")
	}
	if subnet := v.w.Subnets[s.Subnet]; subnet != nil {
		s.validatePrivate(v, path, subnet)
		s.validateIPv6(v, field(path, "ipv6"), subnet)
		s.validatePublic(v, field(path, "publicIp"), subnet.VPC, instance)
	}
}

// validatePrivate checks the IPv4 addresses that the file chooses.
func (s *NetworkInterfaceSpec) validatePrivate(v *validation, path string, subnet *Subnet) {
	inSubnet(v, field(path, "ip"), s.IP, subnet.CIDR)
	for i, a := range s.SecondaryIPs {
		inSubnet(v, index(field(path, "secondaryIps"), i), a, subnet.CIDR)
	}
}

// inSubnet checks an address that the file chooses (QN4, QN5).
func inSubnet(v *validation, path string, a netip.Addr, block netip.Prefix) {
	switch {
	case !a.IsValid() || !block.IsValid():
	case !block.Contains(a):
		v.reportf(path, "InvalidParameterValue", fmt.Sprintf("the subnet is %s", block),
			"Address %s does not fall within the subnet's address range", a)
	case reservedIn(block, a):
		v.reportf(path, "InvalidParameterValue", "AWS keeps the first four addresses of a subnet and the last",
			"Address %s is in subnet's reserved address range", a)
	}
}

// validateIPv6 checks a wish for IPv6 against what the subnet has. The default is
// no wish, and an IPv4-only subnet simply has none to give.
func (s *NetworkInterfaceSpec) validateIPv6(v *validation, path string, subnet *Subnet) {
	if s.IPv6.Choice != Auto && s.IPv6.Choice != Explicit {
		return
	}
	if !subnet.IPv6.Wanted() {
		v.reportf(path, "InvalidParameterValue", "add ipv6: true to the subnet", "The subnet '%s' has no IPv6 CIDR block", s.Subnet)
		return
	}
	inSubnet(v, path, s.IPv6.Addr, subnet.Status.IPv6CIDR)
	if s.IPv6.Choice == Explicit && !s.IPv6.Addr.Is6() {
		v.reportf(path, "InvalidParameterValue", "write true, false or an IPv6 address", "%s is not an IPv6 address", s.IPv6.Addr)
	}
}

// validatePublic checks a public address that is written on the interface. One
// that the subnet gives by default is never wrong, only absent (A22).
func (s *NetworkInterfaceSpec) validatePublic(v *validation, path, vpcName string, instance *Instance) {
	switch s.PublicIP.Choice {
	case Auto:
		if len(instance.Interfaces) > 0 { // A22
			v.report(path, "InvalidParameterCombination",
				"The associatePublicIPAddress parameter cannot be specified when launching with multiple network interfaces.",
				"write an address: an Elastic IP can be given to any interface")
		}
	case Explicit:
		a := s.PublicIP.Addr
		if hint := notPublicIPv4(a); hint != "" {
			v.reportf(path, "InvalidParameterValue", hint, "Address %s cannot be an Elastic IP address", a)
		}
		if vpc := v.w.VPCs[vpcName]; vpc != nil && vpc.Status.InternetGateway == "" { // QN10
			v.reportf(path, "Gateway.NotAttached", fmt.Sprintf("add under internetGateways: igw: {vpc: %s}", vpcName),
				"Network %s is not attached to any internet gateway", vpcName)
		}
	}
}

// notPublicIPv4 says why a is not an address for the Internet, "" if it is.
// Documentation and benchmarking space is what labs use there.
func notPublicIPv4(a netip.Addr) string {
	if !a.Is4() {
		return "write an IPv4 address"
	}
	for _, private := range notInternetIPv4 {
		if private.Contains(a) {
			return fmt.Sprintf("%s is not public; use one of 198.51.100.0/24, 192.0.2.0/24, 203.0.113.0/24, or any public address", private)
		}
	}
	return ""
}

var notInternetIPv4 = prefixes("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
	"172.16.0.0/12", "192.168.0.0/16", "224.0.0.0/4", "240.0.0.0/4")

// publicAddresses checks that no address is held twice: within a subnet (QN6),
// and on the Internet.
func (v *validation) publicAddresses() {
	private, public := map[string]map[netip.Addr]string{}, map[netip.Addr]string{}
	claim := func(held map[netip.Addr]string, path string, a netip.Addr, owner string) {
		if !a.IsValid() {
			return
		}
		if other, taken := held[a]; taken {
			v.reportf(path, "InvalidIPAddress.InUse", fmt.Sprintf("%s has it", other), "Address %s is in use.", a)
			return
		}
		held[a] = owner
	}
	for _, name := range slices.Sorted(maps.Keys(v.w.InternetHosts)) {
		host, path := v.w.InternetHosts[name], field("internetHosts", name)
		claim(public, field(path, "ip"), host.IP, name)
		claim(public, field(path, "ipv6"), host.IPv6.Addr, name)
	}
	for _, name := range slices.Sorted(maps.Keys(v.w.Instances)) {
		for i, spec := range v.w.Instances[name].interfaceSpecs() {
			path, eni := interfacePath(name, i), NetworkInterfaceName(name, i)
			subnet := private[spec.Subnet]
			if subnet == nil {
				subnet = map[netip.Addr]string{}
				private[spec.Subnet] = subnet
			}
			claim(subnet, field(path, "ip"), spec.IP, eni)
			for j, a := range spec.SecondaryIPs {
				claim(subnet, index(field(path, "secondaryIps"), j), a, eni)
			}
			claim(subnet, field(path, "ipv6"), spec.IPv6.Addr, eni)
			claim(public, field(path, "publicIp"), spec.PublicIP.Addr, eni)
		}
	}
}

// interfacePath is the path of what describes an interface in the file.
func interfacePath(instance string, deviceIndex int) string {
	path := field("instances", instance)
	if deviceIndex == 0 {
		return path
	}
	return index(field(path, "interfaces"), deviceIndex-1)
}
