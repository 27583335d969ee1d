package services

import (
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

// Limits of DNS messages, in bytes.
const (
	// maxDNSRequest is the largest request: what AWS's resolver announces by
	// EDNS0. A question needs 271 and no client fills the rest.
	maxDNSRequest = 4096
	// plainDNSAnswer is the largest UDP answer to a client without EDNS0.
	plainDNSAnswer = 512
)

const dnsTTL = 60 // seconds, for everything, as AWS's private names have it

// answerDNS is the resolver's answer to one request; nil is no answer. Stream
// says whether the answer may have any size or has to fit a datagram.
func (d *Directory) answerDNS(asker *networkInterface, request []byte, stream bool) []byte {
	if !asker.vpc.Status.EnableDNSSupport {
		return nil // the addresses stop answering (A44)
	}
	// What can be read of a broken message is in query even if there is an error:
	// enough to tell the client so.
	query := new(dns.Msg)
	err := query.Unpack(request)
	if len(request) < 12 || query.Response {
		return nil // no header to answer to; or an answer: two servers would talk forever
	}
	answer := new(dns.Msg).SetReply(query)
	answer.RecursionAvailable = true // A50: it only ever resolves, and is authoritative for nothing
	edns := query.IsEdns0()
	if edns != nil {
		answer.SetEdns0(maxDNSRequest, edns.Do())
	}
	answer.Rcode = refusal(query, err)
	if answer.Rcode == dns.RcodeSuccess {
		d.resolve(asker, query, answer)
	}
	answer.Truncate(answerSize(edns, stream)) // TC makes the client ask again over TCP
	packed, err := answer.Pack()
	if err != nil {
		return nil // a question that can be read but not written back
	}
	return packed
}

// answerSize is how many bytes the client can take. What it announces by EDNS0 is
// believed up to the resolver's own size, and never below the size that every
// client can take (RFC 6891, section 6.2.3).
func answerSize(edns *dns.OPT, stream bool) int {
	switch {
	case stream:
		return dns.MaxMsgSize
	case edns == nil:
		return plainDNSAnswer
	}
	return min(max(int(edns.UDPSize()), plainDNSAnswer), maxDNSRequest)
}

// refusal says what is wrong with a query, RcodeSuccess if nothing.
func refusal(query *dns.Msg, unpackError error) int {
	edns := query.IsEdns0()
	switch {
	case query.Opcode != dns.OpcodeQuery: // updates, notifications: for servers with zones of their own
		return dns.RcodeNotImplemented
	case unpackError != nil || len(query.Question) != 1: // no server has ever answered two
		return dns.RcodeFormatError
	case edns != nil && edns.Version() != 0:
		return dns.RcodeBadVers
	}
	switch question := query.Question[0]; {
	// A transfer would tell an instance all names at once, as AWS never does.
	case question.Qtype == dns.TypeAXFR || question.Qtype == dns.TypeIXFR:
		return dns.RcodeRefused
	case question.Qclass != dns.ClassINET && question.Qclass != dns.ClassCHAOS:
		return dns.RcodeRefused
	}
	return dns.RcodeSuccess
}

// resolve fills the answer to a good query.
func (d *Directory) resolve(asker *networkInterface, query, answer *dns.Msg) {
	question := query.Question[0]
	name := strings.ToLower(strings.TrimSuffix(question.Name, "."))
	if question.Qclass == dns.ClassCHAOS {
		answerChaos(question, name, answer)
		return
	}
	m := d.lookup(asker, name)
	owner := question.Name // as the client spelt it
	if m.alias != "" {     // one step: no alias of ours leads to another
		target := dns.Fqdn(m.alias)
		answer.Answer = append(answer.Answer, &dns.CNAME{Hdr: header(owner, dns.TypeCNAME), Target: target})
		if question.Qtype == dns.TypeCNAME {
			return
		}
		owner, m = target, d.lookup(asker, m.alias)
	}
	records := m.records(owner, question.Qtype)
	if len(records) == 0 && question.Qtype == dns.TypeAAAA && wantsSynthesis(asker, query) {
		records = synthesise(owner, m.addresses)
	}
	answer.Answer = append(answer.Answer, records...)
	if len(records) > 0 {
		return
	}
	// NXDOMAIN denies every type at once and would hide the A record of a name
	// that only lacks an AAAA: the two must not be confused (RFC 2308).
	if !m.exists {
		answer.Rcode = dns.RcodeNameError
	}
	answer.Ns = append(answer.Ns, startOfAuthority(m.zone))
	if edns := answer.IsEdns0(); edns != nil && m.note != "" {
		edns.Option = append(edns.Option, &dns.EDNS0_EDE{InfoCode: dns.ExtendedErrorCodeOther, ExtraText: m.note})
	}
}

// answerChaos tells who answers, as AWS's resolver does.
func answerChaos(question dns.Question, name string, answer *dns.Msg) {
	if name != "version.bind" || question.Qtype != dns.TypeTXT {
		answer.Rcode = dns.RcodeRefused
		return
	}
	h := header(question.Name, dns.TypeTXT)
	h.Class, h.Ttl = dns.ClassCHAOS, 0
	answer.Answer = append(answer.Answer, &dns.TXT{Hdr: h, Txt: []string{"EC2 DNS"}})
}

// records are those of the type that was asked for, or of every type. All types
// but these exist without records (NODATA).
func (m meaning) records(owner string, qtype uint16) []dns.RR {
	var records []dns.RR
	for _, a := range m.addresses {
		switch {
		case a.Is4() && (qtype == dns.TypeA || qtype == dns.TypeANY):
			records = append(records, &dns.A{Hdr: header(owner, dns.TypeA), A: a.AsSlice()})
		case a.Is6() && (qtype == dns.TypeAAAA || qtype == dns.TypeANY):
			records = append(records, addressIPv6(owner, a))
		}
	}
	if m.pointer != "" && (qtype == dns.TypePTR || qtype == dns.TypeANY) {
		records = append(records, &dns.PTR{Hdr: header(owner, dns.TypePTR), Ptr: dns.Fqdn(m.pointer)})
	}
	// An apex has no NS records: it would name servers that nobody can ask.
	if apex := strings.EqualFold(strings.TrimSuffix(owner, "."), m.zone); apex && m.exists && qtype == dns.TypeSOA {
		records = append(records, startOfAuthority(m.zone))
	}
	return records
}

// nat64 is the prefix of addresses that stand for IPv4 ones (R53, R54).
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// wantsSynthesis reports whether the asker's subnet has DNS64 (R53). A client
// that validates by itself must not be lied to (RFC 6147, section 5.5).
func wantsSynthesis(asker *networkInterface, query *dns.Msg) bool {
	edns := query.IsEdns0()
	return asker.subnet.EnableDNS64 && !(query.CheckingDisabled && edns != nil && edns.Do())
}

// synthesise makes an IPv6 address of each IPv4 one, for a name that has no IPv6
// address of its own (R53).
func synthesise(owner string, addresses []netip.Addr) []dns.RR {
	var records []dns.RR
	for _, a := range addresses {
		if a.Is4() {
			b, v4 := nat64.Addr().As16(), a.As4()
			copy(b[12:], v4[:])
			records = append(records, addressIPv6(owner, netip.AddrFrom16(b)))
		}
	}
	return records
}

func addressIPv6(owner string, a netip.Addr) dns.RR {
	return &dns.AAAA{Hdr: header(owner, dns.TypeAAAA), AAAA: a.AsSlice()}
}

func header(owner string, rrtype uint16) dns.RR_Header {
	return dns.RR_Header{Name: owner, Rrtype: rrtype, Class: dns.ClassINET, Ttl: dnsTTL}
}

// startOfAuthority lets clients remember for a minute that there is no such name
// or record. The values are those of AWS's zones.
func startOfAuthority(zone string) dns.RR {
	server := "ns0." + zone
	if zone == "" {
		server = "a.root-servers.net"
	}
	return &dns.SOA{
		Hdr: header(dns.Fqdn(zone), dns.TypeSOA),
		Ns:  dns.Fqdn(server), Mbox: "hostmaster.amazon.com.",
		Serial: 2012103100, Refresh: 3600, Retry: 3600, Expire: 3600, Minttl: dnsTTL,
	}
}
