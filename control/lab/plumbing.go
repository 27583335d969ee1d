package lab

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/host"
	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// MTUs in bytes of IP packet: AWS's jumbo frames inside a VPC, Ethernet's
// outside. The internet gateway is where the two meet.
const (
	instanceMTU = 9001
	internetMTU = 1500
)

// plumbing makes the machine look like a world. It implements
// [control.Plumbing].
type plumbing struct{ host *host.Host }

func (p plumbing) Ensure(ctx context.Context, w *control.World) error {
	return p.host.Ensure(ctx, nodes(w))
}

func (p plumbing) Prune(w *control.World) { p.host.Prune(nodes(w)) }

// nodeName is the node of a resource that runs, "" if it does not. Instances and
// Internet hosts share one space of names. The handle in it makes a replaced
// instance a new node, so that nothing of the old one lives on.
func nodeName(w *control.World, name string) string {
	if i := w.Instances[name]; i != nil && !i.Down() {
		return fmt.Sprintf("%s#%d", name, i.Status.Handle)
	}
	if machine, ok := outsideMachine(w, name); ok && !absent(w, name) {
		return fmt.Sprintf("%s#%d", name, machine.handle)
	}
	return ""
}

// nodes are the hosts of a world in force: the platform's services, the
// instances that run, and the machines outside of AWS.
func nodes(w *control.World) []host.Node {
	list := []host.Node{platformHost()}
	for _, name := range slices.Sorted(maps.Keys(w.Instances)) {
		if instance := w.Instances[name]; !instance.Down() {
			list = append(list, instanceNode(w, name, instance))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.InternetHosts)) {
		list = append(list, internetNode(w, name, w.InternetHosts[name]))
	}
	for _, name := range slices.Sorted(maps.Keys(w.VPNClients)) {
		if !absent(w, name) {
			list = append(list, clientNode(w, name, w.VPNClients[name]))
		}
	}
	return append(append(list, siteNodes(w)...), frontNodes(w)...)
}

func instanceNode(w *control.World, name string, instance *control.Instance) host.Node {
	// AWS would call it ip-10-0-1-10; in a lab with several VPCs of the same
	// addresses the user's own name says more.
	node := host.Node{Name: nodeName(w, name), Hostname: name, Forward: instance.Forward || instance.Appliance != nil}
	for i, eni := range instance.Status.NetworkInterfaces {
		n := w.NetworkInterfaces[eni]
		subnet := w.Subnets[n.Subnet]
		node.Interfaces = append(node.Interfaces, instanceInterface(i, n, subnet))
	}
	return node
}

func instanceInterface(index int, n *control.NetworkInterface, subnet *control.Subnet) host.Interface {
	i := host.Interface{
		Link: n.Status.Handle, Name: "eth" + strconv.Itoa(index),
		MAC: packet.MAC(n.Status.MAC), MTU: instanceMTU,
	}
	for _, a := range n.Status.PrivateIPs {
		i.Addresses = append(i.Addresses, netip.PrefixFrom(a, subnet.CIDR.Bits()))
	}
	if len(n.Status.PrivateIPs) > 0 {
		i.Gateways = append(i.Gateways, subnet.CIDR.Masked().Addr().Next()) // A29: base+1 is the router
	}
	for _, a := range n.Status.IPv6s {
		i.Addresses = append(i.Addresses, netip.PrefixFrom(a, a.BitLen()))
	}
	if len(n.Status.IPv6s) > 0 {
		// DHCPv6 hands out a /128; that the subnet is on the link, and who
		// the router is, come with router advertisements (A35).
		i.OnLink = append(i.OnLink, subnet.Status.IPv6CIDR)
		i.Gateways = append(i.Gateways, dataplane.RouterLinkLocal(dataplane.Handle(subnet.Status.Handle)))
	}
	return i
}

// internetNode is a host whose provider routes each address to it by itself:
// nobody else is on its link.
func internetNode(w *control.World, name string, h *control.InternetHost) host.Node {
	i := host.Interface{
		Link: h.Status.Handle, Name: "eth0", MTU: internetMTU,
		MAC: dataplane.InterfaceMAC(dataplane.Handle(h.Status.Handle)),
	}
	for _, end := range []struct{ address, router netip.Addr }{
		{h.IP, dataplane.InternetRouter4}, {h.Status.IPv6, dataplane.InternetRouter6},
	} {
		if end.address.IsValid() {
			i.Addresses = append(i.Addresses, netip.PrefixFrom(end.address, end.address.BitLen()))
			i.Gateways = append(i.Gateways, end.router)
		}
	}
	return host.Node{Name: nodeName(w, name), Hostname: name, Interfaces: []host.Interface{i}}
}
