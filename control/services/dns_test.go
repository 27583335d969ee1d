package services

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

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
