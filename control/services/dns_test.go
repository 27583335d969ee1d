package services

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

// exchange asks the lab's resolver; network is udp, tcp, udp6 or tcp6.
func (l *lab) exchange(network string, query *dns.Msg) (*dns.Msg, error) {
	base, ipv6 := strings.CutSuffix(network, "6")
	n := 0
	if ipv6 {
		n = 1
	}
	server := l.listeners.DNSPackets[n].LocalAddr().String()
	if base == "tcp" {
		server = l.listeners.DNSStreams[n].Addr().String()
	}
	client := dns.Client{Net: base, Timeout: 5 * time.Second, UDPSize: 4096}
	answer, _, err := client.Exchange(query, server)
	return answer, err
}

// resolveText is the answer to a question in one line: the code, then the records.
func (d *Directory) resolveText(t testing.TB, eni, name string, qtype uint16) string {
	t.Helper()
	request, err := new(dns.Msg).SetQuestion(dns.Fqdn(name), qtype).Pack()
	if err != nil {
		t.Fatal(err)
	}
	answer := new(dns.Msg)
	if err := answer.Unpack(d.answerDNS(d.eni(t, eni), request, false)); err != nil {
		t.Fatal(err)
	}
	return answerText(answer)
}

func answerText(answer *dns.Msg) string {
	words := []string{dns.RcodeToString[answer.Rcode]}
	for _, rr := range answer.Answer {
		words = append(words, strings.TrimPrefix(rr.String(), rr.Header().String()))
	}
	for _, rr := range answer.Ns {
		words = append(words, dns.TypeToString[rr.Header().Rrtype]+" "+rr.Header().Name)
	}
	return strings.Join(words, " ")
}

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
		{"A46 resource name without IPv6", "i1/eth0", i3 + ".ec2.internal", dns.TypeAAAA, "NOERROR SOA ec2.internal."},
		{"A45 resource name of another VPC", "o1/eth0", i1 + ".ec2.internal", dns.TypeA, "NXDOMAIN SOA ec2.internal."},
		{"apex SOA", "i1/eth0", "ec2.internal", dns.TypeSOA, "NOERROR ns0.ec2.internal. hostmaster.amazon.com. 2012103100 3600 3600 3600 60"},
		{"apex A", "i1/eth0", "ec2.internal", dns.TypeA, "NOERROR SOA ec2.internal."},
		{"above an apex", "i1/eth0", "amazonaws.com", dns.TypeA, "NOERROR SOA ."},
		{"root", "i1/eth0", ".", dns.TypeNS, "NOERROR SOA ."},
		{"A48 public name inside", "i3/eth0", "ec2-198-51-100-10.compute-1.amazonaws.com", dns.TypeA, "NOERROR 10.0.1.10"},
		{"A48 public name from another VPC", "o1/eth0", "ec2-198-51-100-10.compute-1.amazonaws.com", dns.TypeA, "NOERROR 198.51.100.10"},
		{"A47 public name without hostnames", "i1/eth0", "ec2-198-51-100-30.compute-1.amazonaws.com", dns.TypeA, "NXDOMAIN SOA compute-1.amazonaws.com."},
		{"A47 public name of nobody", "i1/eth0", "ec2-198-51-100-99.compute-1.amazonaws.com", dns.TypeA, "NXDOMAIN SOA compute-1.amazonaws.com."},
		{"A49 private name without hostnames", "p1/eth0", "ip-10-3-1-10.ec2.internal", dns.TypeA, "NXDOMAIN SOA ec2.internal."},
		{"A49 PTR without hostnames", "p1/eth0", reverse("10.3.1.10"), dns.TypePTR, "NXDOMAIN SOA in-addr.arpa."},
		{"PTR private", "i1/eth0", reverse("10.0.2.30"), dns.TypePTR, "NOERROR ip-10-0-2-30.ec2.internal."},
		{"PTR private of another VPC", "i1/eth0", reverse("10.3.1.10"), dns.TypePTR, "NXDOMAIN SOA in-addr.arpa."},
		{"PTR public", "o1/eth0", reverse("198.51.100.10"), dns.TypePTR, "NOERROR ec2-198-51-100-10.compute-1.amazonaws.com."},
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
	return func(d *Directory) { d.eni(t, "i1/eth0").subnet.options.dns64 = true }
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

