package control

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/vpcsim/vpcsim/dataplane"
)

// TransitGatewayRouteTable routes what comes from the attachments that are
// associated with it, to those that propagate to it and by static routes.
type TransitGatewayRouteTable struct {
	// Transit gateway that the table belongs to.
	TransitGateway string `json:"transitGateway"`
	// Attachments whose packets the table routes; each is in one table. Of the
	// default table, unless written: all that no other table lists.
	Associations []string `json:"associations,omitempty"`
	// VPC attachments whose CIDR blocks are routes of the table, and VPN
	// connections and Connect attachments whose learned routes are. Of the default table, unless written:
	// all of the gateway.
	Propagations []string `json:"propagations,omitempty"`
	// Static routes: destination (a CIDR block or a prefix list) to attachment,
	// or to blackhole, which drops.
	Routes map[Destination]Target `json:"routes,omitempty"`

	Status TransitGatewayRouteTableStatus `json:"status" yaml:"-"`
}

// TransitGatewayRouteTableStatus is what AWS makes of a transit gateway's route
// table.
type TransitGatewayRouteTableStatus struct {
	Identity
	State string `json:"state"` // "available"
	// DefaultAssociation and DefaultPropagation say whether the table is the
	// gateway's default one for either use (T4).
	DefaultAssociation bool `json:"defaultAssociation"`
	DefaultPropagation bool `json:"defaultPropagation"`
	// Associations and Propagations are those in force, sorted.
	Associations []string `json:"associations"`
	Propagations []string `json:"propagations"`
	// Overlapping are the attachments among Propagations that bring no routes,
	// because their VPC overlaps that of an older one (T14); sorted.
	Overlapping []string `json:"overlapping,omitempty"`
	// Routes are those in force, one per destination (T7): IPv4, then IPv6, each
	// by destination.
	Routes []TransitGatewayRoute `json:"routes"`
}

// TargetBlackhole is the target of a static route of a transit gateway that drops
// what matches (T8).
const TargetBlackhole = "blackhole"

func (t *TransitGatewayRouteTable) identity() *Identity { return &t.Status.Identity }

// implicit reports whether the table is one that exists by itself and says
// nothing of its own. A written list, even an empty one, says something.
func (t *TransitGatewayRouteTable) implicit(name string) bool {
	return strings.HasSuffix(name, "/default") && t.Associations == nil && t.Propagations == nil && len(t.Routes) == 0
}

func (t *TransitGatewayRouteTable) references(_ *World, name string) []reference {
	path := field("transitGatewayRouteTables", name)
	attachments := []string{"transitGatewayAttachments"}
	refs := []reference{{
		path: field(path, "transitGateway"), value: t.TransitGateway, set: func(s string) { t.TransitGateway = s },
		kinds: []string{"transitGateways"}, required: "write the transit gateway that the table belongs to",
	}}
	for key, list := range t.lists() {
		for i, attachment := range list {
			refs = append(refs, reference{
				path: index(field(path, key), i), value: attachment, set: func(s string) { list[i] = s },
				kinds: attachments, required: "write an attachment of the gateway",
			})
		}
	}
	for _, d := range destinationsOf(t.Routes) {
		at := field(field(path, "routes"), d.String()) // a prefix list's reference changes d
		key := &d
		if d.PrefixList != "" {
			refs = append(refs, prefixListReference(at, t.Routes, key))
		}
		if target := t.Routes[d]; target != TargetBlackhole {
			refs = append(refs, reference{
				path: at, value: string(target), set: func(s string) { t.Routes[*key] = Target(s) },
				kinds: attachments, required: "write an attachment of the gateway, or blackhole",
			})
		}
	}
	return refs
}

// lists are the table's lists of attachments with their keys.
func (t *TransitGatewayRouteTable) lists() iter.Seq2[string, []string] {
	return func(yield func(string, []string) bool) {
		_ = yield("associations", t.Associations) && yield("propagations", t.Propagations)
	}
}

// associateTransitGateways settles which table routes what comes from each attachment
// (T3, T4). Tables are asked by name, so that of two that claim an attachment the
// first has it, and the other is a problem (QP12).
func (w *World) associateTransitGateways() {
	names := sorted(w.TransitGatewayRouteTables)
	for _, name := range names {
		t := w.TransitGatewayRouteTables[name]
		s := &t.Status
		s.State = "available"
		s.DefaultAssociation, s.DefaultPropagation = false, false
		s.Associations, s.Propagations = []string{}, []string{}
		if g := w.TransitGateways[t.TransitGateway]; g != nil {
			g.Status.RouteTables = append(g.Status.RouteTables, name)
			s.DefaultAssociation = g.Status.AssociationDefaultRouteTable == name
			s.DefaultPropagation = g.Status.PropagationDefaultRouteTable == name
		}
		for _, attachment := range t.Associations {
			w.associate(t, name, attachment)
		}
	}
	for _, name := range names { // what no table lists
		t := w.TransitGatewayRouteTables[name]
		if t.Status.DefaultAssociation && t.Associations == nil {
			for _, attachment := range w.TransitGateways[t.TransitGateway].Status.Attachments {
				w.associate(t, name, attachment)
			}
		}
		slices.Sort(t.Status.Associations)
	}
}

