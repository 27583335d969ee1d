package control

import (
	"fmt"
	"slices"
	"strings"
)

func (t *TransitGatewayRouteTable) validate(v *validation, name string) {
	path := field("transitGatewayRouteTables", name)
	if v.w.TransitGateways[t.TransitGateway] == nil {
		return // a bad reference, which is reported as such
	}
	if gateway, ok := strings.CutSuffix(name, "/default"); ok && gateway != t.TransitGateway {
		v.reportf(field(path, "transitGateway"), "InvalidParameterValue", "leave transitGateway out: the name says it",
			"%s belongs to transit gateway %s, not to %s", name, gateway, t.TransitGateway)
	}
	for key, list := range t.lists() {
		for i, attachment := range list {
			at := index(field(path, key), i)
			switch a := v.w.TransitGatewayAttachments[attachment]; {
			case !t.ownAttachment(v, at, name, attachment):
			case slices.Contains(list[:i], attachment):
				v.reportf(at, "", "remove one", "attachment %s is in the list twice", attachment)
			case key == "propagations" && a.isPeering(): // T5; AWS's code is not known
				v.reportf(at, "InvalidParameterValue", "remove it, and write static routes to it on both sides",
					"Transit Gateway Attachment %s is a peering attachment, which does not support route propagation.", attachment)
			}
		}
	}
	for _, d := range destinationsOf(t.Routes) {
		target := t.Routes[d]
		if at := field(field(path, "routes"), d.String()); target != TargetBlackhole && t.ownAttachment(v, at, name, string(target)) &&
			v.w.TransitGatewayAttachments[string(target)].isConnect() { // T17; AWS's code is not known
			v.reportf(at, "InvalidParameterValue", "remove it: the appliance announces what is behind it, by BGP",
				"Transit Gateway Attachment %s is a Connect attachment, which does not support static routes.", target)
		}
	}
}

// ownAttachment reports an attachment of another gateway, which the table cannot
// know. A reference that leads nowhere is reported as such.
func (t *TransitGatewayRouteTable) ownAttachment(v *validation, path, name, attachment string) bool {
	a := v.w.TransitGatewayAttachments[attachment]
	if a == nil {
		return false
	}
	if !a.of(t.TransitGateway) {
		v.reportf(path, "InvalidTransitGatewayAttachmentID.NotFound",
			fmt.Sprintf("the attachment is of transit gateway %s, the table of %s", a.TransitGateway, t.TransitGateway),
			"transit gateway route table %s and attachment %s belong to different transit gateways", name, attachment)
		return false
	}
	return true
}

// duplicateAssociations reports an attachment that two tables of a gateway claim
// (QP12), at the table whose name comes later. The default table is claimed from,
// and claims only what it lists.
func (w *World) duplicateAssociations(v *validation) {
	type side struct{ gateway, attachment string }
	first := map[side]string{}
	for _, name := range sorted(w.TransitGatewayRouteTables) {
		t := w.TransitGatewayRouteTables[name]
		for i, attachment := range t.Associations {
			s := side{t.TransitGateway, attachment}
			if other, taken := first[s]; taken && other != name {
				v.reportf(index(field(field("transitGatewayRouteTables", name), "associations"), i), "Resource.AlreadyAssociated",
					fmt.Sprintf("%s lists it; an attachment is associated with one table", other),
					"Transit Gateway Attachment %s is already associated to a route table.", attachment)
				continue
			}
			first[s] = name
		}
	}
}
