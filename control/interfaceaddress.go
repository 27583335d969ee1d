package control

import (
	"fmt"
	"net/netip"
	"slices"
)

// Limits of the largest instance types; the lab has no types.
const (
	mostInterfaces = 15
	mostAddresses  = 50
)

// validate checks what can be wrong with one interface by itself; addresses that
// two interfaces claim are addressClaims' to find.
func (s *NetworkInterfaceSpec) validate(v *validation, path string, instance *Instance) {
	if n := len(s.SecurityGroups); n > v.quotas.SecurityGroupsPerInterface { // QS6b
		v.reportf(field(path, "securityGroups"), "InvalidParameterValue", "raise securityGroupsPerInterface under quotas, as AWS does on request",
			"exceeded limit %d on the number of interface security group memberships", v.quotas.SecurityGroupsPerInterface)
	}
	for i, g := range s.SecurityGroups {
		if slices.Contains(s.SecurityGroups[:i], g) {
			v.reportf(index(field(path, "securityGroups"), i), "InvalidParameterValue", "remove one", "security group %s is given twice", g)
		}
	}
	s.ConnectionTracking.validate(v, field(path, "connectionTracking"))
	for key, n := range map[string]int{"secondaryIps": 1 + len(s.SecondaryIPs), "ipv6s": 1 + len(s.IPv6s)} {
		if n > mostAddresses {
			v.reportf(field(path, key), "PrivateIpAddressLimitExceeded", fmt.Sprintf("at most %d addresses of each family per interface", mostAddresses),
				"Number of private addresses will exceed limit.")
		}
	}
	if subnet := v.w.Subnets[s.Subnet]; subnet != nil {
		s.validatePrivate(v, path, subnet)
		s.validateIPv6(v, path, subnet)
		s.validatePublic(v, path, subnet, instance)
	}
}

// validatePrivate checks the IPv4 addresses that the file chooses.
func (s *NetworkInterfaceSpec) validatePrivate(v *validation, path string, subnet *Subnet) {
	inSubnet(v, field(path, "ip"), s.IP, subnet.CIDR)
	for i, secondary := range s.SecondaryIPs {
		at := secondaryPath(v, path, i, "ip")
		if secondary.IP.Choice == None {
			v.report(at, "", "false is no address", "write an address, or true for AWS's choice")
		}
		inSubnet(v, at, secondary.IP.Addr, subnet.CIDR)
	}
	if !subnet.IPv6Native {
		return
	}
	for key, written := range map[string]bool{"ip": s.IP.IsValid(), "secondaryIps": len(s.SecondaryIPs) > 0} {
		if written {
			v.reportf(field(path, key), "InvalidParameterValue", fmt.Sprintf("subnet %s is IPv6-only", s.Subnet),
				"The subnet '%s' has no IPv4 CIDR block", s.Subnet)
		}
	}
}

// secondaryPath is the path of a key of a secondary address, which is that of the
// address where the file writes nothing else about it.
func secondaryPath(v *validation, path string, i int, key string) string {
	at := index(field(path, "secondaryIps"), i)
	if key == "ip" && !v.w.Source.has(field(at, key)) {
		return at
	}
	return field(at, key)
}

// inSubnet checks an address that the file chooses (QN4, QN5).
func inSubnet(v *validation, path string, a netip.Addr, block netip.Prefix) {
	switch {
	case !a.IsValid() || !block.IsValid():
	case !block.Contains(a):
		v.reportf(path, "InvalidParameterValue", fmt.Sprintf("the subnet is %s", block),
			"Address %s does not fall within the subnet's address range", a)
	case reservedIn(block, a):
		v.reportf(path, "InvalidParameterValue", "AWS keeps the first four addresses of a subnet and the last",
			"Address %s is in subnet's reserved address range", a)
	}
}

