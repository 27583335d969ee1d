package lab

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// A UsageError is about what the user wrote, not about the lab.
type UsageError struct{ What, Hint string }

func (e *UsageError) Error() string {
	if e.Hint == "" {
		return e.What
	}
	return e.What + "; " + e.Hint
}

// sender is the interface that a trace or probe starts from.
type sender struct {
	Node   string // instance, Internet host, or host at a site
	Handle dataplane.Handle
	VPC    string // "" outside of AWS; a client's is the one that it connects to
	Site   string // that the host is at; its packets come out of a tunnel
	// Client is the Client VPN endpoint whose client sends into its tunnel.
	Client string
	// Addresses of the interface, the primary of each family first.
	Addresses []netip.Addr
}

// address is the sender's own of a family.
func (s *sender) address(is6 bool) netip.Addr {
	for _, a := range s.Addresses {
		if a.Is6() == is6 {
			return a
		}
	}
	return netip.Addr{}
}

// toward is the sender as it sends to an address: what a client's configuration does
// not lead into the tunnel, its machine sends to the Internet as itself (C5), and one
// that is not connected everything. Of a machine elsewhere only the tunnel is known.
// What an appliance sends into a Connect peer comes out of that.
func (s sender) toward(w *control.World, to netip.Addr) sender {
	if peer := w.TransitGatewayConnectPeers[w.ApplianceTunnel(s.Node, to)]; peer != nil {
		own := valid(w.ApplianceAddress(s.Node, to))
		if len(own) == 0 {
			own = valid(peer.Status.PeerIP, peer.Status.PeerIPv6)
		}
		s.Handle, s.Addresses = dataplane.Handle(peer.Status.Handle), own
		return s
	}
	e, machine := w.ClientVPNEndpoints[s.Client], outside{}
	if e != nil {
		machine, _ = outsideMachine(w, s.Node)
	}
	if len(machine.internetIPs) == 0 || connects(w, s.Node) && leadsTo(e.AllowedIPs(), to) {
		return s
	}
	return clientOutside(s.Node, machine)
}

func leadsTo(blocks []netip.Prefix, to netip.Addr) bool {
	return slices.ContainsFunc(blocks, func(block netip.Prefix) bool { return block.Contains(to) })
}

// clientOutside is a client's machine as a host of the Internet.
func clientOutside(name string, machine outside) sender {
	return sender{Node: name, Handle: dataplane.Handle(machine.handle), Addresses: machine.internetIPs}
}

// findSender understands FROM: an instance (its eth0), an interface such as
// web/eth1, an Internet host, a VPN client, or an address that one of these has.
func findSender(w *control.World, text string) (sender, error) {
	a, err := netip.ParseAddr(text)
	if err == nil {
		owners := ownersOf(w, a)
		switch len(owners) {
		case 0:
			return sender{}, &UsageError{fmt.Sprintf("nobody in the lab has the address %s", a), "write an instance, an interface such as web/eth0, an Internet host or a VPN client"}
		case 1:
			text = owners[0]
		default:
			return sender{}, &UsageError{fmt.Sprintf("%s is the address of %s", a, strings.Join(owners, " and of ")), "write the one that you mean"}
		}
	}
	if machine, ok := outsideMachine(w, text); ok {
		switch {
		case machine.client != "" && a.IsValid() && slices.Contains(machine.internetIPs, a):
			return clientOutside(text, machine), nil
		case machine.client != "":
			link := dataplane.Handle(w.VPNClients[text].Status.Handle)
			return sender{Node: text, Handle: link, VPC: vpcOf(w, text), Addresses: machine.addresses, Client: machine.client}, nil
		}
		return sender{Node: text, Handle: dataplane.Handle(machine.handle), Addresses: machine.addresses, Site: machine.site}, nil
	}
	eni := w.NetworkInterfaces[interfaceName(w, text)]
	if eni == nil {
		return sender{}, unknownEnd(w, text)
	}
	return sender{
		Node: eni.Instance, Handle: dataplane.Handle(eni.Status.Handle), VPC: eni.VPC,
		Addresses: slices.Concat(eni.Status.PrivateIPs, eni.Status.IPv6s),
	}, nil
}

