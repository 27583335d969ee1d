package services

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/vpcsim/vpcsim/control"
)

// LabZone is a convenience of the lab's, unknown to AWS: under it every instance
// and every Internet host answers by its name in the scenario file, with the
// addresses that it has itself, in every VPC and whatever the VPC's DNS
// attributes. Whether they can be reached is another matter.
const LabZone = "vpcsim.internal"

// meaning is what a name means to the VPC that asks.
type meaning struct {
	// zone is the apex whose SOA record goes with a negative answer; "" is the
	// root.
	zone string
	// exists tells a name without records of the type (NODATA) from no name at
	// all (NXDOMAIN).
	exists    bool
	addresses []netip.Addr // A and AAAA
	pointer   string       // PTR
	alias     string       // CNAME
	// note tells a person why there is no answer, in an extended DNS error.
	note string
}

// zone is one of the domains that have names of the lab.
type zone struct {
	apex string
	// lookup gets the name without the apex; the zone of its result is set by
	// Directory.lookup.
	lookup func(asker *networkInterface, host string) meaning
}

// addZones lists the zones: private and public names live in their Region's.
func (d *Directory) addZones(w *control.World) {
	regions := map[string]bool{w.Region: true}
	for _, v := range w.VPCs {
		regions[v.Status.Region] = true
	}
	for _, region := range slices.Sorted(maps.Keys(regions)) {
		in := func(lookup func(region string, asker *networkInterface, host string) meaning) func(*networkInterface, string) meaning {
			return func(asker *networkInterface, host string) meaning { return lookup(region, asker, host) }
		}
		d.zones = append(d.zones, zone{internalDomain(region), in(d.privateName)}, zone{publicDomain(region), in(d.publicName)})
	}
	d.zones = append(d.zones, zone{LabZone, d.labName}, zone{reverseIPv4, d.reverseName}, zone{reverseIPv6, d.reverseNameIPv6})
}

// found is a name with these addresses, of which there may be none.
func found(zone string, addresses ...netip.Addr) meaning {
	return meaning{zone: zone, exists: true, addresses: addresses}
}

