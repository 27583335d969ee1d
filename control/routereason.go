package control

import (
	"cmp"
	"fmt"
)

// blackholeReason says why a route of the VPC to target, which is of that kind, is a
// blackhole (R19, R20).
func (w *World) blackholeReason(vpc, kind, target string) string {
	switch kind {
	case TargetInternetGateway, TargetVPNGateway, TargetEgressOnlyInternetGateway, TargetNATGateway:
		// Those of another VPC are refused in the file.
		return fmt.Sprintf("%s %s is attached to no vpc", kind, target)
	case TargetVPCPeering:
		p := w.VPCPeerings[target]
		if p.Status.Fault != "" {
			return "fault " + p.Status.Fault
		}
		return fmt.Sprintf("vpcPeering %s is %s", target, p.state())
	case TargetTransitGateway:
		a := w.attachmentTo(vpc, target)
		switch {
		case a == nil:
			return fmt.Sprintf("vpc %s has no attachment to transitGateway %s", vpc, target)
		case a.Status.Fault != "":
			return "fault " + a.Status.Fault
		}
		return fmt.Sprintf("the attachment of vpc %s to transitGateway %s is %s", vpc, target, a.Status.State)
	}
	eni := w.NetworkInterfaces[target]
	if eni == nil {
		return fmt.Sprintf("there is no %s %s", kind, target)
	}
	if i := w.Instances[eni.Instance]; i != nil && i.Status.Fault != "" {
		return "fault " + i.Status.Fault
	}
	return fmt.Sprintf("instance %s is stopped", cmp.Or(eni.Instance, target))
}
