package main

import (
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vpcsim/vpcsim/control"
)

// resourceTable has the columns that one expects of a kind from AWS's own
// console, identifiers first.
func resourceTable(w *control.World, k control.Kind, names []string, wide bool) (header []string, rows [][]string) {
	var narrow, more []string
	for _, name := range names {
		var cells, wideCells []string
		narrow, more = nil, nil
		add := func(title, cell string) { narrow, cells = append(narrow, title), append(cells, cell) }
		addWide := func(title, cell string) { more, wideCells = append(more, title), append(wideCells, cell) }
		add("NAME", name)
		add("ID", k.Identity(w, name).ID)
		describe(w, k.Get(w, name), add, addWide)
		if wide {
			cells = append(cells, wideCells...)
		}
		rows = append(rows, cells)
	}
	if wide {
		narrow = append(narrow, more...)
	}
	return narrow, rows
}

// describe adds a resource's columns, and those that only -o wide shows.
func describe(w *control.World, r control.Resource, add, wide func(title, cell string)) {
	switch r := r.(type) {
	case *control.VPC:
		add("CIDR", prefixes(r.Status.CIDRs...))
		add("IPV6 CIDR", prefixes(r.Status.IPv6CIDR))
		add("INTERNET GATEWAY", r.Status.InternetGateway)
		wide("REGION", r.Status.Region)
		wide("ACCOUNT", r.Status.Account.String())
		wide("MAIN ROUTE TABLE", r.Status.MainRouteTable)
		wide("DEFAULT SECURITY GROUP", r.Status.DefaultSecurityGroup)
		wide("DEFAULT NETWORK ACL", r.Status.DefaultNetworkACL)
	case *control.TrafficMirrorTarget:
		add("TYPE", r.Status.Type)
		add("NETWORK INTERFACE", r.Status.NetworkInterface)
		add("ADDRESS", address(r.Status.IP))
		wide("SESSIONS", strings.Join(r.Status.Sessions, ","))
	case *control.TrafficMirrorFilter:
		add("INGRESS RULES", strconv.Itoa(len(r.Ingress)))
		add("EGRESS RULES", strconv.Itoa(len(r.Egress)))
		add("SESSIONS", strings.Join(r.Status.Sessions, ","))
	case *control.TrafficMirrorSession:
		add("NUMBER", strconv.Itoa(r.SessionNumber))
		add("SOURCE", r.Status.NetworkInterface)
		add("TARGET", r.Target)
		add("FILTER", r.Filter)
		add("VNI", strconv.Itoa(r.Status.VirtualNetworkID))
	case *control.VPCPeering:
		add("STATE", r.Status.State.String())
		add("REQUESTER", r.VPC)
		add("ACCEPTER", r.PeerVPC)
		add("MESSAGE", r.Status.Message)
		add("EXPIRES", expiration(r.Status.ExpirationTime))
		wide("REQUESTER ACCOUNT", r.Status.Requester.Account.String())
		wide("REQUESTER REGION", r.Status.Requester.Region)
		wide("ACCEPTER ACCOUNT", r.Status.Accepter.Account.String())
		wide("ACCEPTER REGION", r.Status.Accepter.Region)
		wide("DNS RESOLUTION", dnsResolution(&r.Status))
	case *control.TransitGateway, *control.TransitGatewayAttachment, *control.TransitGatewayConnectPeer, *control.TransitGatewayRouteTable:
		describeTransitGateway(r, add, wide)
	case *control.Site, *control.SiteHost, *control.CustomerGateway, *control.VPNGateway, *control.VPNConnection:
		describeVPN(r, add, wide)
	case *control.ClientVPNEndpoint, *control.VPNClient:
		describeClientVPN(r, add, wide)
	case *control.InternetGateway:
		add("VPC", r.VPC)
		add("STATE", r.Status.State)
	case *control.EgressOnlyInternetGateway:
		add("VPC", r.VPC)
		add("STATE", r.Status.State)
	case *control.NATGateway:
		var private, public []netip.Addr
		for _, a := range r.Status.Addresses {
			private = append(private, a.PrivateIP)
			if a.PublicIP.IsValid() {
				public = append(public, a.PublicIP)
			}
		}
		add("STATE", r.Status.State)
		add("SUBNET", r.Subnet)
		add("CONNECTIVITY", r.Status.Connectivity.String())
		add("PRIVATE IP", addresses(private))
		add("PUBLIC IP", addresses(public))
		wide("VPC", r.Status.VPC)
		wide("ZONE", r.Status.AvailabilityZone)
		wide("INTERFACE", r.Status.NetworkInterfaceID)
	case *control.DHCPOptions:
		servers := make([]string, len(r.DomainNameServers))
		for i, s := range r.DomainNameServers {
			servers[i] = s.String()
		}
		add("DOMAIN NAME", r.DomainName)
		add("DNS SERVERS", strings.Join(servers, ","))
		add("VPCS", strings.Join(r.Status.VPCs, ","))
		wide("NTP SERVERS", addresses(r.NTPServers))
	case *control.MetricFilter:
		add("LOG GROUP", r.Status.LogGroup)
		add("METRIC", r.MetricNamespace+" "+r.MetricName)
		add("VALUE", r.MetricValue)
		add("PATTERN", r.FilterPattern)
	case *control.Alarm:
		add("STATE", r.Status.State.String())
		add("METRIC", r.Namespace+" "+r.MetricName)
		add("CONDITION", fmt.Sprintf("%s %s %s", r.Statistic, r.ComparisonOperator, r.Threshold))
		add("DATAPOINTS", fmt.Sprintf("%d of %d, %s each", r.Status.DatapointsToAlarm, r.EvaluationPeriods, r.Period.Duration()))
		wide("MISSING DATA", r.Status.TreatMissingData.String())
		wide("REASON", r.Status.Reason)
	case *control.FlowLog:
		add("RESOURCE", strings.TrimSpace(r.Status.ResourceKind+" "+r.Status.Resource))
		add("TRAFFIC", r.Status.TrafficType.String())
		add("INTERVAL", r.Status.MaxAggregationInterval.Duration().String())
		add("DESTINATION", flowLogDestination(r))
		add("STATE", r.Status.State)
		add("DELIVERY", strings.TrimSpace(r.Status.DeliverLogsStatus+" "+r.Status.DeliverLogsErrorMessage))
		wide("FILES", r.Status.Directory)
		wide("COVERS", strings.Join(r.Status.NetworkInterfaces, ","))
		wide("FORMAT", r.Status.LogFormat)
	case *control.PrefixList:
		add("FAMILY", r.Status.AddressFamily)
		add("ENTRIES", strconv.Itoa(len(r.Entries)))
		add("MAX ENTRIES", strconv.Itoa(r.Status.MaxEntries))
		wide("BLOCKS", prefixes(r.Entries...))
	case *control.NetworkACL:
		add("VPC", r.VPC)
		add("DEFAULT", yes(r.Status.Default))
		add("SUBNETS", strings.Join(r.Status.Subnets, ","))
		add("INGRESS", counted(len(r.Status.Ingress), "rule"))
		add("EGRESS", counted(len(r.Status.Egress), "rule"))
	case *control.Subnet:
		add("VPC", r.VPC)
		add("CIDR", prefixes(r.CIDR))
		add("IPV6 CIDR", prefixes(r.Status.IPv6CIDR))
		add("ZONE", r.Status.AvailabilityZone)
		add("ROUTE TABLE", r.Status.RouteTable)
		add("NETWORK ACL", r.Status.NetworkACL)
		wide("PUBLIC IP", yes(r.MapPublicIP))
		wide("FREE ADDRESSES", strconv.Itoa(r.Status.AvailableIPAddressCount))
	case *control.SecurityGroup:
		add("VPC", r.VPC)
		add("INGRESS", counted(len(r.Status.Ingress), "rule"))
		add("EGRESS", counted(len(r.Status.Egress), "rule"))
		add("INTERFACES", strings.Join(r.Status.NetworkInterfaces, ","))
		wide("DESCRIPTION", r.Description)
	case *control.Instance:
		add("STATE", r.Status.State)
		add("SUBNET", r.Subnet)
		add("PRIVATE IP", address(r.Status.PrivateIP))
		add("PUBLIC IP", address(r.Status.PublicIP))
		add("IPV6", address(r.Status.IPv6))
		add("SECURITY GROUPS", strings.Join(groupsOf(w, r), ","))
		wide("VPC", r.Status.VPC)
		wide("INTERFACES", strings.Join(r.Status.NetworkInterfaces, ","))
		wide("RUNS", runs(r.Serve, r.Run))
		if a := r.Status.Appliance; a != nil {
			wide("CONNECT PEERS", strings.Join(a.ConnectPeers, ","))
		} else {
			wide("CONNECT PEERS", "")
		}
	case *control.NetworkInterface:
		add("SUBNET", r.Subnet)
		add("PRIVATE IP", addresses(r.Status.PrivateIPs))
		add("PUBLIC IP", publicAddress(&r.Status))
		add("IPV6", addresses(r.Status.IPv6s))
		add("SECURITY GROUPS", strings.Join(r.SecurityGroups, ","))
		add("SRC/DST CHECK", yes(r.SourceDestCheck))
		wide("MAC", r.Status.MAC.String())
		wide("VPC", r.VPC)
	case *control.RouteTable:
		add("VPC", r.VPC)
		add("MAIN", yes(r.Status.Main))
		add("SUBNETS", strings.Join(r.Status.Subnets, ","))
		add("ROUTES", routes(r.Status.Routes))
	case *control.Region:
		add("ZONES", strings.Join(r.Status.AvailabilityZones, ","))
		add("ZONE ROUND TRIP", quiet(r.Status.ZoneRoundTrip, r.Status.ZoneRoundTrip == 0))
		add("ROUND TRIPS", roundTrips(r))
		add("FAULT", r.Status.Fault)
	case *control.Link:
		add("FORWARD", impairment(&r.Status.Forward))
		add("REVERSE", impairment(&r.Status.Reverse))
		add("FAULT", r.Status.Fault)
	case *control.VPCEndpoint, *control.AWSService, *control.VPCEndpointService, *control.LoadBalancer, *control.TargetGroup:
		describeEndpoint(r, add, wide)
	case *control.InternetHost:
		add("IP", address(r.IP))
		add("IPV6", address(r.Status.IPv6))
		add("RUNS", runs(r.Serve, r.Run))
	}
	switch r.(type) {
	case *control.Subnet, *control.Instance, *control.NATGateway, *control.VPCPeering, *control.TransitGatewayAttachment:
		wide("FAULT", control.FaultOf(r))
	}
}

