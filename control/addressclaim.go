package control

import (
	"fmt"
	"net/netip"
)

// addressClaims checks that no address is held twice: within a subnet (QN6), and
// on the Internet. NAT gateways come last, since their request is the one that
// AWS lets fail (QG8).
func (v *validation) addressClaims() {
	c := &claims{v: v, private: map[string]map[netip.Addr]string{}, public: map[netip.Addr]string{}}
	for _, name := range sorted(v.w.InternetHosts) {
		host, path := v.w.InternetHosts[name], field("internetHosts", name)
		c.claimPublic(field(path, "ip"), host.IP, name, addressInUse)
		c.claimPublic(field(path, "ipv6"), host.IPv6.Addr, name, addressInUse)
	}
	for _, name := range sorted(v.w.Sites) {
		site, path := v.w.Sites[name], field("sites", name)
		c.claimPublic(field(path, "publicIp"), site.PublicIP, name, addressInUse)
		c.claimPublic(field(path, "ipv6"), site.IPv6.Addr, name, addressInUse)
	}
	for _, name := range sorted(v.w.VPNClients) {
		c.claimPublic(field(field("vpnClients", name), "internetIp"), v.w.VPNClients[name].InternetIP, name, addressInUse)
	}
	for _, name := range sorted(v.w.Instances) {
		for i, spec := range v.w.Instances[name].interfaceSpecs() {
			c.networkInterface(interfacePath(name, i), NetworkInterfaceName(name, i), spec)
		}
	}
	for _, o := range v.w.managedOwners() {
		for i := range o.interfaces {
			subnet := o.interfaces[i].Subnet
			c.claimPrivate(subnet, field(field(field(o.plural, o.name), "privateIps"), subnet), o.wanted[subnet], o.name)
		}
	}
	for _, name := range sorted(v.w.NATGateways) {
		c.natGateway(field("natGateways", name), name, v.w.NATGateways[name])
	}
}

// claims remembers who holds which address.
type claims struct {
	v       *validation
	private map[string]map[netip.Addr]string // by subnet
	public  map[netip.Addr]string
}

func (c *claims) networkInterface(path, eni string, spec *NetworkInterfaceSpec) {
	c.claimPrivate(spec.Subnet, field(path, "ip"), spec.IP, eni)
	c.claimPrivate(spec.Subnet, field(path, "ipv6"), spec.IPv6.Addr, eni)
	for i, choice := range spec.IPv6s {
		c.claimPrivate(spec.Subnet, index(field(path, "ipv6s"), i), choice.Addr, eni)
	}
	c.claimPublic(field(path, "publicIp"), spec.PublicIP.Addr, eni, addressInUse)
	for i, secondary := range spec.SecondaryIPs {
		c.claimPrivate(spec.Subnet, secondaryPath(c.v, path, i, "ip"), secondary.IP.Addr, eni)
		c.claimPublic(secondaryPath(c.v, path, i, "publicIp"), secondary.PublicIP.Addr, eni, addressInUse)
	}
}

func (c *claims) natGateway(path, name string, g *NATGateway) {
	c.claimPrivate(g.Subnet, field(path, "privateIp"), g.PrivateIP, name)
	for i, choice := range g.SecondaryIPs {
		c.claimPrivate(g.Subnet, index(field(path, "secondaryIps"), i), choice.Addr, name)
	}
	for i, eip := range g.EIP {
		at := field(path, "eip")
		if len(g.EIP) > 1 {
			at = index(at, i)
		}
		c.claimPublic(at, eip.Addr, name, elasticIPAssociated)
	}
}

// addressInUse and elasticIPAssociated word a second claim, for interfaces and
// for NAT gateways (QN6, QG8).
func addressInUse(a netip.Addr) badValue {
	return badValue{code: "InvalidIPAddress.InUse", message: fmt.Sprintf("Address %s is in use.", a)}
}

func elasticIPAssociated(a netip.Addr) badValue {
	return badValue{code: "Resource.AlreadyAssociated", message: fmt.Sprintf("Elastic IP address %s is already associated", a)}
}

func (c *claims) claimPrivate(subnet, path string, a netip.Addr, owner string) {
	held := c.private[subnet]
	if held == nil {
		held = map[netip.Addr]string{}
		c.private[subnet] = held
	}
	c.claim(held, path, a, owner, addressInUse)
}

func (c *claims) claimPublic(path string, a netip.Addr, owner string, word func(netip.Addr) badValue) {
	if service := c.v.w.serviceWith(a); a.IsValid() && service != "" {
		bad := word(a)
		bad.hint = service + " has it"
		c.v.reportAt(path, false, bad)
		return
	}
	c.claim(c.public, path, a, owner, word)
}

func (c *claims) claim(held map[netip.Addr]string, path string, a netip.Addr, owner string, word func(netip.Addr) badValue) {
	if !a.IsValid() {
		return
	}
	other, taken := held[a]
	if !taken {
		held[a] = owner
		return
	}
	bad := word(a)
	bad.hint = other + " has it"
	c.v.reportAt(path, false, bad)
}
