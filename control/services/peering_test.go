package services

import (
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// peeredFixture has a VPC with peers: near and far, by the same account and by
// another, with leave to resolve and without, and one that is not peered.
const peeredFixture = `
name: services
vpcs:
  a:      {cidr: 10.0.0.0/16, enableDnsHostnames: true}
  near:   {cidr: 10.1.0.0/16, enableDnsHostnames: true}
  far:    {cidr: 10.2.0.0/16, enableDnsHostnames: true, region: eu-west-1, account: 210987654321}
  plain:  {cidr: 10.3.0.0/16}
  lone:   {cidr: 10.4.0.0/16, enableDnsHostnames: true}
  behind: {cidr: 10.5.0.0/16, enableDnsHostnames: true}
vpcPeerings:
  an: {vpc: a, peerVpc: near, state: active, requesterOptions: {allowDnsResolution: false}, accepterOptions: {allowDnsResolution: true}}
  af: {vpc: a, peerVpc: far, requesterOptions: {allowDnsResolution: true}}
  ap: {vpc: a, peerVpc: plain}
  nb: {vpc: near, peerVpc: behind, requesterOptions: {allowDnsResolution: true}, accepterOptions: {allowDnsResolution: true}}
quotas: {vpcsPerRegion: 10, elasticIpsPerRegion: 10}
internetGateways: {ig: {vpc: a}, ign: {vpc: near}, igf: {vpc: far}, igp: {vpc: plain}, igl: {vpc: lone}, igb: {vpc: behind}}
subnets:
  a: {vpc: a, cidr: 10.0.1.0/24, enableResourceNameDnsARecord: true}
  n: {vpc: near, cidr: 10.1.1.0/24, enableResourceNameDnsARecord: true}
  f: {vpc: far, cidr: 10.2.1.0/24, az: eu-west-1b, enableResourceNameDnsARecord: true}
  p: {vpc: plain, cidr: 10.3.1.0/24}
  l: {vpc: lone, cidr: 10.4.1.0/24}
  b: {vpc: behind, cidr: 10.5.1.0/24}
instances:
  a: {subnet: a, ip: 10.0.1.10, publicIp: 198.51.100.10}
  n: {subnet: n, ip: 10.1.1.10, publicIp: 198.51.100.11}
  f: {subnet: f, ip: 10.2.1.10, publicIp: 198.51.100.12, role: reader, metadataOptions: {httpTokens: optional}}
  p: {subnet: p, ip: 10.3.1.10, publicIp: 198.51.100.13}
  l: {subnet: l, ip: 10.4.1.10, publicIp: 198.51.100.14}
  b: {subnet: b, ip: 10.5.1.10, publicIp: 198.51.100.15}
`

func reverseOf(t *testing.T, address string) string {
	t.Helper()
	name, err := dns.ReverseAddr(address)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func TestNamesAcrossPeering_P11_A45_A48(t *testing.T) {
	d := NewDirectory(newWorld(t, peeredFixture))
	resource := func(name string) string { return d.eni(t, name+"/eth0").instance.Status.ID }
	for _, test := range []struct {
		name  string
		asker string
		query string
		qtype uint16
		want  string
	}{
		{"A48 the side that allows it", "a/eth0", "ec2-198-51-100-11.compute-1.amazonaws.com", dns.TypeA, "NOERROR 10.1.1.10"},
		{"A48 the side that does not", "n/eth0", "ec2-198-51-100-10.compute-1.amazonaws.com", dns.TypeA, "NOERROR 198.51.100.10"},
		{"A48 between Regions, allowed", "f/eth0", "ec2-198-51-100-10.compute-1.amazonaws.com", dns.TypeA, "NOERROR 10.0.1.10"},
		{"A48 between Regions, not allowed", "a/eth0", "ec2-198-51-100-12.eu-west-1.compute.amazonaws.com", dns.TypeA, "NOERROR 198.51.100.12"},
		{"A47 public name in the wrong Region", "a/eth0", "ec2-198-51-100-12.compute-1.amazonaws.com", dns.TypeA, "NXDOMAIN SOA compute-1.amazonaws.com."},
		{"A48 not peered", "l/eth0", "ec2-198-51-100-11.compute-1.amazonaws.com", dns.TypeA, "NOERROR 198.51.100.11"},
		{"P9 A48 a peer's peer", "a/eth0", "ec2-198-51-100-15.compute-1.amazonaws.com", dns.TypeA, "NOERROR 198.51.100.15"},
		{"P11 private name within the Region", "n/eth0", "ip-10-0-1-10.ec2.internal", dns.TypeA, "NOERROR 10.0.1.10"},
		{"P11 private name between Regions, allowed", "f/eth0", "ip-10-0-1-10.ec2.internal", dns.TypeA, "NOERROR 10.0.1.10"},
		{"P11 private name between Regions, not allowed", "a/eth0", "ip-10-2-1-10.eu-west-1.compute.internal", dns.TypeA, "NXDOMAIN SOA eu-west-1.compute.internal."},
		{"A46 private name in the wrong Region", "f/eth0", "ip-10-0-1-10.eu-west-1.compute.internal", dns.TypeA, "NXDOMAIN SOA eu-west-1.compute.internal."},
		{"A45 private name, not peered", "l/eth0", "ip-10-0-1-10.ec2.internal", dns.TypeA, "NXDOMAIN SOA ec2.internal."},
		{"P9 A45 private name of a peer's peer", "a/eth0", "ip-10-5-1-10.ec2.internal", dns.TypeA, "NXDOMAIN SOA ec2.internal."},
		{"P11 resource name within the Region", "a/eth0", resource("n") + ".ec2.internal", dns.TypeA, "NOERROR 10.1.1.10"},
		{"P11 resource name between Regions", "f/eth0", resource("a") + ".ec2.internal", dns.TypeA, "NOERROR 10.0.1.10"},
		{"P11 resource name between Regions, not allowed", "a/eth0", resource("f") + ".eu-west-1.compute.internal", dns.TypeA, "NXDOMAIN SOA eu-west-1.compute.internal."},
		{"A45 resource name, not peered", "l/eth0", resource("a") + ".ec2.internal", dns.TypeA, "NXDOMAIN SOA ec2.internal."},
		{"P11 a peer without hostnames", "a/eth0", "ip-10-3-1-10.ec2.internal", dns.TypeA, "NXDOMAIN SOA ec2.internal."},
		{"P11 asked from a VPC without hostnames", "p/eth0", "ip-10-0-1-10.ec2.internal", dns.TypeA, "NXDOMAIN SOA ec2.internal."},
		{"PTR within the Region", "n/eth0", reverseOf(t, "10.0.1.10"), dns.TypePTR, "NOERROR ip-10-0-1-10.ec2.internal."},
		{"PTR between Regions, allowed", "f/eth0", reverseOf(t, "10.0.1.10"), dns.TypePTR, "NOERROR ip-10-0-1-10.ec2.internal."},
		{"PTR between Regions, not allowed", "a/eth0", reverseOf(t, "10.2.1.10"), dns.TypePTR, "NXDOMAIN SOA in-addr.arpa."},
		{"PTR of an own address elsewhere", "f/eth0", reverseOf(t, "10.2.1.10"), dns.TypePTR, "NOERROR ip-10-2-1-10.eu-west-1.compute.internal."},
		{"PTR public of another Region", "a/eth0", reverseOf(t, "198.51.100.12"), dns.TypePTR, "NOERROR ec2-198-51-100-12.eu-west-1.compute.amazonaws.com."},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := d.resolveText(t, test.asker, test.query, test.qtype); got != test.want {
				t.Errorf("%s %s from %s:\n got %s\nwant %s", test.query, dns.TypeToString[test.qtype], test.asker, got, test.want)
			}
		})
	}
}