// roundTrips are those to the other Regions in use.
func roundTrips(r *control.Region) string {
	var list []string
	for _, other := range slices.Sorted(maps.Keys(r.Status.RoundTrip)) {
		list = append(list, other+" "+r.Status.RoundTrip[other].String())
	}
	return strings.Join(list, ", ")
}

// impairment is what a direction of a link does, in the words of link set.
func impairment(i *control.ImpairmentInForce) string {
	var list []string
	add := func(key string, v fmt.Stringer, none bool) {
		if !none {
			list = append(list, key+"="+v.String())
		}
	}
	add("delay", i.Delay, i.Delay == 0)
	add("jitter", i.Jitter, i.Jitter == 0)
	add("loss", i.Loss, i.Loss == 0)
	add("duplicate", i.Duplicate, i.Duplicate == 0)
	add("reorder", i.Reorder, i.Reorder == 0)
	add("bandwidth", i.Bandwidth, i.Bandwidth == 0)
	return strings.Join(list, " ")
}

// expiration is when a request that nobody answers is over, on the reader's clock.
func expiration(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.Local().Format(time.DateTime)
}

// dnsResolution names the sides that allow it.
func dnsResolution(s *control.VPCPeeringStatus) string {
	var sides []string
	if s.Requester.AllowDNSResolution {
		sides = append(sides, "requester")
	}
	if s.Accepter.AllowDNSResolution {
		sides = append(sides, "accepter")
	}
	return strings.Join(sides, ",")
}

