package services

import (
	"slices"
	"strings"

	"github.com/vpcsim/vpcsim/control"
)

// addAWSServices makes the names of AWS's services known, and all below them, such
// as those of buckets. They are public: every VPC gets the same addresses, and it is
// the route that makes the difference (E8).
func (d *Directory) addAWSServices(w *control.World) {
	for _, s := range w.AWSServices {
		for i, name := range s.Status.DNSNames {
			m := found(name, s.Status.IP)
			if i > 0 { // a dual-stack name
				m.addresses = append(m.addresses, s.Status.IPv6)
			}
			d.awsServices = append(d.awsServices, m)
		}
	}
	slices.SortFunc(d.awsServices, func(a, b meaning) int { return strings.Compare(a.zone, b.zone) })
}

// awsService is what a name of a service means, or one below it.
func (d *Directory) awsService(name string) (meaning, bool) {
	for _, m := range d.awsServices {
		if name == m.zone || strings.HasSuffix(name, "."+m.zone) {
			return m, true
		}
	}
	return meaning{}, false
}
