package lab

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/host"
	"github.com/vpcsim/vpcsim/control/services"
	"github.com/vpcsim/vpcsim/dataplane"
)

// front is a node in which a service of AWS's answers: one on the Internet, and one
// for each gateway endpoint. VPCs may overlap, and the service has to see private
// addresses as they are, so every endpoint has a network stack of its own; a
// connection cannot move from one to the other when a route changes, and ends, as
// AWS says it does (E6).
type front struct {
	host.Node
	services.Front
}

// endpointMTU is what endpoints carry, in bytes (E24).
const endpointMTU = 8500

// fronts are those of a world, in a fixed order.
func fronts(w *control.World) (list []front) {
	for _, name := range slices.Sorted(maps.Keys(w.AWSServices)) {
		s := &w.AWSServices[name].Status
		list = append(list, newFront(nodeName(w, name), name, s, s.Handle, internetMTU))
	}
	for _, name := range slices.Sorted(maps.Keys(w.VPCEndpoints)) {
		e := w.VPCEndpoints[name]
		for _, service := range slices.Sorted(maps.Keys(w.AWSServices)) {
			s := &w.AWSServices[service].Status
			if s.ServiceName != e.Status.ServiceName {
				continue
			}
			f := newFront(endpointNode(name, e.Status.Handle), service, s, e.Status.Handle, endpointMTU)
			f.EndpointID, f.VPCID = e.Status.ID, w.VPCs[e.VPC].Status.ID
			list = append(list, f)
		}
	}
	return list
}

// endpointNode is the name of an endpoint's node: no machine has a slash in its own.
func endpointNode(name string, handle uint32) string {
	return fmt.Sprintf("vpcEndpoint/%s#%d", name, handle)
}

// newFront is a node with the service's own addresses on one interface, whose
// router is the core.
func newFront(node, service string, s *control.AWSServiceStatus, handle uint32, mtu int) front {
	i := host.Interface{
		Link: handle, Name: "eth0", MTU: mtu, MAC: dataplane.InterfaceMAC(dataplane.Handle(handle)),
		Gateways: []netip.Addr{dataplane.InternetRouter4, dataplane.InternetRouter6},
	}
	for _, a := range []netip.Addr{s.IP, s.IPv6} {
		i.Addresses = append(i.Addresses, netip.PrefixFrom(a, a.BitLen()))
	}
	return front{host.Node{Name: node, Hostname: service, Interfaces: []host.Interface{i}}, services.Front{Service: service}}
}

// frontNodes are the nodes alone.
func frontNodes(w *control.World) (list []host.Node) {
	for _, f := range fronts(w) {
		list = append(list, f.Node)
	}
	return list
}

// frontBehind is the endpoint's node whose interface has the handle, "" if none has.
func frontBehind(w *control.World, handle dataplane.Handle) string {
	for name, e := range w.VPCEndpoints {
		if dataplane.Handle(e.Status.Handle) == handle {
			return endpointNode(name, e.Status.Handle)
		}
	}
	return ""
}