func prefixes(list ...netip.Prefix) string {
	var texts []string
	for _, p := range list {
		if p.IsValid() {
			texts = append(texts, p.String())
		}
	}
	return strings.Join(texts, ",")
}

func addresses(list []netip.Addr) string {
	var texts []string
	for _, a := range list {
		if a.IsValid() {
			texts = append(texts, a.String())
		}
	}
	return strings.Join(texts, ",")
}

func publicAddress(s *control.NetworkInterfaceStatus) string {
	if s.ElasticIP && s.PublicIP.IsValid() {
		return s.PublicIP.String() + " (elastic)"
	}
	return address(s.PublicIP)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// routes counts routes, and those that lead nowhere.
func routes(list []control.Route) string {
	blackholes := 0
	for _, r := range list {
		if r.State == control.RouteBlackhole {
			blackholes++
		}
	}
	text := strconv.Itoa(len(list))
	if blackholes > 0 {
		text += fmt.Sprintf(" (%s)", counted(blackholes, "blackhole"))
	}
	return text
}

// writeDetail shows what a table's line cannot: routes and rules.
func writeDetail(out io.Writer, w *control.World, k control.Kind, name string) {
	var header []string
	var rows [][]string
	switch r := k.Get(w, name).(type) {
	case *control.RouteTable:
		header = []string{"DESTINATION", "TARGET", "STATE", "ORIGIN"}
		for _, route := range r.Status.Routes {
			rows = append(rows, []string{route.Destination.String(), strings.TrimSpace(route.TargetKind + " " + route.Target), route.State, route.Origin})
		}
	case *control.TransitGatewayAttachment:
		header, rows = attachmentDetail(r)
	case *control.TransitGatewayConnectPeer:
		header, rows = connectSessionDetail(r)
	case *control.TransitGatewayRouteTable:
		header, rows = transitRouteDetail(r)
	case *control.FlowLog:
		header, rows = flowLogDetail(r)
	case *control.VPNConnection:
		header, rows = tunnelDetail(r)
	case *control.VPNGateway:
		header, rows = vpnRouteDetail(r)
	case *control.SecurityGroup:
		header = []string{"DIRECTION", "PROTOCOL", "PORTS", "PEER", "DESCRIPTION"}
		for _, direction := range []struct {
			word  string
			rules []control.SecurityGroupPermission
		}{{"ingress", r.Status.Ingress}, {"egress", r.Status.Egress}} {
			for _, p := range direction.rules {
				rows = append(rows, []string{direction.word, p.Protocol.String(), ports(p.Protocol, p.Ports, p.ICMPType, p.ICMPCode), peer(p), p.Description})
			}
		}
	case *control.NetworkACL:
		header = []string{"DIRECTION", "RULE", "ACTION", "PROTOCOL", "PORTS", "CIDR"}
		for _, direction := range []struct {
			word  string
			rules []control.NetworkACLEntry
		}{{"ingress", r.Status.Ingress}, {"egress", r.Status.Egress}} {
			for _, e := range direction.rules {
				icmpType, icmpCode := e.ICMP()
				rows = append(rows, []string{
					direction.word, strconv.Itoa(e.Rule), e.Action.String(), e.Protocol.String(),
					ports(e.Protocol, e.PortBounds(), icmpType, icmpCode), e.CIDR.String(),
				})
			}
			rows = append(rows, []string{direction.word, "*", "deny", "all", "all", "everything"})
		}
	case *control.PrefixList:
		header = []string{"ENTRY"}
		for _, p := range r.Entries {
			rows = append(rows, []string{p.String()})
		}
	}
	if len(rows) > 0 {
		fmt.Fprintln(out)
		writeTable(out, header, rows)
	}
}

// ports are a rule's ports, or the ICMP types it is about.
func ports(p control.Protocol, list control.PortRange, icmpType, icmpCode int) string {
	switch {
	case p.IsICMP() && icmpType >= 0 && icmpCode >= 0:
		return fmt.Sprintf("type %d code %d", icmpType, icmpCode)
	case p.IsICMP() && icmpType >= 0:
		return fmt.Sprintf("type %d", icmpType)
	case !p.HasPorts() || list == control.AllPorts:
		return "all"
	}
	return list.String()
}

func peer(p control.SecurityGroupPermission) string {
	switch {
	case p.SecurityGroup != "" && p.Stale:
		return "securityGroup " + p.SecurityGroup + " (stale)"
	case p.SecurityGroup != "":
		return "securityGroup " + p.SecurityGroup
	case p.PrefixList != "":
		return "prefixList " + p.PrefixList
	}
	return p.CIDR.String()
}
