package control

import (
	"net/netip"
	"slices"
)

// TargetGroup is what a listener of a load balancer hands connections to.
type TargetGroup struct {
	// VPC that the targets are in.
	VPC string `json:"vpc"`
	// tcp or udp; tcp unless written.
	Protocol Protocol `json:"protocol,omitempty"`
	// Port of the targets.
	Port Port `json:"port"`
	// Instances, interfaces such as db/eth1, or addresses in the VPC.
	Targets []string `json:"targets,omitempty"`

	Status TargetGroupStatus `json:"status" yaml:"-"`
}

// TargetGroupStatus is what AWS makes of a target group.
type TargetGroupStatus struct {
	Identity
	// Targets are in the order of the file.
	Targets []TargetHealth `json:"targets"`
}

// TargetHealth is a target and whether it gets connections.
type TargetHealth struct {
	Target           string     `json:"target"`
	IP               netip.Addr `json:"ip,omitzero"`
	IPv6             netip.Addr `json:"ipv6,omitzero"`
	AvailabilityZone string     `json:"availabilityZone,omitempty"` // "": not known
	// State is "healthy", or "unused" for what does not run. Nobody asks the target.
	State string `json:"state"`
}

func (g *TargetGroup) identity() *Identity { return &g.Status.Identity }

func (g *TargetGroup) references(w *World, name string) []reference {
	path := field("targetGroups", name)
	refs := []reference{{
		path: field(path, "vpc"), value: g.VPC, set: func(s string) { g.VPC = s },
		kinds: []string{"vpcs"}, required: "write the VPC that the targets are in",
	}}
	for i, target := range g.Targets {
		if _, err := netip.ParseAddr(target); err == nil {
			continue
		}
		ref := reference{
			path: index(field(path, "targets"), i), value: target, set: func(s string) { g.Targets[i] = s },
			kinds: []string{"instances", "networkInterfaces"}, vpc: g.VPC, required: "write an instance, an interface or an address",
			foreign: badValue{code: "InvalidTarget", message: "The target '" + target + "' is not in the VPC of the target group"},
		}
		if w.Instances[target] != nil {
			ref.value = NetworkInterfaceName(target, 0)
		}
		refs = append(refs, ref)
	}
	return refs
}

// computeStatus finds the targets' addresses and says which are in service: those of
// instances that run, and addresses that nobody in the lab has.
func (g *TargetGroup) computeStatus(w *World) {
	s := &g.Status
	s.Targets = []TargetHealth{}
	for _, target := range g.Targets {
		h := TargetHealth{Target: target, State: "healthy"}
		eni := w.NetworkInterfaces[target]
		if a, err := netip.ParseAddr(target); err == nil {
			if h.IP = a; a.Is6() {
				h.IP, h.IPv6 = netip.Addr{}, a
			}
			eni = w.interfaceWith(g.VPC, a)
		} else if eni != nil {
			h.IP, h.IPv6 = first(eni.Status.PrivateIPs), first(eni.Status.IPv6s)
		}
		if eni != nil {
			if subnet := w.Subnets[eni.Subnet]; subnet != nil {
				h.AvailabilityZone = subnet.zone(w)
			}
			if i := w.Instances[eni.Instance]; i == nil || i.Down() {
				h.State = "unused"
			}
		}
		s.Targets = append(s.Targets, h)
	}
}

// interfaceWith is the instance's interface in a VPC that has the address.
func (w *World) interfaceWith(vpc string, a netip.Addr) *NetworkInterface {
	for _, n := range w.NetworkInterfaces {
		if n.VPC == vpc && (slices.Contains(n.Status.PrivateIPs, a) || slices.Contains(n.Status.IPv6s, a)) {
			return n
		}
	}
	return nil
}

func (g *TargetGroup) validate(v *validation, name string) {
	path := field("targetGroups", name)
	if g.Port == 0 {
		v.missing(field(path, "port"), "write the port that the targets listen on")
	}
	if !transport(g.Protocol) {
		v.reportf(field(path, "protocol"), "ValidationError", "write tcp or udp", "Protocol '%s' is not supported for Network Load Balancers here", g.Protocol)
	}
	vpc := v.w.VPCs[g.VPC]
	for i, target := range g.Targets {
		a, err := netip.ParseAddr(target)
		if err != nil || vpc == nil {
			continue
		}
		if _, inside := vpc.blockAround(netip.PrefixFrom(a, a.BitLen())); !inside {
			v.reportf(index(field(path, "targets"), i), "InvalidTarget", "targets outside of the VPC are not emulated", "The IP address '%s' is not within the VPC of the target group", a)
		}
	}
}

// transport reports a protocol that load balancers carry here; the zero one is TCP.
func transport(p Protocol) bool { return p == ProtocolUnset || p == ProtocolTCP || p == ProtocolUDP }
