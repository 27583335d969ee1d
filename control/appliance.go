package control

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
)

// Appliance makes an instance a router, as SD-WAN appliances are: the lab gives it a
// GRE tunnel for every Connect peer whose peerAddress it has, and it speaks BGP there.
type Appliance struct {
	// Networks behind the appliance, IPv4 and IPv6, which it announces by BGP. It has
	// the first address of each itself.
	Networks []netip.Prefix `json:"networks,omitempty"`
	// Autonomous system number; the peerAsn of its Connect peers unless written.
	ASN ASN `json:"asn,omitempty"`
	// What routes: builtin, or a real routing daemon of the machine's, bird or frr;
	// builtin unless written.
	Router Router `json:"router,omitempty"`
}

// ApplianceStatus is what the lab makes of an appliance.
type ApplianceStatus struct {
	ASN    ASN    `json:"asn"`
	Router Router `json:"router"`
	// LAN are its own addresses in its networks, each with the length of the network.
	// A network of its VPC has none: the interfaces are there.
	LAN []netip.Prefix `json:"lan"`
	// ConnectPeers are those that end at it, sorted.
	ConnectPeers []string `json:"connectPeers"`
}

// routes reports whether the instance's own kernel forwards packets.
func (i *Instance) routes() bool { return i.Forward || i.Appliance != nil }

// computeAppliance settles what follows from the document and the instance's
// addresses.
func (i *Instance) computeAppliance(w *World, name string) {
	i.Status.Appliance = nil
	if i.Appliance == nil {
		return
	}
	s := &ApplianceStatus{ASN: i.Appliance.ASN, Router: cmp.Or(i.Appliance.Router, RouterBuiltin), LAN: []netip.Prefix{}, ConnectPeers: []string{}}
	for _, peer := range sorted(w.TransitGatewayConnectPeers) {
		if p := w.TransitGatewayConnectPeers[peer]; p.Status.Instance == name {
			s.ConnectPeers = append(s.ConnectPeers, peer)
			s.ASN = cmp.Or(s.ASN, p.Status.PeerASN)
		}
	}
	s.ASN = cmp.Or(s.ASN, defaultCustomerASN)
	var own []netip.Prefix
	if subnet := w.Subnets[i.Subnet]; subnet != nil && w.VPCs[subnet.VPC] != nil {
		own = w.VPCs[subnet.VPC].blocks()
	}
	for _, network := range i.Appliance.Networks {
		if network.IsValid() && hasLAN(network) && !overlapsAny(own, network) && !overlapsAny(notAtASite, network) {
			s.LAN = append(s.LAN, netip.PrefixFrom(network.Masked().Addr().Next(), network.Bits()))
		}
	}
	i.Status.Appliance = s
}

// validate checks the networks as those of a site are.
func (a *Appliance) validate(v *validation, path string) {
	for i, network := range a.Networks {
		at := index(field(path, "networks"), i)
		summary := !network.IsValid() || network.Bits() < 8
		switch earlier := a.Networks[:i]; {
		case !summary && overlapsAny(notAtASite, network):
			v.reportf(at, "", "use another block", "%s cannot be a network behind an appliance", network)
		case slices.Contains(earlier, network):
			v.reportf(at, "", "remove one", "network %s is in the list twice", network)
		}
	}
}

