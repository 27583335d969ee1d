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
	case dhcpv4.MessageTypeRequest:
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
		return nil
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

// leaseDHCPv4 is an answer with all that AWS says, asked for or not.
func (e *networkInterface) leaseDHCPv4(request *dhcpv4.DHCPv4, kind dhcpv4.MessageType) *dhcpv4.DHCPv4 {
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
		return nil
	}
	if domain := e.vpc.dhcp.domainName; domain != "" {
		answer.UpdateOption(dhcpv4.OptDomainName(domain))
	}
	if servers := addressSlices(e.vpc.resolvers(true)); len(servers) > 0 {
		answer.UpdateOption(dhcpv4.OptDNS(servers...))
	}
	if servers := addressSlices(e.vpc.dhcp.ntpServers); len(servers) > 0 {
		answer.UpdateOption(dhcpv4.OptNTPServers(servers...))
	}
	return answer
}

// routerIPv4 is the subnet's base+1, which is the DHCP server as far as an
// instance can see.
func (e *networkInterface) routerIPv4() netip.Addr { return e.subnet.CIDR.Masked().Addr().Next() }

func addressSlices(list []netip.Addr) []net.IP {
	slices := make([]net.IP, len(list))
	for i, a := range list {
		slices[i] = a.AsSlice()
	}
	return slices
}
