package control

import (
	"cmp"
	"fmt"
	"net/netip"
)

// VPNClient is somebody who connects to a Client VPN endpoint, by name. Where AWS has
// certificates and directories, the lab has a key pair per client, and groups in the
// file.
type VPNClient struct {
	// Client VPN endpoint that the client connects to.
	Endpoint string `json:"endpoint"`
	// Groups that the client is in, for authorization rules.
	Groups []string `json:"groups,omitempty"`
	// Public IPv4 address of the client's machine on the emulated Internet; a free
	// one unless written.
	InternetIP netip.Addr `json:"internetIp,omitzero"`
	// Whether the client's machine is one of the lab's; true unless written. If not,
	// somebody else connects with the client's configuration.
	InLab *bool `json:"inLab,omitempty"`
	// Small built-in servers on the machine: http/80, tcp/5432, udp/53.
	Serve []Service `json:"serve,omitempty"`
	// Programs to run on the machine, each a shell command.
	Run []string `json:"run,omitempty"`

	Status VPNClientStatus `json:"status" yaml:"-"`
}

// VPNClientStatus is what the lab makes of a client.
type VPNClientStatus struct {
	Identity      // of the link that what is decrypted comes from
	InLab    bool `json:"inLab"`
	// Address is the client's own in the tunnel; it sticks as long as the client
	// does.
	Address netip.Addr `json:"address,omitzero"`
	// IPv6 is the client's own address over IPv6, in the tunnel and in the VPC: one of
	// the association that it landed on (C6).
	IPv6 netip.Addr `json:"ipv6Address,omitzero"`
	// AvailabilityZone is where a client of an endpoint at a transit gateway landed, in
	// place of Subnet (C11); such a client is seen as itself over IPv4, too.
	AvailabilityZone string `json:"availabilityZone,omitempty"`
	// Subnet is the association that the client landed on, "" while there is none,
	// and SourceIP what the VPC sees the client as over IPv4 (C6).
	Subnet   string     `json:"subnet,omitempty"`
	SourceIP netip.Addr `json:"sourceIp,omitzero"`
	MAC      MAC        `json:"mac"`
	// InternetIP is the address of the client's machine in the lab, a host of the
	// Internet with InternetHandle and InternetMAC. Store assigns these, as it does
	// MAC. It has InternetIPv6, too, where its endpoint can be called by IPv6.
	InternetIP     netip.Addr `json:"internetIp,omitzero"`
	InternetIPv6   netip.Addr `json:"internetIpv6,omitzero"`
	InternetHandle uint32     `json:"-"`
	InternetMAC    MAC        `json:"internetMac"`
}

func (c *VPNClient) identity() *Identity { return &c.Status.Identity }

func (c *VPNClient) references(_ *World, name string) []reference {
	return []reference{{
		path: field(field("vpnClients", name), "endpoint"), value: c.Endpoint, set: func(s string) { c.Endpoint = s },
		kinds: []string{"clientVpnEndpoints"}, required: "write the Client VPN endpoint that the client connects to",
	}}
}

// computeStatus settles what follows from the endpoint. Where the client lands is
// Allocate's to say.
func (c *VPNClient) computeStatus(w *World) {
	s := &c.Status
	s.InLab = onUnlessWritten(c.InLab)
	s.SourceIP = netip.Addr{}
	switch a := w.clientVPNAssociation(c.Endpoint, s.Place()); {
	case a == nil || !a.available():
		s.land(nil)
		s.IPv6 = netip.Addr{}
	case a.Subnet == "":
		s.SourceIP = s.Address
	default:
		s.SourceIP = a.PrivateIP
	}
}

// Place is the association that the client landed on, by ClientVPNAssociation.Place; ""
// while there is none.
func (s *VPNClientStatus) Place() string { return cmp.Or(s.Subnet, s.AvailabilityZone) }

// land puts the client on an association, or on none.
func (s *VPNClientStatus) land(a *ClientVPNAssociation) {
	s.Subnet, s.AvailabilityZone = "", ""
	switch {
	case a == nil:
	case a.Subnet == "":
		s.AvailabilityZone = a.AvailabilityZone
	default:
		s.Subnet = a.Subnet
	}
}

// InternetAddresses are those of the client's machine, none if it is not in the lab.
func (s *VPNClientStatus) InternetAddresses() []netip.Addr {
	return append(addressList(s.InternetIP), addressList(s.InternetIPv6)...)
}

// Addresses are those in the tunnel, of both families if the client has them.
func (s *VPNClientStatus) Addresses() []netip.Addr {
	return append(addressList(s.Address), addressList(s.IPv6)...)
}

func (c *VPNClient) validate(v *validation, name string) {
	path := field("vpnClients", name)
	if hint := notPublicIPv4(c.InternetIP); c.InternetIP.IsValid() && hint != "" {
		v.reportf(field(path, "internetIp"), "", hint, "%s is not an address on the Internet", c.InternetIP)
	}
	validateGroupNames(v, field(path, "groups"), c.Groups)
	for i, group := range c.Groups {
		if group == everybody {
			v.reportf(index(field(path, "groups"), i), "", "a client without groups is one of all, too", "%q is everybody, and not a group", everybody)
		}
	}
	if !c.Status.InLab {
		for key, written := range map[string]bool{"serve": len(c.Serve) > 0, "run": len(c.Run) > 0, "internetIp": c.InternetIP.IsValid()} {
			if written {
				v.reportf(field(path, key), "", "remove it, or inLab: false", "the client's machine is not in the lab")
			}
		}
		return
	}
	validateServices(v, path, c.Serve, c.Run)
}

// validateGroupNames checks what names of groups look like.
func validateGroupNames(v *validation, path string, groups []string) {
	seen := map[string]bool{}
	for i, group := range groups {
		switch at := index(path, i); {
		case group == "" || len(group) > 128:
			v.report(at, "", fmt.Sprintf("a group's name has 1 to 128 bytes, not %d", len(group)), "write another name")
		case seen[group]:
			v.reportf(at, "", "remove one", "group %q is in the list twice", group)
		}
		seen[group] = true
	}
}
