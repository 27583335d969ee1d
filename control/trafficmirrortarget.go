package control

import "net/netip"

// TrafficMirrorTarget is where traffic mirroring sends its copies: a network
// interface. AWS's other targets, load balancers, are not emulated.
type TrafficMirrorTarget struct {
	// Network interface that gets the copies: an instance, which means its first, or
	// one such as sensor/eth1.
	NetworkInterface string `json:"networkInterface"`

	Status TrafficMirrorTargetStatus `json:"status" yaml:"-"`
}

// TrafficMirrorTargetStatus is what AWS makes of a target.
type TrafficMirrorTargetStatus struct {
	Identity
	Type string `json:"type"` // "network-interface"
	// NetworkInterface by name and by ID, and the address that copies are sent to.
	NetworkInterface   string     `json:"networkInterface"`
	NetworkInterfaceID string     `json:"networkInterfaceId"`
	IP                 netip.Addr `json:"ip,omitzero"`
	// Sessions that send to it, sorted.
	Sessions []string `json:"sessions"`
}

func (t *TrafficMirrorTarget) identity() *Identity { return &t.Status.Identity }

func (t *TrafficMirrorTarget) references(_ *World, name string) []reference {
	return []reference{mirrorInterface(field("trafficMirrorTargets", name), &t.NetworkInterface, "write the network interface that gets the copies")}
}

// mirrorInterface is the reference to a target's or source's network interface.
func mirrorInterface(path string, value *string, required string) reference {
	return reference{
		path: field(path, "networkInterface"), value: *value, set: func(s string) { *value = s },
		kinds: []string{"networkInterfaces", "instances"}, required: required,
	}
}

// computeStatus finds the interface.
func (t *TrafficMirrorTarget) computeStatus(w *World) {
	s := &t.Status
	s.Type, s.Sessions = "network-interface", []string{}
	s.NetworkInterface, s.NetworkInterfaceID, s.IP = "", "", netip.Addr{}
	if name, eni := w.mirrorInterface(t.NetworkInterface); eni != nil {
		s.NetworkInterface, s.NetworkInterfaceID, s.IP = name, eni.Status.ID, primaryIPv4(eni)
	}
}

// mirrorInterface is the network interface that an instance's or its own name means.
func (w *World) mirrorInterface(name string) (string, *NetworkInterface) {
	if w.Instances[name] != nil {
		name = NetworkInterfaceName(name, 0)
	}
	return name, w.NetworkInterfaces[name]
}

func primaryIPv4(eni *NetworkInterface) netip.Addr {
	if len(eni.Status.PrivateIPs) == 0 {
		return netip.Addr{}
	}
	return eni.Status.PrivateIPs[0]
}

func (t *TrafficMirrorTarget) validate(v *validation, name string) {
	v.mirrorIPv4(field(field("trafficMirrorTargets", name), "networkInterface"), t.NetworkInterface)
}

// mirrorIPv4 refuses interfaces of IPv6-only subnets: copies travel over IPv4 (M4).
func (v *validation) mirrorIPv4(path, name string) {
	if full, eni := v.w.mirrorInterface(name); eni != nil && v.w.Subnets[eni.Subnet] != nil && v.w.Subnets[eni.Subnet].IPv6Native {
		v.reportf(path, "InvalidParameterValue", "write an interface with an IPv4 address; IPv6 packets are copied all the same",
			"Traffic Mirroring is not supported for IPv6-only subnets, and %s is in %s", full, eni.Subnet)
	}
}
