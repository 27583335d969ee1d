package dataplane

import "net/netip"

// VPC is a VPC as control hands it over.
type VPC struct {
	Object
	// Region that the VPC is in; "" where there is only one.
	Region string
	CIDRs  []netip.Prefix // the primary IPv4 block first, then the others and IPv6
	// DNSDisabled: enableDnsSupport is false, so the resolver's addresses do
	// not answer, over TCP as over UDP (A44).
	DNSDisabled bool
}

// Subnet is a subnet as control hands it over.
type Subnet struct {
	Object
	VPC, RouteTable, NetworkACL Handle
	// Zone is the Availability Zone, such as us-east-1a.
	Zone  string
	CIDRs []netip.Prefix // IPv4 and IPv6
}

// toOwner is the local route's target: it delivers to the interface that owns
// the destination. AWS has no default delivery: an address nobody has, drops.
func (w *Walk) toOwner(vpcIndex uint32) Hop {
	v := &w.snap.vpcs[vpcIndex]
	owner, ok := v.owners.get(w.tuple.Dst)
	if !ok {
		return w.drop(StageVPC, ReasonNoInterface, v.handle, 0)
	}
	return Hop{hopEnterInterface, owner}
}
