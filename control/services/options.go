package services

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"time"

	"github.com/vpcsim/vpcsim/control"
)

// What the servers need and a scenario file cannot say yet. Each function below
// is the one place to change once package control has the field; until then it
// returns AWS's default.

// instanceOptions are the options of an instance.
type instanceOptions struct {
	imageID      string
	instanceType string
	// role is the name of the IAM role, "" if the instance has none.
	role     string
	userData []byte // nil: none
	tags     map[string]string
	metadata metadataOptions
}

// metadataOptions are AWS's MetadataOptions.
type metadataOptions struct {
	disabled       bool // HttpEndpoint: disabled
	tokensRequired bool // HttpTokens: required
	hopLimit       int  // HttpPutResponseHopLimit, 1 to 64 (A53)
	ipv6           bool // HttpProtocolIpv6: enabled
	instanceTags   bool // InstanceMetadataTags: enabled
}

// instanceOptionsOf has one value that is the lab's own: the tag Name, which the
// AWS console sets as well.
func instanceOptionsOf(name string, i *control.Instance) instanceOptions {
	sum := sha256.Sum256([]byte("image\x00" + i.Status.ID))
	return instanceOptions{
		imageID:      "ami-" + hex.EncodeToString(sum[:])[:17],
		instanceType: "m5.large",
		tags:         map[string]string{"Name": name},
		metadata:     metadataOptions{hopLimit: 1},
	}
}

// subnetOptions are what new instances in a subnet get.
type subnetOptions struct {
	dns64         bool // EnableDns64 (A17)
	resourceNames bool // HostnameType: resource-name
	// Whether resource names answer with IPv4 and with IPv6 addresses:
	// EnableResourceNameDnsARecord and EnableResourceNameDnsAAAARecord.
	resourceNameA, resourceNameAAAA bool
}

// subnetOptionsOf departs from the API's defaults in one point: both records of
// the resource name are there, as if chosen in the AWS console's launch wizard.
func subnetOptionsOf(*control.Subnet) subnetOptions {
	return subnetOptions{resourceNameA: true, resourceNameAAAA: true}
}

// dhcpOptions is the DHCP option set of a VPC.
type dhcpOptions struct {
	// none: the VPC has no option set at all (A39).
	none       bool
	domainName string
	// nameServers are the user's own; none means AmazonProvidedDNS.
	nameServers []netip.Addr
	ntpServers  []netip.Addr
	// ipv6Preferred is the preferred lifetime of IPv6 leases, 140 s or more.
	ipv6Preferred time.Duration
}

// dhcpOptionsOf is the default option set (A38, A40).
func dhcpOptionsOf(w *control.World, _ *control.VPC) dhcpOptions {
	return dhcpOptions{domainName: internalDomain(w.Region), ipv6Preferred: 140 * time.Second}
}

// resolvers are the name servers that DHCP hands out, of one family.
func (v *vpc) resolvers(ipv4 bool) []netip.Addr {
	var list []netip.Addr
	for _, a := range v.dhcp.nameServers {
		if a.Is4() == ipv4 {
			list = append(list, a)
		}
	}
	switch {
	case len(v.dhcp.nameServers) > 0:
		return list
	case !ipv4:
		return []netip.Addr{DNSIPv6}
	case v.dhcp.none || !v.baseTwo().IsValid(): // A39
		return []netip.Addr{DNSIPv4}
	}
	return []netip.Addr{v.baseTwo()}
}
