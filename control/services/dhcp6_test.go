package services

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func ipTexts(list []net.IP) string { return fmt.Sprint(list) }

// askDHCPv6 is the answer to one message, nil if there is none.
func (e *networkInterface) askDHCPv6(t testing.TB, request *dhcpv6.Message) *dhcpv6.Message {
	t.Helper()
	packet := e.answerDHCPv6(request.ToBytes())
	if packet == nil {
		return nil
	}
	answer, err := dhcpv6.MessageFromBytes(packet)
	if err != nil {
		t.Fatal(err)
	}
	if answer.TransactionID != request.TransactionID {
		t.Error("answer to another request")
	}
	return answer
}

// dhcpv6Text is what an answer says, in one line.
func dhcpv6Text(m *dhcpv6.Message) string {
	if m == nil {
		return "none"
	}
	words := []string{m.MessageType.String()}
	for _, association := range m.Options.IANA() {
		for _, a := range association.Options.Addresses() {
			words = append(words, fmt.Sprintf("%s %d/%d", a.IPv6Addr, int(a.PreferredLifetime.Seconds()), int(a.ValidLifetime.Seconds())))
		}
		if s := association.Options.Status(); s != nil {
			words = append(words, s.StatusCode.String())
		}
	}
	if s := m.Options.Status(); s != nil {
		words = append(words, s.StatusCode.String())
	}
	if servers := m.Options.DNS(); len(servers) > 0 {
		words = append(words, "dns "+servers[0].String())
	}
	if search := m.Options.DomainSearchList(); search != nil {
		words = append(words, "search "+search.Labels[0])
	}
	return strings.Join(words, ", ")
}

