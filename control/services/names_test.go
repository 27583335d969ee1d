package services

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/vpcsim/vpcsim/control"
)

func TestNames(t *testing.T) {
	d := NewDirectory(newWorld(t, fixture))
	i1, i3 := d.eni(t, "i1/eth0").instance.Status.ID, d.eni(t, "i3/eth0").instance.Status.ID
	reverse := func(address string) string {
		name, err := dns.ReverseAddr(address)
		if err != nil {
			t.Fatal(err)
		}
		return name
	}
	for _, test := range []struct {
		name  string
		asker string
		query string
		qtype uint16
		want  string
	}{
		{"A46 private name", "i1/eth0", "ip-10-0-1-20.ec2.internal", dns.TypeA, "NOERROR 10.0.1.20"},
		{"A46 private name in any case", "i1/eth0", "IP-10-0-1-20.Ec2.Internal", dns.TypeA, "NOERROR 10.0.1.20"},
		{"A46 private name of a secondary block", "i1/eth0", "ip-100-64-0-9.ec2.internal", dns.TypeA, "NOERROR 100.64.0.9"},
		{"A46 private name has no AAAA", "i1/eth0", "ip-10-0-1-10.ec2.internal", dns.TypeAAAA, "NOERROR SOA ec2.internal."},
		{"A46 private name outside the VPC", "i1/eth0", "ip-10-3-1-10.ec2.internal", dns.TypeA, "NXDOMAIN SOA ec2.internal."},
		{"A46 not an address", "i1/eth0", "ip-10-0-1-256.ec2.internal", dns.TypeA, "NXDOMAIN SOA ec2.internal."},
		{"A46 leading zero", "i1/eth0", "ip-10-0-1-010.ec2.internal", dns.TypeA, "NXDOMAIN SOA ec2.internal."},
		{"A46 resource name A", "i1/eth0", i1 + ".ec2.internal", dns.TypeA, "NOERROR 10.0.1.10"},
		{"A46 resource name AAAA", "i1/eth0", i1 + ".ec2.internal", dns.TypeAAAA, "NOERROR 2001:db8:1:101::10"},
		{"A46 resource name whose A record is off", "i1/eth0", i3 + ".ec2.internal", dns.TypeA, "NOERROR SOA ec2.internal."},
		{"A46 resource name without IPv6", "i1/eth0", i3 + ".ec2.internal", dns.TypeAAAA, "NOERROR SOA ec2.internal."},
		{"A45 resource name of another VPC", "o1/eth0", i1 + ".ec2.internal", dns.TypeA, "NXDOMAIN SOA ec2.internal."},
		{"apex SOA", "i1/eth0", "ec2.internal", dns.TypeSOA, "NOERROR ns0.ec2.internal. hostmaster.amazon.com. 2012103100 3600 3600 3600 60"},
		{"apex A", "i1/eth0", "ec2.internal", dns.TypeA, "NOERROR SOA ec2.internal."},
		{"above an apex", "i1/eth0", "amazonaws.com", dns.TypeA, "NOERROR SOA ."},
		{"root", "i1/eth0", ".", dns.TypeNS, "NOERROR SOA ."},
		{"A48 public name inside", "i3/eth0", "ec2-198-51-100-10.compute-1.amazonaws.com", dns.TypeA, "NOERROR 10.0.1.10"},
		{"A48 public name from another VPC", "o1/eth0", "ec2-198-51-100-10.compute-1.amazonaws.com", dns.TypeA, "NOERROR 198.51.100.10"},
		{"A48 public name of a secondary address", "i1/eth0", "ec2-198-51-100-22.compute-1.amazonaws.com", dns.TypeA, "NOERROR 10.0.1.22"},
		{"A48 public name of a NAT gateway", "i1/eth0", "ec2-198-51-100-50.compute-1.amazonaws.com", dns.TypeA, "NOERROR 10.0.2.50"},
		{"A47 public name without hostnames", "i1/eth0", "ec2-198-51-100-30.compute-1.amazonaws.com", dns.TypeA, "NXDOMAIN SOA compute-1.amazonaws.com."},
		{"A47 public name of nobody", "i1/eth0", "ec2-198-51-100-99.compute-1.amazonaws.com", dns.TypeA, "NXDOMAIN SOA compute-1.amazonaws.com."},
		{"A49 private name without hostnames", "p1/eth0", "ip-10-3-1-10.ec2.internal", dns.TypeA, "NXDOMAIN SOA ec2.internal."},
		{"A49 PTR without hostnames", "p1/eth0", reverse("10.3.1.10"), dns.TypePTR, "NXDOMAIN SOA in-addr.arpa."},
		{"PTR private", "i1/eth0", reverse("10.0.2.30"), dns.TypePTR, "NOERROR ip-10-0-2-30.ec2.internal."},
		{"PTR private of another VPC", "i1/eth0", reverse("10.3.1.10"), dns.TypePTR, "NXDOMAIN SOA in-addr.arpa."},
		{"PTR public", "o1/eth0", reverse("198.51.100.10"), dns.TypePTR, "NOERROR ec2-198-51-100-10.compute-1.amazonaws.com."},
		{"PTR public of a NAT gateway", "o1/eth0", reverse("198.51.100.50"), dns.TypePTR, "NOERROR ec2-198-51-100-50.compute-1.amazonaws.com."},
		{"PTR public without hostnames", "o1/eth0", reverse("198.51.100.30"), dns.TypePTR, "NXDOMAIN SOA in-addr.arpa."},
		{"PTR IPv6", "i1/eth0", reverse("2001:db8:1:101::10"), dns.TypePTR, "NOERROR " + i1 + ".ec2.internal."},
		{"PTR IPv6 of another VPC", "o1/eth0", reverse("2001:db8:1:101::10"), dns.TypePTR, "NXDOMAIN SOA ip6.arpa."},
		{"PTR Internet host", "i1/eth0", reverse("203.0.113.10"), dns.TypePTR, "NOERROR laptop.vpcsim.internal."},
		{"PTR Internet host IPv6", "i1/eth0", reverse("2001:db8:ff00::10"), dns.TypePTR, "NOERROR laptop.vpcsim.internal."},
		{"PTR has no A", "i1/eth0", reverse("10.0.2.30"), dns.TypeA, "NOERROR SOA in-addr.arpa."},
		{"part of an address", "i1/eth0", "1.0.10.in-addr.arpa", dns.TypePTR, "NOERROR SOA in-addr.arpa."},
		{"more than an address", "i1/eth0", "1.5.1.0.10.in-addr.arpa", dns.TypePTR, "NXDOMAIN SOA in-addr.arpa."},
		{"lab name", "o1/eth0", "i1.vpcsim.internal", dns.TypeA, "NOERROR 10.0.1.10"},
		{"lab name without hostnames", "p1/eth0", "i1.vpcsim.internal", dns.TypeAAAA, "NOERROR 2001:db8:1:101::10"},
		{"lab name of an Internet host", "i1/eth0", "laptop.vpcsim.internal", dns.TypeANY, "NOERROR 203.0.113.10 2001:db8:ff00::10"},
		{"lab name of nobody", "i1/eth0", "nobody.vpcsim.internal", dns.TypeA, "NXDOMAIN SOA vpcsim.internal."},
		{"outside the lab", "i1/eth0", "example.com", dns.TypeA, "NXDOMAIN SOA ."},
		{"escaped dot", "i1/eth0", `x\.ec2.internal`, dns.TypeA, "NXDOMAIN SOA ."},
		{"instance-data", "i1/eth0", "instance-data.ec2.internal", dns.TypeA, "NOERROR 169.254.169.254"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := d.resolveText(t, test.asker, test.query, test.qtype); got != test.want {
				t.Errorf("%s %s from %s:\n got %s\nwant %s", test.query, dns.TypeToString[test.qtype], test.asker, got, test.want)
			}
		})
	}
}

