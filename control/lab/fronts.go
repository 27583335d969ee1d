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

// front is a node in which a service of AWS's answers: one on the Internet, one for
// each gateway endpoint, and one for each interface of an interface endpoint. VPCs may overlap, and the service has to see private
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
		list = append(list, newFront(nodeName(w, name), name, s.Handle, internetMTU, s.IP, s.IPv6))
	}
	for _, name := range slices.Sorted(maps.Keys(w.VPCEndpoints)) {
		e := w.VPCEndpoints[name]
		for _, service := range slices.Sorted(maps.Keys(w.AWSServices)) {
			s := &w.AWSServices[service].Status
			if s.ServiceName == e.Status.ServiceName {
				list = append(list, endpointFronts(w, name, e, service, s)...)
			}
		}
	}
	return list
}

// endpointFronts are the nodes of one endpoint to a service of AWS's. Behind the
// interfaces of an interface endpoint the service has their addresses.
func endpointFronts(w *control.World, name string, e *control.VPCEndpoint, service string, s *control.AWSServiceStatus) (list []front) {
	if e.Status.Type == control.EndpointInterface {
		for i := range e.Status.Interfaces {
			n := &e.Status.Interfaces[i]
			list = append(list, newFront(endpointNode(name, n.Handle), service, n.Handle, endpointMTU, n.PrivateIP, n.IPv6))
		}
	} else {
		list = []front{newFront(endpointNode(name, e.Status.Handle), service, e.Status.Handle, endpointMTU, s.IP, s.IPv6)}
	}
	for i := range list {
		list[i].EndpointID, list[i].VPCID = e.Status.ID, w.VPCs[e.VPC].Status.ID
	}
	return list
}

// endpointNode is the name of an endpoint's node: no machine has a slash in its own.
func endpointNode(name string, handle uint32) string {
	return fmt.Sprintf("vpcEndpoint/%s#%d", name, handle)
}

// newFront is a node with these addresses on one interface, whose router is the core.
func newFront(node, service string, handle uint32, mtu int, addresses ...netip.Addr) front {
	i := host.Interface{
		Link: handle, Name: "eth0", MTU: mtu, MAC: dataplane.InterfaceMAC(dataplane.Handle(handle)),
		Gateways: []netip.Addr{dataplane.InternetRouter4, dataplane.InternetRouter6},
	}
	for _, a := range valid(addresses...) {
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
		for i := range e.Status.Interfaces {
			if n := &e.Status.Interfaces[i]; dataplane.Handle(n.Handle) == handle {
				return endpointNode(name, n.Handle)
			}
		}
	}
	return ""
}

// atEndpoint reports that an address is one of an interface endpoint's.
func atEndpoint(w *control.World, a netip.Addr) bool {
	for _, e := range w.VPCEndpoints {
		for i := range e.Status.Interfaces {
			if n := &e.Status.Interfaces[i]; n.PrivateIP == a || n.IPv6 == a {
				return true
			}
		}
	}
	return false
}

// endpointAddress is an interface endpoint's address for a sender: in the sender's
// own Availability Zone if it has one there, else its first.
func endpointAddress(w *control.World, from *sender, name string, e *control.VPCEndpoint, family control.Family) (netip.Addr, error) {
	chosen := &e.Status.Interfaces[0]
	if n := w.NetworkInterfaces[interfaceName(w, from.Node)]; n != nil && w.Subnets[n.Subnet] != nil {
		for i := range e.Status.Interfaces {
			if e.Status.Interfaces[i].AvailabilityZone == w.Subnets[n.Subnet].Status.AvailabilityZone {
				chosen = &e.Status.Interfaces[i]
				break
			}
		}
	}
	a := chosen.PrivateIP
	if family == control.IPv6 {
		a = chosen.IPv6
	}
	if !a.IsValid() {
		return a, &UsageError{fmt.Sprintf("%s has no %s address", name, max(family, control.IPv4)), "write ipAddressType: dualstack, or use the other family"}
	}
	return a, nil
}
