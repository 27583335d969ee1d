package dataplane

import (
	"net/netip"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// LoadBalancer is a Network Load Balancer as control hands it over, as far as
// endpoint services need one: what comes to it comes by VPC endpoints.
type LoadBalancer struct {
	Object
	// SecurityGroups judge what endpoints bring by the consumers' addresses, unless
	// IgnorePrivateLink (E20), and what goes to targets. Nil: it has none.
	SecurityGroups    []Handle
	IgnorePrivateLink bool
	Nodes             []LoadBalancerNode
}

// LoadBalancerNode is the load balancer in one Availability Zone: a network
// interface, whose address targets see (E19).
type LoadBalancerNode struct {
	Object
	Subnet    Handle
	MAC       packet.MAC
	Addresses []netip.Addr
	Listeners []Listener
}

// Listener hands connections to a port of the load balancer to one of its targets.
type Listener struct {
	Protocol uint8 // TCP or UDP
	Port     uint16
	Targets  []LoadBalancerTarget // those in service that this node uses
}

// LoadBalancerTarget is an address and port in reach of the node.
type LoadBalancerTarget struct {
	Address netip.Addr
	Port    uint16
}

// loadBalancerNode is what the place of its interface leads to. Health of targets is
// control's to know: those out of service are not in the snapshot.
type loadBalancerNode struct {
	ignorePrivateLink bool
	listeners         []listener
}

type listener struct {
	protocol uint8
	port     uint16
	targets  []target
}

type target struct {
	address packet.Addr
	port    uint16
}

// proxyTimeouts are a Network Load Balancer's: 350 s for TCP, 120 s for UDP.
var proxyTimeouts = Timeouts{TCPEstablished: 350e9, TCPHalfOpen: 350e9, TCPClosed: 10e9, UDP: 120e9, UDPStream: 120e9, ICMP: 120e9, Other: 120e9}

// privateLink takes a packet from an endpoint's interface to a target of the service,
// through a load balancer node in the provider's VPC. Addresses of neither VPC mean
// anything in the other: both sides' change (E18), and what the provider sees is the
// node (E19).
func (w *Walk) privateLink(index uint32) Hop {
	ni := &w.snap.interfaces[index]
	// The endpoint's interface is part of the key: consumers may have the same
	// addresses and ports.
	key := tupleFlowKey(ni.handle, &w.tuple, w.icmpType, egress)
	mapping, place, found := w.findMapping(&key)
	if !found {
		// A balancer is a proxy: without its own state there is nothing to go on with.
		if w.tuple.Proto == packet.ProtoTCP && !opens(&w.pkt) {
			return w.drop(StageVPCEndpoint, ReasonNATExpired, ni.handle, 0) // idle for too long: reset
		}
		if mapping = w.proposeProxied(ni, &key); mapping == nil {
			return Hop{}
		}
	}
	node := w.snap.interfaceOf(uint32(mapping.node))
	if node < 0 { // the load balancer went, and the connection's state with it
		return w.drop(StageVPCEndpoint, ReasonNATExpired, ni.handle, 0)
	}
	w.noteMapping(mapping, place, found, egress)
	w.pass(StageVPCEndpoint, ReasonService, ni.gateway, 0)
	n := &w.snap.interfaces[node]
	if !w.moveTo(w.snap.subnets[n.subnet].zone) {
		return Hop{}
	}
	w.tuple.Src, w.tuple.SrcPort, w.tuple.Dst, w.tuple.DstPort = mapping.address, mapping.port, mapping.target, mapping.targetPort
	w.translated(StageLoadBalancer, ReasonNATOut, n.gateway)
	// From here on the node is who sends: the provider's groups may name its groups,
	// and nothing of the way so far counts (S49).
	w.origin, w.crossed = node, 0
	return w.sendOn(uint32(node))
}

// proposeProxied chooses a node, a target and a port for a new connection; nil if
// something is in its way.
func (w *Walk) proposeProxied(ni *networkInterface, key *flowKey) *natMapping {
	nodes := w.snap.endpointInterfaces[ni.place].nodes
	if len(nodes) == 0 {
		w.drop(StageVPCEndpoint, ReasonNoTarget, ni.gateway, 0)
		return nil
	}
	index := nodes[w.pick(len(nodes), uint64(ni.handle))]
	n := &w.snap.interfaces[index]
	balancer := &w.snap.loadBalancerNodes[n.place]
	l := balancer.listener(w.tuple.Proto, w.tuple.DstPort)
	switch {
	case l == nil:
		w.drop(StageLoadBalancer, ReasonNoListener, n.gateway, 0)
		return nil
	// Asked about new connections only: the mapping is what is remembered of those
	// that were let in, as tracking is elsewhere (S23).
	case n.groups != nil && !balancer.ignorePrivateLink && n.groups.find(ingress, w.tuple.Src, w.tuple.Proto, w.tuple.DstPort, 0) == nil:
		w.drop(StageLoadBalancer, ReasonNoRule, n.gateway, 0) // E20
		return nil
	}
	to, ok := w.chooseTarget(l)
	if !ok {
		w.drop(StageLoadBalancer, ReasonNoTarget, n.gateway, 0)
		return nil
	}
	// The node's own port, so that the answer finds its way: it is unique per node,
	// target and protocol, which bounds the connections as on AWS.
	return w.proposeMapping(n, natMapping{key: *key, node: n.handle, target: to.address, targetPort: to.port})
}

// pick is one of n, the same for every packet of a flow.
func (w *Walk) pick(n int, salt uint64) int { return int(mix(w.flowHash()^salt) % uint64(n)) }

// chooseTarget spreads flows over the targets of the packet's family. The one that
// wins keeps its flows when others come and go.
func (w *Walk) chooseTarget(l *listener) (chosen target, ok bool) {
	flow, highest := w.flowHash(), uint64(0)
	for _, t := range l.targets {
		if t.address.Is4() != w.tuple.Dst.Is4() {
			continue
		}
		if weight := mix(flow ^ mix(t.address.Hi^mix(t.address.Lo^uint64(t.port)<<48))); !ok || weight > highest {
			chosen, highest, ok = t, weight, true
		}
	}
	return chosen, ok
}

// enterLoadBalancer takes a packet that reached a node's interface: an answer of a
// target goes back to the endpoint that asked. It takes nothing else: that clients
// call a load balancer directly is not emulated.
func (w *Walk) enterLoadBalancer(index uint32) Hop {
	ni := &w.snap.interfaces[index]
	w.reaches(index)
	if !w.enterSubnet(ni) || ni.groups != nil && !w.securityGroups(ni, ingress) {
		return Hop{}
	}
	key := tupleFlowKey(ni.handle, &w.tuple, w.icmpType, ingress)
	mapping, place, found := w.findMappingIn(&key)
	back := -1
	if found {
		back = w.snap.interfaceOf(uint32(mapping.key.owner()))
	}
	if back < 0 || w.snap.interfaces[back].kind != KindVPCEndpointInterface {
		return w.drop(StageLoadBalancer, ReasonNATNoMapping, ni.gateway, 0)
	}
	// The answer counts for the idle time too, and closes what both sides closed.
	w.noteMapping(mapping, place, found, ingress)
	e := &w.snap.interfaces[back]
	if !w.moveTo(w.snap.subnets[e.subnet].zone) {
		return Hop{}
	}
	// Nothing of the provider's stays in the packet, neither address nor port (E18).
	k := &mapping.key
	w.tuple.Src, w.tuple.SrcPort, w.tuple.Dst, w.tuple.DstPort = k.remote, k.remotePort, k.local, k.localPort
	w.translated(StageLoadBalancer, ReasonNATIn, ni.gateway)
	return w.outOfEndpoint(uint32(back))
}

func (n *loadBalancerNode) listener(protocol uint8, port uint16) *listener {
	for i := range n.listeners {
		if l := &n.listeners[i]; l.protocol == protocol && l.port == port {
			return l
		}
	}
	return nil
}
