package control

import (
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vpcsim/vpcsim/dataplane"
)

// TestValidateGateways is TestValidate for NAT gateways and egress-only internet
// gateways.
func TestValidateGateways(t *testing.T) {
	for name, tc := range map[string]struct {
		src  string
		want []string
	}{
		"QG8 Q-C25 R39 no internet gateway": {base + subnets + "natGateways: {pub: {subnet: o}, prv: {subnet: o, connectivity: private}}", []string{
			`natGateways.pub [Gateway.NotAttached] Network b has no internet gateway attached`}},
		"QG8 Elastic IP of an instance, of another NAT gateway, of a host": {base + subnets + `instances: {i: {subnet: s, publicIp: 198.51.100.5}}
internetHosts: {h: {ip: 198.51.100.7}}
natGateways:
  n1: {subnet: s, eip: 198.51.100.5}
  n2: {subnet: s, eip: 198.51.100.6}
  n3: {subnet: s, eip: [auto, 198.51.100.6]}
  n4: {subnet: t, eip: 198.51.100.7}
quotas: {elasticIpsPerRegion: 10}
`, []string{
			`natGateways.n1.eip [Resource.AlreadyAssociated] Elastic IP address 198.51.100.5 is already associated`,
			`natGateways.n3.eip[1] [Resource.AlreadyAssociated] Elastic IP address 198.51.100.6 is already associated`,
			`natGateways.n4.eip [Resource.AlreadyAssociated] Elastic IP address 198.51.100.7 is already associated`}},
		"QG8 subnet is full": {base + "subnets: {s: {vpc: a, cidr: 10.0.0.0/28}}\nnatGateways: {n: {subnet: s}}\ninstances: {" + instances(11) + "}", []string{
			`natGateways.n [InsufficientFreeAddressesInSubnet] Subnet has insufficient free addresses to create this NAT gateway`}},
		"QG9 sixth in a zone": {base + subnets + "quotas: {elasticIpsPerRegion: 20}\nnatGateways: {" + repeat(6, func(i int) string { return fmt.Sprintf("n%d: {subnet: s}", i) }) + "other: {subnet: t}, private: {subnet: o, connectivity: private}}", []string{
			`natGateways.n5 [NatGatewayLimitExceeded] Performing this operation would exceed the limit of 5 NAT gateways`,
		}},
		"Elastic IPs of NAT gateways count": {base + subnets + "natGateways: {" + repeat(3, func(i int) string { return fmt.Sprintf("n%d: {subnet: s, secondaryIps: [true]}", i) }) + "}", []string{
			`natGateways [AddressLimitExceeded] The maximum number of addresses has been reached.`}},
		"two Elastic IPs per NAT gateway": {base + subnets + "natGateways: {n: {subnet: s, eip: [auto, auto, auto]}}", []string{
			`natGateways.n [] the NAT gateway would have 3 Elastic IP addresses`}},
		"eight on request": {base + subnets + "quotas: {elasticIpsPerNatGateway: 8, elasticIpsPerRegion: 8}\nnatGateways: {n: {subnet: s, eip: [auto, auto, auto, auto, auto, auto, auto, auto]}}", nil},
		"R38 ninth private address": {base + subnets + "natGateways: {n: {subnet: s, connectivity: private, secondaryIps: [true, true, true, true, true, true, true, 10.0.1.9]}}", []string{
			`natGateways.n.secondaryIps [] the NAT gateway would have 9 private addresses`}},
		"private with Elastic IP": {base + subnets + "natGateways: {n: {subnet: s, connectivity: private, eip: auto}}", []string{
			`natGateways.n.eip [InvalidParameterCombination] A private NAT gateway cannot have Elastic IP addresses`}},
		"QN4 QN5 QN6 private addresses": {base + subnets + `instances: {i: {subnet: s, ip: 10.0.1.9}}
natGateways:
  n: {subnet: s, connectivity: private, privateIp: 10.0.1.9, secondaryIps: [10.0.1.3, 10.0.2.9, false]}
`, []string{
			`natGateways.n.privateIp [InvalidIPAddress.InUse] Address 10.0.1.9 is in use.`,
			`natGateways.n.secondaryIps[0] [InvalidParameterValue] Address 10.0.1.3 is in subnet's reserved address range`,
			`natGateways.n.secondaryIps[1] [InvalidParameterValue] Address 10.0.2.9 does not fall within the subnet's address range`,
			`natGateways.n.secondaryIps[2] [] false is no address`}},
		"Elastic IP that is none": {base + subnets + "natGateways: {n: {subnet: s, eip: 10.9.9.9}}", []string{
			`natGateways.n.eip [InvalidParameterValue] Address 10.9.9.9 cannot be an Elastic IP address`}},
		"in an IPv6-only subnet": {base + "subnets: {s: {vpc: a, ipv6Native: true}}\nnatGateways: {n: {subnet: s, connectivity: private}}", []string{
			`natGateways.n.subnet [InvalidParameterValue] The subnet 's' has no IPv4 CIDR block`}},
		"one egress-only gateway per VPC": {base + "egressOnlyInternetGateways: {e1: {vpc: a}, e2: {vpc: a}, e3: {}, e4: {vpc: b}}", []string{
			`egressOnlyInternetGateways.e2.vpc [InvalidParameterValue] Network a already has an egress-only internet gateway attached`,
			`egressOnlyInternetGateways.e3.vpc [MissingParameter] The request must contain the parameter vpc`}},
		"a NAT gateway that a route still names": {base + subnets + "routeTables: {r: {vpc: a, routes: {0.0.0.0/0: nat}}}", []string{
			`routeTables.r.routes["0.0.0.0/0"] [InvalidInternetGatewayID.NotFound] no internet gateway, NAT gateway, egress-only internet gateway, VPC peering connection, transit gateway, virtual private gateway or instance named "nat"`}},
		"names of targets are unique": {base + subnets + "natGateways: {igw: {subnet: s}}\negressOnlyInternetGateways: {igw: {vpc: a}}", []string{
			`natGateways.igw [] "igw" is also the name of an internet gateway`,
			`egressOnlyInternetGateways.igw [] "igw" is also the name of a NAT gateway`}},
	} {
		t.Run(name, func(t *testing.T) { wantProblems(t, tc.src, tc.want...) })
	}
}