// A-C2, A-C4: that groups and ACLs do not see the request is the core's part.
func TestResolverAnswersOverUDPAndTCPInBothFamilies_AC2_AC4_DN1(t *testing.T) {
	l := startLab(t, fixture, nil)
	l.ask("i1/eth0")
	for _, network := range []string{"udp", "tcp", "udp6", "tcp6"} {
		query := new(dns.Msg).SetQuestion("ip-10-0-1-20.ec2.internal.", dns.TypeA)
		query.SetEdns0(1232, true)
		answer, err := l.exchange(network, query)
		if err != nil {
			t.Errorf("%s: %v", network, err)
			continue
		}
		if got := answerText(answer); got != "NOERROR 10.0.1.20" {
			t.Errorf("%s: %s", network, got)
		}
		if !answer.RecursionAvailable || answer.Authoritative || !answer.Response || answer.Truncated {
			t.Errorf("%s: flags %+v", network, answer.MsgHdr)
		}
		if edns := answer.IsEdns0(); edns == nil || edns.UDPSize() != 4096 || !edns.Do() {
			t.Errorf("%s: EDNS0 %v", network, edns)
		}
	}
}

func TestResolverIsSilentWithoutDNSSupportA44_DN1(t *testing.T) {
	l := startLab(t, fixture, nil)
	l.ask("m1/eth0")
	query := new(dns.Msg).SetQuestion("ip-10-4-1-10.ec2.internal.", dns.TypeA)
	if answer, err := l.exchange("tcp", query); err == nil {
		t.Errorf("an answer over TCP: %s", answerText(answer))
	}
	request, err := query.Pack()
	if err != nil {
		t.Fatal(err)
	}
	d := l.directory.Load()
	if answer := d.answerDNS(d.eni(t, "m1/eth0"), request, false); answer != nil {
		t.Errorf("an answer over UDP: %x", answer)
	}
}

