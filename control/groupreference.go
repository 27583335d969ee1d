package control

import (
	"fmt"
	"strings"

	"github.com/vpcsim/vpcsim/dataplane"
)

// referenceState says what a rule's reference to a security group comes to.
type referenceState uint8

const (
	// referenceRefused: AWS does not take the rule (QS9).
	referenceRefused referenceState = iota
	// referenceStale: AWS took it, and what it depended on is gone: it stays
	// listed and matches nothing (S12).
	referenceStale
	referenceActive
)

// groupReference says what a rule of a group in VPC own may make of a group in
// VPC other (S10), and which ways packets of that group's members may come by; the
// same VPC needs no way. Inbound tells ingress rules from egress rules.
//
// A lab remembers no past, so a peering that the file has in whatever state stands
// for one that was active when the rule was made.
func (w *World) groupReference(own, other string, inbound bool) (dataplane.Crossing, referenceState) {
	if own == other {
		return 0, referenceActive
	}
	across, state := w.peeringReference(own, other)
	if inbound {
		transit, s := w.transitGatewayReference(own, other)
		across, state = across|transit, max(state, s)
	}
	return across, state
}

// peeringReference is the part of groupReference that peerings decide: of the same
// Region, and active (P12).
func (w *World) peeringReference(own, other string) (dataplane.Crossing, referenceState) {
	state := referenceRefused
	if w.placeOf(own).region != w.placeOf(other).region {
		return 0, state // K-C5
	}
	for _, p := range w.VPCPeerings {
		switch {
		case !p.joins(own, other):
		case p.state() == PeeringActive:
			return dataplane.CrossesPeering, referenceActive
		default:
			state = referenceStale
		}
	}
	return 0, state
}

// mayReference is groupReference for the check of a reference: whether it holds,
// and if not, what would make it hold.
func (w *World) mayReference(own string, inbound bool) func(other string) (hint string, ok bool) {
	return func(other string) (string, bool) {
		if _, state := w.groupReference(own, other, inbound); state != referenceRefused {
			return "", true
		}
		from, to := w.placeOf(own).region, w.placeOf(other).region
		if from != to {
			return fmt.Sprintf("VPC %s is in %s and VPC %s in %s: between Regions write the CIDR block", own, from, other, to), false
		}
		if inbound {
			return fmt.Sprintf("VPCs %s and %s are not peered: peer them, attach both to a transit gateway with securityGroupReferencing: true, or write the CIDR block", own, other), false
		}
		return fmt.Sprintf("VPCs %s and %s are not peered: peer them, or write the CIDR block (a transit gateway carries references of inbound rules only)", own, other), false
	}
}

// noGroup is a handle that no security group has: a stale reference matches
// nothing (S12), even where an address of the group is somebody else's here.
const noGroup = InternetHandle

// groupOf is how the data plane knows a permission's group.
func (c *compilation) groupOf(vpc string, p SecurityGroupPermission, inbound bool) (dataplane.Handle, dataplane.Crossing) {
	group := c.w.SecurityGroups[p.SecurityGroup]
	across, state := c.w.groupReference(vpc, group.VPC, inbound)
	if state != referenceActive {
		return noGroup, 0
	}
	return dataplane.Handle(group.Status.Handle), across
}

// markStale notes which permissions are stale.
func (w *World) markStale(vpc string, permissions []SecurityGroupPermission, inbound bool) {
	for i := range permissions {
		p := &permissions[i]
		if group := w.SecurityGroups[p.SecurityGroup]; group != nil {
			_, state := w.groupReference(vpc, group.VPC, inbound)
			p.Stale = state == referenceStale
		}
	}
}

// ownAccount takes the account off a reference such as 123456789012/web: the group
// behind it must be of that account (P12). A name or an ID alone means a group
// of whatever account, since names are unique in a lab.
func (w *World) ownAccount(ref reference) (name string, ok bool) {
	account, rest, ok := strings.Cut(ref.value, "/")
	if !ok || !accountDigits.MatchString(account) {
		return "", false
	}
	ref.value, ref.kinds = rest, []string{"securityGroups"}
	ref.vpc = "" // "default" would be the asker's own
	group := w.SecurityGroups[w.resolve(ref)]
	if group == nil || string(w.placeOf(group.VPC).account) != account {
		return "", false
	}
	return w.resolve(ref), true
}
