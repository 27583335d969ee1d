package control

import (
	"cmp"
	"fmt"
	"net/netip"
	"time"

	"github.com/vpcsim/vpcsim/dataplane"
)

// VPCPeering is a VPC peering connection: it joins two VPCs, which may be of
// different accounts and Regions, and nothing behind them (P9).
type VPCPeering struct {
	// VPC that asked for the peering.
	VPC string `json:"vpc"`
	// VPC that was asked.
	PeerVPC string `json:"peerVpc"`
	// How far the peering has come: active (asked for and accepted),
	// pending-acceptance, rejected, expired, deleted, or failed; active unless
	// written.
	State PeeringState `json:"state,omitempty"`
	// What the requester allows the accepter.
	RequesterOptions PeeringOptions `json:"requesterOptions,omitzero"`
	// What the accepter allows the requester.
	AccepterOptions PeeringOptions `json:"accepterOptions,omitzero"`

	Status VPCPeeringStatus `json:"status" yaml:"-"`
}

// PeeringOptions are what one side of a peering allows the other (P11).
type PeeringOptions struct {
	// Whether public DNS names of this side's instances resolve to private
	// addresses when the other side asks.
	AllowDNSResolution bool `json:"allowDnsResolution,omitempty"`
}

// VPCPeeringStatus is what AWS makes of a VPC peering connection.
type VPCPeeringStatus struct {
	Identity
	State   PeeringState `json:"state"`
	Message string       `json:"message"` // the state in AWS's words (QP6)
	// ExpirationTime is when a request that waits expires; zero in every other state,
	// and in a world that no lab runs.
	ExpirationTime time.Time `json:"expirationTime,omitzero"`
	// Fault is what has the peering down, or "".
	Fault string `json:"fault,omitempty"`
	// Requester and Accepter are the two sides.
	Requester PeeringSide `json:"requester"`
	Accepter  PeeringSide `json:"accepter"`
}

// PeeringSide is one VPC of a peering as the other side is told of it.
type PeeringSide struct {
	VPC     string         `json:"vpc"`
	Account AccountID      `json:"account"`
	Region  string         `json:"region"`
	CIDRs   []netip.Prefix `json:"cidrs"`
	// IPv6CIDR is invalid if the VPC has no IPv6.
	IPv6CIDR netip.Prefix `json:"ipv6Cidr,omitzero"`
	// AllowDNSResolution is the option in force: off unless the peering is
	// active.
	AllowDNSResolution bool `json:"allowDnsResolution"`
}

func (p *VPCPeering) identity() *Identity { return &p.Status.Identity }

func (p *VPCPeering) references(_ *World, name string) []reference {
	path := field("vpcPeerings", name)
	return []reference{{
		path: field(path, "vpc"), value: p.VPC, set: func(s string) { p.VPC = s },
		kinds: []string{"vpcs"}, required: "write the VPC that asks for the peering",
	}, {
		path: field(path, "peerVpc"), value: p.PeerVPC, set: func(s string) { p.PeerVPC = s },
		kinds: []string{"vpcs"}, required: "write the VPC that is asked",
	}}
}

// joins reports whether the peering is one of these two VPCs, whoever asked.
func (p *VPCPeering) joins(a, b string) bool {
	return p.VPC == a && p.PeerVPC == b || p.VPC == b && p.PeerVPC == a
}

// has reports whether the VPC is one of the peering's two.
func (p *VPCPeering) has(vpc string) bool { return p.VPC == vpc || p.PeerVPC == vpc }

// state is the one in force: a file that asks for a peering means one that was
// accepted, too.
func (p *VPCPeering) state() PeeringState { return cmp.Or(p.State, PeeringActive) }

// up reports that packets can pass.
func (p *VPCPeering) up() bool { return p.state() == PeeringActive && p.Status.Fault == "" }

// computeStatus tells the sides about each other.
func (p *VPCPeering) computeStatus(w *World) {
	s := &p.Status
	s.State = p.state()
	s.Requester = w.peeringSide(p.VPC, p.RequesterOptions, s.State)
	s.Accepter = w.peeringSide(p.PeerVPC, p.AccepterOptions, s.State)
	s.Message = s.message()
}

func (w *World) peeringSide(vpc string, options PeeringOptions, state PeeringState) PeeringSide {
	at := w.placeOf(vpc)
	side := PeeringSide{VPC: vpc, Account: at.account, Region: at.region, CIDRs: []netip.Prefix{}}
	if v := w.VPCs[vpc]; v != nil {
		side.CIDRs, side.IPv6CIDR = append(side.CIDRs, v.Status.CIDRs...), v.Status.IPv6CIDR
	}
	side.AllowDNSResolution = options.AllowDNSResolution && state == PeeringActive
	return side
}

// peeringFailed is what AWS says about every peering that cannot be (QP1).
const peeringFailed = "Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range"

// message is the state in AWS's words (QP6).
func (s *VPCPeeringStatus) message() string {
	switch s.State {
	case PeeringPending:
		return fmt.Sprintf("Pending Acceptance by %s", s.Accepter.Account)
	case PeeringRejected:
		return "Inactive"
	case PeeringExpired:
		return "Expired"
	case PeeringFailed:
		return peeringFailed
	case PeeringDeleted:
		if s.Requester.Account != s.Accepter.Account {
			return "Deleted" // which side did it, a world does not remember
		}
		return fmt.Sprintf("Deleted by %s", s.Requester.Account)
	}
	return "Active"
}

// InterRegion reports whether the two VPCs are in different Regions (P11 to P13).
func (s *VPCPeeringStatus) InterRegion() bool { return s.Requester.Region != s.Accepter.Region }

// ResolvesPrivately reports whether names of instances in VPC owner mean private
// addresses to VPC asker: in the same VPC, and across an active peering whose owner's
// side allows it (A48, P11).
func (w *World) ResolvesPrivately(asker, owner string) bool {
	if asker == owner {
		return true
	}
	for _, p := range w.VPCPeerings {
		for _, side := range []struct {
			peer  string
			owner PeeringSide
		}{{p.PeerVPC, p.Status.Requester}, {p.VPC, p.Status.Accepter}} {
			if side.owner.AllowDNSResolution && side.peer == asker && side.owner.VPC == owner {
				return true
			}
		}
	}
	return false
}

// compile hands over peerings that packets can pass. One in any other state is no
// part of a snapshot: routes to it are blackholes (P7).
func (p *VPCPeering) compile(c *compilation, name string) {
	if !p.up() {
		return
	}
	c.b.VPCPeerings = append(c.b.VPCPeerings, dataplane.VPCPeering{
		Object:    object(dataplane.KindVPCPeering, name, p.Status.Identity),
		Requester: dataplane.Handle(c.w.VPCs[p.VPC].Status.Handle),
		Accepter:  dataplane.Handle(c.w.VPCs[p.PeerVPC].Status.Handle),
	})
}
