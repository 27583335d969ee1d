package services

import (
	"net/netip"

	"github.com/vpcsim/vpcsim/dataplane"
)

// Where the servers listen: where the core sends requests to. It translates the
// VPC's base+2 to DNSIPv4, and DHCP's broadcasts and multicasts to DHCPIPv4 and
// DHCPIPv6, which instances never see.
var (
	DNSIPv4  = dataplane.ResolverAddress4
	DNSIPv6  = dataplane.ResolverAddress6
	IMDSIPv4 = dataplane.MetadataAddress4
	IMDSIPv6 = dataplane.MetadataAddress6
	TimeIPv4 = dataplane.TimeAddress4
	TimeIPv6 = dataplane.TimeAddress6
	DHCPIPv4 = dataplane.DHCPAddress4
	DHCPIPv6 = dataplane.DHCPAddress6
)

// Ports of the servers, and those to which DHCP answers go whatever port the
// request came from.
const (
	DNSPort          = 53
	IMDSPort         = 80
	TimePort         = 123
	DHCPv4Port       = 67
	DHCPv4ClientPort = 68
	DHCPv6Port       = 547
	DHCPv6ClientPort = 546
)

// MaxHandle is the last handle that a source address has room for.
const MaxHandle = 1<<24 - 1

// The first byte of an IPv4 source address: the handle is in the other three.
const (
	linkLocalClient = 240 // asked a link-local address, or broadcast
	baseTwoClient   = 241 // asked the VPC's base+2
)

// clientIPv6 begins every IPv6 source address: fd00:ec2:ffff::/104.
var clientIPv6 = [16]byte{0: 0xfd, 2: 0x0e, 3: 0xc2, 4: 0xff, 5: 0xff}

// LinkLocalClient is the source address of requests that the network interface
// with this handle sends to an IPv4 link-local address: 240.0.0.0/8.
func LinkLocalClient(handle uint32) netip.Addr { return clientIPv4(linkLocalClient, handle) }

// BaseTwoClient is the source address of requests that the network interface
// with this handle sends to its VPC's base+2: 241.0.0.0/8. It differs, so that
// the core can tell from an answer which address it has to come from.
func BaseTwoClient(handle uint32) netip.Addr { return clientIPv4(baseTwoClient, handle) }

func clientIPv4(first byte, handle uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{first, byte(handle >> 16), byte(handle >> 8), byte(handle)})
}

// IPv6Client is the source address of the interface's requests over IPv6.
func IPv6Client(handle uint32) netip.Addr {
	a := clientIPv6
	a[13], a[14], a[15] = byte(handle>>16), byte(handle>>8), byte(handle)
	return netip.AddrFrom16(a)
}

// HandleOf is the handle of the network interface whose requests come from
// client; ok is false for an address that the core gives to none.
func HandleOf(client netip.Addr) (handle uint32, ok bool) {
	if client = client.Unmap(); client.Is4() {
		a := client.As4()
		handle = uint32(a[1])<<16 | uint32(a[2])<<8 | uint32(a[3])
		return handle, handle != 0 && (a[0] == linkLocalClient || a[0] == baseTwoClient)
	}
	a := client.As16()
	handle = uint32(a[13])<<16 | uint32(a[14])<<8 | uint32(a[15])
	return handle, handle != 0 && client.Zone() == "" && client == IPv6Client(handle)
}
