package control

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// ClientVPNRoute is a route in force: of the clients that landed on Subnet, or, with
// TargetLocal in its place, of all (C3).
type ClientVPNRoute struct {
	Destination netip.Prefix `json:"destination"`
	Subnet      string       `json:"targetSubnet,omitempty"`
	// Attachment is the endpoint's own, at a transit gateway, in place of Subnet (C11).
	Attachment string `json:"targetAttachment,omitempty"`
	// Origin is RouteFromAssociation or RouteAdded.
	Origin string `json:"origin"`
}

// Target is what the route leads to: a subnet, an attachment, or TargetLocal.
func (r *ClientVPNRoute) Target() string { return cmp.Or(r.Subnet, r.Attachment) }

// Origins of routes, spelled as AWS spells them.
const (
	RouteFromAssociation = "associate"
	RouteAdded           = "add-route"
)

// ClientVPNDestination is the key of a route.
type ClientVPNDestination struct{ netip.Prefix }

func (d *ClientVPNDestination) parse(text string) (err error) {
	d.Prefix, err = parsePrefix(text)
	return err
}

// duplicate is AWS's word for a second route with the same key (QC7).
func (d ClientVPNDestination) duplicate() badValue {
	return badValue{
		code: "InvalidClientVpnDuplicateRoute", message: "The route for " + d.String() + " already exists.",
		hint: "write the subnets as a list: " + d.String() + ": [a, b]",
	}
}

// ClientVPNTargets are the subnets that a route leads to, or an attachment or local alone.
type ClientVPNTargets []string

func (t *ClientVPNTargets) parseOne(text string) error {
	*t = ClientVPNTargets{text}
	return nil
}

// UnmarshalJSON takes one subnet or a list.
func (t *ClientVPNTargets) UnmarshalJSON(data []byte) error {
	return unmarshalOneOrMany(data, (*[]string)(t))
}

// ClientGroups are names of groups; "all" alone is everybody.
type ClientGroups []string

// everybody is the word for all clients, whatever groups they are in.
const everybody = "all"

func (g ClientGroups) all() bool      { return len(g) == 1 && g[0] == everybody }
func (g ClientGroups) String() string { return strings.Join(g, ", ") }

func (g *ClientGroups) parseOne(text string) error {
	*g = ClientGroups{text}
	return nil
}

// UnmarshalJSON takes one group or a list.
func (g *ClientGroups) UnmarshalJSON(data []byte) error {
	return unmarshalOneOrMany(data, (*[]string)(g))
}

func unmarshalOneOrMany(data []byte, list *[]string) error {
	if len(data) > 0 && data[0] == '[' {
		return json.Unmarshal(data, list)
	}
	return unmarshalScalar(data, func(text string) error {
		*list = []string{text}
		return nil
	})
}

// destinations are the keys of the routes that the file writes, sorted.
func (e *ClientVPNEndpoint) destinations() []ClientVPNDestination {
	return slices.SortedFunc(maps.Keys(e.Routes), func(a, b ClientVPNDestination) int { return comparePrefixes(a.Prefix, b.Prefix) })
}

// computeRoutes lists the routes in force: each association brings the blocks of the
// VPC, of the families that the endpoint carries (C2), and the file the rest. What leads to no association is a mistake,
// which Validate reports.
func (e *ClientVPNEndpoint) computeRoutes(w *World) {
	s := &e.Status
	s.Routes = []ClientVPNRoute{}
	add := func(destination netip.Prefix, target, origin string) {
		r := ClientVPNRoute{Destination: destination, Subnet: target, Origin: origin}
		if s.TransitGatewayAttachment != "" && target != TargetLocal {
			r.Subnet, r.Attachment = "", target
		}
		if !slices.Contains(s.Routes, r) {
			s.Routes = append(s.Routes, r)
		}
	}
	for i := range s.Associations {
		if vpc := w.VPCs[s.VPC]; vpc != nil {
			for _, block := range withIPv6(vpc.Status.CIDRs, vpc.Status.IPv6CIDR) {
				if s.TrafficIPAddressType.carries(block.Addr()) {
					add(block, s.Associations[i].Subnet, RouteFromAssociation)
				}
			}
		}
	}
	for _, d := range e.destinations() {
		for _, target := range e.Routes[d] {
			own := s.TransitGatewayAttachment != "" && target == s.TransitGatewayAttachment
			if target == TargetLocal || own || s.TransitGatewayAttachment == "" && s.association(target) != nil {
				add(d.Prefix, target, RouteAdded)
			}
		}
	}
	slices.SortStableFunc(s.Routes, func(a, b ClientVPNRoute) int {
		return cmp.Or(comparePrefixes(a.Destination, b.Destination), cmp.Compare(a.Target(), b.Target()))
	})
}
