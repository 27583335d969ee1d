package scenarios

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/vpcsim/vpcsim/control"
)

// resolved is a check whose names have become addresses.
type resolved struct {
	probe Probe
	// sources are those of which the receiver must see one; none: any. More
	// than one only for a NAT gateway with several addresses.
	sources []netip.Addr
}

func resolve(w *control.World, c *control.Check) (*resolved, error) {
	to, err := destination(w, c)
	if err != nil {
		return nil, fmt.Errorf("to %s: %w", c.To, err)
	}
	r := &resolved{probe: Probe{From: c.From, To: to}}
	switch {
	case c.TCP != 0:
		r.probe.Protocol, r.probe.Port = control.ProtocolTCP, uint16(c.TCP)
	case c.UDP != 0:
		r.probe.Protocol, r.probe.Port = control.ProtocolUDP, uint16(c.UDP)
	default:
		r.probe.Protocol = control.ProtocolICMP
	}
	if c.Source == "" {
		return r, nil
	}
	if r.sources, err = sources(w, c, to); err != nil {
		return nil, fmt.Errorf("source %s: %w", c.Source, err)
	}
	return r, nil
}

// destination is the address that the check is sent to: the private one of what
// is in the sender's own VPC, or in a peer that lets its names resolve (A48), else
// the public one. What has none cannot be meant by any other address than its
// private one, and the check shows what becomes of that. A site and AWS know each
// other by private addresses, but a site's router is itself on the Internet.
func destination(w *control.World, c *control.Check) (netip.Addr, error) {
	if a, err := netip.ParseAddr(c.To); err == nil {
		return a, nil
	}
	if h := w.InternetHosts[c.To]; h != nil {
		return oneOf(c, h.IP, h.Status.IPv6)
	}
	if s := w.AWSServices[c.To]; s != nil {
		return oneOf(c, s.Status.IP, s.Status.IPv6)
	}
	if h := w.SiteHosts[c.To]; h != nil {
		return oneOf(c, h.Status.IP, h.Status.IPv6)
	}
	if s := w.Sites[c.To]; s != nil {
		return oneOf(c, s.Status.PublicIP, s.Status.IPv6)
	}
	if cl := w.VPNClients[c.To]; cl != nil {
		return oneOf(c, cl.Status.Address, cl.Status.IPv6)
	}
	// VPCs may overlap, so it is the sender's VPC that tells, not the address.
	pick := func(vpc string, private, public netip.Addr) netip.Addr {
		if public.IsValid() && w.SiteHosts[c.From] == nil && !w.AtTransitGateway(c.From) && !w.ResolvesPrivately(vpcOf(w, c.From), vpc) {
			return public
		}
		return private
	}
	if g := w.NATGateways[c.To]; g != nil && len(g.Status.Addresses) > 0 {
		a := g.Status.Addresses[0]
		return oneOf(c, pick(g.Status.VPC, a.PrivateIP, a.PublicIP), netip.Addr{})
	}
	if list := managed(w, c.To); len(list) > 0 {
		return endpointAddress(w, c, list)
	}
	n := interfaceNamed(w, c.To)
	if n == nil {
		return netip.Addr{}, errNoEnd
	}
	public := n.Status.PublicIP
	if as := n.Status.Associations; !public.IsValid() && len(as) > 0 {
		public = as[0].PublicIP // of a secondary address
	}
	return oneOf(c, pick(n.VPC, first(n.Status.PrivateIPs), public), first(n.Status.IPv6s))
}

var errNoEnd = errors.New("no such instance, network interface, NAT gateway, Internet host, AWS service, VPN client, site or host of a site")

// sources are the addresses by one of which the receiver should see the named
// sender: public ones if the way leads over the Internet, which the destination's
// not being a private address of any VPC or site tells.
func sources(w *control.World, c *control.Check, to netip.Addr) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(c.Source); err == nil {
		return []netip.Addr{a}, nil
	}
	// The receiver sees its own family: behind NAT64 not that of the probe.
	to = withoutNAT64(to)
	if g := w.NATGateways[c.Source]; g != nil {
		return natSources(w, g, to)
	}
	seen := *c
	seen.Family = control.IPv4
	if to.Is6() {
		seen.Family = control.IPv6
	}
	if h := w.InternetHosts[c.Source]; h != nil {
		return only(oneOf(&seen, h.IP, h.Status.IPv6))
	}
	if h := w.SiteHosts[c.Source]; h != nil {
		return only(oneOf(&seen, h.Status.IP, h.Status.IPv6))
	}
	if cl := w.VPNClients[c.Source]; cl != nil {
		return only(oneOf(&seen, cl.Status.Address, cl.Status.IPv6))
	}
	if e := w.ClientVPNEndpoints[c.Source]; e != nil {
		if list := clientSources(w, e, to); len(list) > 0 {
			return list, nil
		}
		return nil, errors.New("the endpoint has no such address")
	}
	if s := w.Sites[c.Source]; s != nil {
		return only(oneOf(&seen, s.Status.PublicIP, s.Status.IPv6))
	}
	if list := managed(w, c.Source); len(list) > 0 {
		return managedSources(list, to), nil
	}
	n := interfaceNamed(w, c.Source)
	if n == nil {
		return nil, errNoEnd
	}
	v4 := n.Status.PublicIP
	if isPrivate(w, to) {
		v4 = first(n.Status.PrivateIPs)
	}
	return only(oneOf(&seen, v4, first(n.Status.IPv6s)))
}

