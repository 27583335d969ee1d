package lab

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/dataplane"
)

// outside is a machine that is not in AWS: a host of the Internet, a site's router,
// or a host behind it.
type outside struct {
	addresses []netip.Addr
	handle    uint32 // of its interface
	serve     []control.Service
	run       []string
	// site is the name of the site that a host is at; "" for what is on the
	// Internet itself.
	site string
}

// outsideMachine is the machine called name, if there is one outside of AWS.
func outsideMachine(w *control.World, name string) (outside, bool) {
	if h := w.InternetHosts[name]; h != nil {
		return outside{addresses: valid(h.IP, h.Status.IPv6), handle: h.Status.Handle, serve: h.Serve, run: h.Run}, true
	}
	if h := w.SiteHosts[name]; h != nil {
		return outside{addresses: valid(h.Status.IP, h.Status.IPv6), handle: h.Status.Handle, serve: h.Serve, run: h.Run, site: h.Site}, true
	}
	if s := w.Sites[name]; s != nil {
		return outside{addresses: valid(s.Status.PublicIP, s.Status.IPv6), handle: s.Status.Handle}, true
	}
	return outside{}, false
}

// outsideNames are sorted.
func outsideNames(w *control.World) []string {
	return slices.Sorted(func(yield func(string) bool) {
		for _, names := range [][]string{
			slices.Collect(maps.Keys(w.InternetHosts)), slices.Collect(maps.Keys(w.SiteHosts)), slices.Collect(maps.Keys(w.Sites)),
		} {
			for _, name := range names {
				if !yield(name) {
					return
				}
			}
		}
	})
}

// downOutside reports that a fault has the machine down.
func downOutside(w *control.World, name string) bool {
	if h := w.SiteHosts[name]; h != nil {
		return h.Status.Fault != ""
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
