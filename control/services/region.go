package services

import (
	"net/netip"
	"strings"

	"github.com/vpcsim/vpcsim/control"
)

// internalDomain is where private names live (A46).
func internalDomain(region string) string { return domainOf(control.ResourceName(region, "i-0")) }

// publicDomain is where public names live (A47).
func publicDomain(region string) string {
	return domainOf(control.PublicName(region, netip.IPv4Unspecified()))
}

func domainOf(name string) string {
	_, domain, _ := strings.Cut(name, ".")
	return domain
}

// serviceDomain is the domain of AWS's services, which differs in China.
func serviceDomain(region string) string {
	if partition(region) == "aws-cn" {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}

// partition is the group of Regions that share accounts and ARNs.
func partition(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}