func TestResolverFollowsTheDirectory(t *testing.T) {
	l := startLab(t, fixture, nil)
	l.ask("p1/eth0")
	query := new(dns.Msg).SetQuestion("ip-10-3-1-10.ec2.internal.", dns.TypeA)
	conn, err := dns.Dial("tcp", l.listeners.DNSStreams[0].Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ask := func() string {
		if err := conn.WriteMsg(query); err != nil {
			t.Fatal(err)
		}
		answer, err := conn.ReadMsg()
		if err != nil {
			t.Fatal(err)
		}
		return answerText(answer)
	}
	if got := ask(); got != "NXDOMAIN SOA ec2.internal." {
		t.Error(got)
	}
	w := newWorld(t, fixture)
	w.VPCs["plain"].EnableDNSHostnames = true
	l.directory.Store(NewDirectory(w))
	if got := ask(); got != "NOERROR 10.3.1.10" {
		t.Errorf("on the same connection after an apply: %s", got)
	}
}

func TestNoteSaysWhyANameDoesNotExist(t *testing.T) {
	d := NewDirectory(newWorld(t, fixture))
	for name, want := range map[string]string{
		"example.com.":               "forwards nothing outside",
		"ip-10-3-1-10.ec2.internal.": "enableDnsHostnames: false",
	} {
		query := new(dns.Msg).SetQuestion(name, dns.TypeA)
		query.SetEdns0(1232, false)
		request, _ := query.Pack()
		answer := new(dns.Msg)
		if err := answer.Unpack(d.answerDNS(d.eni(t, "p1/eth0"), request, false)); err != nil {
			t.Fatal(err)
		}
		edns := answer.IsEdns0()
		if edns == nil || len(edns.Option) != 1 || !strings.Contains(edns.Option[0].String(), want) {
			t.Errorf("%s: %v, want a note with %q", name, edns, want)
		}
	}
}

func TestOddQueries(t *testing.T) {
	d := NewDirectory(newWorld(t, fixture))
	question := func(name string, qtype, class uint16) *dns.Msg {
		m := new(dns.Msg).SetQuestion(name, qtype)
		m.Question[0].Qclass = class
		return m
	}
	edited := func(edit func(*dns.Msg)) *dns.Msg {
		m := question("ip-10-0-1-20.ec2.internal.", dns.TypeA, dns.ClassINET)
		edit(m)
		return m
	}
	for _, test := range []struct {
		name  string
		query *dns.Msg
		want  string
	}{
		{"who answers", question("version.bind.", dns.TypeTXT, dns.ClassCHAOS), `NOERROR "EC2 DNS"`},
		{"other chaos", question("hostname.bind.", dns.TypeTXT, dns.ClassCHAOS), "REFUSED"},
		{"class HS", question("ec2.internal.", dns.TypeA, dns.ClassHESIOD), "REFUSED"},
		{"zone transfer", question("ec2.internal.", dns.TypeAXFR, dns.ClassINET), "REFUSED"},
		{"no question", edited(func(m *dns.Msg) { m.Question = nil }), "FORMERR"},
		{"two questions", edited(func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) }), "FORMERR"},
		{"update", edited(func(m *dns.Msg) { m.Opcode = dns.OpcodeUpdate }), "NOTIMP"},
		{"EDNS1", edited(func(m *dns.Msg) { m.SetEdns0(1232, false).IsEdns0().SetVersion(1) }), "BADVERS"},
		{"no recursion desired", edited(func(m *dns.Msg) { m.RecursionDesired = false }), "NOERROR 10.0.1.20"},
	} {
		t.Run(test.name, func(t *testing.T) {
			request, err := test.query.Pack()
			if err != nil {
				t.Fatal(err)
			}
			answer := new(dns.Msg)
			if err := answer.Unpack(d.answerDNS(d.eni(t, "i1/eth0"), request, false)); err != nil {
				t.Fatal(err)
			}
			if got := answerText(answer); got != test.want && !(test.want == "BADVERS" && answer.Rcode == dns.RcodeBadVers) {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
	response, _ := edited(func(m *dns.Msg) { m.Response = true }).Pack()
	if answer := d.answerDNS(d.eni(t, "i1/eth0"), response, false); answer != nil {
		t.Errorf("a response was answered with %x", answer)
	}
}

// manyAddresses gives a lab name so many addresses that no datagram holds them.
func manyAddresses(d *Directory) {
	for n := range 500 {
		d.labNames["many"] = append(d.labNames["many"], netip.AddrFrom4([4]byte{198, 18, byte(n >> 8), byte(n)}))
	}
}

func TestLongAnswersAreTruncatedOverUDPOnly(t *testing.T) {
	l := startLab(t, fixture, manyAddresses)
	l.ask("i1/eth0")
	for _, test := range []struct {
		network string
		edns    uint16
		most    int
		whole   bool
	}{
		{"udp", 0, 512, false}, {"udp", 100, 512, false}, {"udp", 1232, 1232, false}, {"udp", 65535, 4096, false}, {"tcp", 0, 65535, true},
	} {
		query := new(dns.Msg).SetQuestion("many.vpcsim.internal.", dns.TypeA)
		if test.edns > 0 {
			query.SetEdns0(test.edns, false)
		}
		answer, err := l.exchange(test.network, query)
		if err != nil {
			t.Fatal(err)
		}
		answer.Compress = true
		if answer.Truncated == test.whole || (len(answer.Answer) == 500) != test.whole || answer.Len() > test.most {
			t.Errorf("%s, EDNS0 %d: %d bytes, %d records, truncated %v", test.network, test.edns, answer.Len(), len(answer.Answer), answer.Truncated)
		}
	}
}

func TestStreamsAreLimitedPerInterface(t *testing.T) {
	l := startLab(t, fixture, nil)
	query, err := new(dns.Msg).SetQuestion("i1.vpcsim.internal.", dns.TypeA).Pack()
	if err != nil {
		t.Fatal(err)
	}
	// answered opens a connection that stays open, and reports whether it is served.
	answered := func(request []byte) bool {
		conn, err := net.Dial("tcp", l.listeners.DNSStreams[0].Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		conn.SetDeadline(time.Now().Add(5 * time.Second))
		conn.Write(request)
		_, err = conn.Read(make([]byte, 1))
		return err == nil
	}
	framed := append(binary.BigEndian.AppendUint16(nil, uint16(len(query))), query...)
	l.ask("i1/eth0")
	for n := range maxStreamsPerInterface {
		if !answered(framed) {
			t.Fatalf("connection %d is not served", n+1)
		}
	}
	if answered(framed) {
		t.Error("a connection above the limit is served")
	}
	l.ask("i2/eth0")
	if answered(binary.BigEndian.AppendUint16(nil, maxDNSRequest+1)) {
		t.Error("a request above the limit is answered")
	}
	if !answered(framed) {
		t.Error("another interface finds no place")
	}
}

func TestDNSDropsStrangers(t *testing.T) {
	l := startLab(t, fixture, nil) // no asker: no client is anybody's
	query := new(dns.Msg).SetQuestion("i1.vpcsim.internal.", dns.TypeA)
	if answer, err := l.exchange("tcp", query); err == nil {
		t.Errorf("a stranger got %s", answerText(answer))
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
		got[zone] = zoneID(zone[:len(zone)-1], zone)
	}
	want := map[string]string{
		"us-east-1a": "use1-az1", "us-west-2d": "usw2-az4", "ap-southeast-2b": "apse2-az2", "ap-northeast-1c": "apne1-az3",
		"eu-central-1a": "euc1-az1", "us-gov-west-1a": "usgw1-az1", "ca-central-1j": "cac1-az10",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
