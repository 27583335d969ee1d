package services

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/vpcsim/vpcsim/control"
)

// addAWSServices makes the names of AWS's services known, and all below them, such
// as those of buckets. They are public: every VPC gets the same addresses, and it is
// the route that makes the difference (E8).
func (d *Directory) addAWSServices(w *control.World, vpcs map[string]*vpc) {
	for _, s := range w.AWSServices {
		for i, name := range s.Status.DNSNames {
			m := found(name, s.Status.IP)
			if i > 0 { // a dual-stack name
				m.addresses = append(m.addresses, s.Status.IPv6)
			}
			d.awsServices = append(d.awsServices, m)
		}
	}
	for _, e := range w.VPCEndpoints {
		d.addInterfaceEndpoint(w, e, vpcs[e.VPC])
	}
	slices.SortFunc(d.awsServices, func(a, b meaning) int { return strings.Compare(a.zone, b.zone) })
}

// addInterfaceEndpoint makes the names of an interface endpoint known: its own to
// everybody, and the service's, where private DNS is on, in its VPC alone (E22).
func (d *Directory) addInterfaceEndpoint(w *control.World, e *control.VPCEndpoint, owner *vpc) {
	var all []netip.Addr
	for i := range e.Status.Interfaces {
		n := &e.Status.Interfaces[i]
		own := slices.DeleteFunc([]netip.Addr{n.PrivateIP, n.IPv6}, func(a netip.Addr) bool { return !a.IsValid() })
		all = append(all, own...)
		if i+1 < len(e.Status.DNSNames) {
			d.awsServices = append(d.awsServices, found(e.Status.DNSNames[i+1], own...))
		}
	}
	if len(e.Status.DNSNames) > 0 {
		d.awsServices = append(d.awsServices, found(e.Status.DNSNames[0], all...))
	}
	if owner == nil || !owner.names() {
		return
	}
	for _, name := range e.PrivateDNSNames(w) {
		owner.private = append(owner.private, found(name, all...))
	}
}

// awsService is what a name of a service means, or one below it: in the asker's VPC
// first what an endpoint there makes of it.
func (d *Directory) awsService(asker *networkInterface, name string) (meaning, bool) {
	for _, list := range [][]meaning{asker.vpc.private, d.awsServices} {
		for _, m := range list {
			if name == m.zone || strings.HasSuffix(name, "."+m.zone) {
				return m, true
			}
		}
	}
	return meaning{}, false
}
