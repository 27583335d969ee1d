package control

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
)

// TransitGatewayConnectPeer is a GRE tunnel between a transit gateway and an
// appliance, with two BGP sessions in it.
type TransitGatewayConnectPeer struct {
	// Connect attachment that the tunnel is of.
	Attachment string `json:"attachment"`
	// Address of the appliance, which its GRE packets come from: one of the VPC
	// that the transport attachment attaches.
	PeerAddress netip.Addr `json:"peerAddress"`
	// Address of the gateway's end, of the same family: one of the gateway's cidrs;
	// the first free one unless written.
	TransitGatewayAddress netip.Addr `json:"transitGatewayAddress,omitzero"`
	// Blocks of the addresses inside the tunnel: a /29 of 169.254.0.0/16, and for
	// IPv6 routes a /125 of fd00::/8 besides. Of each, the appliance has the first
	// address, and AWS the next two.
	InsideCIDRs []netip.Prefix `json:"insideCidrs"`
	// Autonomous system number of the appliance; that of the transit gateway
	// (iBGP) unless written.
	PeerASN ASN `json:"peerAsn,omitempty"`

	Status TransitGatewayConnectPeerStatus `json:"status" yaml:"-"`
}

// TransitGatewayConnectPeerStatus is what AWS makes of a Connect peer, and what it is
// doing.
type TransitGatewayConnectPeerStatus struct {
	Identity        // Handle is that of the inside, the link that what is unwrapped comes from
	State    string `json:"state"` // "available"
	// Fault is what has AWS's end of the tunnel itself down, or ""; that of the
	// attachment has it down, too.
	Fault string `json:"fault,omitempty"`
	// TransitGateway and Transport are those of the attachment, and Instance is who
	// has PeerAddress, "" if nobody has.
	TransitGateway string `json:"transitGateway"`
	Transport      string `json:"transport"`
	Instance       string `json:"instance,omitempty"`
	// OutsideHandle is that of AWS's end. Store assigns it.
	OutsideHandle         uint32     `json:"-"`
	TransitGatewayAddress netip.Addr `json:"transitGatewayAddress,omitzero"`
	// The inside blocks, and the appliance's addresses in them; IPv6 is invalid
	// where no block is written. AWS's are those of the sessions.
	InsideCIDR     netip.Prefix `json:"insideCidr,omitzero"`
	InsideIPv6CIDR netip.Prefix `json:"insideIpv6Cidr,omitzero"`
	PeerIP         netip.Addr   `json:"peerIp,omitzero"`
	PeerIPv6       netip.Addr   `json:"peerIpv6,omitzero"`
	AmazonASN      ASN          `json:"amazonAsn"`
	PeerASN        ASN          `json:"peerAsn"`
	// Sessions are always two.
	Sessions []ConnectSession `json:"sessions"`
}

// ConnectSession is one of the two BGP sessions of a Connect peer. Both are IPv4's,
// and carry IPv6 routes besides where the peer has an inside block for them.
type ConnectSession struct {
	Name string `json:"name"` // "sdwan/1"
	// AmazonIP and AmazonIPv6 are AWS's addresses.
	AmazonIP   netip.Addr `json:"amazonIp,omitzero"`
	AmazonIPv6 netip.Addr `json:"amazonIpv6,omitzero"`
	State      string     `json:"state"` // TunnelUp or TunnelDown
	// Reason is a sentence that says why the session is down.
	Reason string `json:"reason,omitempty"`
	// Learned are the routes that the appliance announced.
	Learned             []BGPRoute `json:"learned,omitempty"`
	AcceptedRouteCount  int        `json:"acceptedRouteCount"`
	AnnouncedRouteCount int        `json:"announcedRouteCount"`
}

// sessionsPerConnectPeer is what every Connect peer has (T17).
const sessionsPerConnectPeer = 2

func (p *TransitGatewayConnectPeer) identity() *Identity { return &p.Status.Identity }

func (p *TransitGatewayConnectPeer) references(_ *World, name string) []reference {
	return []reference{{
		path: field(field("transitGatewayConnectPeers", name), "attachment"), value: p.Attachment, set: func(s string) { p.Attachment = s },
		kinds: []string{"transitGatewayAttachments"}, required: "write the Connect attachment that the tunnel is of",
	}}
}

// internal reports whether both ends are in one autonomous system (T17).
func (p *TransitGatewayConnectPeer) internal() bool { return p.Status.PeerASN == p.Status.AmazonASN }

// MaxPrefixes is how many prefixes AWS takes from the appliance on each session (V12,
// as of a VPN to a transit gateway).
func (p *TransitGatewayConnectPeer) MaxPrefixes() int { return mostFromCustomerTransit }

// carries reports whether routes of a block's family can be exchanged.
func (p *TransitGatewayConnectPeer) carries(block netip.Prefix) bool {
	return block.IsValid() && (block.Addr().Is4() || p.Status.InsideIPv6CIDR.IsValid())
}

