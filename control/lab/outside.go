package lab

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/dataplane"
)

// outside is a machine that is in no VPC: a host of the Internet, a service of AWS's
// there, a client of Client VPN, a site's router, or a host behind it.
type outside struct {
	// addresses are those by which it is known; a client's is the one in its tunnel,
	// and its machine has internetIPs beside.
	addresses   []netip.Addr
	internetIPs []netip.Addr
	handle      uint32 // of its interface to the Internet
	serve       []control.Service
	run         []string
	// site is the name of the site that a host is at; "" for what is on the
	// Internet itself.
	site string
	// client is the name of a client's endpoint, "" for everything else.
	client string
	// untranslated is set for a client of an endpoint at a transit gateway: whoever has a
	// route there knows it by its own address.
	untranslated bool
}

// outsideMachine is the machine called name, if there is one outside of AWS.
func outsideMachine(w *control.World, name string) (outside, bool) {
	if h := w.InternetHosts[name]; h != nil {
		return outside{addresses: valid(h.IP, h.Status.IPv6), handle: h.Status.Handle, serve: h.Serve, run: h.Run}, true
	}
	if h := w.SiteHosts[name]; h != nil {
		return outside{addresses: valid(h.Status.IP, h.Status.IPv6), handle: h.Status.Handle, serve: h.Serve, run: h.Run, site: h.Site}, true
	}
	if s := w.AWSServices[name]; s != nil {
		return outside{addresses: valid(s.Status.IP, s.Status.IPv6), handle: s.Status.Handle}, true
	}
	if s := w.Sites[name]; s != nil {
		return outside{addresses: valid(s.Status.PublicIP, s.Status.IPv6), handle: s.Status.Handle}, true
	}
	if c := w.VPNClients[name]; c != nil {
		s := &c.Status
		return outside{
			addresses: s.Addresses(), internetIPs: s.InternetAddresses(), handle: s.InternetHandle, serve: c.Serve, run: c.Run,
			client: c.Endpoint, untranslated: w.AtTransitGateway(name),
		}, true
	}
	return outside{}, false
}

// known reports whether somebody who connects to a Client VPN endpoint, or to "", knows
// the machine by address a: a client's own is its endpoint's to know (C9), unless
// that is at a transit gateway (C11).
func (m *outside) known(a netip.Addr, from string) bool {
	return slices.Contains(m.internetIPs, a) || (m.client == "" || m.untranslated || m.client == from) && slices.Contains(m.addresses, a)
}

// outsideNames are sorted.
func outsideNames(w *control.World) []string {
	return slices.Sorted(func(yield func(string) bool) {
		for _, names := range [][]string{
			slices.Collect(maps.Keys(w.InternetHosts)), slices.Collect(maps.Keys(w.SiteHosts)), slices.Collect(maps.Keys(w.Sites)),
			slices.Collect(maps.Keys(w.VPNClients)),
			slices.Collect(maps.Keys(w.AWSServices)),
		} {
			for _, name := range names {
				if !yield(name) {
					return
				}
			}
		}
	})
}

// absent reports that the machine is not there: a fault has it down, or it is not one
// of the lab's.
func absent(w *control.World, name string) bool {
	if h := w.SiteHosts[name]; h != nil {
		return h.Status.Fault != ""
	}
	if c := w.VPNClients[name]; c != nil {
		return !c.Status.InLab
	}
	s := w.Sites[name]
	return s != nil && s.Status.Fault != ""
}

// tunnelHandles are the insides of the tunnels that end at a site: what its hosts
// send comes out of them.
func tunnelHandles(w *control.World, site string) []dataplane.Handle {
	var list []dataplane.Handle
	for _, t := range customerTunnels(w, site) {
		list = append(list, dataplane.Handle(t.Handle))
	}
	return list
}
