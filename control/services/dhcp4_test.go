package services

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv6"
)

// askDHCPv4 is the answer to one packet, nil if there is none.
func (e *networkInterface) askDHCPv4(t testing.TB, request *dhcpv4.DHCPv4) *dhcpv4.DHCPv4 {
	t.Helper()
	packet := e.answerDHCPv4(request.ToBytes())
	if packet == nil {
		return nil
	}
	answer, err := dhcpv4.FromBytes(packet)
	if err != nil {
		t.Fatal(err)
	}
	if answer.TransactionID != request.TransactionID || answer.OpCode != dhcpv4.OpcodeBootReply || answer.Flags != request.Flags {
		t.Errorf("answer to another request: %s", answer.Summary())
	}
	return answer
}

func TestDHCPv4Lease_A37_A38_A40(t *testing.T) {
	d := NewDirectory(newWorld(t, fixture))
	eni := d.eni(t, "i2/eth1")
	hardware := net.HardwareAddr(eni.Status.MAC[:])
	offer := eni.askDHCPv4(t, must(dhcpv4.NewDiscovery(hardware, dhcpv4.WithOption(dhcpv4.OptClientIdentifier([]byte("dhclient"))))))
	ack := eni.askDHCPv4(t, must(dhcpv4.NewRequestFromOffer(offer)))
	for kind, answer := range map[dhcpv4.MessageType]*dhcpv4.DHCPv4{dhcpv4.MessageTypeOffer: offer, dhcpv4.MessageTypeAck: ack} {
		if answer.MessageType() != kind || answer.YourIPAddr.String() != "10.0.1.21" {
			t.Errorf("want %s of 10.0.1.21: %s", kind, answer.Summary())
		}
		mtu, _ := dhcpv4.GetUint16(dhcpv4.OptionInterfaceMTU, answer.Options)
		got := map[string]any{
			"mask": answer.SubnetMask().String(), "router": answer.Router()[0].String(), "dns": answer.DNS()[0].String(),
			"domain": answer.DomainName(), "host": answer.HostName(), "server": answer.ServerIdentifier().String(),
			"broadcast": answer.BroadcastAddress().String(), "lease": answer.IPAddressLeaseTime(0), "mtu": mtu,
		}
		want := map[string]any{
			"mask": "ffffff00", "router": "10.0.1.1", "dns": "10.0.0.2", "domain": "ec2.internal", "host": "ip-10-0-1-21",
			"server": "10.0.1.1", "broadcast": "10.0.1.255", "lease": time.Hour, "mtu": uint16(9001),
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", kind, diff)
		}
	}
	if id := offer.GetOneOption(dhcpv4.OptionClientIdentifier); string(id) != "dhclient" {
		t.Errorf("client identifier not repeated: %q (RFC 6842)", id)
	}
	if renewed := eni.askDHCPv4(t, must(dhcpv4.NewRenewFromAck(ack))); renewed == nil || renewed.MessageType() != dhcpv4.MessageTypeAck {
		t.Error("a lease is not renewed")
	}
	if released := eni.askDHCPv4(t, must(dhcpv4.NewReleaseFromACK(ack))); released != nil {
		t.Error("a release is answered")
	}
	informed := eni.askDHCPv4(t, must(dhcpv4.NewInform(hardware, net.IP{10, 0, 1, 21})))
	if informed == nil || !informed.YourIPAddr.IsUnspecified() || informed.IPAddressLeaseTime(0) != 0 || informed.DomainName() != "ec2.internal" {
		t.Errorf("inform: %v", informed)
	}
}

func TestDHCPv4RefusesOtherAddresses(t *testing.T) {
	d := NewDirectory(newWorld(t, fixture))
	eni := d.eni(t, "i2/eth1")
	for name, wanted := range map[string]dhcpv4.Modifier{
		"requested": dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(net.IP{192, 168, 1, 5})),
		"in use":    dhcpv4.WithClientIP(net.IP{10, 0, 1, 10}),
		"secondary": dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(net.IP{10, 0, 1, 22})), // A37
	} {
		answer := eni.askDHCPv4(t, must(dhcpv4.New(dhcpv4.WithMessageType(dhcpv4.MessageTypeRequest),
			dhcpv4.WithHwAddr(eni.Status.MAC[:]), wanted)))
		if answer == nil || answer.MessageType() != dhcpv4.MessageTypeNak || !answer.YourIPAddr.IsUnspecified() {
			t.Errorf("%s: %v, want NAK", name, answer)
		}
	}
}