// lookup resolves a name, in lower case and without its final dot, as the
// resolver of the asker's VPC. It never looks outside the lab.
func (d *Directory) lookup(asker *networkInterface, name string) meaning {
	if strings.Contains(name, `\`) { // an escaped octet: no name of ours has one
		return d.nowhere(name)
	}
	if m, ok := d.awsService(asker, name); ok {
		return m
	}
	for _, zone := range d.zones {
		if name == zone.apex {
			return found(zone.apex)
		}
		if host, ok := strings.CutSuffix(name, "."+zone.apex); ok {
			m := zone.lookup(asker, host)
			m.zone = zone.apex
			return m
		}
	}
	switch name {
	case "localhost": // RFC 6761
		return found(name, netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback())
	case "ipv4only.arpa": // RFC 7050: how a client finds out that it has NAT64
		return found(name, netip.AddrFrom4([4]byte{192, 0, 0, 170}), netip.AddrFrom4([4]byte{192, 0, 0, 171}))
	}
	return d.nowhere(name)
}

// nowhere is what the resolver says about names outside the lab: that they do not
// exist. SERVFAIL would make programs retry for seconds and then speak of a
// temporary failure; this says at once what is true here.
func (d *Directory) nowhere(name string) meaning {
	for _, zone := range d.zones {
		if name == "" || strings.HasSuffix(zone.apex, "."+name) {
			return meaning{exists: true} // above a zone of ours
		}
	}
	for _, m := range d.awsServices {
		if strings.HasSuffix(m.zone, "."+name) {
			return meaning{exists: true}
		}
	}
	return meaning{note: "vpcsim resolves only names of the lab and forwards nothing outside"}
}

// privateName resolves ip-10-0-1-5 and resource names (A46). Names exist for the
// asker's own VPC and those of peers that it may know; others have resolvers of
// their own (A45).
func (d *Directory) privateName(region string, asker *networkInterface, host string) meaning {
	if !asker.vpc.names() {
		return asker.vpc.noNames()
	}
	if a, ok := parseIPName("ip-", host); ok {
		// AWS names every address of a VPC, whether or not something has it.
		if asker.vpc.knowing(region, a) == nil {
			return meaning{}
		}
		return found("", a)
	}
	if host == "instance-data" && region == asker.vpc.Status.Region {
		return found("", IMDSIPv4)
	}
	// A resource name follows its instance: to the primary interface, with the
	// families that the subnet allows.
	i := d.instances[host]
	if i == nil || i.primary().vpc.Status.Region != region || !asker.vpc.knowsPrivateNames(i.primary().vpc) {
		return meaning{}
	}
	m := found("")
	eni := i.primary()
	if eni.subnet.EnableResourceNameDNSARecord && eni.privateIPv4().IsValid() {
		m.addresses = append(m.addresses, eni.privateIPv4())
	}
	if eni.subnet.EnableResourceNameDNSAAAARecord {
		m.addresses = append(m.addresses, eni.Status.IPv6s...)
	}
	return m
}

// publicName resolves ec2-203-0-113-25 to the private address inside the VPC and
// where a peering allows it, and to the public one elsewhere (A48, P11).
func (d *Directory) publicName(region string, asker *networkInterface, host string) meaning {
	a, ok := parseIPName("ec2-", host)
	if !ok {
		return meaning{}
	}
	behind, ok := d.public[a]
	switch {
	case !ok || behind.vpc.Status.Region != region:
		return meaning{}
	case !behind.vpc.names():
		return behind.vpc.noNames()
	case asker.vpc == behind.vpc || asker.vpc.peers[behind.vpc].public:
		return found("", behind.private)
	}
	return found("", a)
}

// noNames is the answer about Amazon's names of a VPC that has none (A49).
func (v *vpc) noNames() meaning {
	return meaning{note: fmt.Sprintf("VPC %s has enableDnsHostnames: false, so Amazon's names do not exist in it", v.name)}
}

// labName is the same for every asker: it says where something is, and not, as
// AWS's names do, how it is reached from here.
func (d *Directory) labName(_ *networkInterface, host string) meaning {
	addresses, ok := d.labNames[host]
	return meaning{exists: ok, addresses: addresses}
}

// Zones of the names of addresses.
const (
	reverseIPv4 = "in-addr.arpa"
	reverseIPv6 = "ip6.arpa"
)

// reverseName names an IPv4 address: of the VPC privately, of the Internet
// publicly.
func (d *Directory) reverseName(asker *networkInterface, host string) meaning {
	a, whole, ok := parseReverseIPv4(host)
	switch {
	case !ok:
		return meaning{}
	case !whole:
		return meaning{exists: true}
	case asker.vpc.has(a) && !asker.vpc.names():
		return asker.vpc.noNames()
	}
	if owner := asker.vpc.knowing("", a); owner != nil {
		return meaning{exists: true, pointer: control.PrivateIPName(owner.Status.Region, a)}
	}
	if behind, ok := d.public[a]; ok {
		if !behind.vpc.names() {
			return behind.vpc.noNames()
		}
		return meaning{exists: true, pointer: control.PublicName(behind.vpc.Status.Region, a)}
	}
	return d.hostPointer(a)
}

// reverseNameIPv6 names an IPv6 address: an instance's of the asker's VPC by its
// resource name, and a synthesised one (R53) as the IPv4 address in it, by an
// alias as RFC 6147 asks.
func (d *Directory) reverseNameIPv6(asker *networkInterface, host string) meaning {
	a, whole, ok := parseReverseIPv6(host)
	switch {
	case !ok:
		return meaning{}
	case !whole:
		return meaning{exists: true}
	}
	if asker.subnet.EnableDNS64 && nat64.Contains(a) {
		b := a.As16()
		return meaning{exists: true, alias: fmt.Sprintf("%d.%d.%d.%d.%s", b[15], b[14], b[13], b[12], reverseIPv4)}
	}
	if i := d.ipv6[vpcAddress{asker.vpc, a}]; i != nil && asker.vpc.names() {
		return meaning{exists: true, pointer: control.ResourceName(asker.vpc.Status.Region, i.Status.ID)}
	}
	return d.hostPointer(a)
}

// hostPointer names an Internet host; its address is nobody else's, so every VPC
// gets the same answer.
func (d *Directory) hostPointer(a netip.Addr) meaning {
	if name, ok := d.hosts[a]; ok {
		return meaning{exists: true, pointer: name + "." + LabZone}
	}
	return meaning{}
}

// ipName is ip-10-0-1-5 for 10.0.1.5.
func ipName(a netip.Addr) string { return "ip-" + strings.ReplaceAll(a.String(), ".", "-") }

// parseIPName reads the address out of an IP name.
func parseIPName(prefix, host string) (netip.Addr, bool) {
	rest, ok := strings.CutPrefix(host, prefix)
	if !ok || strings.Contains(rest, ".") {
		return netip.Addr{}, false
	}
	// ParseAddr takes no leading zeros, so that no address has two names.
	a, err := netip.ParseAddr(strings.ReplaceAll(rest, "-", "."))
	return a, err == nil && a.Is4()
}

// parseReverseIPv4 reads "5.1.0.10" as 10.0.1.5. A name with fewer labels stands
// above whole addresses.
func parseReverseIPv4(host string) (a netip.Addr, whole, ok bool) {
	labels := strings.Split(host, ".")
	if len(labels) > 4 {
		return netip.Addr{}, false, false
	}
	slices.Reverse(labels)
	for _, label := range labels {
		if n, err := strconv.ParseUint(label, 10, 8); err != nil || strconv.FormatUint(n, 10) != label {
			return netip.Addr{}, false, false
		}
	}
	if len(labels) < 4 {
		return netip.Addr{}, false, true
	}
	a, err := netip.ParseAddr(strings.Join(labels, "."))
	return a, true, err == nil
}

// parseReverseIPv6 reads 32 hexadecimal digits, the last one first.
func parseReverseIPv6(host string) (a netip.Addr, whole, ok bool) {
	labels := strings.Split(host, ".")
	if len(labels) > 32 {
		return netip.Addr{}, false, false
	}
	var bytes [16]byte
	for i, label := range labels {
		n, err := strconv.ParseUint(label, 16, 4)
		if err != nil || len(label) != 1 {
			return netip.Addr{}, false, false
		}
		nibble := len(labels) - 1 - i
		bytes[nibble/2] |= byte(n) << (4 * (1 - nibble%2))
	}
	return netip.AddrFrom16(bytes), len(labels) == 32, true
}
