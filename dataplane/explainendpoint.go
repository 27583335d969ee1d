package dataplane

import (
	"fmt"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// explainEndpoint words what VPC endpoints and load balancers say.
func (s *Snapshot) explainEndpoint(step Step, before, after packet.Tuple) string {
	switch step.Reason {
	case ReasonNotFromItsVPC:
		return fmt.Sprintf("a gateway endpoint serves its own VPC only, and %s is not of %s", after.Src, s.objectOf(Handle(step.Detail)))
	case ReasonNotFromInternet:
		return "the addresses of an endpoint cannot be reached from the Internet"
	// The route covers the service's whole range, in which it has few addresses (E2).
	case ReasonNoHost:
		return fmt.Sprintf("nobody at the service has %s", after.Dst)
	// AWS says the same in no packet: silence is all that a client gets (E16).
	case ReasonEndpointClosed:
		return "the endpoint is not available: it drops what comes to it"
	case ReasonEndpointProtocol:
		return fmt.Sprintf("%s: an interface endpoint carries TCP and UDP only, and answers no ping", protocolName(uint8(step.Detail)))
	case ReasonTooBig:
		return "larger than 8500 bytes: an endpoint drops it and tells nobody"
	// Those of NAT have their words in explainPlace; here nobody thinks of NAT.
	case ReasonNATExpired:
		return "inside a connection the endpoint does not know, or forgot after 350 s: answered with a TCP reset"
	case ReasonNoListener:
		return fmt.Sprintf("no listener for %s/%d", protocolName(after.Proto), after.DstPort)
	case ReasonNoRule:
		return fmt.Sprintf("no ingress rule of its security groups allows %s/%d from %s, and they judge PrivateLink traffic too", protocolName(after.Proto), after.DstPort, after.Src)
	case ReasonNoTarget:
		return "no target in service for it"
	case ReasonTableFull:
		return "no room for another connection: the table is full"
	case ReasonNATPortAllocation:
		return fmt.Sprintf("all ports towards the target are in use for %s", endpoint(after.Dst, after.DstPort, after))
	case ReasonNATNoMapping:
		return "no answer to what an endpoint asked, and a load balancer of this version serves VPC endpoints only"
	case ReasonNATOut:
		return fmt.Sprintf("to target %s, which sees %s", endpoint(after.Dst, after.DstPort, after), endpoint(after.Src, after.SrcPort, after))
	case ReasonNATIn:
		return fmt.Sprintf("from target %s back to %s", endpoint(before.Src, before.SrcPort, before), endpoint(after.Dst, after.DstPort, after))
	}
	return s.explainService(step, after)
}

// explainService says which way a packet passes an endpoint.
func (s *Snapshot) explainService(step Step, t packet.Tuple) string {
	// By search: the step names the endpoint, which may have an interface in each zone,
	// and the packet's addresses say which of them it is at.
	for i := range s.interfaces {
		ni := &s.interfaces[i]
		service := ""
		switch {
		case ni.kind == KindVPCEndpoint && ni.handle == step.Object:
			service = s.gatewayEndpoints[ni.place].service
		case ni.kind == KindVPCEndpointInterface && ni.gateway == step.Object && (ni.owns(t.Src) || ni.owns(t.Dst)):
			service = s.endpointInterfaces[ni.place].service
		default:
			continue
		}
		switch {
		case ni.owns(t.Src):
			return "from " + service
		case ni.kind == KindVPCEndpointInterface && s.endpointInterfaces[ni.place].private:
			return "to " + service
		}
		return fmt.Sprintf("to %s, which sees %s", service, t.Src)
	}
	return "to the service"
}
