package control

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// addresses are all addresses that AWS would pick in w, by resource.
func addresses(w *World) map[string]string {
	all := map[string]string{}
	for name, vpc := range w.VPCs {
		all["vpc "+name] = vpc.Status.IPv6CIDR.String()
	}
	for name, subnet := range w.Subnets {
		all["subnet "+name] = subnet.Status.IPv6CIDR.String()
	}
	for name, eni := range w.NetworkInterfaces {
		all["eni "+name] = fmt.Sprint(eni.Status.PrivateIPs, eni.Status.IPv6s, eni.Status.PublicIP)
	}
	for name, host := range w.InternetHosts {
		all["host "+name] = host.Status.IPv6.String()
	}
	return all
}

const allocationLab = `
name: lab
vpcs: {a: {cidr: 10.0.0.0/16, ipv6: true}, b: {cidr: 10.0.0.0/16, ipv6: true}}
subnets:
  m: {vpc: a, cidr: 10.0.1.0/24, ipv6: true, mapPublicIp: true}
  p: {vpc: a, cidr: 10.0.2.0/28, ipv6: true}
instances:
  k1: {subnet: m}
  k2: {subnet: m, ip: 10.0.1.5}
  k3: {subnet: m}
internetHosts: {h1: {ip: 203.0.113.1}, h2: {ip: 198.51.100.1}}
`

func TestAllocateKeepsAddressesWhenOthersCome(t *testing.T) {
	before := open(t, allocationLab)
	want := addresses(before)
	if got := want["eni k1/eth0"]; !strings.HasPrefix(got, "[10.0.1.4]") || !strings.HasSuffix(got, " 198.51.100.2") {
		t.Errorf("k1 = %s: want the lowest free addresses, not those of the file", got)
	}
	if got := want["eni k3/eth0"]; !strings.HasPrefix(got, "[10.0.1.6]") {
		t.Errorf("k3 = %s, want 10.0.1.6: .5 is k2's", got)
	}

	next, err := Load("lab.yaml", []byte(allocationLab))
	if err != nil {
		t.Fatal(err)
	}
	// Names that sort before all others, of every kind.
	next.VPCs["a0"] = &VPC{CIDR: netip.MustParsePrefix("10.9.0.0/16"), IPv6: PrefixChoice{Choice: Auto}}
	next.Subnets["a0"] = &Subnet{VPC: "a", CIDR: netip.MustParsePrefix("10.0.9.0/24"), IPv6: PrefixChoice{Choice: Auto}}
	for i := range 3 {
		next.Instances[fmt.Sprintf("a%d", i)] = &Instance{NetworkInterfaceSpec: NetworkInterfaceSpec{Subnet: "m"}}
	}
	next.InternetHosts["ahost"] = &InternetHost{IP: netip.MustParseAddr("203.0.113.9")}
	delete(next.Instances, "k2")
	if p := next.Prepare(before); len(p) > 0 {
		t.Fatal(p)
	}
	got := addresses(next)
	delete(want, "eni k2/eth0")
	for resource, address := range want {
		if got[resource] != address {
			t.Errorf("%s moved from %s to %s", resource, address, got[resource])
		}
	}
	if a0 := got["eni a0/eth0"]; !strings.HasPrefix(a0, "[10.0.1.5]") {
		t.Errorf("a0 = %s, want the address that k2 left", a0)
	}
}

func TestAllocateMovesWhatIsNoLongerPossible(t *testing.T) {
	before := open(t, allocationLab)
	changed := strings.NewReplacer(
		"10.0.1.0/24", "10.0.7.0/24", // the subnet moves
		"ip: 10.0.1.5", "ip: 10.0.7.4", // k2 takes k1's place there
		"ip: 203.0.113.1}", "ip: 198.51.100.2}", // a host takes k1's public address
	).Replace(allocationLab)
	after, err := Load("lab.yaml", []byte(changed))
	if err != nil {
		t.Fatal(err)
	}
	if p := after.Prepare(before); len(p) > 0 {
		t.Fatal(p)
	}
	k1 := after.NetworkInterfaces["k1/eth0"].Status
	if k1.PrivateIPs[0] != netip.MustParseAddr("10.0.7.5") {
		t.Errorf("private address of k1 = %v, want 10.0.7.5", k1.PrivateIPs)
	}
	if k1.PublicIP == netip.MustParseAddr("198.51.100.2") || !k1.PublicIP.IsValid() {
		t.Errorf("public address of k1 = %v, which is the host's", k1.PublicIP)
	}
}

func TestAllocateNeverPicksWhatTheFileNames(t *testing.T) {
	w := open(t, `
name: lab
vpcs: {a: {cidr: 10.0.0.0/16}}
internetGateways: {igw: {vpc: a}}
subnets: {s: {vpc: a, cidr: 10.0.1.0/24, mapPublicIp: true}}
securityGroups: {g: {vpc: a, ingress: [{protocol: all, from: [198.51.100.0/25, 0.0.0.0/0]}]}}
prefixLists: {p: {entries: [198.51.100.129/32]}}
routeTables: {r: {vpc: a, routes: {198.51.100.130/32: igw}}}
instances:
  i: {subnet: s, run: ["curl http://198.51.100.131:80/"]}
  j: {subnet: s, publicIp: 198.51.100.132}
internetHosts: {h: {ip: 198.51.100.128}}
checks: [{from: i, to: 198.51.100.133, ping: true}]
`)
	if got, want := w.Instances["i"].Status.PublicIP, netip.MustParseAddr("198.51.100.134"); got != want {
		t.Errorf("public address = %v, want the first that nobody names, %v", got, want)
	}
}

