package scenarios

import (
	"fmt"
	"net/netip"

	"github.com/vpcsim/vpcsim/control"
)

// resolved is a check whose names have become addresses.
type resolved struct {
	probe  Probe
	source netip.Addr // that the receiver must see; invalid: any
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
	if r.source, err = source(w, c, to); err != nil {
		return nil, fmt.Errorf("source %s: %w", c.Source, err)
	}
	return r, nil
}

// destination is the address that the check is sent to: the private one of an
// instance in the sender's own VPC, else the public one. An instance that has
// none cannot be meant by any other address than its private one, and the check
// shows what becomes of that.
func destination(w *control.World, c *control.Check) (netip.Addr, error) {
	if a, err := netip.ParseAddr(c.To); err == nil {
		return a, nil
	}
	if h := w.InternetHosts[c.To]; h != nil {
		return oneOf(c, h.IP, h.Status.IPv6)
	}
	n := interfaceNamed(w, c.To)
	if n == nil {
		return netip.Addr{}, fmt.Errorf("no such instance, network interface or Internet host")
	}
	// VPCs may overlap, so it is the sender's VPC that tells, not the address.
	v4 := first(n.Status.PrivateIPs)
	if vpcOf(w, c.From) != n.VPC && n.Status.PublicIP.IsValid() {
		v4 = n.Status.PublicIP
	}
	return oneOf(c, v4, first(n.Status.IPv6s))
}

// source is the address by which the receiver should see the named sender: the
// public one of an instance if the way leads over the Internet, which the
// destination's being a private address of the sender's VPC tells.
func source(w *control.World, c *control.Check, to netip.Addr) (netip.Addr, error) {
	if a, err := netip.ParseAddr(c.Source); err == nil {
		return a, nil
	}
	// The family of the probe is that of its destination.
	probed := *c
	probed.Family = control.IPv4
	if to.Is6() {
		probed.Family = control.IPv6
	}
	if h := w.InternetHosts[c.Source]; h != nil {
		return oneOf(&probed, h.IP, h.Status.IPv6)
	}
	n := interfaceNamed(w, c.Source)
	if n == nil {
		return netip.Addr{}, fmt.Errorf("no such instance, network interface or Internet host")
	}
	v4 := n.Status.PublicIP
	if isPrivateIn(w, n.VPC, to) {
		v4 = first(n.Status.PrivateIPs)
	}
	return oneOf(&probed, v4, first(n.Status.IPv6s))
}

// isPrivateIn reports whether address a lies in an IPv4 block of the VPC.
func isPrivateIn(w *control.World, vpc string, a netip.Addr) bool {
	v := w.VPCs[vpc]
	if v == nil {
		return false
	}
	for _, block := range v.Status.CIDRs {
		if block.Contains(a) {
			return true
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

// vpcOf is the VPC of an instance, "" for an Internet host.
func vpcOf(w *control.World, instance string) string {
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
