package control

import (
	"fmt"
	"net/netip"
)

// Instance is a machine: a network namespace with one or more network
// interfaces, in which ordinary programs run. Its own fields of
// NetworkInterfaceSpec describe the primary interface, eth0.
type Instance struct {
	NetworkInterfaceSpec
	// Small built-in servers: http/80, tcp/5432, udp/53; on IPv4 and IPv6.
	Serve []Service `json:"serve,omitempty"`
	// Programs to run inside the instance, each a shell command.
	Run []string `json:"run,omitempty"`
	// Whether the instance's own kernel forwards packets, for routers and
	// appliances; sourceDestCheck: false is needed as well.
	Forward bool `json:"forward,omitempty"`
	// What makes the instance an appliance with GRE tunnels to Connect peers, and a
	// router that speaks BGP in them.
	Appliance *Appliance `json:"appliance,omitempty"`
	// Whether the instance is stopped: it keeps its private addresses, and
	// routes to it are blackholes.
	Stopped bool `json:"stopped,omitempty"`
	// Further network interfaces, eth1 and on.
	Interfaces []NetworkInterfaceSpec `json:"interfaces,omitempty"`
	// Name of the IAM role whose credentials instance metadata hands out.
	Role string `json:"role,omitempty"`
	// Text that programs find in instance metadata as user data.
	UserData string `json:"userData,omitempty"`
	// Who may read the instance's metadata, and how.
	MetadataOptions MetadataOptions `json:"metadataOptions,omitzero"`
	// Tags: keys and values of the user's own.
	Tags map[string]string `json:"tags,omitempty"`

	Status InstanceStatus `json:"status" yaml:"-"`
}

// InstanceStatus is what AWS makes of an instance.
type InstanceStatus struct {
	Identity
	State string `json:"state"` // InstanceRunning, InstanceStopped or InstanceImpaired
	VPC   string `json:"vpc"`
	// NetworkInterfaces are the names of its interfaces, eth0 first.
	NetworkInterfaces []string `json:"networkInterfaces"`
	// The addresses of eth0, invalid if it has none.
	PrivateIP netip.Addr `json:"privateIp,omitzero"`
	PublicIP  netip.Addr `json:"publicIp,omitzero"`
	IPv6      netip.Addr `json:"ipv6,omitzero"`
	// PrivateDNSName is the instance's own name (A46); PublicDNSName is "" where
	// it has none (A47).
	PrivateDNSName string `json:"privateDnsName,omitempty"`
	PublicDNSName  string `json:"publicDnsName,omitempty"`
	// Appliance is nil unless the instance is one.
	Appliance *ApplianceStatus `json:"appliance,omitempty"`
	// MetadataOptions are those in force.
	MetadataOptions MetadataOptions `json:"metadataOptions"`
	// Fault is what has the instance down, or "".
	Fault string `json:"fault,omitempty"`
}

// States of an instance, spelled as AWS spells them. Impaired is AWS's word for
// one whose status checks fail: it was not stopped, but does not run.
const (
	InstanceRunning  = "running"
	InstanceStopped  = "stopped"
	InstanceImpaired = "impaired"
)

// Down reports that the instance does not run, because it was stopped or because
// a fault has it down.
func (i *Instance) Down() bool { return i.Stopped || i.Status.Fault != "" }

func (i *Instance) identity() *Identity { return &i.Status.Identity }

// interfaceSpecs are all interfaces of the instance, by device index.
func (i *Instance) interfaceSpecs() []*NetworkInterfaceSpec {
	specs := make([]*NetworkInterfaceSpec, 0, 1+len(i.Interfaces))
	specs = append(specs, &i.NetworkInterfaceSpec)
	for n := range i.Interfaces {
		specs = append(specs, &i.Interfaces[n])
	}
	return specs
}

func (i *Instance) references(w *World, name string) []reference {
	var refs []reference
	for n, spec := range i.interfaceSpecs() {
		refs = append(refs, spec.references(w, interfacePath(name, n))...)
	}
	return refs
}

// computeStatus repeats the primary interface's addresses, which is where people
// look for them.
func (i *Instance) computeStatus(w *World, name string) {
	s := &i.Status
	s.State = InstanceRunning
	switch {
	case i.Stopped:
		s.State = InstanceStopped
	case s.Fault != "":
		s.State = InstanceImpaired
	}
	s.MetadataOptions = i.MetadataOptions.orDefault()
	s.NetworkInterfaces = nil
	s.PrivateIP, s.PublicIP, s.IPv6 = netip.Addr{}, netip.Addr{}, netip.Addr{}
	for n := range i.interfaceSpecs() {
		s.NetworkInterfaces = append(s.NetworkInterfaces, NetworkInterfaceName(name, n))
	}
	if primary := w.NetworkInterfaces[NetworkInterfaceName(name, 0)]; primary != nil {
		s.VPC = primary.VPC
		s.PublicIP = primary.Status.PublicIP
		if len(primary.Status.PrivateIPs) > 0 {
			s.PrivateIP = primary.Status.PrivateIPs[0]
		}
		if len(primary.Status.IPv6s) > 0 {
			s.IPv6 = primary.Status.IPv6s[0]
		}
		w.nameInstance(i, primary)
	}
}

// validate checks the interfaces as a group; the limits are those of the largest
// instance types, because the lab has no types.
func (i *Instance) validate(v *validation, name string) {
	path := field("instances", name)
	specs := i.interfaceSpecs()
	if len(specs) > mostInterfaces {
		v.reportf(field(path, "interfaces"), "AttachmentLimitExceeded", fmt.Sprintf("at most %d, eth0 included", mostInterfaces),
			"Interface count %d exceeds the limit", len(specs))
	}
	primary := v.w.Subnets[i.Subnet]
	for n, spec := range specs {
		at := interfacePath(name, n)
		spec.validate(v, at, i)
		if s := v.w.Subnets[spec.Subnet]; s != nil && primary != nil && s.Status.AvailabilityZone != primary.Status.AvailabilityZone { // QN9
			v.report(field(at, "subnet"), "InvalidParameterCombination",
				"You may not attach a network interface to an instance if they are not in the same availability zone",
				fmt.Sprintf("subnet %s is in %s, eth0's in %s", spec.Subnet, s.Status.AvailabilityZone, primary.Status.AvailabilityZone))
		}
	}
	if i.Appliance != nil {
		i.Appliance.validate(v, field(path, "appliance"))
	}
	validateServices(v, path, i.Serve, i.Run)
	i.validateMetadata(v, path)
}
