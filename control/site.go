package control

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vpcsim/vpcsim/dataplane"
)

// Site is a network of the user's own, outside of AWS: a router with an address on
// the Internet, which is AWS's customer gateway device, and hosts behind it.
type Site struct {
	// Public IPv4 address of the router; the next free one of the lab's unless
	// written.
	PublicIP netip.Addr `json:"publicIp,omitzero"`
	// IPv6 address of the router; one is assigned unless written; false: none.
	IPv6 AddressChoice `json:"ipv6,omitzero"`
	// Whether the router stands behind a NAT device, which has the public
	// addresses: its tunnels then use NAT traversal.
	BehindNAT bool `json:"behindNat,omitempty"`
	// Networks behind the router, IPv4 and IPv6, which it announces by BGP.
	Networks []netip.Prefix `json:"networks,omitempty"`
	// What routes: builtin, or a real routing daemon of the machine's, bird or
	// frr; builtin unless written.
	Router Router `json:"router,omitempty"`
	// Autonomous system number of the router; 65000 unless written.
	ASN ASN `json:"asn,omitempty"`

	Status SiteStatus `json:"status" yaml:"-"`
}

// SiteStatus is what the lab makes of a site.
type SiteStatus struct {
	Identity
	// MAC of the router's interface to the Internet. Store assigns it together
	// with the Handle, which is that interface's.
	MAC      MAC        `json:"mac"`
	PublicIP netip.Addr `json:"publicIp,omitzero"`
	// IPv6 is the address in force; invalid if the router has none.
	IPv6   netip.Addr `json:"ipv6,omitzero"`
	Router Router     `json:"router"`
	ASN    ASN        `json:"asn"`
	// LAN are the router's own addresses in the networks that hosts can be in,
	// each with the length of its network.
	LAN []netip.Prefix `json:"lan"`
	// Hosts and CustomerGateways are the site's, sorted.
	Hosts            []string `json:"hosts"`
	CustomerGateways []string `json:"customerGateways"`
	// Fault is what has the site down, or "".
	Fault string `json:"fault,omitempty"`
}

// Router is the sort of program that routes at a site. The zero Router stands for
// the built-in one.
type Router uint8

// The routers.
const (
	RouterUnset Router = iota
	RouterBuiltin
	RouterBIRD
	RouterFRR
)

var routerWords = []string{"", "builtin", "bird", "frr"}

func (r Router) String() string                { return routerWords[r] }
func (r *Router) parse(text string) error      { return parseWord(r, text, routerWords) }
func (r Router) MarshalJSON() ([]byte, error)  { return marshalScalar(r) }
func (r *Router) UnmarshalJSON(b []byte) error { return unmarshalScalar(b, r.parse) }

// defaultCustomerASN is the customer's side unless written (V2).
const defaultCustomerASN ASN = 65000

func (s *Site) identity() *Identity { return &s.Status.Identity }

func (s *Site) references(*World, string) []reference { return nil }

// computeStatus settles what follows from the document. The addresses are
// Allocate's.
func (s *Site) computeStatus(w *World, name string) {
	st := &s.Status
	st.Router = cmp.Or(s.Router, RouterBuiltin)
	st.ASN = cmp.Or(s.ASN, defaultCustomerASN)
	if st.LAN == nil {
		st.LAN = []netip.Prefix{}
	}
	st.Hosts, st.CustomerGateways = []string{}, []string{}
	for _, host := range sorted(w.SiteHosts) {
		if w.SiteHosts[host].Site == name {
			st.Hosts = append(st.Hosts, host)
		}
	}
	for _, gateway := range sorted(w.CustomerGateways) {
		if w.CustomerGateways[gateway].Site == name {
			st.CustomerGateways = append(st.CustomerGateways, gateway)
		}
	}
}

// hasLAN reports whether hosts can be in a network of a site's: it has room for
// them beside the router, and is no summary such as a default route.
func hasLAN(network netip.Prefix) bool {
	if network.Addr().Is4() {
		return network.Bits() >= 8 && network.Bits() <= 30
	}
	return network.Bits() >= 32 && network.Bits() <= 126
}

// lan is the network that an address is in, with the router's own address; invalid
// if hosts of the site cannot have it.
func (s *Site) lan(a netip.Addr) netip.Prefix {
	for _, own := range s.Status.LAN {
		if own.Contains(a) {
			return own
		}
	}
	return netip.Prefix{}
}

// notAtASite holds what no network of a site's can be part of: the inside of
// tunnels, loopback, multicast.
var notAtASite = prefixes("127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4", "::1/128", "fe80::/10", "ff00::/8")

func (s *Site) validate(v *validation, name string) {
	path := field("sites", name)
	if s.PublicIP.IsValid() {
		if hint := notPublicIPv4(s.PublicIP); hint != "" {
			v.reportf(field(path, "publicIp"), "", hint, "%s is not an address on the Internet", s.PublicIP)
		}
	}
	if s.IPv6.Choice == Explicit {
		if hint := notPublicIPv6(v.w, s.IPv6.Addr); hint != "" {
			v.reportf(field(path, "ipv6"), "", hint, "%s is not an IPv6 address on the Internet", s.IPv6.Addr)
		}
	}
	for i, network := range s.Networks {
		at := index(field(path, "networks"), i)
		summary := !network.IsValid() || network.Bits() < 8 // 0.0.0.0/0 announces a default route
		switch earlier := s.Networks[:i]; {
		case !summary && overlapsAny(notAtASite, network):
			v.reportf(at, "", "use another block", "%s cannot be the network of a site", network)
		case slices.Contains(earlier, network):
			v.reportf(at, "", "remove one", "network %s is in the list twice", network)
		case hasLAN(network) && slices.ContainsFunc(earlier, func(p netip.Prefix) bool { return hasLAN(p) && p.Overlaps(network) }):
			v.reportf(at, "", "the router has an interface in each network: write the larger one, or separate ones", "network %s overlaps another one of the site", network)
		}
	}
}

// compile makes the router's outer interface a host of the Internet. What is
// behind it comes out of tunnels only.
func (s *Site) compile(c *compilation, name string) {
	out := dataplane.InternetHost{
		Object: object(dataplane.KindInternetHost, name, s.Status.Identity),
		MAC:    dataplane.InterfaceMAC(dataplane.Handle(s.Status.Handle)),
	}
	for _, a := range []netip.Addr{s.Status.PublicIP, s.Status.IPv6} {
		if a.IsValid() {
			out.Addresses = append(out.Addresses, a)
		}
	}
	if s.BehindNAT {
		out.Behind = SiteNATAddress
	}
	c.b.InternetHosts = append(c.b.InternetHosts, out)
}

// SiteNATAddress is the address of a site's router behind a NAT device of its own,
// as home and office routers have it.
var SiteNATAddress = netip.MustParseAddr("192.168.0.2")

// lanText is where hosts of the site can be, for hints.
func (s *Site) lanText() string {
	if len(s.Status.LAN) == 0 {
		return "the site has no network that hosts can be in"
	}
	blocks := make([]netip.Prefix, len(s.Status.LAN))
	for i, own := range s.Status.LAN {
		blocks[i] = own.Masked()
	}
	return fmt.Sprintf("its networks are %s", joinPrefixes(blocks))
}
