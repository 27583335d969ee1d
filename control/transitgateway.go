package control

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/vpcsim/vpcsim/dataplane"
)

// TransitGateway joins VPCs, and other transit gateways, each by an attachment;
// its own route tables say who reaches whom.
type TransitGateway struct {
	// AWS Region; the lab's unless written.
	Region string `json:"region,omitempty"`
	// AWS account that owns the gateway; the lab's unless written.
	Account AccountID `json:"account,omitempty"`
	// Autonomous system number of Amazon's side: 64512 to 65534 or 4200000000
	// to 4294967294; 64512 unless written.
	ASN ASN `json:"asn,omitempty"`
	// Whether attachments that no table lists are associated with the default
	// table, TRANSITGATEWAY/default; true unless written.
	DefaultRouteTableAssociation *bool `json:"defaultRouteTableAssociation,omitempty"`
	// Whether VPC attachments propagate to the default table; true unless
	// written.
	DefaultRouteTablePropagation *bool `json:"defaultRouteTablePropagation,omitempty"`
	// Whether equal routes of VPN connections share the traffic; true unless
	// written.
	VPNECMP *bool `json:"vpnEcmp,omitempty"`
	// Whether security groups can refer to groups of other attached VPCs.
	SecurityGroupReferencing bool `json:"securityGroupReferencing,omitempty"`
	// Address blocks of the gateway's own, for Connect peers.
	CIDRs []netip.Prefix `json:"cidrs,omitempty"`
	// Accounts that may attach VPCs of theirs (AWS: a resource share).
	SharedWith []AccountID `json:"sharedWith,omitempty"`
	// Accounts that are invited to that, and have not accepted yet.
	ShareInvitations []AccountID `json:"shareInvitations,omitempty"`
	// Whether attachments of other accounts need no acceptance; in a file an
	// attachment is available unless its state says otherwise.
	AutoAcceptSharedAttachments bool `json:"autoAcceptSharedAttachments,omitempty"`

	Status TransitGatewayStatus `json:"status" yaml:"-"`
}

// TransitGatewayStatus is what AWS makes of a transit gateway.
type TransitGatewayStatus struct {
	Identity
	State   string    `json:"state"` // "available"
	Region  string    `json:"region"`
	Account AccountID `json:"account"`
	ASN     ASN       `json:"asn"`
	// AssociationDefaultRouteTable and PropagationDefaultRouteTable are the name
	// of the default table, or "" if it does not serve as such (T4).
	AssociationDefaultRouteTable string `json:"associationDefaultRouteTable,omitempty"`
	PropagationDefaultRouteTable string `json:"propagationDefaultRouteTable,omitempty"`
	VPNECMP                      bool   `json:"vpnEcmp"`
	// Attachments and RouteTables are the gateway's, sorted; a peering is an
	// attachment of both its gateways.
	Attachments []string `json:"attachments"`
	RouteTables []string `json:"routeTables"`
	// SpeakerHandle is that of the interface of the gateway's BGP speaker. Store
	// assigns it to a gateway with VPN connections or Connect attachments.
	SpeakerHandle uint32 `json:"-"`
}

func (g *TransitGateway) identity() *Identity { return &g.Status.Identity }

func (g *TransitGateway) references(*World, string) []reference { return nil }

// onUnlessWritten is a switch that AWS sets unless told otherwise.
func onUnlessWritten(b *bool) bool { return b == nil || *b }

// transitGatewayDefaultTable is the name of the table that AWS makes together with
// a transit gateway (T4).
func transitGatewayDefaultTable(gateway string) string { return gateway + "/default" }

// hasDefaultTable reports whether AWS makes a table for the gateway: it does for
// either use of one (T4).
func (g *TransitGateway) hasDefaultTable() bool {
	return onUnlessWritten(g.DefaultRouteTableAssociation) || onUnlessWritten(g.DefaultRouteTablePropagation)
}

// completeTransitGateways makes each gateway's default route table, and removes
// those that have lost their gateway or its switches.
func (w *World) completeTransitGateways() {
	for name, table := range w.TransitGatewayRouteTables {
		gateway, ok := strings.CutSuffix(name, "/default")
		if !ok {
			continue
		}
		table.TransitGateway = cmp.Or(table.TransitGateway, gateway)
		if g := w.TransitGateways[gateway]; table.implicit(name) && (g == nil || !g.hasDefaultTable()) {
			delete(w.TransitGatewayRouteTables, name)
		}
	}
	for gateway, g := range w.TransitGateways {
		if name := transitGatewayDefaultTable(gateway); g.hasDefaultTable() && w.TransitGatewayRouteTables[name] == nil {
			w.TransitGatewayRouteTables[name] = &TransitGatewayRouteTable{TransitGateway: gateway}
		}
	}
}

// computeTransitGateways fills the Status of gateways, attachments and their route
// tables, each from the one before. VPCs and subnets have theirs.
func (w *World) computeTransitGateways() {
	for name, g := range w.TransitGateways {
		g.computeStatus(w, name)
	}
	for _, vpc := range w.VPCs {
		vpc.Status.TransitGatewayAttachments = nil
	}
	for _, name := range sorted(w.TransitGatewayAttachments) {
		w.TransitGatewayAttachments[name].computeStatus(w, name)
	}
	w.associateTransitGateways()
	w.propagateTransitGateways()
	for _, t := range w.TransitGatewayRouteTables {
		t.computeRoutes(w)
	}
}

// place is where the gateway lives; a VPC's attachment stays in that Region.
func (g *TransitGateway) place(w *World) place {
	home := w.home()
	return place{cmp.Or(g.Account, home.account), cmp.Or(g.Region, home.region)}
}

func (g *TransitGateway) computeStatus(w *World, name string) {
	s := &g.Status
	s.State = "available"
	at := g.place(w)
	s.Region, s.Account = at.region, at.account
	s.ASN = cmp.Or(g.ASN, DefaultASN)
	s.VPNECMP = onUnlessWritten(g.VPNECMP)
	s.AssociationDefaultRouteTable, s.PropagationDefaultRouteTable = "", ""
	if onUnlessWritten(g.DefaultRouteTableAssociation) {
		s.AssociationDefaultRouteTable = transitGatewayDefaultTable(name)
	}
	if onUnlessWritten(g.DefaultRouteTablePropagation) {
		s.PropagationDefaultRouteTable = transitGatewayDefaultTable(name)
	}
	s.Attachments, s.RouteTables = []string{}, []string{}
}

// compile hands over the gateway alone; attachments and tables name it.
func (g *TransitGateway) compile(c *compilation, name string) {
	c.b.TransitGateways = append(c.b.TransitGateways, dataplane.TransitGateway{
		Object: object(dataplane.KindTransitGateway, name, g.Status.Identity),
		Region: g.Status.Region,
	})
	c.speaker(name, g.Status.SpeakerHandle, c.w.speaks(g))
}

// attachmentsByAge are the names of the attachments, the oldest first: by handle
// where they have one, since handles count up, and after those by name, which is
// the order in which Store hands them out.
func (w *World) attachmentsByAge() []string {
	return slices.SortedFunc(maps.Keys(w.TransitGatewayAttachments), func(a, b string) int {
		// 0 is no handle yet: as an unsigned number minus one it is the last.
		ha, hb := w.TransitGatewayAttachments[a].Status.Handle-1, w.TransitGatewayAttachments[b].Status.Handle-1
		return cmp.Or(cmp.Compare(ha, hb), strings.Compare(a, b))
	})
}