func TestDHCPv6_A35_A40(t *testing.T) {
	d := NewDirectory(newWorld(t, fixture))
	eni := d.eni(t, "i1/eth0")
	hardware := net.HardwareAddr(eni.Status.MAC[:])
	const lease = "2001:db8:1:101::10 140/450"
	const configuration = ", dns fd00:ec2::253, search ec2.internal"
	solicit := must(dhcpv6.NewSolicit(hardware))
	advertise := eni.askDHCPv6(t, solicit)
	if got := dhcpv6Text(advertise); got != "ADVERTISE, "+lease+configuration {
		t.Fatalf("solicit: %s", got)
	}
	request := must(dhcpv6.NewRequestFromAdvertise(advertise))
	// as changes the request into another message to the same server.
	as := func(kind dhcpv6.MessageType, change ...dhcpv6.Modifier) *dhcpv6.Message {
		m := must(dhcpv6.MessageFromBytes(request.ToBytes()))
		m.MessageType = kind
		for _, c := range change {
			c(m)
		}
		return m
	}
	without := func(code dhcpv6.OptionCode) dhcpv6.Modifier {
		return func(m dhcpv6.DHCPv6) { m.(*dhcpv6.Message).Options.Del(code) }
	}
	withAddress := func(address string) dhcpv6.Modifier {
		return func(m dhcpv6.DHCPv6) {
			m.(*dhcpv6.Message).Options.OneIANA().Options = dhcpv6.IdentityOptions{Options: dhcpv6.Options{
				&dhcpv6.OptIAAddress{IPv6Addr: net.ParseIP(address)}}}
		}
	}
	noServer := without(dhcpv6.OptionServerID)
	otherServer := dhcpv6.WithServerID(&dhcpv6.DUIDEN{EnterpriseNumber: 1, EnterpriseIdentifier: []byte("x")})
	for _, test := range []struct {
		name    string
		request *dhcpv6.Message
		want    string
	}{
		{"rapid commit", must(dhcpv6.NewSolicit(hardware, dhcpv6.WithRapidCommit)), "REPLY, " + lease + configuration},
		{"request", request, "REPLY, " + lease + configuration},
		{"renew", as(dhcpv6.MessageTypeRenew), "REPLY, " + lease + configuration},
		{"rebind", as(dhcpv6.MessageTypeRebind, noServer), "REPLY, " + lease + configuration},
		{"renew of an address from elsewhere", as(dhcpv6.MessageTypeRenew, withAddress("2001:db8:9::9")), "REPLY, " + lease + ", 2001:db8:9::9 0/0" + configuration},
		{"confirm", as(dhcpv6.MessageTypeConfirm, noServer), "REPLY, Success" + configuration},
		{"confirm elsewhere", as(dhcpv6.MessageTypeConfirm, noServer, withAddress("2001:db8:9::9")), "REPLY, NotOnLink" + configuration},
		{"confirm of nothing", as(dhcpv6.MessageTypeConfirm, noServer, without(dhcpv6.OptionIANA)), "none"},
		{"release", as(dhcpv6.MessageTypeRelease), "REPLY, Success"},
		{"decline", as(dhcpv6.MessageTypeDecline), "REPLY, Success"},
		{"information", as(dhcpv6.MessageTypeInformationRequest, noServer, without(dhcpv6.OptionIANA)), "REPLY" + configuration},
		{"information of no client", as(dhcpv6.MessageTypeInformationRequest, noServer, without(dhcpv6.OptionIANA), without(dhcpv6.OptionClientID)), "REPLY" + configuration},
		{"information with addresses", as(dhcpv6.MessageTypeInformationRequest), "none"},
		{"solicit to a server", as(dhcpv6.MessageTypeSolicit), "none"},
		{"request to another server", as(dhcpv6.MessageTypeRequest, otherServer), "none"},
		{"request to no server", as(dhcpv6.MessageTypeRequest, noServer), "none"},
		{"request of no client", as(dhcpv6.MessageTypeRequest, without(dhcpv6.OptionClientID)), "none"},
		{"rebind to a server", as(dhcpv6.MessageTypeRebind), "none"},
		{"a server's message", as(dhcpv6.MessageTypeReply), "none"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := dhcpv6Text(eni.askDHCPv6(t, test.request)); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
	if reply := eni.askDHCPv6(t, must(dhcpv6.NewSolicit(hardware, dhcpv6.WithRapidCommit))); reply.GetOneOption(dhcpv6.OptionRapidCommit) == nil {
		t.Error("rapid commit is not confirmed")
	}
	if got := dhcpv6Text(d.eni(t, "i3/eth0").askDHCPv6(t, solicit)); got != "none" {
		t.Errorf("an interface without IPv6 gets %s", got)
	}
}

func TestDHCPv6SecondAssociationsAndPrefixesGetNothing(t *testing.T) {
	eni := NewDirectory(newWorld(t, fixture)).eni(t, "i1/eth0")
	eni.Status.IPv6s = append(eni.Status.IPv6s, netip.MustParseAddr("2001:db8:1:101::11"))
	solicit := must(dhcpv6.NewSolicit(eni.Status.MAC[:], dhcpv6.WithIAPD([4]byte{1})))
	solicit.AddOption(&dhcpv6.OptIANA{IaId: [4]byte{2}})
	answer := eni.askDHCPv6(t, solicit)
	const want = "ADVERTISE, 2001:db8:1:101::10 140/450, 2001:db8:1:101::11 140/450, NoAddrsAvail, dns fd00:ec2::253, search ec2.internal"
	if got := dhcpv6Text(answer); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if prefix := answer.Options.OneIAPD(); prefix == nil || prefix.Options.Status().StatusCode != iana.StatusNoPrefixAvail {
		t.Errorf("prefix: %v", prefix)
	}
}

func TestDHCPv6IgnoresBrokenMessages(t *testing.T) {
	eni := NewDirectory(newWorld(t, fixture)).eni(t, "i1/eth0")
	packet := must(dhcpv6.NewSolicit(eni.Status.MAC[:])).ToBytes()
	for n := range packet {
		eni.answerDHCPv6(packet[:n]) // may be whole by chance; must not fail
	}
	relay := must(dhcpv6.EncapsulateRelay(must(dhcpv6.NewSolicit(eni.Status.MAC[:])), dhcpv6.MessageTypeRelayForward,
		net.ParseIP("fe80::1"), net.ParseIP("fe80::2")))
	if answer := eni.answerDHCPv6(relay.ToBytes()); answer != nil {
		t.Error("a relayed message is answered")
	}
}
