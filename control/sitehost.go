package control

import (
	"net/netip"

	"github.com/vpcsim/vpcsim/dataplane"
)

// SiteHost is a machine at a site, behind its router: AWS reaches it through a
// tunnel, and the Internet not at all.
type SiteHost struct {
	// Site that the host is at.
	Site string `json:"site"`
	// Private IPv4 address in a network of the site's; the lowest free one unless
	// written.
	IP netip.Addr `json:"ip,omitzero"`
	// IPv6 address; the lowest free one if the site has IPv6, unless written;
	// false: none.
	IPv6 AddressChoice `json:"ipv6,omitzero"`
	// Small built-in servers: http/80, tcp/5432, udp/53; on IPv4 and IPv6.
	Serve []Service `json:"serve,omitempty"`
	// Programs to run inside the host, each a shell command.
	Run []string `json:"run,omitempty"`

	Status SiteHostStatus `json:"status" yaml:"-"`
}

// SiteHostStatus is what the lab makes of a site's host.
type SiteHostStatus struct {
	Identity
	// IP and IPv6 are the addresses in force; invalid where the host has none.
	IP   netip.Addr `json:"ip,omitzero"`
	IPv6 netip.Addr `json:"ipv6,omitzero"`
	// RouterHandle is the link of the router's port to which the host is wired;
	// the Handle is that of the host's own end. Store assigns it.
	RouterHandle uint32 `json:"-"`
	// Fault is what has the host down, or "": its site's.
	Fault string `json:"fault,omitempty"`
}

func (h *SiteHost) identity() *Identity { return &h.Status.Identity }

func (h *SiteHost) references(_ *World, name string) []reference {
	return []reference{{
		path: field(field("siteHosts", name), "site"), value: h.Site, set: func(s string) { h.Site = s },
		kinds: []string{"sites"}, required: "write the site that the host is at",
	}}
}

// compile wires the host to its site's router: nothing of AWS's is on that way.
func (h *SiteHost) compile(c *compilation, name string) {
	c.b.Wires = append(c.b.Wires, dataplane.Wire{
		Object: object(dataplane.KindWire, name, h.Status.Identity), Other: dataplane.Handle(h.Status.RouterHandle),
	})
}

// addresses are those that the host has.
func (h *SiteHost) addresses() (list []netip.Addr) {
	for _, a := range []netip.Addr{h.Status.IP, h.Status.IPv6} {
		if a.IsValid() {
			list = append(list, a)
		}
	}
	return list
}

func (h *SiteHost) validate(v *validation, name string) {
	path := field("siteHosts", name)
	validateServices(v, path, h.Serve, h.Run)
	site := v.w.Sites[h.Site]
	if site == nil {
		return // a bad reference, which is reported as such
	}
	h.validateAddress(v, site, field(path, "ip"), h.IP, true)
	h.validateAddress(v, site, field(path, "ipv6"), h.IPv6.Addr, false)
	if len(h.addresses()) == 0 && !h.IP.IsValid() && h.IPv6.Choice != Explicit {
		v.report(path, "", "there is no address for the host", site.lanText()+": write one under sites."+h.Site+".networks")
	}
	for _, other := range site.Status.Hosts {
		if other >= name {
			break
		}
		for _, a := range v.w.SiteHosts[other].addresses() {
			if a == h.Status.IP || a == h.Status.IPv6 {
				v.reportf(path, "", "give it another one", "%s has the address %s, too", other, a)
			}
		}
	}
}

// validateAddress checks one written address: the router's network of that family
// must hold it.
func (h *SiteHost) validateAddress(v *validation, site *Site, path string, a netip.Addr, is4 bool) {
	if !a.IsValid() {
		return
	}
	network := site.lan(a)
	switch {
	case a.Is4() != is4:
		v.reportf(path, "", "write IPv4 under ip, IPv6 under ipv6", "%s is of the other family", a)
	case !network.IsValid():
		v.reportf(path, "", site.lanText(), "%s is in no network of site %s", a, h.Site)
	case a == network.Masked().Addr() || a.Is4() && a == lastAddress(network.Masked()):
		v.reportf(path, "", "write an address between the first and the last", "%s is no address for a host of %s", a, network.Masked())
	}
}