// applied brings src up, so that everything has its handle.
func applied(t *testing.T, src string) (*World, *Store) {
	t.Helper()
	s := NewStore(slog.New(slog.DiscardHandler), nil, func(*dataplane.Snapshot) {})
	if _, err := s.Apply(t.Context(), open(t, src)); err != nil {
		t.Fatal(err)
	}
	w, _ := s.World()
	return w, s
}

const natLab = base + `
subnets:
  pub: {vpc: a, cidr: 10.0.0.0/24, mapPublicIp: true}
  prv: {vpc: a, cidr: 10.0.1.0/24, az: us-east-1b}
natGateways:
  auto: {subnet: pub}
  wide: {subnet: pub, privateIp: 10.0.0.50, eip: [198.51.100.50, auto], secondaryIps: [10.0.0.51]}
  in: {subnet: prv, connectivity: private, secondaryIps: [true]}
instances: {web: {subnet: pub}}
`

func natAddresses(w *World, name string) string {
	texts := []string{}
	for _, a := range w.NATGateways[name].Status.Addresses {
		texts = append(texts, a.String())
	}
	return strings.Join(texts, " ")
}

// R38, R39: private addresses from the subnet, Elastic IPs for public gateways.
func TestNATGatewayAddresses(t *testing.T) {
	w, store := applied(t, natLab)
	for name, want := range map[string]string{
		"auto": "10.0.0.5/198.51.100.2", // web came first: 10.0.0.4, 198.51.100.1
		"wide": "10.0.0.50/198.51.100.50 10.0.0.51/198.51.100.3",
		"in":   "10.0.1.4 10.0.1.5",
	} {
		if got := natAddresses(w, name); got != want {
			t.Errorf("%s has %s, want %s", name, got, want)
		}
	}
	if pub, prv := w.Subnets["pub"].Status.AvailableIPAddressCount, w.Subnets["prv"].Status.AvailableIPAddressCount; pub != 251-4 || prv != 251-2 {
		t.Errorf("available: %d and %d", pub, prv)
	}
	status := w.NATGateways["in"].Status
	if status.State != "available" || status.VPC != "a" || status.AvailabilityZone != "us-east-1b" || status.Connectivity != ConnectivityPrivate ||
		!strings.HasPrefix(status.ID, "nat-") || !strings.HasPrefix(status.NetworkInterfaceID, "eni-") ||
		status.MAC != MAC(dataplane.InterfaceMAC(dataplane.Handle(status.Handle))) {
		t.Errorf("status = %+v", status)
	}

	// Instances and gateways that come and go move no address.
	next := w.Clone()
	next.Instances["a0"] = &Instance{NetworkInterfaceSpec: NetworkInterfaceSpec{Subnet: "pub"}}
	next.NATGateways["a1"] = &NATGateway{Subnet: "pub"}
	delete(next.Instances, "web")
	if _, err := store.Apply(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	after, _ := store.World()
	for _, name := range []string{"auto", "wide", "in"} {
		if got, want := natAddresses(after, name), natAddresses(w, name); got != want {
			t.Errorf("%s moved from %s to %s", name, want, got)
		}
		if after.NATGateways[name].Status.MAC != w.NATGateways[name].Status.MAC {
			t.Errorf("%s has another MAC", name)
		}
	}
	if got := natAddresses(after, "a1"); got != "10.0.0.6/198.51.100.4" {
		t.Errorf("a1 has %s", got)
	}
}

// R25, R26, R41: the internet gateway maps Elastic IPs to the NAT gateway's
// private addresses; a private gateway has no mapping.
func TestNATGatewayCompiles(t *testing.T) {
	w, _ := applied(t, natLab+`routeTables: {r: {vpc: a, routes: {0.0.0.0/0: auto, "64:ff9b::/96": in, "::/0": eigw}}}
egressOnlyInternetGateways: {eigw: {vpc: a}}
`)
	b := build(w, 1)
	handle := func(id Identity) dataplane.Handle { return dataplane.Handle(id.Handle) }
	addr := netip.MustParseAddr
	web, auto, in, wide := w.NetworkInterfaces["web/eth0"].Status, w.NATGateways["auto"].Status, w.NATGateways["in"].Status, w.NATGateways["wide"].Status
	if diff := cmp.Diff([]dataplane.PublicAddress{
		{Public: addr("198.51.100.1"), Private: addr("10.0.0.4"), Interface: handle(web.Identity)},
		{Public: addr("198.51.100.2"), Private: addr("10.0.0.5"), Interface: handle(auto.Identity)},
		{Public: addr("198.51.100.50"), Private: addr("10.0.0.50"), Interface: handle(wide.Identity)},
		{Public: addr("198.51.100.3"), Private: addr("10.0.0.51"), Interface: handle(wide.Identity)},
	}, b.InternetGateways[0].PublicAddresses, compareAddresses); diff != "" {
		t.Errorf("public addresses (-want +got):\n%s", diff)
	}
	var gateways []string
	for _, g := range b.NATGateways {
		gateways = append(gateways, fmt.Sprint(g.Object, g.Addresses, MAC(g.MAC) == MAC(dataplane.InterfaceMAC(g.Handle))))
	}
	if diff := cmp.Diff([]string{
		"natGateway auto [10.0.0.5] true", "natGateway in [10.0.1.4 10.0.1.5] true", "natGateway wide [10.0.0.50 10.0.0.51] true",
	}, gateways); diff != "" {
		t.Errorf("NAT gateways (-want +got):\n%s", diff)
	}
	eigw := w.EgressOnlyInternetGateways["eigw"].Status
	want := map[string]dataplane.Target{
		"0.0.0.0/0 → natGateway auto":           {Kind: dataplane.TargetNATGateway, Handle: handle(auto.Identity)},
		"64:ff9b::/96 → natGateway in":          {Kind: dataplane.TargetNATGateway, Handle: handle(in.Identity)},
		"::/0 → egressOnlyInternetGateway eigw": {Kind: dataplane.TargetEgressOnlyInternetGateway, Handle: handle(eigw.Identity)},
		"10.0.0.0/16 → local":                   {Kind: dataplane.TargetLocal, Handle: handle(w.VPCs["a"].Status.Identity)},
		"2001:db8:a::/56 → local":               {Kind: dataplane.TargetLocal, Handle: handle(w.VPCs["a"].Status.Identity)},
	}
	if diff := cmp.Diff(want, targets(b, "r")); diff != "" {
		t.Errorf("routes (-want +got):\n%s", diff)
	}
}

// targets are the routes of a compiled table by their texts.
func targets(b *dataplane.Builder, table string) map[string]dataplane.Target {
	list := map[string]dataplane.Target{}
	for _, t := range b.RouteTables {
		for _, r := range t.Routes {
			if t.Name == table {
				list[r.Text] = r.Target
			}
		}
	}
	return list
}

// FuzzLoad's promise for the forms that are one value or many.
func TestShortFormsReadBackTheSame(t *testing.T) {
	for text, want := range map[string]string{
		"eip: auto":                      "eip: auto",
		"eip: [auto]":                    "eip: auto",
		"eip: [198.51.100.9]":            "eip: 198.51.100.9",
		"eip: [198.51.100.9, auto]":      "eip:\n      - 198.51.100.9\n      - auto",
		"secondaryIps: [true, 10.0.0.9]": "secondaryIps:\n      - true\n      - 10.0.0.9",
	} {
		w := open(t, base+subnets+"quotas: {elasticIpsPerNatGateway: 8}\nnatGateways: {nat: {subnet: s, "+strings.ReplaceAll(text, "10.0.0", "10.0.1")+"}}")
		out, err := w.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(out), strings.ReplaceAll(want, "10.0.0", "10.0.1")+"\n") {
			t.Errorf("%s was written as\n%s", text, out)
		}
		if diff := cmp.Diff(w, open(t, string(out)), compareAddresses); diff != "" {
			t.Errorf("%s does not read back:\n%s", text, diff)
		}
	}
}