// associate takes the attachment into the table, unless another has it. The two
// sides of a peering are associated apart, each with a table of its gateway.
func (w *World) associate(t *TransitGatewayRouteTable, table, attachment string) {
	a := w.TransitGatewayAttachments[attachment]
	if a == nil || !a.exists() {
		return
	}
	for _, side := range []struct {
		gateway string
		place   *string
	}{{a.TransitGateway, &a.Status.Association}, {a.Peer, &a.Status.PeerAssociation}} {
		if side.gateway != "" && side.gateway == t.TransitGateway && *side.place == "" {
			*side.place = table
			t.Status.Associations = append(t.Status.Associations, attachment)
			return
		}
	}
}

// propagateTransitGateways settles which attachments propagate to each table, the
// oldest first until the routes are chosen. VPC, VPN, Connect and Client VPN attachments do: a peering has
// static routes (T5), so no table ever learns from another gateway what that one
// may have learned from it, and propagation cannot loop. Direct Connect will enter
// here.
func (w *World) propagateTransitGateways() {
	listed := map[string]map[string]bool{} // by attachment, then by table
	for name, t := range w.TransitGatewayRouteTables {
		list := t.Propagations
		if list == nil && t.Status.DefaultPropagation {
			list = w.TransitGateways[t.TransitGateway].Status.Attachments
		}
		for _, attachment := range list {
			if listed[attachment] == nil {
				listed[attachment] = map[string]bool{}
			}
			listed[attachment][name] = true
		}
	}
	for _, attachment := range w.attachmentsByAge() {
		a := w.TransitGatewayAttachments[attachment]
		if !a.available() || a.isPeering() {
			continue
		}
		for name := range listed[attachment] {
			if t := w.TransitGatewayRouteTables[name]; t.TransitGateway == a.TransitGateway {
				t.Status.Propagations = append(t.Status.Propagations, attachment)
				a.Status.Propagations = append(a.Status.Propagations, name)
			}
		}
		slices.Sort(a.Status.Propagations)
	}
}

func (t *TransitGatewayRouteTable) compile(c *compilation, name string) {
	out := dataplane.TransitGatewayRouteTable{
		Object:         object(dataplane.KindTransitGatewayRouteTable, name, t.Status.Identity),
		TransitGateway: dataplane.Handle(c.w.TransitGateways[t.TransitGateway].Status.Handle),
		Routes:         make([]dataplane.TransitGatewayRoute, 0, len(t.Status.Routes)),
	}
	for i := range t.Status.Routes {
		r := &t.Status.Routes[i]
		route := dataplane.TransitGatewayRoute{Destination: r.Destination, Text: r.String()}
		switch {
		case r.State != RouteActive:
		case len(r.ConnectPeers) > 0:
			for _, name := range r.ConnectPeers {
				route.Tunnels = append(route.Tunnels, dataplane.Handle(c.w.TransitGatewayConnectPeers[name].Status.Handle))
			}
		case len(r.Tunnels) > 0:
			for _, name := range r.Tunnels {
				tunnel, _ := c.w.VPNTunnel(name)
				route.Tunnels = append(route.Tunnels, dataplane.Handle(tunnel.Handle))
			}
		default:
			route.Attachment = dataplane.Handle(c.w.TransitGatewayAttachments[r.Attachment].Status.Handle)
		}
		out.Routes = append(out.Routes, route)
	}
	c.b.TransitGatewayRouteTables = append(c.b.TransitGatewayRouteTables, out)
}

// String is the route as traces show it, such as "10.1.0.0/16 →
// transitGatewayAttachment b (propagated)".
func (r *TransitGatewayRoute) String() string {
	destination, target := r.Destination.String(), TargetBlackhole
	if r.PrefixList != "" {
		destination += " (prefix list " + r.PrefixList + ")"
	}
	if r.Attachment != "" {
		target = "transitGatewayAttachment " + r.Attachment
	}
	if len(r.Attachments) > 0 {
		target = "transitGatewayAttachments " + strings.Join(r.Attachments, ", ")
	}
	if len(r.ConnectPeers) > 0 {
		target += " by " + strings.Join(r.ConnectPeers, ", ")
	}
	if len(r.Tunnels) > 0 {
		target += " by " + strings.Join(r.Tunnels, ", ")
	}
	return fmt.Sprintf("%s → %s (%s)", destination, target, r.Type)
}