// assumedSession is what a session does in a world without a live one.
func (w *World) assumedSession(p *TransitGatewayConnectPeer) (s SessionState) {
	i := w.Instances[p.Status.Instance]
	switch {
	case i == nil:
		return SessionState{Reason: fmt.Sprintf("nobody in the transport VPC has the address %s", p.PeerAddress)}
	case i.Down():
		return SessionState{Reason: fmt.Sprintf("instance %s is down: %s", p.Status.Instance, cmp.Or(i.Status.Fault, "it is stopped"))}
	case i.Appliance == nil:
		return SessionState{Reason: fmt.Sprintf("nobody speaks BGP on instance %s: write appliance: {networks: […]} there", p.Status.Instance)}
	case i.Status.Appliance.ASN != p.Status.PeerASN:
		return SessionState{Reason: fmt.Sprintf("the appliance is in AS %s, and the Connect peer says %s", i.Status.Appliance.ASN, p.Status.PeerASN)}
	}
	if forward, reverse := w.cut(p.Status.Instance); forward || reverse {
		return SessionState{Reason: "BGP's hold timer: " + w.linkFault(p.Status.Instance)}
	}
	for _, network := range i.Appliance.Networks {
		if !p.carries(network) {
			continue
		}
		r := BGPRoute{Prefix: network}
		if !p.internal() { // within an AS its number is not in the path
			r.ASPath = []ASN{p.Status.PeerASN}
		}
		s.Learned = append(s.Learned, r)
	}
	if n := len(s.Learned); n > p.MaxPrefixes() {
		return SessionState{Reason: fmt.Sprintf("the appliance announces %d prefixes, and AWS takes %d", n, p.MaxPrefixes())}
	}
	s.Up = true
	return s
}

// ApplianceRoutes are the routes into Connect peers that an appliance learns, one per
// destination, by destination: the shorter AS_PATH wins, then the name. Its own
// networks are not among them; nor is what is on the link of an interface of its,
// which a kernel prefers.
func (w *World) ApplianceRoutes(instance string) []SiteRoute {
	i := w.Instances[instance]
	if i == nil || i.Status.Appliance == nil {
		return nil
	}
	best := bestSiteRoutes{}
	for _, name := range i.Status.Appliance.ConnectPeers {
		p := w.TransitGatewayConnectPeers[name]
		if !slices.ContainsFunc(p.Status.Sessions, func(s ConnectSession) bool { return s.State == TunnelUp }) {
			continue
		}
		for _, r := range w.announcedToAppliance(name, p) {
			route := SiteRoute{Destination: r.Prefix, Tunnel: name, Type: RouteBGP, ASPath: r.ASPath}
			if !p.internal() {
				route.ASPath = append([]ASN{p.Status.AmazonASN}, r.ASPath...)
			}
			if slices.Contains(route.ASPath, i.Status.Appliance.ASN) || slices.Contains(i.Appliance.Networks, r.Prefix) {
				continue
			}
			best.offer(route)
		}
	}
	return best.routes()
}

// ApplianceTunnel is the Connect peer that an appliance sends what is for an address
// into, "" if it goes out by an interface of the instance's.
func (w *World) ApplianceTunnel(instance string, to netip.Addr) string {
	routes := w.ApplianceRoutes(instance)
	if len(routes) == 0 {
		return ""
	}
	for _, spec := range w.Instances[instance].interfaceSpecs() {
		if s := w.Subnets[spec.Subnet]; s != nil && (s.CIDR.Contains(to) || s.Status.IPv6CIDR.Contains(to)) {
			return ""
		}
	}
	return SiteTunnel(routes, to)
}

// ApplianceAt is the appliance that has an address in a network behind it, "" if none
// has that runs; of several the first by name.
func (w *World) ApplianceAt(a netip.Addr) string {
	for _, name := range sorted(w.Instances) {
		i := w.Instances[name]
		if i.Status.Appliance != nil && !i.Down() && slices.ContainsFunc(i.Status.Appliance.LAN, func(own netip.Prefix) bool { return own.Addr() == a }) {
			return name
		}
	}
	return ""
}

// ApplianceAddress is the address that an appliance's own packets into a tunnel come
// from, of the family of to; invalid if it has none.
func (w *World) ApplianceAddress(instance string, to netip.Addr) netip.Addr {
	if i := w.Instances[instance]; i != nil && i.Status.Appliance != nil {
		for _, own := range i.Status.Appliance.LAN {
			if own.Addr().Is4() == to.Is4() {
				return own.Addr()
			}
		}
	}
	return netip.Addr{}
}
