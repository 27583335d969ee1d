package control

import (
	"net/netip"
	"slices"

	"github.com/vpcsim/vpcsim/control/flowlogs"
	"github.com/vpcsim/vpcsim/dataplane"
)

// flowLogPlace is an interface, or an attachment, that a flow log covers.
type flowLogPlace struct {
	name   string
	handle dataplane.Handle
}

// flowLogPlaces are those of a log, in a fixed order: instances' interfaces first,
// then those that AWS manages (F6).
func (w *World) flowLogPlaces(l *FlowLog) []flowLogPlace {
	if l.ofTransitGateway() {
		return w.loggedAttachments(l)
	}
	kind, name := l.resource(w)
	covers := func(own, subnet string) bool {
		s := w.Subnets[subnet]
		return kind == "networkInterface" && own == name || kind == "subnet" && subnet == name || kind == "vpc" && s != nil && s.VPC == name
	}
	var places []flowLogPlace
	add := func(name string, handle uint32) {
		places = append(places, flowLogPlace{name, dataplane.Handle(handle)})
	}
	for _, n := range sorted(w.NetworkInterfaces) {
		if x := w.NetworkInterfaces[n]; covers(n, x.Subnet) {
			add(n, x.Status.Handle)
		}
	}
	for _, n := range sorted(w.NATGateways) {
		if x := w.NATGateways[n]; covers("", x.Subnet) || kind == "natGateway" && n == name {
			add(n, x.Status.Handle)
		}
	}
	for _, n := range sorted(w.TransitGatewayAttachments) {
		for _, x := range w.TransitGatewayAttachments[n].Status.Interfaces {
			if covers("", x.Subnet) {
				add(n+"/"+x.Subnet, x.Handle)
			}
		}
	}
	for _, o := range w.managedOwners() {
		for _, x := range o.interfaces {
			if covers("", x.Subnet) {
				add(o.name+"/"+x.Subnet, x.Handle)
			}
		}
	}
	for _, n := range sorted(w.ClientVPNEndpoints) {
		for _, x := range w.ClientVPNEndpoints[n].Status.Associations {
			if x.Subnet != "" && covers("", x.Subnet) {
				add(n+"/"+x.Subnet, x.Handle)
			}
		}
	}
	return places
}

func (w *World) loggedAttachments(l *FlowLog) []flowLogPlace {
	var places []flowLogPlace
	for _, n := range sorted(w.TransitGatewayAttachments) {
		a := w.TransitGatewayAttachments[n]
		if n == l.TransitGatewayAttachment || l.TransitGateway != "" && (a.TransitGateway == l.TransitGateway || a.Peer == l.TransitGateway) {
			places = append(places, flowLogPlace{n, dataplane.Handle(a.Status.Handle)})
		}
	}
	return places
}

// FlowLogConfig is what it takes to write the lines of the world's flow logs. The
// world is one in force: its resources have handles.
func (w *World) FlowLogConfig() *flowlogs.Config {
	c := &flowlogs.Config{
		Interfaces:  w.loggedInterfaces(),
		Attachments: map[dataplane.Handle]*flowlogs.Attachment{},
		Gateways:    map[dataplane.Handle]*flowlogs.Gateway{},
		Services:    w.serviceRanges(),
	}
	for _, g := range w.TransitGateways {
		c.Gateways[dataplane.Handle(g.Status.Handle)] = &flowlogs.Gateway{ID: g.Status.ID, Account: g.Status.Account.String(), Region: g.Status.Region}
	}
	for _, a := range w.TransitGatewayAttachments {
		out := &flowlogs.Attachment{ID: a.Status.ID}
		if v := w.VPCs[a.VPC]; v != nil {
			out.VPC, out.VPCAccount = v.Status.ID, v.Status.Account.String()
		}
		c.Attachments[dataplane.Handle(a.Status.Handle)] = out
	}
	for _, name := range sorted(w.FlowLogs) {
		c.Logs = append(c.Logs, w.flowLog(name, w.FlowLogs[name]))
	}
	return c
}

func (w *World) flowLog(name string, l *FlowLog) flowlogs.Log {
	s := &l.Status
	format, err := flowlogs.ParseFormat(s.LogFormat, l.ofTransitGateway())
	if err != nil { // Validate has seen it
		format = flowlogs.DefaultFormat(l.ofTransitGateway())
	}
	out := flowlogs.Log{
		Name: name, ID: s.ID, Handle: dataplane.Handle(s.Handle), Format: format, Interval: s.interval(), Group: s.LogGroup,
		Accept: s.TrafficType != TrafficReject, Reject: s.TrafficType != TrafficAccept, Destination: w.destination(l, format),
	}
	gateway := l.TransitGateway
	if a := w.TransitGatewayAttachments[l.TransitGatewayAttachment]; a != nil {
		gateway = a.TransitGateway
	}
	if g := w.TransitGateways[gateway]; g != nil && l.ofTransitGateway() {
		out.Gateway = dataplane.Handle(g.Status.Handle)
	}
	for _, p := range w.flowLogPlaces(l) {
		if out.Gateway != 0 {
			out.Attachments = append(out.Attachments, p.handle)
		} else {
			out.Interfaces = append(out.Interfaces, p.handle)
		}
	}
	return out
}

