package control

import (
	"fmt"
	"net/netip"
)

// clientVPNDemands asks for an address of each target network.
func (a *allocation) clientVPNDemands(name string, v4 map[string]*pool) (demands []*demand) {
	e := a.w.ClientVPNEndpoints[name]
	for i := range e.Status.Associations {
		s := &e.Status.Associations[i]
		if s.PrivateIP = (netip.Addr{}); !e.TrafficIPAddressType.ipv4() || s.Subnet == "" {
			continue
		}
		var had netip.Addr
		if old := a.previous.clientVPNAssociation(name, s.Subnet); old != nil {
			had = old.PrivateIP
		}
		demands = append(demands, &demand{
			pool: v4[s.Subnet], got: make([]netip.Addr, 1), had: []netip.Addr{had},
			settle: func(got []netip.Addr) { s.PrivateIP = first(got) }, // Validate says when there is none
		})
	}
	return demands
}

// clientVPNPublic gives clients' machines the public addresses that the file writes,
// and returns the wishes for others: of machines, of what clients call, and of the
// interfaces in VPCs with an internet gateway (C8).
func (a *allocation) clientVPNPublic() (open []publicDemand) {
	for _, name := range sorted(a.w.ClientVPNEndpoints) {
		e, path := a.w.ClientVPNEndpoints[name], field("clientVpnEndpoints", name)
		vpc := a.w.VPCs[e.Status.VPC]
		for i := range e.Status.Associations {
			s := &e.Status.Associations[i]
			var had ClientVPNAssociation
			if old := a.previous.clientVPNAssociation(name, s.Place()); old != nil {
				had = *old
			}
			s.OutsideIP, s.PublicIP = netip.Addr{}, netip.Addr{}
			if e.EndpointIPAddressType.ipv4() {
				open = append(open, publicDemand{path: path, had: had.OutsideIP, settle: func(ip netip.Addr) { s.OutsideIP = ip }})
			}
			if vpc != nil && vpc.Status.InternetGateway != "" && s.PrivateIP.IsValid() {
				open = append(open, publicDemand{path: path, had: had.PublicIP, settle: func(ip netip.Addr) { s.PublicIP = ip }})
			}
		}
	}
	for _, name := range sorted(a.w.VPNClients) {
		c := a.w.VPNClients[name]
		if c.Status.InternetIP = c.InternetIP; c.InternetIP.IsValid() || !c.Status.InLab {
			continue // it is among taken
		}
		d := publicDemand{path: field("vpnClients", name), settle: func(ip netip.Addr) { c.Status.InternetIP = ip }}
		if old := a.previous.VPNClients[name]; old != nil && !old.InternetIP.IsValid() {
			d.had = old.Status.InternetIP
		}
		open = append(open, d)
	}
	return open
}

// vpnClients gives clients their addresses, and the associations that they land on.
func (a *allocation) vpnClients() {
	for _, name := range sorted(a.w.ClientVPNEndpoints) {
		e := a.w.ClientVPNEndpoints[name]
		a.clientAddresses(e)
		a.landClients(e)
		for _, client := range e.Status.Clients {
			a.w.VPNClients[client].Status.IPv6 = netip.Addr{}
		}
		if block := e.Status.IPv6CIDR; block.IsValid() { // at a transit gateway zones have none of their own
			a.clientIPv6Addresses(block, a.w.connected(e))
			continue
		}
		for i := range e.Status.Associations {
			s := &e.Status.Associations[i]
			a.clientIPv6Addresses(s.IPv6CIDR, a.w.landed(e, s.Subnet))
		}
	}
	for _, c := range a.w.VPNClients {
		if a.w.ClientVPNEndpoints[c.Endpoint] == nil { // a bad reference
			c.Status.Address, c.Status.IPv6 = netip.Addr{}, netip.Addr{}
			c.Status.land(nil)
		}
	}
}

// clientAddresses gives each client the lowest free address of the lower half of the
// block; the upper half, and the first two addresses, are the endpoint's (C1). AWS
// does not say which part it keeps.
func (a *allocation) clientAddresses(e *ClientVPNEndpoint) {
	taken := map[netip.Addr]bool{}
	block := e.ClientCIDR
	usable := e.TrafficIPAddressType.ipv4() && block.IsValid() && block.Addr().Is4() && block.Bits() <= narrowestClientCIDR
	half := netip.Prefix{}
	if usable {
		half = netip.PrefixFrom(block.Addr(), block.Bits()+1)
		taken[block.Addr()], taken[block.Addr().Next()] = true, true
	}
	for _, name := range e.Status.Clients {
		c, old := a.w.VPNClients[name], a.previous.VPNClients[name]
		c.Status.Address = netip.Addr{}
		if old == nil || old.Endpoint != c.Endpoint || !usable {
			continue
		}
		if had := old.Status.Address; had.IsValid() && half.Contains(had) && !taken[had] {
			c.Status.Address, taken[had] = had, true
		}
	}
	next := half.Addr()
	for _, name := range e.Status.Clients {
		c := a.w.VPNClients[name]
		if !usable || c.Status.Address.IsValid() {
			continue
		}
		for taken[next] {
			next = next.Next()
		}
		if !half.Contains(next) {
			a.v.report(field("vpnClients", name), "", "the endpoint has no address left for the client",
				fmt.Sprintf("it has those of %s: clients get about half of clientCidr", half))
			return
		}
		c.Status.Address, taken[next] = next, true
	}
}

// landClients spreads clients over the associations that work: one that is connected
// stays where it is (as AWS's clients do), and each other goes where the fewest are,
// which is round robin for those that come at once (C3).
func (a *allocation) landClients(e *ClientVPNEndpoint) {
	count := map[string]int{}
	for _, name := range e.Status.Clients {
		c, old := a.w.VPNClients[name], a.previous.VPNClients[name]
		c.Status.land(nil)
		if old == nil || old.Endpoint != c.Endpoint {
			continue
		}
		if s := e.Status.association(old.Status.Place()); s != nil && s.available() {
			c.Status.land(s)
			count[s.Place()]++
		}
	}
	for _, name := range e.Status.Clients {
		c := a.w.VPNClients[name]
		if c.Status.Place() != "" {
			continue
		}
		var chosen *ClientVPNAssociation
		for i := range e.Status.Associations {
			s := &e.Status.Associations[i]
			if s.available() && (chosen == nil || count[s.Place()] < count[chosen.Place()]) {
				chosen = s
			}
		}
		if c.Status.land(chosen); chosen != nil {
			count[chosen.Place()]++
		}
	}
}
