package control

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// NetworkInterfaceSpec is what a file says about one network interface of an
// instance.
type NetworkInterfaceSpec struct {
	// Subnet that the interface is in.
	Subnet string `json:"subnet"`
	// Primary private IPv4 address; the lowest free one unless written.
	IP netip.Addr `json:"ip,omitzero"`
	// Further private IPv4 addresses: an address, true for one of AWS's choice,
	// or {ip, publicIp} to give it an Elastic IP.
	SecondaryIPs []SecondaryIP `json:"secondaryIps,omitempty"`
	// true: the next free IPv6 address; false: none; or the address itself.
	// What the subnet says unless written.
	IPv6 AddressChoice `json:"ipv6,omitzero"`
	// Further IPv6 addresses: an address, or true for one of AWS's choice.
	IPv6s []AddressChoice `json:"ipv6s,omitempty"`
	// Security groups, at most five; the VPC's default group unless written.
	SecurityGroups []string `json:"securityGroups,omitempty"`
	// true: AWS picks a public IPv4 address; false: none; an address: an
	// Elastic IP. What the subnet says unless written.
	PublicIP AddressChoice `json:"publicIp,omitzero"`
	// Whether the interface handles only packets of its own addresses; true
	// unless written.
	SourceDestCheck *bool `json:"sourceDestCheck,omitempty"`
	// How long an idle connection is remembered by the interface's security
	// groups.
	ConnectionTracking ConnectionTracking `json:"connectionTracking,omitzero"`
}

// ConnectionTracking is how long and for how many connections one interface
// remembers them (S27, S30).
type ConnectionTracking struct {
	// Established TCP connections, 60 to 432000 seconds; 432000 unless written.
	TCPEstablished Seconds `json:"tcpEstablished,omitempty"`
	// UDP in one direction or one request and response, 30 to 60 seconds; 30
	// unless written.
	UDP Seconds `json:"udp,omitempty"`
	// UDP with more than one request and response, 60 to 180 seconds; 180
	// unless written.
	UDPStream Seconds `json:"udpStream,omitempty"`
	// How many connections it may track; 131072 unless written. AWS gives each
	// instance type an allowance, and publishes none.
	Allowance int `json:"allowance,omitempty"`
}

// NetworkInterface is an ENI of an instance. Complete derives it from its
// instance; all its addresses are in Status. A NAT gateway's interface is part
// of the gateway.
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
	// PrivateIPs are the IPv4 addresses, the primary first; none in an
	// IPv6-only subnet.
	PrivateIPs []netip.Addr `json:"privateIps"`
	IPv6s      []netip.Addr `json:"ipv6s,omitempty"`
	// PublicIP translates to the primary private address at the internet
	// gateway; invalid if there is none.
	PublicIP netip.Addr `json:"publicIp,omitzero"`
	// ElasticIP tells an address of the user's own choice from one that AWS
	// picked and takes back when the instance stops (A22).
	ElasticIP bool `json:"elasticIp,omitempty"`
	// Associations are all public addresses with the private ones that they
	// translate to, PublicIP first (A21).
	Associations []AddressAssociation `json:"associations,omitempty"`
	// ConnectionTracking are the idle timeouts in force.
	ConnectionTracking ConnectionTracking `json:"connectionTracking"`
}

// AddressAssociation is a public address and what it translates to.
type AddressAssociation struct {
	PublicIP  netip.Addr `json:"publicIp"`
	PrivateIP netip.Addr `json:"privateIp"`
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
	if e.DeviceIndex == 0 { // nearly always, so without building a list
		return &instance.NetworkInterfaceSpec
	}
	if e.DeviceIndex > len(instance.Interfaces) {
		return nil
	}
	return &instance.Interfaces[e.DeviceIndex-1]
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

// privateIPs are the IPv4 addresses that the interface wants, the primary first;
// invalid where AWS picks. In an IPv6-only subnet it wants none.
func (s *NetworkInterfaceSpec) privateIPs(subnet *Subnet) []netip.Addr {
	if subnet.IPv6Native {
		return nil
	}
	list := []netip.Addr{s.IP}
	for _, secondary := range s.SecondaryIPs {
		list = append(list, secondary.IP.Addr)
	}
	return list
}

// ipv6Addresses are the IPv6 addresses that the interface wants; invalid where AWS
// picks.
func (s *NetworkInterfaceSpec) ipv6Addresses(subnet *Subnet) []netip.Addr {
	further := written(s.IPv6s)
	switch s.IPv6.Choice {
	case Unset:
		if !subnet.Status.AssignIPv6 {
			return further
		}
	case None:
		return further
	}
	return append([]netip.Addr{s.IPv6.Addr}, further...)
}

// orDefault is t with AWS's timeouts where none is written (S27).
func (t ConnectionTracking) orDefault() ConnectionTracking {
	for _, field := range []struct {
		value    *Seconds
		standard Seconds
	}{{&t.TCPEstablished, 432000}, {&t.UDP, 30}, {&t.UDPStream, 180}} {
		if *field.value == 0 {
			*field.value = field.standard
		}
	}
	if t.Allowance == 0 {
		t.Allowance = standardAllowance
	}
	return t
}

// standardAllowance is in the order of what a small instance reports to have left
// (conntrack_allowance_available).
const standardAllowance = 1 << 17

// mostTracked is what the lab has room for, for all its interfaces together.
const mostTracked = 1 << 20

// validate holds the timeouts to AWS's ranges (S27).
func (t ConnectionTracking) validate(v *validation, path string) {
	span{60, 432000}.validate(v, field(path, "tcpEstablished"), t.TCPEstablished)
	span{30, 60}.validate(v, field(path, "udp"), t.UDP)
	span{60, 180}.validate(v, field(path, "udpStream"), t.UDPStream)
	if t.Allowance < 0 || t.Allowance > mostTracked {
		v.reportf(field(path, "allowance"), "InvalidParameterValue", fmt.Sprintf("write a number from 1 to %d", mostTracked),
			"Value (%d) for parameter allowance is invalid.", t.Allowance)
	}
}

func (e *NetworkInterface) compile(c *compilation, name string) {
	instance := c.w.Instances[e.Instance]
	tracking := e.Status.ConnectionTracking
	out := dataplane.NetworkInterface{
		Object:          object(dataplane.KindNetworkInterface, name, e.Status.Identity),
		Subnet:          dataplane.Handle(c.w.Subnets[e.Subnet].Status.Handle),
		MAC:             packet.MAC(e.Status.MAC),
		Addresses:       slices.Concat(e.Status.PrivateIPs, e.Status.IPv6s),
		SourceDestCheck: e.SourceDestCheck,
		Stopped:         instance.Down(),
		Forwards:        instance.routes(),
		Timeouts: dataplane.Timeouts{
			TCPEstablished: tracking.TCPEstablished.Duration(),
			UDP:            tracking.UDP.Duration(),
			UDPStream:      tracking.UDPStream.Duration(),
		},
		TrackingAllowance: uint32(tracking.Allowance),
	}
	for _, g := range e.SecurityGroups {
		out.SecurityGroups = append(out.SecurityGroups, dataplane.Handle(c.w.SecurityGroups[g].Status.Handle))
	}
	c.b.NetworkInterfaces = append(c.b.NetworkInterfaces, out)
}
