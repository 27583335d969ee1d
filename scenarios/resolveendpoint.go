package scenarios

import (
	"net/netip"

	"github.com/vpcsim/vpcsim/control"
)

// managed are the network interfaces of an interface endpoint or a load balancer.
func managed(w *control.World, name string) []control.ManagedInterface {
	if e := w.VPCEndpoints[name]; e != nil {
		return e.Status.Interfaces
	}
	if b := w.LoadBalancers[name]; b != nil {
		return b.Status.Nodes
	}
	return nil
}

// endpointAddress is the one that a program would use that prefers its own zone, as
// the zonal names allow: the sender's, else the first.
func endpointAddress(w *control.World, c *control.Check, list []control.ManagedInterface) (netip.Addr, error) {
	chosen := &list[0]
	if n := interfaceNamed(w, c.From); n != nil {
		for i := range list {
			if s := w.Subnets[n.Subnet]; s != nil && s.Status.AvailabilityZone == list[i].AvailabilityZone {
				chosen = &list[i]
				break
			}
		}
	}
	return oneOf(c, chosen.PrivateIP, chosen.IPv6)
}

// managedSources are all addresses of the family of to: which node a connection goes
// by is the network's business.
func managedSources(list []control.ManagedInterface, to netip.Addr) (addresses []netip.Addr) {
	for i := range list {
		for _, a := range []netip.Addr{list[i].PrivateIP, list[i].IPv6} {
			if a.IsValid() && a.Is4() == to.Is4() {
				addresses = append(addresses, a)
			}
		}
	}
	return addresses
}
