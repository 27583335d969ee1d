package services

import (
	"bytes"
	"net"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/iana"
)

const (
	// maxDHCPRequest is a datagram that fills an Ethernet frame; clients that
	// have no address yet cannot send more.
	maxDHCPRequest = 1500
	leaseTime      = 3600 * time.Second // A40
	interfaceMTU   = 9001               // A40
)

// answerDHCPv4 gives the interface its primary private address, and nothing
// else to nobody else (A37). Nil is no answer: the request is broken, or not the
// interface's own, or not one for this server, or asks for nothing.
func (e *networkInterface) answerDHCPv4(packet []byte) []byte {
	request, err := dhcpv4.FromBytes(packet)
	if err != nil || !e.ownDHCPv4(request) {
		return nil
	}
	var answer *dhcpv4.DHCPv4
	switch request.MessageType() {
	case dhcpv4.MessageTypeDiscover:
		answer = e.leaseDHCPv4(request, dhcpv4.MessageTypeOffer)
	case dhcpv4.MessageTypeRequest: // of a new lease, or of more time for an old one
		answer = e.requestDHCPv4(request)
	case dhcpv4.MessageTypeInform: // RFC 2131, section 4.3.5: neither address nor lease
		answer = e.leaseDHCPv4(request, dhcpv4.MessageTypeAck)
		if answer != nil {
			answer.YourIPAddr = net.IPv4zero
			answer.DeleteOption(dhcpv4.OptionIPAddressLeaseTime)
		}
	}
	// A released or declined address stays the interface's: there is nothing to
	// do, and the client waits for nothing.
	if answer == nil {
		return nil
	}
	return answer.ToBytes()
}

// ownDHCPv4 reports whether a request is one that the interface itself sent to
// this server.
func (e *networkInterface) ownDHCPv4(request *dhcpv4.DHCPv4) bool {
	server := request.ServerIdentifier()
	return e.privateIPv4().IsValid() && e.subnet.CIDR.IsValid() &&
		request.OpCode == dhcpv4.OpcodeBootRequest &&
		request.HWType == iana.HWTypeEthernet &&
		bytes.Equal(request.ClientHWAddr, e.Status.MAC[:]) && // A26
		request.GatewayIPAddr.IsUnspecified() && // there are no relays in a VPC
		(server == nil || server.Equal(e.routerIPv4().AsSlice()))
}

// requestDHCPv4 confirms the interface's address and refuses every other: a
// client that remembers one from elsewhere must start anew at once.
func (e *networkInterface) requestDHCPv4(request *dhcpv4.DHCPv4) *dhcpv4.DHCPv4 {
	wanted := request.RequestedIPAddress()
	if wanted == nil {
		wanted = request.ClientIPAddr // renewing or rebinding
	}
	switch {
	case wanted.IsUnspecified():
		return nil // it asks for no address at all
	case wanted.Equal(e.privateIPv4().AsSlice()):
		return e.leaseDHCPv4(request, dhcpv4.MessageTypeAck)
	}
	nak, err := dhcpv4.NewReplyFromRequest(request,
		dhcpv4.WithMessageType(dhcpv4.MessageTypeNak),
		dhcpv4.WithOption(dhcpv4.OptServerIdentifier(e.routerIPv4().AsSlice())))
	if err != nil {
		return nil
	}
	return nak
}

// leaseDHCPv4 is an answer with all that AWS says, whether or not the client's
// parameter list asks for it: what a client did not ask for, it skips. AWS sends
// no renewal times; clients take half and 7/8 of the lease.
func (e *networkInterface) leaseDHCPv4(request *dhcpv4.DHCPv4, kind dhcpv4.MessageType) *dhcpv4.DHCPv4 {
	// The router is the subnet's base+1 and answers for the server, too: there is
	// no other address that an instance could know before it has one.
	block, router := e.subnet.CIDR.Masked(), e.routerIPv4().AsSlice()
	mask := net.CIDRMask(block.Bits(), 32)
	broadcast := block.Addr().As4()
	for i := range broadcast {
		broadcast[i] |= ^mask[i]
	}
	answer, err := dhcpv4.NewReplyFromRequest(request,
		dhcpv4.WithMessageType(kind),
		dhcpv4.WithYourIP(e.privateIPv4().AsSlice()),
		dhcpv4.WithClientIP(request.ClientIPAddr),
		dhcpv4.WithOption(dhcpv4.OptServerIdentifier(router)),
		dhcpv4.WithOption(dhcpv4.OptIPAddressLeaseTime(leaseTime)),
		dhcpv4.WithOption(dhcpv4.OptSubnetMask(mask)),
		dhcpv4.WithOption(dhcpv4.OptBroadcastAddress(broadcast[:])),
		dhcpv4.WithOption(dhcpv4.OptRouter(router)),
		dhcpv4.WithOption(dhcpv4.OptHostName(e.hostname())),
		dhcpv4.WithOption(dhcpv4.OptGeneric(dhcpv4.OptionInterfaceMTU, []byte{interfaceMTU >> 8, interfaceMTU & 0xff})))
	if err != nil {
		return nil // no chance for a transaction ID, which the request's replaces anyway
	}
	e.vpc.configureIPv4(answer)
	return answer
}

// configureIPv4 adds what the VPC's DHCP option set says, as far as it fits IPv4.
func (v *vpc) configureIPv4(answer *dhcpv4.DHCPv4) {
	set := v.Status.DHCPOptions
	if set.DomainName != "" {
		answer.UpdateOption(dhcpv4.OptDomainName(set.DomainName))
	}
	if servers := ofFamily(v.resolvers(), true); len(servers) > 0 {
		answer.UpdateOption(dhcpv4.OptDNS(servers...))
	}
	if servers := ofFamily(set.NTPServers, true); len(servers) > 0 {
		answer.UpdateOption(dhcpv4.OptNTPServers(servers...))
	}
	if servers := ofFamily(set.NetBIOSNameServers, true); len(servers) > 0 {
		answer.UpdateOption(dhcpv4.OptNetBIOSNameServers(servers...))
	}
	if set.NetBIOSNodeType != 0 {
		answer.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionNetBIOSOverTCPIPNodeType, []byte{byte(set.NetBIOSNodeType)}))
	}
}

// resolvers are the DNS servers that DHCP hands out, of both families.
// AmazonProvidedDNS has an address in each; so has the link-local one that stands
// where no server is named (A39).
func (v *vpc) resolvers() []netip.Addr {
	var list []netip.Addr
	for _, server := range v.Status.DHCPOptions.DomainNameServers {
		switch {
		case server.AmazonProvided() && v.CIDR.IsValid():
			list = append(list, v.CIDR.Masked().Addr().Next().Next(), DNSIPv6) // A38: base+2
		case server.AmazonProvided() || server.Addr == DNSIPv4:
			list = append(list, DNSIPv4, DNSIPv6)
		default:
			list = append(list, server.Addr)
		}
	}
	return list
}

// routerIPv4 is the subnet's base+1, which is the DHCP server as far as an
// instance can see.
func (e *networkInterface) routerIPv4() netip.Addr { return e.subnet.CIDR.Masked().Addr().Next() }

// ofFamily are the addresses of one family, as the DHCP packages want them.
func ofFamily(list []netip.Addr, ipv4 bool) []net.IP {
	var family []net.IP
	for _, a := range list {
		if a.Is4() == ipv4 {
			family = append(family, a.AsSlice())
		}
	}
	return family
}