func TestDHCPv4IgnoresForeignAndBrokenRequests(t *testing.T) {
	d := NewDirectory(newWorld(t, fixture))
	eni := d.eni(t, "i1/eth0")
	own := net.HardwareAddr(eni.Status.MAC[:])
	for name, change := range map[string]dhcpv4.Modifier{
		"another MAC":    dhcpv4.WithHwAddr(net.HardwareAddr{2, 0, 0, 9, 9, 9}),
		"short MAC":      dhcpv4.WithHwAddr(net.HardwareAddr{2}),
		"another server": dhcpv4.WithOption(dhcpv4.OptServerIdentifier(net.IP{10, 0, 1, 20})),
		"relayed":        dhcpv4.WithGatewayIP(net.IP{10, 0, 1, 20}),
		"a reply":        func(m *dhcpv4.DHCPv4) { m.OpCode = dhcpv4.OpcodeBootReply },
		"not Ethernet":   dhcpv4.WithHWType(32),
		"an offer":       dhcpv4.WithMessageType(dhcpv4.MessageTypeOffer),
		"BOOTP":          dhcpv4.WithoutOption(dhcpv4.OptionDHCPMessageType),
		"no address":     dhcpv4.WithMessageType(dhcpv4.MessageTypeRequest),
		"a decline":      dhcpv4.WithMessageType(dhcpv4.MessageTypeDecline),
	} {
		if answer := eni.askDHCPv4(t, must(dhcpv4.NewDiscovery(own, change))); answer != nil {
			t.Errorf("%s is answered: %s", name, answer.Summary())
		}
	}
	packet := must(dhcpv4.NewDiscovery(own)).ToBytes()
	for n := range 240 {
		if answer := eni.answerDHCPv4(packet[:n]); answer != nil {
			t.Errorf("%d bytes of a packet are answered", n)
		}
	}
}

func TestDHCPOptionSets(t *testing.T) {
	own := strings.NewReplacer("  app:   {", "  app:   {dhcpOptions: corp, ", "\nsubnets:", `
dhcpOptions:
  corp: {domainName: corp.example, domainNameServers: [10.0.2.5, "2001:db8::5", AmazonProvidedDNS], ntpServers: [10.0.2.7, "2001:db8::7"],
         netbiosNameServers: [10.0.2.8], netbiosNodeType: 2, ipv6PreferredLease: 4294967295}
subnets:`).Replace(fixture)
	for _, test := range []struct {
		name, scenario          string
		host, domain            string
		dns, dns6, ntp, netbios string
		lease                   string
	}{
		{"A38 default", fixture, "ip-10-0-1-10", "ec2.internal", "[10.0.0.2]", "[fd00:ec2::253]", "[]", "[]", "140/450"},
		{"A39 none", strings.Replace(fixture, "  app:   {", "  app:   {dhcpOptions: none, ", 1),
			"ip-10-0-1-10", "", "[169.254.169.253]", "[fd00:ec2::253]", "[]", "[]", "140/450"},
		{"A41 own", own, "ip-10-0-1-10", "corp.example", "[10.0.2.5 10.0.0.2]", "[2001:db8::5 fd00:ec2::253]", "[10.0.2.7]", "[10.0.2.8]", "4294967295/4294967295"},
		{"A46 resource name", strings.Replace(fixture, "  s1: {", "  s1: {privateDnsHostnameType: resource-name, ", 1),
			"ID", "ec2.internal", "[10.0.0.2]", "[fd00:ec2::253]", "[]", "[]", "140/450"},
	} {
		t.Run(test.name, func(t *testing.T) {
			eni := NewDirectory(newWorld(t, test.scenario)).eni(t, "i1/eth0")
			offer := eni.askDHCPv4(t, must(dhcpv4.NewDiscovery(eni.Status.MAC[:])))
			host := strings.Replace(test.host, "ID", eni.instance.Status.ID, 1)
			if offer.HostName() != host || offer.DomainName() != test.domain || ipTexts(offer.DNS()) != test.dns ||
				ipTexts(offer.NTPServers()) != test.ntp || ipTexts(offer.NetBIOSNameServers()) != test.netbios {
				t.Errorf("%s", offer.Summary())
			}
			advertise := eni.askDHCPv6(t, must(dhcpv6.NewSolicit(eni.Status.MAC[:])))
			if got := ipTexts(advertise.Options.DNS()); got != test.dns6 {
				t.Errorf("IPv6 servers %s, want %s", got, test.dns6)
			}
			if got := dhcpv6Text(advertise); !strings.HasPrefix(got, "ADVERTISE, 2001:db8:1:101::10 "+test.lease) {
				t.Errorf("lease: %s, want %s", got, test.lease)
			}
			search := advertise.Options.DomainSearchList()
			if got := search != nil; got != (test.domain != "") || got && search.Labels[0] != test.domain {
				t.Errorf("search list %v, want %s", search, test.domain)
			}
		})
	}
}

func TestIPv6OnlyInterfacesGetNoIPv4Lease(t *testing.T) {
	eni := NewDirectory(newWorld(t, fixture)).eni(t, "i6/eth0")
	if answer := eni.askDHCPv4(t, must(dhcpv4.NewDiscovery(eni.Status.MAC[:]))); answer != nil {
		t.Errorf("%s", answer.Summary())
	}
	if got := dhcpv6Text(eni.askDHCPv6(t, must(dhcpv6.NewSolicit(eni.Status.MAC[:])))); !strings.HasPrefix(got, "ADVERTISE, 2001:db8:1:106::66 140/450") {
		t.Error(got)
	}
}