// usable reports whether AWS takes a learned route: one that it has not announced
// itself before.
func (p *TransitGatewayConnectPeer) usable(r *BGPRoute) bool {
	return p.carries(r.Prefix) && !slices.Contains(r.ASPath, p.Status.AmazonASN)
}

// ConnectSessionName is the name of a session, counted from 1.
func ConnectSessionName(peer string, number int) string { return fmt.Sprintf("%s/%d", peer, number) }

// computeStatus settles all but what Allocate, Store and the RIB say. Attachments
// have not settled theirs.
func (p *TransitGatewayConnectPeer) computeStatus(w *World, name string) {
	s := &p.Status
	s.State, s.TransitGateway, s.Transport, s.Instance, s.AmazonASN = "available", "", "", "", 0
	if a := w.TransitGatewayAttachments[p.Attachment]; a != nil {
		s.TransitGateway, s.Transport = a.TransitGateway, a.Transport
	}
	if g := w.TransitGateways[s.TransitGateway]; g != nil {
		s.AmazonASN = cmp.Or(g.ASN, DefaultASN)
	}
	if t := w.TransitGatewayAttachments[s.Transport]; t != nil {
		s.Instance = w.instanceWith(t.VPC, p.PeerAddress)
	}
	s.PeerASN = cmp.Or(p.PeerASN, s.AmazonASN)
	s.InsideCIDR, s.InsideIPv6CIDR = netip.Prefix{}, netip.Prefix{}
	for _, block := range p.InsideCIDRs {
		if block.Addr().Is4() {
			s.InsideCIDR = block
		} else {
			s.InsideIPv6CIDR = block
		}
	}
	s.PeerIP, s.PeerIPv6 = nth(s.InsideCIDR, 1), nth(s.InsideIPv6CIDR, 1)
	s.Sessions = make([]ConnectSession, sessionsPerConnectPeer)
	for i := range s.Sessions {
		s.Sessions[i].Name = ConnectSessionName(name, i+1)
		s.Sessions[i].AmazonIP, s.Sessions[i].AmazonIPv6 = nth(s.InsideCIDR, i+2), nth(s.InsideIPv6CIDR, i+2)
	}
}

// nth is the address at place n of a block, invalid without one.
func nth(block netip.Prefix, n int) netip.Addr {
	if !block.IsValid() {
		return netip.Addr{}
	}
	a := block.Masked().Addr()
	for range n {
		a = a.Next()
	}
	return a
}

// instanceWith is the instance that has a private or IPv6 address in a VPC, "" if
// none has.
func (w *World) instanceWith(vpc string, a netip.Addr) string {
	for _, name := range sorted(w.NetworkInterfaces) {
		if n := w.NetworkInterfaces[name]; n.VPC == vpc && (slices.Contains(n.Status.PrivateIPs, a) || slices.Contains(n.Status.IPv6s, a)) {
			return n.Instance
		}
	}
	return ""
}

// computeConnectPeers fills the Status of Connect peers and of the appliances at the
// other ends, and says what the sessions do. Faults are known; transit gateways come
// after it, and the addresses of instances before.
func (w *World) computeConnectPeers() {
	for _, name := range sorted(w.TransitGatewayConnectPeers) {
		w.TransitGatewayConnectPeers[name].computeStatus(w, name)
	}
	for name, i := range w.Instances {
		i.computeAppliance(w, name)
	}
	var sessions map[string]SessionState
	if w.RIB != nil {
		sessions = w.RIB.Sessions
	} else {
		sessions = w.assumedSessions()
	}
	for name, p := range w.TransitGatewayConnectPeers {
		for i := range p.Status.Sessions {
			p.Status.Sessions[i].take(p, sessions[ConnectSessionName(name, i+1)], w.connectFault(p))
		}
	}
}

// connectFault is what has AWS's end of a tunnel down, or "".
func (w *World) connectFault(p *TransitGatewayConnectPeer) string {
	a := w.TransitGatewayAttachments[p.Attachment]
	if a == nil {
		return "its attachment does not exist"
	}
	if state := cmp.Or(a.State, AttachmentAvailable); state != AttachmentAvailable {
		return fmt.Sprintf("its attachment is %s", state)
	}
	return cmp.Or(p.Status.Fault, a.Status.Fault)
}

// take notes what a session is doing.
func (s *ConnectSession) take(p *TransitGatewayConnectPeer, state SessionState, fault string) {
	s.State, s.Reason, s.Learned, s.AcceptedRouteCount = TunnelDown, cmp.Or(fault, state.Reason, "the BGP session is not established"), nil, 0
	if !state.Up || fault != "" {
		return
	}
	s.State, s.Reason, s.Learned = TunnelUp, "", state.Learned
	for i := range s.Learned {
		if p.usable(&s.Learned[i]) {
			s.AcceptedRouteCount++
		}
	}
}