func TestAllocateUsesAllPoolsInTurn(t *testing.T) {
	var b strings.Builder
	b.WriteString("name: lab\nvpcs: {a: {cidr: 10.0.0.0/16}}\nsubnets: {s: {vpc: a, cidr: 10.0.0.0/16, mapPublicIp: true}}\ninstances:\n")
	for i := range 1000 {
		fmt.Fprintf(&b, "  i%04d: {subnet: s}\n", i)
	}
	w := open(t, b.String())
	seen := map[netip.Addr]bool{}
	for name, eni := range w.NetworkInterfaces {
		ip := eni.Status.PublicIP
		if !ip.IsValid() || seen[ip] {
			t.Fatalf("%s: public address %v is missing or another's", name, ip)
		}
		seen[ip] = true
	}
	for i, want := range map[int]string{0: "198.51.100.1", 254: "192.0.2.1", 508: "203.0.113.1", 762: "198.18.0.1"} {
		if got := w.Instances[fmt.Sprintf("i%04d", i)].Status.PublicIP; got != netip.MustParseAddr(want) {
			t.Errorf("instance %d has %v, want %s", i, got, want)
		}
	}
	if got := w.Subnets["s"].Status.AvailableIPAddressCount; got != 65536-5-1000 {
		t.Errorf("available = %d", got)
	}
}

// A-C1, SB-1: a /28 has 11 addresses, a /24 has 251; never a reserved one.
func TestAllocateLeavesReservedAddresses(t *testing.T) {
	w := open(t, "name: lab\nvpcs: {a: {cidr: 10.0.0.0/16, ipv6: true}}\nsubnets: {s: {vpc: a, cidr: 10.0.3.0/28, ipv6: true}, e: {vpc: a, cidr: 10.0.0.0/24}}\ninstances: {"+instances(11)+"}")
	var got []string
	for i := range 11 {
		eni := w.NetworkInterfaces[fmt.Sprintf("i%02d/eth0", i)]
		got = append(got, eni.Status.PrivateIPs[0].String())
		if block := w.Subnets["s"].Status.IPv6CIDR; reservedIn(block, eni.Status.IPv6s[0]) || !block.Contains(eni.Status.IPv6s[0]) {
			t.Errorf("IPv6 address %v in %v", eni.Status.IPv6s, block)
		}
	}
	var want []string
	for i := 4; i <= 14; i++ {
		want = append(want, fmt.Sprintf("10.0.3.%d", i))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if full, empty := w.Subnets["s"].Status.AvailableIPAddressCount, w.Subnets["e"].Status.AvailableIPAddressCount; full != 0 || empty != 251 {
		t.Errorf("available: %d and %d, want 0 and 251", full, empty)
	}
}

func TestAllocateGivesIPv6BlocksOfTheirOwn(t *testing.T) {
	w := open(t, allocationLab)
	a, b := w.VPCs["a"].Status.IPv6CIDR, w.VPCs["b"].Status.IPv6CIDR
	if a.Overlaps(b) || a.Overlaps(internetIPv6) || !contains(assignedIPv6, a) || a.Bits() != 56 {
		t.Errorf("VPC blocks %v and %v", a, b)
	}
	m, p := w.Subnets["m"].Status.IPv6CIDR, w.Subnets["p"].Status.IPv6CIDR
	if m.Overlaps(p) || !contains(a, m) || !contains(a, p) || m.Bits() != 64 {
		t.Errorf("subnet blocks %v and %v in %v", m, p, a)
	}
	hosts := w.InternetHosts
	if hosts["h1"].Status.IPv6.String() != "2001:db8:ff00:1::1" || hosts["h2"].Status.IPv6.String() != "2001:db8:ff00:2::1" {
		t.Errorf("hosts: %v, %v", hosts["h1"].Status.IPv6, hosts["h2"].Status.IPv6)
	}
	// The VPC's block follows from names only.
	if again := open(t, "name: lab\nvpcs: {a: {cidr: 10.77.0.0/16, ipv6: true}}"); again.VPCs["a"].Status.IPv6CIDR != a {
		t.Errorf("VPC a of the same lab has %v, had %v", again.VPCs["a"].Status.IPv6CIDR, a)
	}
}

func TestAllocateRunsOutOfIPv6Blocks(t *testing.T) {
	src := "name: lab\nvpcs: {a: {cidr: 10.0.0.0/16, ipv6: 2001:db8::/60}}\nsubnets: {" +
		repeat(17, func(i int) string { return fmt.Sprintf("s%02d: {vpc: a, cidr: 10.0.%d.0/24, ipv6: true}", i, i) }) + "}"
	got := problems(t, src)
	if len(got) != 1 || got[0].Code != "InsufficientCidrBlocks" || got[0].Path != "subnets.s16.ipv6" {
		t.Errorf("problems = %v", got)
	}
}