func TestNamesOfOtherRegions(t *testing.T) {
	d := NewDirectory(newWorld(t, strings.Replace(strings.ReplaceAll(fixture, "us-east-1", "eu-central-1"), "name: services", "name: services\nregion: eu-central-1", 1)))
	for query, want := range map[string]string{
		"ip-10-0-1-20.eu-central-1.compute.internal":                 "NOERROR 10.0.1.20",
		"ec2-198-51-100-10.eu-central-1.compute.amazonaws.com":       "NOERROR 10.0.1.10",
		"ip-10-0-1-20.ec2.internal":                                  "NXDOMAIN SOA .",
		"compute.internal":                                           "NOERROR SOA .",
		"ip-10-0-1-20.eu-central-1.compute.internal.vpcsim.internal": "NXDOMAIN SOA vpcsim.internal.",
	} {
		if got := d.resolveText(t, "i1/eth0", query, dns.TypeA); got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}
}

// dns64 turns the attribute on for the subnet of i1 and i2.
func dns64(t testing.TB) func(*Directory) {
	return func(d *Directory) { d.eni(t, "i1/eth0").subnet.EnableDNS64 = true }
}

func TestDNS64R53(t *testing.T) {
	d := NewDirectory(newWorld(t, fixture))
	dns64(t)(d)
	synthesised, err := dns.ReverseAddr("64:ff9b::cb00:710b")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, asker, query string
		qtype              uint16
		want               string
	}{
		{"no AAAA", "i1/eth0", "old.vpcsim.internal", dns.TypeAAAA, "NOERROR 64:ff9b::cb00:710b"},
		{"AAAA stays", "i1/eth0", "laptop.vpcsim.internal", dns.TypeAAAA, "NOERROR 2001:db8:ff00::10"},
		{"A stays", "i1/eth0", "old.vpcsim.internal", dns.TypeA, "NOERROR 203.0.113.11"},
		{"in the same VPC (R56)", "i1/eth0", "ip-10-0-2-30.ec2.internal", dns.TypeAAAA, "NOERROR 64:ff9b::a00:21e"},
		{"no name", "i1/eth0", "nobody.vpcsim.internal", dns.TypeAAAA, "NXDOMAIN SOA vpcsim.internal."},
		{"discovery", "i1/eth0", "ipv4only.arpa", dns.TypeAAAA, "NOERROR 64:ff9b::c000:aa 64:ff9b::c000:ab"},
		{"PTR", "i1/eth0", synthesised, dns.TypePTR, "NOERROR 11.113.0.203.in-addr.arpa. old.vpcsim.internal."},
		{"subnet without", "i3/eth0", "old.vpcsim.internal", dns.TypeAAAA, "NOERROR SOA vpcsim.internal."},
		{"PTR in a subnet without", "i3/eth0", synthesised, dns.TypePTR, "NXDOMAIN SOA ip6.arpa."},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := d.resolveText(t, test.asker, test.query, test.qtype); got != test.want {
				t.Errorf("%s: got %s, want %s", test.query, got, test.want)
			}
		})
	}
}

