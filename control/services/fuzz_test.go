package services

import (
	"net/netip"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/miekg/dns"
)

func FuzzDNS(f *testing.F) {
	d := NewDirectory(newWorld(f, fixture))
	dns64(f)(d)
	manyAddresses(d)
	eni := d.eni(f, "i1/eth0")
	for _, name := range []string{"ip-10-0-1-20.ec2.internal.", "many.vpcsim.internal.", "example.com.", "10.1.0.10.in-addr.arpa.", "version.bind.", "."} {
		for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA, dns.TypePTR, dns.TypeANY, dns.TypeSOA} {
			query := new(dns.Msg).SetQuestion(name, qtype)
			f.Add(must(query.Pack()), false)
			f.Add(must(query.SetEdns0(1232, true).Pack()), true)
		}
	}
	f.Fuzz(func(t *testing.T, request []byte, stream bool) {
		if len(request) > maxDNSRequest {
			return
		}
		answer := d.answerDNS(eni, request, stream)
		if answer == nil {
			return
		}
		if most := map[bool]int{false: maxDNSRequest, true: dns.MaxMsgSize}[stream]; len(answer) > most {
			t.Errorf("an answer of %d bytes", len(answer))
		}
		message := new(dns.Msg)
		if err := message.Unpack(answer); err != nil {
			t.Fatalf("an answer that cannot be read: %v", err)
		}
		if !message.Response || message.Id != uint16(request[0])<<8|uint16(request[1]) || message.Authoritative {
			t.Errorf("flags %+v", message.MsgHdr)
		}
	})
}

func FuzzDHCP4(f *testing.F) {
	eni := NewDirectory(newWorld(f, fixture)).eni(f, "i1/eth0")
	mac := eni.Status.MAC[:]
	discover := must(dhcpv4.NewDiscovery(mac))
	f.Add(discover.ToBytes())
	offer := must(dhcpv4.FromBytes(eni.answerDHCPv4(discover.ToBytes())))
	f.Add(must(dhcpv4.NewRequestFromOffer(offer)).ToBytes())
	f.Add(must(dhcpv4.NewInform(mac, []byte{10, 0, 1, 10})).ToBytes())
	f.Fuzz(func(t *testing.T, request []byte) {
		if len(request) > maxDHCPRequest {
			return
		}
		packet := eni.answerDHCPv4(request)
		if packet == nil {
			return
		}
		answer, err := dhcpv4.FromBytes(packet)
		if err != nil {
			t.Fatalf("an answer that cannot be read: %v", err)
		}
		if given, ok := netip.AddrFromSlice(answer.YourIPAddr); !ok || !given.IsUnspecified() && given != eni.privateIPv4() {
			t.Errorf("gives away %s", answer.YourIPAddr)
		}
		if len(packet) > maxDHCPRequest+len(request) {
			t.Errorf("an answer of %d bytes to %d", len(packet), len(request))
		}
	})
}

func FuzzDHCP6(f *testing.F) {
	eni := NewDirectory(newWorld(f, fixture)).eni(f, "i1/eth0")
	solicit := must(dhcpv6.NewSolicit(eni.Status.MAC[:], dhcpv6.WithIAPD([4]byte{1})))
	f.Add(solicit.ToBytes())
	advertise := must(dhcpv6.MessageFromBytes(eni.answerDHCPv6(solicit.ToBytes())))
	for _, kind := range []dhcpv6.MessageType{dhcpv6.MessageTypeRequest, dhcpv6.MessageTypeRenew, dhcpv6.MessageTypeRelease} {
		request := must(dhcpv6.NewRequestFromAdvertise(advertise))
		request.MessageType = kind
		f.Add(request.ToBytes())
	}
	f.Fuzz(func(t *testing.T, request []byte) {
		if len(request) > maxDHCPRequest {
			return
		}
		packet := eni.answerDHCPv6(request)
		if packet == nil {
			return
		}
		answer, err := dhcpv6.MessageFromBytes(packet)
		if err != nil {
			t.Fatalf("an answer that cannot be read: %v", err)
		}
		for _, association := range answer.Options.IANA() {
			for _, option := range association.Options.Addresses() {
				a, _ := netip.AddrFromSlice(option.IPv6Addr)
				if option.ValidLifetime > 0 && a != eni.Status.IPv6s[0] {
					t.Errorf("gives away %s", a)
				}
			}
		}
		if len(packet) > maxDHCPRequest {
			t.Errorf("an answer of %d bytes to %d", len(packet), len(request))
		}
	})
}
