package services

import (
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"
)

// validLifetime of an IPv6 address; the preferred one is the VPC's (A40).
const validLifetime = 450 * time.Second

// amazonEnterprise is Amazon's private enterprise number, for server identifiers.
const amazonEnterprise = 4843

// answerDHCPv6 gives the interface its IPv6 addresses (A35: they do not come from
// router advertisements). Nil is no answer: the request is broken or not for
// this server (RFC 8415, section 16), or the interface has no IPv6.
func (e *networkInterface) answerDHCPv6(packet []byte) []byte {
	request, err := dhcpv6.MessageFromBytes(packet)
	if err != nil || !e.ownDHCPv6(request) {
		return nil
	}
	answer := &dhcpv6.Message{MessageType: dhcpv6.MessageTypeReply, TransactionID: request.TransactionID}
	if client := request.Options.ClientID(); client != nil {
		answer.AddOption(dhcpv6.OptClientID(client))
	}
	answer.AddOption(dhcpv6.OptServerID(e.serverIdentifier()))
	switch request.MessageType {
	case dhcpv6.MessageTypeSolicit:
		// There is one server and nothing to choose, so that a client which
		// can do without the second exchange may (RFC 8415, section 21.14).
		answer.MessageType = dhcpv6.MessageTypeAdvertise
		if request.GetOneOption(dhcpv6.OptionRapidCommit) != nil {
			answer.MessageType = dhcpv6.MessageTypeReply
			answer.AddOption(&dhcpv6.OptionGeneric{OptionCode: dhcpv6.OptionRapidCommit})
		}
		e.assignIPv6(request, answer)
	case dhcpv6.MessageTypeRequest, dhcpv6.MessageTypeRenew, dhcpv6.MessageTypeRebind:
		e.assignIPv6(request, answer)
	case dhcpv6.MessageTypeConfirm:
		if !e.confirmIPv6(request, answer) {
			return nil
		}
	case dhcpv6.MessageTypeRelease, dhcpv6.MessageTypeDecline: // the addresses stay the interface's
		answer.AddOption(status(iana.StatusSuccess, ""))
		return answer.ToBytes()
	}
	e.configureIPv6(answer)
	return answer.ToBytes()
}

// ownDHCPv6 reports whether a request is one that this server answers: known,
// whole, and naming either this server or, where it has to, none.
func (e *networkInterface) ownDHCPv6(request *dhcpv6.Message) bool {
	client, server := request.Options.ClientID(), request.Options.ServerID()
	if len(e.Status.IPv6s) == 0 || client != nil && len(client.ToBytes()) > maxIdentifier {
		return false
	}
	switch request.MessageType {
	case dhcpv6.MessageTypeSolicit, dhcpv6.MessageTypeConfirm, dhcpv6.MessageTypeRebind:
		return client != nil && server == nil // multicast to whatever server there is
	case dhcpv6.MessageTypeRequest, dhcpv6.MessageTypeRenew, dhcpv6.MessageTypeRelease, dhcpv6.MessageTypeDecline:
		return client != nil && server != nil && server.Equal(e.serverIdentifier())
	case dhcpv6.MessageTypeInformationRequest: // for everything but addresses, from anybody
		asksForAddresses := len(request.Options.IANA())+len(request.Options.IATA())+len(request.Options.IAPD()) > 0
		return !asksForAddresses && (server == nil || server.Equal(e.serverIdentifier()))
	}
	return false
}