// TestNamesFollowThePeeringsState_P11: what is not active tells nothing.
func TestNamesFollowThePeeringsState_P11(t *testing.T) {
	for state, want := range map[string]string{
		"active":   "NOERROR 10.1.1.10",
		"deleted":  "NOERROR 198.51.100.11",
		"rejected": "NOERROR 198.51.100.11",
		"failed":   "NOERROR 198.51.100.11",
	} {
		d := NewDirectory(newWorld(t, strings.Replace(peeredFixture, "state: active", "state: "+state, 1)))
		if got := d.resolveText(t, "a/eth0", "ec2-198-51-100-11.compute-1.amazonaws.com", dns.TypeA); got != want {
			t.Errorf("%s: got %s, want %s", state, got, want)
		}
		private := d.resolveText(t, "a/eth0", "ip-10-1-1-10.ec2.internal", dns.TypeA)
		if known := private == "NOERROR 10.1.1.10"; known != (state == "active") {
			t.Errorf("%s: the private name gives %s", state, private)
		}
	}
}

// TestMetadataNamesRegionAndAccountOfTheVPC: an instance learns where it is from
// its own VPC.
func TestMetadataNamesRegionAndAccountOfTheVPC(t *testing.T) {
	l := startLab(t, peeredFixture, nil)
	l.ask("f/eth0")
	tree := strings.Join(l.tree("/latest/meta-data/"), "\n")
	for _, want := range []string{
		"/placement/availability-zone = eu-west-1b", "/placement/availability-zone-id = euw1-az2", "/placement/region = eu-west-1",
		"/owner-id = 210987654321", "/local-hostname = ip-10-2-1-10.eu-west-1.compute.internal",
		"/public-hostname = ec2-198-51-100-12.eu-west-1.compute.amazonaws.com", "arn:aws:iam::210987654321:instance-profile/reader",
	} {
		if !strings.Contains(tree, want) {
			t.Errorf("the tree lacks %q:\n%s", want, tree)
		}
	}
	d := l.directory.Load()
	document := d.identityDocument(d.eni(t, "f/eth0").instance, l.config().now())
	for _, want := range []string{`"accountId": "210987654321"`, `"region": "eu-west-1"`, `"availabilityZone": "eu-west-1b"`} {
		if !strings.Contains(document, want) {
			t.Errorf("the identity document lacks %s:\n%s", want, document)
		}
	}
}