// The words of the field interface-type.
const (
	natGatewayInterface     = "nat_gateway"
	transitGatewayInterface = "transit_gateway"
	vpcEndpointInterface    = "vpc_endpoint"
	loadBalancerInterface   = "network_load_balancer"
)

// loggedInterfaces are all that a record could be about.
func (w *World) loggedInterfaces() map[dataplane.Handle]*flowlogs.Interface {
	all := map[dataplane.Handle]*flowlogs.Interface{}
	add := func(handle uint32, id, subnet, instance, kind string, addresses []netip.Addr) {
		out := &flowlogs.Interface{ID: id, Instance: instance, Type: kind, Addresses: addresses}
		if s := w.Subnets[subnet]; s != nil {
			at := w.placeOf(s.VPC)
			out.Subnet, out.Account, out.Region = s.Status.ID, string(at.account), at.region
			out.ZoneID = ZoneID(at.region, s.Status.AvailabilityZone)
			if v := w.VPCs[s.VPC]; v != nil {
				out.VPC = v.Status.ID
			}
		}
		all[dataplane.Handle(handle)] = out
	}
	for _, n := range w.NetworkInterfaces {
		instance := ""
		if i := w.Instances[n.Instance]; i != nil {
			instance = i.Status.ID
		}
		add(n.Status.Handle, n.Status.ID, n.Subnet, instance, "", slices.Concat(n.Status.PrivateIPs, n.Status.IPv6s))
	}
	for _, g := range w.NATGateways {
		var addresses []netip.Addr
		for _, a := range g.Status.Addresses {
			addresses = append(addresses, a.PrivateIP)
		}
		add(g.Status.Handle, g.Status.NetworkInterfaceID, g.Subnet, "", natGatewayInterface, addresses)
	}
	for _, a := range w.TransitGatewayAttachments {
		for i := range a.Status.Interfaces {
			n := &a.Status.Interfaces[i]
			add(n.Handle, n.ID, n.Subnet, "", transitGatewayInterface, n.addresses())
		}
	}
	for _, o := range w.managedOwners() {
		kind := vpcEndpointInterface
		if o.plural == "loadBalancers" {
			kind = loadBalancerInterface
		}
		for i := range o.interfaces {
			n := &o.interfaces[i]
			add(n.Handle, n.ID, n.Subnet, "", kind, n.addresses())
		}
	}
	for _, e := range w.ClientVPNEndpoints { // AWS has no word for their type
		for _, a := range e.Status.Associations {
			if a.Subnet == "" {
				continue // no interface (C11)
			}
			add(a.Handle, a.ID, a.Subnet, "", "", append(addressList(a.PrivateIP), w.landedIPv6(e, a.Subnet)...))
		}
	}
	return all
}

// serviceRanges are the public addresses that AWS would say belong to it: those of
// the lab's own interfaces, and a few of S3's and DynamoDB's own blocks.
func (w *World) serviceRanges() []flowlogs.ServiceRange {
	var list []flowlogs.ServiceRange
	add := func(a netip.Addr) {
		if a.IsValid() {
			list = append(list, flowlogs.ServiceRange{Prefix: netip.PrefixFrom(a, a.BitLen()), Service: "EC2"})
		}
	}
	for _, n := range w.NetworkInterfaces {
		for _, a := range n.Status.Associations {
			add(a.PublicIP)
		}
	}
	for _, g := range w.NATGateways {
		for _, a := range g.Status.Addresses {
			add(a.PublicIP)
		}
	}
	for _, e := range w.ClientVPNEndpoints {
		for _, a := range e.Status.Associations {
			add(a.PublicIP)
		}
	}
	slices.SortFunc(list, func(a, b flowlogs.ServiceRange) int { return a.Prefix.Addr().Compare(b.Prefix.Addr()) })
	for _, name := range sorted(w.AWSServices) {
		s := w.AWSServices[name]
		for _, l := range s.prefixLists(IPAddressTypeDualstack) {
			for _, p := range w.PrefixLists[l].Entries {
				list = append(list, flowlogs.ServiceRange{Prefix: p, Service: s.flowLogName()})
			}
		}
	}
	return append(list, awsServiceRanges...)
}

// awsServiceRanges are examples of the blocks that AWS publishes: an Internet host
// in one of them stands for the service.
var awsServiceRanges = []flowlogs.ServiceRange{
	{Prefix: netip.MustParsePrefix("52.95.128.0/21"), Service: "S3"},
	{Prefix: netip.MustParsePrefix("52.216.0.0/15"), Service: "S3"},
	{Prefix: netip.MustParsePrefix("54.231.0.0/16"), Service: "S3"},
	{Prefix: netip.MustParsePrefix("2600:1fa0:8000::/39"), Service: "S3"},
	{Prefix: netip.MustParsePrefix("52.94.0.0/22"), Service: "DYNAMODB"},
	{Prefix: netip.MustParsePrefix("52.119.224.0/20"), Service: "DYNAMODB"},
}
