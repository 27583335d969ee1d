package control

import (
	"net/netip"
	"regexp"
	"strings"
)

// domainName matches a DNS name of one or more labels.
var domainName = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.?$`)

// PrivateIPName is the private DNS name that follows from an address:
// ip-10-0-1-5.ec2.internal (A46).
func PrivateIPName(region string, ip netip.Addr) string {
	return "ip-" + dashed(ip) + "." + regionalDomain(region)
}

// ResourceName is the private DNS name that follows from an instance's ID:
// i-0123456789abcdef0.ec2.internal (A46).
func ResourceName(region, instanceID string) string {
	return instanceID + "." + regionalDomain(region)
}

// PublicName is the public DNS name of a public IPv4 address:
// ec2-203-0-113-25.compute-1.amazonaws.com (A47).
func PublicName(region string, ip netip.Addr) string {
	name := "ec2-" + dashed(ip)
	if region == DefaultRegion {
		return name + ".compute-1.amazonaws.com"
	}
	return name + "." + region + ".compute.amazonaws.com"
}

func dashed(ip netip.Addr) string { return strings.ReplaceAll(ip.String(), ".", "-") }

// nameInstance works out the DNS names of an instance from its primary
// interface: the private one by the subnet's hostname type, the public one where
// the VPC gives any (A47).
func (w *World) nameInstance(i *Instance, primary *NetworkInterface) {
	s := &i.Status
	s.PrivateDNSName, s.PublicDNSName = "", ""
	subnet, vpc := w.Subnets[primary.Subnet], w.VPCs[primary.VPC]
	if subnet == nil || vpc == nil {
		return
	}
	if subnet.Status.PrivateDNSHostnameType == HostnameResource || !s.PrivateIP.IsValid() {
		s.PrivateDNSName = ResourceName(vpc.Status.Region, s.ID)
	} else {
		s.PrivateDNSName = PrivateIPName(vpc.Status.Region, s.PrivateIP)
	}
	if s.PublicIP.IsValid() && vpc.EnableDNSHostnames && vpc.Status.EnableDNSSupport {
		s.PublicDNSName = PublicName(vpc.Status.Region, s.PublicIP)
	}
}
