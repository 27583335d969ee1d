package control

import (
	"fmt"
	"net/netip"

	"github.com/vpcsim/vpcsim/dataplane"
)

// InternetHost is a machine on the emulated Internet, outside any VPC.
type InternetHost struct {
	// Public IPv4 address.
	IP netip.Addr `json:"ip"`
	// IPv6 address; one is assigned unless written; false: none.
	IPv6 AddressChoice `json:"ipv6,omitzero"`
	// Small built-in servers: http/80, tcp/5432, udp/53; on IPv4 and IPv6.
	Serve []Service `json:"serve,omitempty"`
	// Programs to run inside the host, each a shell command.
	Run []string `json:"run,omitempty"`

	Status InternetHostStatus `json:"status" yaml:"-"`
}

// InternetHostStatus is what the lab makes of an Internet host.
type InternetHostStatus struct {
	Identity
	// IPv6 is the address in force; invalid if the host has none.
	IPv6 netip.Addr `json:"ipv6,omitzero"`
}

func (h *InternetHost) identity() *Identity { return &h.Status.Identity }

func (h *InternetHost) references(*World, string) []reference { return nil }

// validate checks that the host's addresses are ones that the Internet carries:
// the edge drops private ones, and nothing would say why.
func (h *InternetHost) validate(v *validation, name string) {
	path := field("internetHosts", name)
	if !h.IP.IsValid() {
		v.missing(field(path, "ip"), "write the host's public IPv4 address, such as 203.0.113.10")
	} else if hint := notPublicIPv4(h.IP); hint != "" {
		v.reportf(field(path, "ip"), "", hint, "%s is not an address on the Internet", h.IP)
	}
	if h.IPv6.Choice == Explicit {
		if hint := notPublicIPv6(v.w, h.IPv6.Addr); hint != "" {
			v.reportf(field(path, "ipv6"), "", hint, "%s is not an IPv6 address on the Internet", h.IPv6.Addr)
		}
	}
	validateServices(v, path, h.Serve, h.Run)
}

// notPublicIPv6 says why a cannot be an Internet host's, "" if it can.
func notPublicIPv6(w *World, a netip.Addr) string {
	if !globalIPv6.Contains(a) {
		return "use global unicast space such as 2001:db8:ff00::/40"
	}
	for name, vpc := range w.VPCs {
		if block := vpc.Status.IPv6CIDR; block.IsValid() && block.Contains(a) {
			return fmt.Sprintf("it lies in %s of VPC %s", block, name)
		}
	}
	return ""
}

func (h *InternetHost) compile(c *compilation, name string) {
	out := dataplane.InternetHost{
		Object: object(dataplane.KindInternetHost, name, h.Status.Identity),
		MAC:    dataplane.InterfaceMAC(dataplane.Handle(h.Status.Handle)),
	}
	for _, a := range []netip.Addr{h.IP, h.Status.IPv6} {
		if a.IsValid() {
			out.Addresses = append(out.Addresses, a)
		}
	}
	c.b.InternetHosts = append(c.b.InternetHosts, out)
}