// findDestination understands TO, seen from the sender: an address is itself;
// an instance is its private address within a VPC, and across a peering that allows
// it, and its public one from anywhere else. An instance without a public address is still meant by its
// private one: that no packet gets there is what the trace will show.
func findDestination(w *control.World, from *sender, text string, family control.Family) (netip.Addr, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		if family != control.FamilyUnset && a.Is4() != (family == control.IPv4) {
			return a, &UsageError{fmt.Sprintf("%s is not an %s address", a, family), "leave --family out: the address says it"}
		}
		return a, nil
	}
	var a netip.Addr
	if e := w.VPCEndpoints[text]; e != nil && len(e.Status.Interfaces) > 0 {
		return endpointAddress(w, from, text, e, family)
	}
	machine, isOutside := outsideMachine(w, text)
	eni := w.NetworkInterfaces[interfaceName(w, text)]
	switch {
	case !isOutside && eni == nil:
		return a, unknownEnd(w, text)
	case isOutside:
		for _, own := range machine.addresses {
			if own.Is6() == (family == control.IPv6) {
				a = own
			}
		}
	case family == control.IPv6:
		if len(eni.Status.IPv6s) > 0 {
			a = eni.Status.IPv6s[0]
		}
	case from.Site != "" && len(eni.Status.PrivateIPs) > 0:
		a = eni.Status.PrivateIPs[0]
	case eni.Status.PublicIP.IsValid() && !w.ResolvesPrivately(from.VPC, eni.VPC):
		a = eni.Status.PublicIP
	case len(eni.Status.PrivateIPs) > 0:
		a = eni.Status.PrivateIPs[0]
	case family == control.FamilyUnset && len(eni.Status.IPv6s) > 0:
		a = eni.Status.IPv6s[0] // in an IPv6-only subnet
	}
	if !a.IsValid() {
		return a, &UsageError{fmt.Sprintf("%s has no %s address", text, max(family, control.IPv4)), "give it one in the file, or use the other family"}
	}
	return a, nil
}

// interfaceName is the interface meant by an instance's or interface's name.
func interfaceName(w *control.World, text string) string {
	if w.Instances[text] != nil {
		return control.NetworkInterfaceName(text, 0)
	}
	return text
}

// ownersOf are the interfaces and Internet hosts that have the address, in
// their own eyes or, for public addresses, in the Internet's.
func ownersOf(w *control.World, a netip.Addr) []string {
	var owners []string
	for _, name := range outsideNames(w) {
		if machine, _ := outsideMachine(w, name); machine.known(a, machine.client) {
			owners = append(owners, name)
		}
	}
	for name, n := range w.NetworkInterfaces {
		public := slices.ContainsFunc(n.Status.Associations, func(as control.AddressAssociation) bool { return as.PublicIP == a })
		if public || slices.Contains(n.Status.PrivateIPs, a) || slices.Contains(n.Status.IPv6s, a) {
			owners = append(owners, name)
		}
	}
	slices.Sort(owners)
	return owners
}

func unknownEnd(w *control.World, text string) error {
	names := EndNames(w)
	hint := "the lab has " + strings.Join(names, ", ")
	if near := Closest(text, names); near != "" {
		hint = fmt.Sprintf("did you mean %s?", near)
	}
	return &UsageError{fmt.Sprintf("no instance, interface, Internet host, VPN client or host of a site named %q", text), hint}
}

// EndNames are the names that can stand at the ends of a trace: instances,
// their interfaces where there are several, and machines outside of AWS.
func EndNames(w *control.World) []string {
	var names []string
	for name, instance := range w.Instances {
		names = append(names, name)
		if len(instance.Status.NetworkInterfaces) > 1 {
			names = append(names, instance.Status.NetworkInterfaces...)
		}
	}
	names = append(names, outsideNames(w)...)
	for name, e := range w.VPCEndpoints {
		if len(e.Status.Interfaces) > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// traffic is what a packet carries, as users write it: "tcp/443", "udp/53",
// "icmp".
type traffic struct {
	protocol uint8 // packet.ProtoTCP …; ICMP stands for ICMPv6 as well
	port     uint16
}

func parseTraffic(text string) (traffic, error) {
	protocol, port, hasPort := strings.Cut(strings.ToLower(text), "/")
	bad := &UsageError{fmt.Sprintf("%q is no traffic", text), "write tcp/443, udp/53 or icmp"}
	switch protocol {
	case "", "icmp", "icmpv6", "ping":
		if hasPort {
			return traffic{}, bad
		}
		return traffic{protocol: packet.ProtoICMP}, nil
	case "tcp", "udp":
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return traffic{}, bad
		}
		if protocol == "udp" {
			return traffic{packet.ProtoUDP, uint16(n)}, nil
		}
		return traffic{packet.ProtoTCP, uint16(n)}, nil
	}
	return traffic{}, bad
}

func (t traffic) String() string {
	switch t.protocol {
	case packet.ProtoTCP:
		return "tcp/" + strconv.Itoa(int(t.port))
	case packet.ProtoUDP:
		return "udp/" + strconv.Itoa(int(t.port))
	}
	return "icmp"
}
