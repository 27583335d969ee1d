package control

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vpcsim/vpcsim/dataplane"
)

// TestValidateAddressing is TestValidate for IPv6-only subnets, secondary
// addresses, tracking timeouts, DHCP option sets and instance metadata.
func TestValidateAddressing(t *testing.T) {
	const six = base + "subnets: {six: {vpc: a, ipv6Native: true}, s: {vpc: a, cidr: 10.0.1.0/24, ipv6: true}, four: {vpc: a, cidr: 10.0.2.0/24}}\n"
	for name, tc := range map[string]struct {
		src  string
		want []string
	}{
		"A13 IPv6-only subnet": {six + "instances: {i: {subnet: six}, j: {subnet: six, ipv6: true, ipv6s: [true]}}", nil},
		"A13 what an IPv6-only subnet cannot have": {base + `subnets:
  s1: {vpc: a, ipv6Native: true, cidr: 10.0.1.0/24, mapPublicIp: true, privateDnsHostnameType: ip-name, enableResourceNameDnsARecord: true, assignIpv6: false}
  s2: {vpc: a, ipv6Native: true, ipv6: false}
  s3: {vpc: b, ipv6Native: true}
  s4: {vpc: a, ipv6: true}
  s5: {vpc: a, cidr: 10.0.5.0/24, enableDns64: true}
`, []string{
			`subnets.s1.cidr [InvalidParameterCombination] An IPv6-only subnet has no IPv4 CIDR block`,
			`subnets.s1.mapPublicIp [InvalidParameterCombination] Instances of an IPv6-only subnet cannot have a public IPv4 address`,
			`subnets.s1.privateDnsHostnameType [InvalidParameterCombination] Instances of an IPv6-only subnet have resource names`,
			`subnets.s1.enableResourceNameDnsARecord [InvalidParameterCombination] Instances of an IPv6-only subnet have no A record`,
			`subnets.s1.assignIpv6 [InvalidParameterCombination] Instances of an IPv6-only subnet always get an IPv6 address`,
			`subnets.s2.ipv6 [InvalidParameterCombination] An IPv6-only subnet needs an IPv6 CIDR block`,
			`subnets.s3.ipv6 [InvalidParameterValue] The VPC 'b' has no IPv6 CIDR block`,
			`subnets.s4.cidr [MissingParameter] The request must contain the parameter cidr`,
			`subnets.s5.enableDns64 [InvalidParameterValue] The subnet 's5' has no IPv6 CIDR block`}},
		"A13 IPv4 in an IPv6-only subnet": {six + "instances: {i: {subnet: six, ip: 10.0.1.9, secondaryIps: [true], publicIp: 198.51.100.9}, j: {subnet: six, publicIp: true, ipv6: false}}", []string{
			`instances.i.ip [InvalidParameterValue] The subnet 'six' has no IPv4 CIDR block`,
			`instances.i.secondaryIps [InvalidParameterValue] The subnet 'six' has no IPv4 CIDR block`,
			`instances.i.publicIp [InvalidParameterValue] The subnet 'six' has no IPv4 CIDR block`,
			`instances.j.publicIp [InvalidParameterValue] The subnet 'six' has no IPv4 CIDR block`,
			`instances.j.ipv6 [InvalidParameterCombination] Instances of an IPv6-only subnet always get an IPv6 address`}},
		"further IPv6 addresses": {six + "instances: {i: {subnet: four, ipv6s: [true]}, j: {subnet: s, ipv6s: [false, 10.0.1.9, \"2001:db8:b::9\"]}}", []string{
			`instances.i.ipv6s[0] [InvalidParameterValue] The subnet 'four' has no IPv6 CIDR block`,
			`instances.j.ipv6s[0] [] false is no address`,
			`instances.j.ipv6s[1] [InvalidParameterValue] Address 10.0.1.9 does not fall within the subnet's address range`,
			`instances.j.ipv6s[1] [InvalidParameterValue] 10.0.1.9 is not an IPv6 address`,
			`instances.j.ipv6s[2] [InvalidParameterValue] Address 2001:db8:b::9 does not fall within the subnet's address range`}},
		"A21 QN6 secondary addresses": {six + `instances:
  i: {subnet: s, ip: 10.0.1.9, secondaryIps: [10.0.1.10, {ip: 10.0.1.11, publicIp: 198.51.100.9}, {publicIp: 198.51.100.10}]}
  j: {subnet: s, secondaryIps: [10.0.1.9, {ip: 10.0.1.10, publicIp: 198.51.100.9}, {publicIp: true}, {ip: false}, {ip: 10.0.1.3}]}
`, []string{
			`instances.j.secondaryIps[0] [InvalidIPAddress.InUse] Address 10.0.1.9 is in use.`,
			`instances.j.secondaryIps[1].ip [InvalidIPAddress.InUse] Address 10.0.1.10 is in use.`,
			`instances.j.secondaryIps[1].publicIp [InvalidIPAddress.InUse] Address 198.51.100.9 is in use.`,
			`instances.j.secondaryIps[2].publicIp [InvalidParameterValue] AWS picks public addresses for primary private addresses only`,
			`instances.j.secondaryIps[3].ip [] false is no address`,
			`instances.j.secondaryIps[4].ip [InvalidParameterValue] Address 10.0.1.3 is in subnet's reserved address range`}},
		"QN10 Elastic IP on a secondary address": {base + subnets + "instances: {i: {subnet: o, secondaryIps: [{publicIp: 198.51.100.9}]}}", []string{
			`instances.i.secondaryIps[0].publicIp [Gateway.NotAttached] Network b is not attached to any internet gateway`}},
		"QN1 A15 secondary addresses of a full subnet": {base + "subnets: {s: {vpc: a, cidr: 10.0.0.0/28}}\ninstances: {i: {subnet: s, secondaryIps: [" + strings.Repeat("true, ", 11) + "]}}", []string{
			`instances.i.secondaryIps[10] [InsufficientFreeAddressesInSubnet] The specified subnet does not have enough free addresses to satisfy the request.`}},
		"too many addresses": {base + "subnets: {s: {vpc: a, cidr: 10.0.0.0/24}}\ninstances: {i: {subnet: s, secondaryIps: [" + strings.Repeat("true, ", 50) + "]}}", []string{
			`instances.i.secondaryIps [PrivateIpAddressLimitExceeded] Number of private addresses will exceed limit.`}},
		"sixth Elastic IP on a secondary address": {base + "subnets: {s: {vpc: a, cidr: 10.0.0.0/24}}\ninstances: {i: {subnet: s, secondaryIps: [" + repeat(6, func(i int) string { return fmt.Sprintf("{publicIp: 198.51.100.%d}", i+1) }) + "]}}", []string{
			`instances [AddressLimitExceeded] The maximum number of addresses has been reached.`}},
		"S27 timeouts at their limits": {base + subnets + "instances: {i: {subnet: s, connectionTracking: {tcpEstablished: 60, udp: 60, udpStream: 60}}, j: {subnet: s, connectionTracking: {tcpEstablished: 120h, udp: 30, udpStream: 180}}}", nil},
		"S27 timeouts out of range": {base + subnets + "instances: {i: {subnet: s, connectionTracking: {tcpEstablished: 59, udp: 61, udpStream: 181}, interfaces: [{subnet: s, connectionTracking: {tcpEstablished: 432001, udp: 29, udpStream: 59}}]}}", []string{
			`instances.i.connectionTracking.tcpEstablished [InvalidParameterValue] Value (59) for parameter tcpEstablished is invalid.`,
			`instances.i.connectionTracking.udp [InvalidParameterValue] Value (61) for parameter udp is invalid.`,
			`instances.i.connectionTracking.udpStream [InvalidParameterValue] Value (181) for parameter udpStream is invalid.`,
			`instances.i.interfaces[0].connectionTracking.tcpEstablished [InvalidParameterValue] Value (432001) for parameter tcpEstablished is invalid.`,
			`instances.i.interfaces[0].connectionTracking.udp [InvalidParameterValue] Value (29) for parameter udp is invalid.`,
			`instances.i.interfaces[0].connectionTracking.udpStream [InvalidParameterValue] Value (59) for parameter udpStream is invalid.`}},
		"timeouts that are none": {base + subnets + "instances: {i: {subnet: s, connectionTracking: {udp: 0, udpStream: 1.5s, tcpEstablished: long}}}", []string{
			`instances.i.connectionTracking.udp [InvalidParameterValue] "0" is not a number of seconds`,
			`instances.i.connectionTracking.udpStream [InvalidParameterValue] "1.5s" is not a number of seconds`,
			`instances.i.connectionTracking.tcpEstablished [InvalidParameterValue] "long" is not a number of seconds`}},

		"A38 A40 option sets": {`name: lab
vpcs: {a: {cidr: 10.0.0.0/16, dhcpOptions: own}, b: {cidr: 10.0.0.0/16, dhcpOptions: mine}, c: {cidr: 10.0.0.0/16, dhcpOptions: none}}
dhcpOptions:
  own: {ipv6PreferredLease: 4294967295}
  default: {}
  wrong:
    domainName: example.com under_score
    domainNameServers: [AmazonProvidedDNS, 10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4, "2001:db8::1"]
    ntpServers: ["2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8::4", "2001:db8::5"]
    netbiosNameServers: ["2001:db8::1"]
    netbiosNodeType: 3
    ipv6PreferredLease: 139
`, []string{
			`vpcs.b.dhcpOptions [InvalidDhcpOptionID.NotFound] no DHCP option set named "mine"`,
			`dhcpOptions.default [] "default" is not a name for a DHCP option set`,
			`dhcpOptions.wrong.domainName [InvalidParameterValue] Value (example.com under_score) for parameter domain-name is invalid.`,
			`dhcpOptions.wrong.domainNameServers[4] [InvalidParameterValue] too many IPv4 addresses for domainNameServers`,
			`dhcpOptions.wrong.ntpServers[4] [InvalidParameterValue] too many IPv6 addresses for ntpServers`,
			`dhcpOptions.wrong.netbiosNameServers[0] [InvalidParameterValue] too many IPv6 addresses for netbiosNameServers`,
			`dhcpOptions.wrong.netbiosNodeType [InvalidParameterValue] Value (3) for parameter netbios-node-type is invalid.`,
			`dhcpOptions.wrong.ipv6PreferredLease [InvalidParameterValue] Value (139) for parameter ipv6PreferredLease is invalid.`}},
		"A53 A54 metadata options": {base + subnets + `instances:
  i: {subnet: s, metadataOptions: {httpPutResponseHopLimit: 65}}
  j: {subnet: s, metadataOptions: {httpPutResponseHopLimit: 0, httpTokens: maybe, httpEndpoint: on}}
  k: {subnet: s, role: "arn:aws:iam::1:role/x", tags: {"aws:x": y, "a b": c}, userData: ` + strings.Repeat("x", 16385) + `}
  l: {subnet: s, metadataOptions: {instanceMetadataTags: enabled}, tags: {"a b": c, ok: d, _index: e}}
  m: {subnet: s, tags: {` + repeat(51, func(i int) string { return fmt.Sprintf("t%d: v", i) }) + `}}
`, []string{
			`instances.i.metadataOptions.httpPutResponseHopLimit [InvalidParameterValue] Value (65) for parameter HttpPutResponseHopLimit is invalid.`,
			`instances.j.metadataOptions.httpPutResponseHopLimit [InvalidParameterValue] Value (0) for parameter HttpPutResponseHopLimit is invalid.`,
			`instances.j.metadataOptions.httpTokens [InvalidParameterValue] "maybe" is none of optional or required`,
			`instances.j.metadataOptions.httpEndpoint [InvalidParameterValue] "on" is none of disabled or enabled`,
			`instances.k.role [InvalidParameterValue] Value (arn:aws:iam::1:role/x) for parameter iamInstanceProfile.name is invalid.`,
			`instances.k.userData [InvalidParameterValue] User data is limited to 16384 bytes`,
			`instances.k.tags["aws:x"] [InvalidParameterValue] Tag keys starting with 'aws:' are reserved for internal use`,
			`instances.l.tags["a b"] [InvalidParameterValue] 'a b' is not a valid tag key. Tag keys must match pattern ([0-9a-zA-Z\-_+=,.@:]{1,255}), and must not be a reserved name ('.', '..', '_index')`,
			`instances.l.tags._index [InvalidParameterValue] '_index' is not a valid tag key. Tag keys must match pattern ([0-9a-zA-Z\-_+=,.@:]{1,255}), and must not be a reserved name ('.', '..', '_index')`,
			`instances.m.tags [TagLimitExceeded] More than 50 tags specified`}},
	} {
		t.Run(name, func(t *testing.T) { wantProblems(t, tc.src, tc.want...) })
	}
}