func TestReverseNamesParse(t *testing.T) {
	for _, address := range []string{"0.0.0.0", "10.0.1.5", "255.255.255.255", "::", "2001:db8::1", "64:ff9b::cb00:710a", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"} {
		name, err := dns.ReverseAddr(address)
		if err != nil {
			t.Fatal(err)
		}
		host, is4 := strings.CutSuffix(name, "."+reverseIPv4+".")
		parse := parseReverseIPv4
		if !is4 {
			host, parse = strings.TrimSuffix(name, "."+reverseIPv6+"."), parseReverseIPv6
		}
		if got, whole, ok := parse(host); !ok || !whole || got.String() != address {
			t.Errorf("%s: %s, %v, %v", name, got, whole, ok)
		}
	}
	for _, bad := range []string{"", "x", "256.0.0.10", "01.0.0.10", "-1.0.0.10", "1.2.3.4.5", "1..0.10"} {
		if _, _, ok := parseReverseIPv4(bad); ok {
			t.Errorf("%q was read", bad)
		}
	}
	for _, bad := range []string{"", "g", "10", "1..2", strings.TrimSuffix(strings.Repeat("0.", 33), ".")} {
		if _, _, ok := parseReverseIPv6(bad); ok {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestZoneIDs(t *testing.T) {
	got := map[string]string{}
	for _, zone := range []string{"us-east-1a", "us-west-2d", "ap-southeast-2b", "ap-northeast-1c", "eu-central-1a", "us-gov-west-1a", "ca-central-1j"} {
		got[zone] = control.ZoneID(zone[:len(zone)-1], zone)
	}
	want := map[string]string{
		"us-east-1a": "use1-az1", "us-west-2d": "usw2-az4", "ap-southeast-2b": "apse2-az2", "ap-northeast-1c": "apne1-az3",
		"eu-central-1a": "euc1-az1", "us-gov-west-1a": "usgw1-az1", "ca-central-1j": "cac1-az10",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