// validateIPv6 checks wishes for IPv6 against what the subnet has. The default is
// no wish, and an IPv4-only subnet simply has none to give.
func (s *NetworkInterfaceSpec) validateIPv6(v *validation, path string, subnet *Subnet) {
	if s.IPv6.Choice == None && subnet.IPv6Native {
		v.report(field(path, "ipv6"), "InvalidParameterCombination", "Instances of an IPv6-only subnet always get an IPv6 address", "remove it")
	}
	check := func(path string, choice AddressChoice) {
		if choice.Choice != Auto && choice.Choice != Explicit {
			return
		}
		if !subnet.ipv6().Wanted() {
			v.reportf(path, "InvalidParameterValue", "add ipv6: true to the subnet", "The subnet '%s' has no IPv6 CIDR block", s.Subnet)
			return
		}
		inSubnet(v, path, choice.Addr, subnet.Status.IPv6CIDR)
		if choice.Choice == Explicit && !choice.Addr.Is6() {
			v.reportf(path, "InvalidParameterValue", "write true, false or an IPv6 address", "%s is not an IPv6 address", choice.Addr)
		}
	}
	check(field(path, "ipv6"), s.IPv6)
	for i, choice := range s.IPv6s {
		at := index(field(path, "ipv6s"), i)
		check(at, choice)
		if choice.Choice == None {
			v.report(at, "", "false is no address", "write an address, or true for AWS's choice")
		}
	}
}

// validatePublic checks public addresses that are written on the interface. One
// that the subnet gives by default is never wrong, only absent (A22).
func (s *NetworkInterfaceSpec) validatePublic(v *validation, path string, subnet *Subnet, instance *Instance) {
	at := field(path, "publicIp")
	switch {
	case subnet.IPv6Native && s.PublicIP.Choice > None:
		v.reportf(at, "InvalidParameterValue", "a public IPv4 address translates to a private one, and there is none",
			"The subnet '%s' has no IPv4 CIDR block", s.Subnet)
		return
	case s.PublicIP.Choice == Auto && len(instance.Interfaces) > 0: // A22
		v.report(at, "InvalidParameterCombination",
			"The associatePublicIPAddress parameter cannot be specified when launching with multiple network interfaces.",
			"write an address: an Elastic IP can be given to any interface")
	case s.PublicIP.Choice == Explicit:
		validateElasticIP(v, at, s.PublicIP.Addr, subnet.VPC)
	}
	for i, secondary := range s.SecondaryIPs {
		at := secondaryPath(v, path, i, "publicIp")
		switch secondary.PublicIP.Choice {
		case Auto: // A22
			v.report(at, "InvalidParameterValue", "AWS picks public addresses for primary private addresses only",
				"write an address: an Elastic IP can be given to any private address")
		case Explicit:
			validateElasticIP(v, at, secondary.PublicIP.Addr, subnet.VPC)
		}
	}
}

// validateElasticIP checks an Elastic IP that something in vpcName is given.
func validateElasticIP(v *validation, path string, a netip.Addr, vpcName string) {
	if hint := notPublicIPv4(a); hint != "" {
		v.reportf(path, "InvalidParameterValue", hint, "Address %s cannot be an Elastic IP address", a)
	}
	if vpc := v.w.VPCs[vpcName]; vpc != nil && vpc.Status.InternetGateway == "" { // QN10
		v.reportf(path, "Gateway.NotAttached", fmt.Sprintf("add under internetGateways: igw: {vpc: %s}", vpcName),
			"Network %s is not attached to any internet gateway", vpcName)
	}
}

// notPublicIPv4 says why a is not an address for the Internet, "" if it is.
// Documentation and benchmarking space is what labs use there.
func notPublicIPv4(a netip.Addr) string {
	if !a.Is4() {
		return "write an IPv4 address"
	}
	for _, private := range notInternetIPv4 {
		if private.Contains(a) {
			return fmt.Sprintf("%s is not public; use one of 198.51.100.0/24, 192.0.2.0/24, 203.0.113.0/24, or any public address", private)
		}
	}
	return ""
}

var notInternetIPv4 = prefixes("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
	"172.16.0.0/12", "192.168.0.0/16", "224.0.0.0/4", "240.0.0.0/4")

// interfacePath is the path of what describes an interface in the file.
func interfacePath(instance string, deviceIndex int) string {
	path := field("instances", instance)
	if deviceIndex == 0 {
		return path
	}
	return index(field(path, "interfaces"), deviceIndex-1)
}
