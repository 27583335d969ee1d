package control

import (
	"cmp"
	"net/netip"
	"slices"
)

// connectRoute is what is known of a destination by a Connect peer, from either of its
// sessions.
type connectRoute struct {
	BGPRoute
	attachment, peer string
	internal         bool
}

// better is negative if a transit gateway takes r rather than other (T6): the shorter
// AS_PATH, the lower MED, of which a missing one counts as 100, and eBGP before iBGP.
func (r *connectRoute) better(other *connectRoute) int {
	rank := func(internal bool) int {
		if internal {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(len(r.ASPath), len(other.ASPath)), cmp.Compare(medOrDefault(r.MED), medOrDefault(other.MED)),
		rank(r.internal)-rank(other.internal))
}

// connectRoutes are what Connect peers bring to a transit gateway's table (T5). Those
// of equal cost and with the same AS_PATH share the traffic, of one attachment and of
// several; the two sessions of a peer are one way (T15).
func (t *TransitGatewayRouteTable) connectRoutes(w *World, add func(TransitGatewayRoute)) {
	known := map[netip.Prefix][]connectRoute{}
	for _, attachment := range slices.Sorted(slices.Values(t.Status.Propagations)) {
		for _, peer := range w.connectPeersOf(attachment) {
			p := w.TransitGatewayConnectPeers[peer]
			for i := range p.Status.Sessions {
				for _, r := range p.Status.Sessions[i].Learned {
					if p.usable(&r) {
						known[r.Prefix.Masked()] = append(known[r.Prefix.Masked()], connectRoute{r, attachment, peer, p.internal()})
					}
				}
			}
		}
	}
	for p, routes := range known {
		best := &routes[0]
		for i := range routes[1:] {
			if r := &routes[i+1]; r.better(best) < 0 {
				best = r
			}
		}
		out := TransitGatewayRoute{Destination: p, Attachment: best.attachment, Type: RoutePropagated, State: RouteActive, ASPath: best.ASPath}
		for i := range routes {
			r := &routes[i]
			if r.better(best) != 0 || !slices.Equal(r.ASPath, best.ASPath) {
				continue
			}
			if !slices.Contains(out.ConnectPeers, r.peer) {
				out.ConnectPeers = append(out.ConnectPeers, r.peer)
			}
			if !slices.Contains(out.Attachments, r.attachment) {
				out.Attachments = append(out.Attachments, r.attachment)
			}
		}
		if len(out.Attachments) == 1 {
			out.Attachments = nil
		}
		add(out)
	}
}

// connectPeersOf are the Connect peers of an attachment, sorted.
func (w *World) connectPeersOf(attachment string) (names []string) {
	for _, name := range sorted(w.TransitGatewayConnectPeers) {
		if w.TransitGatewayConnectPeers[name].Attachment == attachment {
			names = append(names, name)
		}
	}
	return names
}

// ConnectAnnouncements are what AWS announces in the sessions of Connect peers, by the
// peer, sorted by prefix. Both sessions say the same, and no MED. AS_PATHs are as
// Announcements has them.
func (w *World) ConnectAnnouncements() map[string][]BGPRoute {
	all := map[string][]BGPRoute{}
	for name, p := range w.TransitGatewayConnectPeers {
		all[name] = w.announcedToAppliance(name, p)
	}
	return all
}

// announcedToAppliance is what the table knows that the attachment is associated with,
// but for what leads back to the peer, blackholes (V14), and within one AS what came by
// iBGP, which BGP passes on to nobody inside.
func (w *World) announcedToAppliance(name string, p *TransitGatewayConnectPeer) (routes []BGPRoute) {
	a := w.TransitGatewayAttachments[p.Attachment]
	if a == nil || !a.available() || w.TransitGatewayRouteTables[a.Status.Association] == nil {
		return nil
	}
	for i := range w.TransitGatewayRouteTables[a.Status.Association].Status.Routes { // they are sorted
		r := &w.TransitGatewayRouteTables[a.Status.Association].Status.Routes[i]
		byIBGP := slices.ContainsFunc(r.ConnectPeers, func(peer string) bool { return w.TransitGatewayConnectPeers[peer].internal() })
		if r.State == RouteActive && !slices.Contains(r.ConnectPeers, name) && !(byIBGP && p.internal()) && p.carries(r.Destination) &&
			len(routes) < mostToCustomerTransit {
			routes = append(routes, BGPRoute{Prefix: r.Destination, ASPath: r.ASPath})
		}
	}
	return routes
}