// A13, A16, A46: an IPv6-only subnet has no IPv4 at all, and its instances always
// have an IPv6 address and a resource name.
func TestIPv6OnlySubnet(t *testing.T) {
	w, _ := applied(t, base+"subnets: {six: {vpc: a, ipv6Native: true, enableDns64: true}}\ninstances: {i: {subnet: six, ipv6s: [true]}}")
	subnet, i := w.Subnets["six"], w.Instances["i"].Status
	if s := subnet.Status; !s.AssignIPv6 || s.IPv6CIDR.String() != "2001:db8:a::/64" || s.AvailableIPAddressCount != 0 || s.PrivateDNSHostnameType != HostnameResource {
		t.Errorf("status of the subnet = %+v", s)
	}
	if i.PrivateIP.IsValid() || i.IPv6.String() != "2001:db8:a::4" || i.PrivateDNSName != i.ID+".ec2.internal" {
		t.Errorf("status of the instance = %+v", i)
	}
	b := build(w, 1)
	if diff := cmp.Diff([]netip.Prefix{subnet.Status.IPv6CIDR}, b.Subnets[0].CIDRs, compareAddresses); diff != "" {
		t.Errorf("blocks of the subnet (-want +got):\n%s", diff)
	}
	want := []netip.Addr{netip.MustParseAddr("2001:db8:a::4"), netip.MustParseAddr("2001:db8:a::5")}
	if diff := cmp.Diff(want, b.NetworkInterfaces[0].Addresses, compareAddresses); diff != "" {
		t.Errorf("addresses of the interface (-want +got):\n%s", diff)
	}
}

