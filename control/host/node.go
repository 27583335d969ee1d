package host

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// CoreMAC is the address of every core-side veth end. No gateway may have it:
// frames sent to a gateway must look foreign to the core's own network stack.
var CoreMAC = packet.MAC{0x02, 0, 0, 0, 0, 0x01}

// coreMTU is the largest MTU of a veth. The core's ends have it from the start,
// so that a node's MTU can change without touching them.
const coreMTU = 65535

// defaultMTU is what an interface gets that names none: Ethernet's.
const defaultMTU = 1500

// Node is one host of the lab: a network namespace with interfaces.
type Node struct {
	Name       string // unique in the lab, never shown inside the node
	Hostname   string // what its processes see; empty: Name
	Interfaces []Interface
	Forward    bool // the node's own kernel forwards IPv4 and IPv6
}

// Interface is one veth pair: its node end, and the core's name for it.
type Interface struct {
	Link uint32 // the core's number for the pair, unique in the lab
	Name string // in the node, e.g. "eth0"
	MAC  packet.MAC
	MTU  int // bytes of IP packet; 0: 1500

	// Addresses carry the length of the on-link prefix: 10.0.1.10/24. The
	// first of a family is the source of the node's own packets.
	Addresses []netip.Prefix
	// Gateways are the next hops of the default routes, at most one of a
	// family. One outside the addresses' prefixes is taken to be on-link.
	// Where several interfaces have one, the node's earlier interface wins.
	Gateways []netip.Addr
	// OnLink are further prefixes reached without a gateway, for instance an
	// IPv6 subnet whose addresses are assigned as /128.
	OnLink []netip.Prefix
}

func (n *Node) hostname() string {
	if n.Hostname != "" {
		return n.Hostname
	}
	return n.Name
}

// interfaceNamed returns n's interface of that name, or nil.
func (n *Node) interfaceNamed(name string) *Interface {
	for i := range n.Interfaces {
		if n.Interfaces[i].Name == name {
			return &n.Interfaces[i]
		}
	}
	return nil
}

// clone returns a copy that shares nothing with n: what was applied must not
// change under the caller's hands.
func (n Node) clone() Node {
	n.Interfaces = slices.Clone(n.Interfaces)
	for k := range n.Interfaces {
		i := &n.Interfaces[k]
		i.Addresses = slices.Clone(i.Addresses)
		i.Gateways = slices.Clone(i.Gateways)
		i.OnLink = slices.Clone(i.OnLink)
	}
	return n
}

func (i *Interface) mtu() int {
	if i.MTU == 0 {
		return defaultMTU
	}
	return i.MTU
}

// coreName is the pair's core end. It follows from the link alone, so that a
// capture or a log of the core can be read without a table.
func coreName(link uint32) string { return "v" + strconv.FormatUint(uint64(link), 16) }

// validate reports everything in nodes that Linux would refuse, or would take
// but not as it was meant, before anything is touched.
func validate(nodes []Node) error {
	var errs []error
	names := map[string]bool{}
	links := map[uint32]string{}
	macs := map[packet.MAC]string{}
	for k := range nodes {
		n := &nodes[k]
		where := "node " + n.Name
		if n.Name == "" {
			errs = append(errs, fmt.Errorf("node %d of the list: it has no name", k))
		}
		if names[n.Name] {
			errs = append(errs, fmt.Errorf("%s: named twice", where))
		}
		names[n.Name] = true
		if len(n.hostname()) > 64 {
			errs = append(errs, fmt.Errorf("%s: host name %q: Linux allows 64 bytes", where, n.hostname()))
		}
		seen := map[string]bool{"lo": true}
		for j := range n.Interfaces {
			i := &n.Interfaces[j]
			where := fmt.Sprintf("%s: interface %s", where, i.Name)
			if seen[i.Name] {
				errs = append(errs, fmt.Errorf("%s: the name is taken in this node", where))
			}
			seen[i.Name] = true
			if other, taken := links[i.Link]; taken {
				errs = append(errs, fmt.Errorf("%s: link %d is %s already", where, i.Link, other))
			}
			links[i.Link] = where
			if other, taken := macs[i.MAC]; taken {
				errs = append(errs, fmt.Errorf("%s: MAC %s is %s already", where, i.MAC, other))
			}
			macs[i.MAC] = where
			if err := i.validate(); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", where, err))
			}
		}
	}
	return errors.Join(errs...)
}

func (i *Interface) validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if l := len(i.Name); l == 0 || l > 15 || strings.ContainsAny(i.Name, "/: \t\n%") || i.Name == "." || i.Name == ".." {
		bad("name %q: 1 to 15 characters, no slash, colon, percent or blank", i.Name)
	}
	if i.MAC.IsGroup() || i.MAC == (packet.MAC{}) || i.MAC == CoreMAC {
		bad("MAC %s: not an address for an interface", i.MAC)
	}
	smallest := 68 // RFC 791: what every IPv4 link carries
	families := map[bool]bool{}
	addresses := map[netip.Addr]bool{}
	for _, p := range i.Addresses {
		if !p.IsValid() || p.Addr().IsUnspecified() || p.Addr().IsMulticast() || p.Addr().Zone() != "" {
			bad("address %s: not an address for an interface", p)
			continue
		}
		if addresses[p.Addr()] {
			bad("address %s: given twice", p.Addr())
		}
		addresses[p.Addr()] = true
		if p.Addr().Is6() {
			smallest = 1280 // below it Linux removes IPv6 from the interface without a word
		}
	}
	for _, g := range i.Gateways {
		if !g.IsValid() || g.IsUnspecified() || g.IsMulticast() || g.Zone() != "" {
			bad("gateway %s: not an address", g)
			continue
		}
		if families[g.Is6()] {
			bad("gateway %s: a second one of its family", g)
		}
		families[g.Is6()] = true
	}
	for _, p := range i.OnLink {
		if !p.IsValid() {
			bad("on-link prefix %s: not a prefix", p)
		}
	}
	if m := i.mtu(); m < smallest || m > coreMTU {
		bad("MTU %d: must be %d to %d", m, smallest, coreMTU)
	}
	return errors.Join(errs...)
}

// usesIPv6 reports whether i asks for anything that a machine without IPv6
// cannot give.
func (i *Interface) usesIPv6() bool {
	is6 := func(p netip.Prefix) bool { return p.Addr().Is6() }
	return slices.ContainsFunc(i.Addresses, is6) || slices.ContainsFunc(i.OnLink, is6) ||
		slices.ContainsFunc(i.Gateways, netip.Addr.Is6)
}