// natSources are the addresses that a NAT gateway translates to, as a receiver at
// address to sees them: its public ones only behind an Internet gateway (R41).
func natSources(w *control.World, g *control.NATGateway, to netip.Addr) ([]netip.Addr, error) {
	if to.Is6() {
		return nil, errors.New("a NAT gateway translates no IPv6 but 64:ff9b::/96")
	}
	inside := isPrivate(w, to)
	var list []netip.Addr
	for _, a := range g.Status.Addresses {
		if inside || !a.PublicIP.IsValid() {
			list = append(list, a.PrivateIP)
		} else {
			list = append(list, a.PublicIP)
		}
	}
	return list, nil
}

func only(a netip.Addr, err error) ([]netip.Addr, error) {
	if err != nil {
		return nil, err
	}
	return []netip.Addr{a}, nil
}

// seesRightSource reports whether the receiver's view is what the check asks for.
func (r *resolved) seesRightSource(seen netip.Addr) bool {
	return len(r.sources) == 0 || slices.Contains(r.sources, seen)
}

func (r *resolved) sourceText() string {
	words := make([]string, len(r.sources))
	for i, a := range r.sources {
		words[i] = a.String()
	}
	return strings.Join(words, " or ")
}

// nat64 is the block under which NAT gateways show IPv4 to IPv6 (R54).
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// withoutNAT64 is the IPv4 address that an address of that block stands for.
func withoutNAT64(a netip.Addr) netip.Addr {
	if !nat64.Contains(a) {
		return a
	}
	b := a.As16()
	return netip.AddrFrom4([4]byte(b[12:]))
}

// isPrivate reports whether address a lies in an IPv4 block of a VPC, or in a
// network at a site or behind an appliance: whoever reaches it does so by a private way, be it a peering, a
// transit gateway or a VPN.
func isPrivate(w *control.World, a netip.Addr) bool {
	for _, s := range w.Sites {
		for _, own := range s.Status.LAN {
			if own.Contains(a) {
				return true
			}
		}
	}
	for _, i := range w.Instances {
		if i.Status.Appliance != nil && slices.ContainsFunc(i.Status.Appliance.LAN, func(own netip.Prefix) bool { return own.Contains(a) }) {
			return true
		}
	}
	for _, v := range w.VPCs {
		for _, block := range v.Status.CIDRs {
			if block.Contains(a) {
				return true
			}
		}
	}
	return false
}

// oneOf picks the address of the check's family, IPv4 unless written.
func oneOf(c *control.Check, v4, v6 netip.Addr) (netip.Addr, error) {
	a, family := v4, control.IPv4
	if c.Family == control.IPv6 {
		a, family = v6, control.IPv6
	}
	if !a.IsValid() {
		return a, fmt.Errorf("it has no %s address that could be meant", family)
	}
	return a, nil
}

// interfaceNamed returns the interface of that name, or an instance's first.
func interfaceNamed(w *control.World, name string) *control.NetworkInterface {
	if n := w.NetworkInterfaces[name]; n != nil {
		return n
	}
	return w.NetworkInterfaces[control.NetworkInterfaceName(name, 0)]
}

// vpcOf is the VPC of an instance, "" for what is outside of AWS.
func vpcOf(w *control.World, instance string) string {
	if c := w.VPNClients[instance]; c != nil && w.ClientVPNEndpoints[c.Endpoint] != nil {
		return w.ClientVPNEndpoints[c.Endpoint].Status.VPC // whose resolver it asks
	}
	if n := interfaceNamed(w, instance); n != nil {
		return n.VPC
	}
	return ""
}

func first(list []netip.Addr) netip.Addr {
	if len(list) == 0 {
		return netip.Addr{}
	}
	return list[0]
}