// A18, A21: secondary addresses, AWS's choice among them, each with its Elastic
// IP or none; what is kept when others come.
func TestSecondaryAddresses(t *testing.T) {
	const lab = base + `
subnets: {s: {vpc: a, cidr: 10.0.1.0/24, ipv6: true, mapPublicIp: true}}
instances:
  i: {subnet: s, secondaryIps: [10.0.1.20, true, {ip: 10.0.1.5, publicIp: 198.51.100.70}, {publicIp: 198.51.100.71}], ipv6s: [true, "2001:db8:a::9"]}
  z: {subnet: s}
`
	w, store := applied(t, lab)
	show := func(w *World, name string) string {
		s := w.NetworkInterfaces[name+"/eth0"].Status
		return fmt.Sprint(s.PrivateIPs, s.IPv6s, s.PublicIP, s.ElasticIP, s.Associations)
	}
	want := "[10.0.1.4 10.0.1.20 10.0.1.6 10.0.1.5 10.0.1.7] [2001:db8:a::4 2001:db8:a::5 2001:db8:a::9] 198.51.100.1 false " +
		"[{198.51.100.1 10.0.1.4} {198.51.100.70 10.0.1.5} {198.51.100.71 10.0.1.7}]"
	if got := show(w, "i"); got != want {
		t.Errorf("i has %s\nwant  %s", got, want)
	}
	if got := show(w, "z"); got != "[10.0.1.8] [2001:db8:a::6] 198.51.100.2 false [{198.51.100.2 10.0.1.8}]" {
		t.Errorf("z has %s", got)
	}
	var public []string
	for _, a := range build(w, 1).InternetGateways[0].PublicAddresses {
		public = append(public, a.Public.String()+" "+a.Private.String())
	}
	if diff := cmp.Diff([]string{"198.51.100.1 10.0.1.4", "198.51.100.70 10.0.1.5", "198.51.100.71 10.0.1.7", "198.51.100.2 10.0.1.8"}, public); diff != "" {
		t.Errorf("public addresses (-want +got):\n%s", diff)
	}

	next := w.Clone()
	next.Instances["a"] = &Instance{NetworkInterfaceSpec: NetworkInterfaceSpec{Subnet: "s", SecondaryIPs: make([]SecondaryIP, 2)}}
	if _, err := store.Apply(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	after, _ := store.World()
	if got := show(after, "i"); got != want {
		t.Errorf("i moved to %s", got)
	}
	if got := show(after, "a"); !strings.HasPrefix(got, "[10.0.1.9 10.0.1.10 10.0.1.11]") {
		t.Errorf("a has %s", got)
	}
}

// Q-C8, QN11: an Elastic IP moves from one interface to another in one apply.
func TestElasticIPMoves(t *testing.T) {
	const lab = base + "subnets: {s: {vpc: a, cidr: 10.0.1.0/24}}\ninstances: {i: {subnet: s, %s}, j: {subnet: s, %s}}"
	const eip, none = "publicIp: 198.51.100.9", "publicIp: false"
	w, store := applied(t, fmt.Sprintf(lab, eip, none))
	if changes, err := store.Apply(t.Context(), open(t, fmt.Sprintf(lab, none, eip))); err != nil || len(changes) != 2 || changes[0].Action != ActionUpdate {
		t.Fatalf("changes = %+v, error = %v", changes, err)
	}
	after, _ := store.World()
	if after.Instances["i"].Status.PublicIP.IsValid() || after.Instances["j"].Status.PublicIP != w.Instances["i"].Status.PublicIP {
		t.Errorf("i has %v, j has %v", after.Instances["i"].Status.PublicIP, after.Instances["j"].Status.PublicIP)
	}
	if got := build(after, 1).InternetGateways[0].PublicAddresses; len(got) != 1 || got[0].Private != after.Instances["j"].Status.PrivateIP {
		t.Errorf("public addresses = %v", got)
	}
}

// S27: timeouts per interface reach the data plane.
func TestConnectionTrackingCompiles(t *testing.T) {
	w, _ := applied(t, base+subnets+"instances: {i: {subnet: s, connectionTracking: {tcpEstablished: 350, udpStream: 2m}}, j: {subnet: s}}")
	b := build(w, 1)
	for i, want := range []dataplane.Timeouts{
		{TCPEstablished: 350 * time.Second, UDP: 30 * time.Second, UDPStream: 120 * time.Second},
		{TCPEstablished: 432000 * time.Second, UDP: 30 * time.Second, UDPStream: 180 * time.Second},
	} {
		if diff := cmp.Diff(want, b.NetworkInterfaces[i].Timeouts); diff != "" {
			t.Errorf("%s (-want +got):\n%s", b.NetworkInterfaces[i].Name, diff)
		}
	}
}

// A52 to A54: AWS's defaults for what the file does not write.
func TestMetadataOptionsInForce(t *testing.T) {
	w := open(t, base+subnets+"instances: {i: {subnet: s}, j: {subnet: s, metadataOptions: {httpTokens: optional, httpPutResponseHopLimit: 2}}}")
	want := MetadataOptions{HTTPTokens: TokensRequired, HTTPEndpoint: Enabled, HTTPPutResponseHopLimit: 1, HTTPProtocolIPv6: Disabled, InstanceMetadataTags: Disabled}
	if diff := cmp.Diff(want, w.Instances["i"].Status.MetadataOptions); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
	want.HTTPTokens, want.HTTPPutResponseHopLimit = TokensOptional, 2
	if diff := cmp.Diff(want, w.Instances["j"].Status.MetadataOptions); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
}

// A46, A47, A-C24: private names by address or resource, public names only where
// both DNS attributes are on.
func TestInstanceDNSNames(t *testing.T) {
	const lab = `
name: lab
region: %s
vpcs:
  on:   {cidr: 10.0.0.0/16, enableDnsHostnames: true}
  off:  {cidr: 10.0.0.0/16}
  deaf: {cidr: 10.0.0.0/16, enableDnsHostnames: true, enableDnsSupport: false}
subnets:
  on:   {vpc: on, cidr: 10.0.1.0/24}
  off:  {vpc: off, cidr: 10.0.1.0/24, privateDnsHostnameType: resource-name}
  deaf: {vpc: deaf, cidr: 10.0.1.0/24}
instances: {on: {subnet: on, publicIp: true}, off: {subnet: off, publicIp: true}, deaf: {subnet: deaf, publicIp: true}}
`
	for region, domains := range map[string][2]string{
		"us-east-1":  {"ec2.internal", "compute-1.amazonaws.com"},
		"eu-north-1": {"eu-north-1.compute.internal", "eu-north-1.compute.amazonaws.com"},
	} {
		w := open(t, fmt.Sprintf(lab, region))
		got := map[string]string{}
		for name, i := range w.Instances {
			got[name] = strings.ReplaceAll(i.Status.PrivateDNSName+" "+i.Status.PublicDNSName, i.Status.ID, "ID")
		}
		want := map[string]string{
			"on":   "ip-10-0-1-4." + domains[0] + " " + "ec2-" + strings.ReplaceAll(w.Instances["on"].Status.PublicIP.String(), ".", "-") + "." + domains[1],
			"off":  "ID." + domains[0] + " ",
			"deaf": "ip-10-0-1-4." + domains[0] + " ",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", region, diff)
		}
	}
}

// A38 to A41: AWS's own set, none, and one of the user's.
func TestDHCPOptionsInForce(t *testing.T) {
	const lab = `
name: lab
region: %s
vpcs:
  silent: {cidr: 10.0.0.0/16}
  plain:  {cidr: 10.0.0.0/16, dhcpOptions: default}
  none:   {cidr: 10.0.0.0/16, dhcpOptions: none}
  own:    {cidr: 10.0.0.0/16, dhcpOptions: own}
  bare:   {cidr: 10.0.0.0/16, dhcpOptions: bare}
dhcpOptions:
  own:  {domainName: example.com, domainNameServers: [10.0.0.53, AmazonProvidedDNS], ntpServers: [10.0.0.123], ipv6PreferredLease: 10m}
  bare: {}
`
	for region, domain := range map[string]string{"us-east-1": "ec2.internal", "eu-north-1": "eu-north-1.compute.internal"} {
		w := open(t, fmt.Sprintf(lab, region))
		standard := DHCPOptionsInForce{Set: "default", DomainName: domain, DomainNameServers: []DomainNameServer{{}}, IPv6PreferredLease: 140}
		want := map[string]DHCPOptionsInForce{
			"silent": standard,
			"plain":  standard,
			"none":   {DomainNameServers: []DomainNameServer{linkLocalDNS}, IPv6PreferredLease: 140},
			"bare":   {Set: "bare", DomainNameServers: []DomainNameServer{linkLocalDNS}, IPv6PreferredLease: 140},
			"own": {
				Set: "own", DomainName: "example.com", DomainNameServers: []DomainNameServer{{netip.MustParseAddr("10.0.0.53")}, {}},
				NTPServers: []netip.Addr{netip.MustParseAddr("10.0.0.123")}, IPv6PreferredLease: 600,
			},
		}
		got := map[string]DHCPOptionsInForce{}
		for name, vpc := range w.VPCs {
			got[name] = vpc.Status.DHCPOptions
		}
		if diff := cmp.Diff(want, got, compareAddresses); diff != "" {
			t.Errorf("%s (-want +got):\n%s", region, diff)
		}
		if got := w.DHCPOptions["own"].Status; len(got.VPCs) != 1 || got.VPCs[0] != "own" || !strings.HasPrefix(got.ID, "dopt-") {
			t.Errorf("status of own = %+v", got)
		}
	}
}