// assignIPv6 fills the identity associations: the first gets all addresses of the
// interface, in the order in which they were assigned; there are none for a
// second, and no prefixes.
func (e *networkInterface) assignIPv6(request, answer *dhcpv6.Message) {
	for i, wanted := range atMost(maxAssociations, request.Options.IANA()) {
		granted := &dhcpv6.OptIANA{IaId: wanted.IaId}
		if i > 0 {
			granted.Options.Add(status(iana.StatusNoAddrsAvail, "the first association has all addresses"))
			answer.AddOption(granted)
			continue
		}
		preferred := e.vpc.Status.DHCPOptions.IPv6PreferredLease.Duration()
		granted.T1, granted.T2 = preferred/2, preferred/5*4
		// The valid time is AWS's, unless the user prefers addresses for longer.
		for _, a := range e.Status.IPv6s {
			granted.Options.Add(lifetimes(a, preferred, max(validLifetime, preferred)))
		}
		// A client never gets what it merely asks for. An address from elsewhere ends now (RFC 8415, section 18.3.4).
		if request.MessageType != dhcpv6.MessageTypeSolicit {
			for _, a := range associated(wanted) {
				if !slices.Contains(e.Status.IPv6s, a) {
					granted.Options.Add(lifetimes(a, 0, 0))
				}
			}
		}
		answer.AddOption(granted)
	}
	for _, wanted := range atMost(maxAssociations, request.Options.IAPD()) {
		refused := &dhcpv6.OptIAPD{IaId: wanted.IaId}
		refused.Options.Add(status(iana.StatusNoPrefixAvail, "no prefix is delegated to this interface"))
		answer.AddOption(refused)
	}
}

// confirmIPv6 says whether the client's addresses suit the subnet that it is in
// now; without any there is nothing to say.
func (e *networkInterface) confirmIPv6(request, answer *dhcpv6.Message) bool {
	code, any := iana.StatusSuccess, false
	for _, association := range request.Options.IANA() {
		for _, a := range associated(association) {
			if any = true; !e.subnet.Status.IPv6CIDR.Contains(a) {
				code = iana.StatusNotOnLink
			}
		}
	}
	answer.AddOption(status(code, ""))
	return any
}

// configureIPv6 adds what does not depend on addresses.
func (e *networkInterface) configureIPv6(answer *dhcpv6.Message) {
	set := e.vpc.Status.DHCPOptions
	if servers := ofFamily(e.vpc.resolvers(), false); len(servers) > 0 {
		answer.AddOption(dhcpv6.OptDNS(servers...))
	}
	// IPv6 has no option for a single domain name; the list to search serves.
	if set.DomainName != "" {
		dhcpv6.WithDomainSearchList(set.DomainName)(answer)
	}
	if servers := ofFamily(set.NTPServers, false); len(servers) > 0 {
		answer.AddOption(dhcpv6.OptSNTP(servers...))
	}
}

// serverIdentifier is the subnet's: an instance sees one server per subnet, as it
// sees one router.
func (e *networkInterface) serverIdentifier() dhcpv6.DUID {
	return &dhcpv6.DUIDEN{EnterpriseNumber: amazonEnterprise, EnterpriseIdentifier: []byte(e.subnet.Status.ID)}
}

// What of a request an answer repeats is bounded, so that answers stay as small as
// requests. A client has one association per interface, and one identifier of
// at most 130 bytes (RFC 8415, section 11.1).
const (
	maxAssociations = 4
	maxAssociated   = 16
	maxIdentifier   = 130
)

func atMost[T any](n int, list []T) []T { return list[:min(n, len(list))] }

// associated are the addresses in an association.
func associated(association *dhcpv6.OptIANA) []netip.Addr {
	var list []netip.Addr
	for _, option := range atMost(maxAssociated, association.Options.Addresses()) {
		if a, ok := netip.AddrFromSlice(option.IPv6Addr); ok {
			list = append(list, a)
		}
	}
	return list
}

func lifetimes(a netip.Addr, preferred, valid time.Duration) *dhcpv6.OptIAAddress {
	return &dhcpv6.OptIAAddress{IPv6Addr: net.IP(a.AsSlice()), PreferredLifetime: preferred, ValidLifetime: valid}
}

func status(code iana.StatusCode, message string) *dhcpv6.OptStatusCode {
	return &dhcpv6.OptStatusCode{StatusCode: code, StatusMessage: message}
}
