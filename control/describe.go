package control

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
)

// description is a resource as paths and texts. A path that ends in "+" is a
// set: each text stands for itself.
type description map[string][]string

// describe lays a resource flat.
func describe(w *World, r Resource) description {
	d := description{}
	switch x := r.(type) {
	case *SecurityGroup:
		d.set("vpc", x.VPC)
		d.set("description", x.Description)
		for _, p := range x.Status.Ingress {
			d["ingress+"] = append(d["ingress+"], p.String())
		}
		for _, p := range x.Status.Egress {
			d["egress+"] = append(d["egress+"], p.String())
		}
	case *NetworkACL:
		d.set("vpc", x.VPC)
		for _, e := range x.Status.Ingress {
			d.set(fmt.Sprintf("ingress[%d]", e.Rule), e.String())
		}
		for _, e := range x.Status.Egress {
			d.set(fmt.Sprintf("egress[%d]", e.Rule), e.String())
		}
	case *PrefixList:
		d.set("family", x.Status.AddressFamily)
		d.set("maxEntries", fmt.Sprint(x.Status.MaxEntries))
		for _, entry := range x.Entries {
			d["entries+"] = append(d["entries+"], entry.String())
		}
	case *NetworkInterface:
		d.set("subnet", x.Subnet)
		if spec := w.interfaceSpec(x); spec != nil {
			d.set("ip", validText(spec.IP))
		}
	case *NATGateway:
		d.set("subnet", x.Subnet)
		d.set("connectivity", x.Status.Connectivity.String())
		for i, a := range x.Status.Addresses {
			if i == 0 {
				d.set("privateIp", a.PrivateIP.String())
				d.set("eip", validText(a.PublicIP))
				continue
			}
			d["addresses+"] = append(d["addresses+"], a.String())
		}
	case *Subnet: // as in force, so that writing out a default is no change
		d.fields("", reflect.ValueOf(x).Elem())
		d["az"] = []string{x.Status.AvailabilityZone}
		d["routeTable"], d["networkAcl"] = []string{x.Status.RouteTable}, []string{x.Status.NetworkACL}
		d["privateDnsHostnameType"] = []string{x.Status.PrivateDNSHostnameType.String()}
	case *FlowLog: // as in force
		d.fields("", reflect.ValueOf(x).Elem())
		d["trafficType"], d["aggregationInterval"], d["format"], d["logGroup"] = nil, nil, nil, nil
		d.set("trafficType", x.Status.TrafficType.String())
		d.set("aggregationInterval", x.Status.MaxAggregationInterval.String())
		d.set("format", x.Status.LogFormat)
		d.set("logGroup", x.Status.LogGroup)
		d.flowLogDestination(x)
	case *VPCPeering:
		d.fields("", reflect.ValueOf(x).Elem())
		d["state"] = []string{x.Status.State.String()}
	case *TransitGateway: // as in force, like the two below
		d.fields("", reflect.ValueOf(x).Elem())
		d["region"], d["account"], d["asn"] = []string{x.Status.Region}, []string{x.Status.Account.String()}, []string{x.Status.ASN.String()}
		d["defaultRouteTableAssociation"] = []string{fmt.Sprint(x.Status.AssociationDefaultRouteTable != "")}
		d["defaultRouteTablePropagation"] = []string{fmt.Sprint(x.Status.PropagationDefaultRouteTable != "")}
		d["vpnEcmp"] = []string{fmt.Sprint(x.Status.VPNECMP)}
	case *TransitGatewayAttachment:
		d.fields("", reflect.ValueOf(x).Elem())
		d["state"] = []string{x.Status.State.String()}
		d["securityGroupReferencing"] = []string{fmt.Sprint(x.Status.SecurityGroupReferencing)}
		delete(d, "subnets")
		d["subnets+"] = x.Subnets
	case *TransitGatewayConnectPeer: // as in force
		d.fields("", reflect.ValueOf(x).Elem())
		d["transitGatewayAddress"], d["peerAsn"] = nil, []string{x.Status.PeerASN.String()}
		d.set("transitGatewayAddress", validText(x.Status.TransitGatewayAddress))
	case *TransitGatewayRouteTable:
		d.fields("", reflect.ValueOf(x).Elem())
		delete(d, "associations")
		delete(d, "propagations")
		d["associations+"], d["propagations+"] = x.Status.Associations, x.Status.Propagations
	case *VPC:
		d.fields("", reflect.ValueOf(x).Elem())
		d["region"], d["account"] = []string{x.Status.Region}, []string{x.Status.Account.String()}
		if x.usesDefaultDHCPOptions() {
			delete(d, "dhcpOptions")
		}
	case *Site: // as in force, like those below
		d.fields("", reflect.ValueOf(x).Elem())
		d["publicIp"], d["ipv6"] = nil, nil
		d.set("publicIp", validText(x.Status.PublicIP))
		d.set("ipv6", validText(x.Status.IPv6))
		d["router"], d["asn"] = []string{x.Status.Router.String()}, []string{x.Status.ASN.String()}
		delete(d, "networks")
		d["networks+"] = prefixTexts(x.Networks)
	case *SiteHost:
		d.fields("", reflect.ValueOf(x).Elem())
		d["ip"], d["ipv6"] = nil, nil
		d.set("ip", validText(x.Status.IP))
		d.set("ipv6", validText(x.Status.IPv6))
	case *CustomerGateway:
		d.set("site", x.Site)
		d.set("asn", x.Status.ASN.String())
		d.set("ipAddressType", cmp.Or(x.IPAddressType, IPv4).String())
	case *VPNGateway:
		d.set("vpc", x.VPC)
		d.set("asn", x.Status.ASN.String())
	case *VPNConnection:
		d.vpnConnection(x)
	case *ClientVPNEndpoint: // as in force
		d.clientVPNEndpoint(x)
	case *VPNClient:
		d.fields("", reflect.ValueOf(x).Elem())
		d["internetIp"], d["inLab"] = nil, []string{fmt.Sprint(x.Status.InLab)}
		d.set("internetIp", validText(x.Status.InternetIP))
	case *InternetHost:
		d.fields("", reflect.ValueOf(x).Elem())
		d["ipv6"] = nil
		d.set("ipv6", validText(x.Status.IPv6))
	default:
		d.fields("", reflect.ValueOf(r).Elem())
	}
	d.set("fault", FaultOf(r))
	return d
}

// flowLogDestination lays the destination flat, so that writing out a default, or the
// group as an ARN, is no change.
func (d description) flowLogDestination(l *FlowLog) {
	for _, path := range []string{"logDestination", "destinationOptions.fileFormat", "destinationOptions.hiveCompatiblePartitions", "destinationOptions.perHourPartition"} {
		delete(d, path)
	}
	s := &l.Status
	d["logDestinationType"] = []string{s.LogDestinationType.String()}
	if s.Bucket != "" {
		d.set("logDestination", s.LogDestination)
		d.fields("destinationOptions", reflect.ValueOf(*s.DestinationOptions))
	}
}

// vpnConnection lays a connection flat, with the options of its tunnels that are in
// force. A secret is told by a hash.
func (d description) vpnConnection(c *VPNConnection) {
	d.set("customerGateway", c.CustomerGateway)
	if c.Status.Fault == "" {
		for i := range c.Status.Tunnels {
			if t := &c.Status.Tunnels[i]; t.Fault != "" {
				d["faults+"] = append(d["faults+"], t.Fault)
			}
		}
	}
	for i := range c.Status.Tunnels {
		if maintenance := c.Status.Tunnels[i].Maintenance; maintenance != "" {
			d["maintenance+"] = append(d["maintenance+"], maintenance)
		}
	}
	d.set("vpnGateway", c.VPNGateway)
	d.set("transitGateway", c.TransitGateway)
	d.set("routing", c.Status.Routing)
	d.set("tunnelInsideIpVersion", c.Status.TunnelInsideIPVersion.String())
	d.set("enableAcceleration", fmt.Sprint(c.EnableAcceleration))
	d.set("outsideIpAddressType", c.Status.OutsideIPAddressType.String())
	d["staticRoutes+"] = prefixTexts(c.StaticRoutes)
	for i := range c.Status.Tunnels {
		t := &c.Status.Tunnels[i]
		at := index("tunnels", i) + "."
		d.set(at+"insideCidr", t.InsideCIDR.String())
		if t.InsideIPv6CIDR.IsValid() {
			d.set(at+"insideIpv6Cidr", t.InsideIPv6CIDR.String())
		}
		d.set(at+"presharedKey", fmt.Sprintf("sha256:%.4x", sha256.Sum256([]byte(t.PresharedKey))))
		d.set(at+"dpdTimeout", t.DPDTimeout.String())
		d.set(at+"dpdAction", t.DPDAction.String())
		d.set(at+"startupAction", t.StartupAction.String())
	}
}

// clientVPNEndpoint lays an endpoint flat, with the routes that are in force.
func (d description) clientVPNEndpoint(e *ClientVPNEndpoint) {
	d.fields("", reflect.ValueOf(e).Elem())
	for path := range d {
		if strings.HasPrefix(path, "routes[") {
			delete(d, path)
		}
	}
	delete(d, "associations")
	delete(d, "securityGroups")
	for i := range e.Status.Associations {
		if a := &e.Status.Associations[i]; a.Fault != "" && e.Status.Fault == "" {
			d["faults+"] = append(d["faults+"], a.Fault)
		}
	}
	delete(d, "authorizationRules")
	d["associations+"], d["securityGroups+"] = e.Associations, e.Status.SecurityGroups
	d["sessionTimeoutHours"] = []string{fmt.Sprint(e.Status.SessionTimeoutHours)}
	for _, r := range e.Status.Routes {
		d["routes+"] = append(d["routes+"], r.Destination.String()+" "+r.Target())
	}
	for _, r := range e.AuthorizationRules {
		d["authorizationRules+"] = append(d["authorizationRules+"], r.String())
	}
}

func prefixTexts(list []netip.Prefix) (texts []string) {
	for _, p := range list {
		texts = append(texts, p.String())
	}
	return texts
}

// set gives path a text; an absent value has no path at all.
func (d description) set(path, text string) {
	if text != "" {
		d[path] = append(d[path], text)
	}
}

// validText is a as text, "" for none.
func validText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// fields lays the fields of a struct flat that a file can contain.
func (d description) fields(prefix string, v reflect.Value) {
	fileFields(v.Type(), func(name string, at []int, _ reflect.StructField) {
		f := v.FieldByIndex(at)
		path := name
		if prefix != "" {
			path = prefix + "." + name
		}
		switch {
		case f.IsZero():
		case f.Type() == reflect.TypeFor[[]NetworkInterfaceSpec]():
			for i := range f.Len() {
				d.fields(index(path, i), f.Index(i))
			}
		case f.Kind() == reflect.Map:
			for it := f.MapRange(); it.Next(); {
				d.set(fmt.Sprintf("%s[%v]", path, it.Key()), fmt.Sprint(it.Value()))
			}
		case f.Kind() == reflect.Slice:
			d.set(path, fmt.Sprint(f.Interface()))
		case f.Kind() == reflect.Struct && !isScalar(f.Type()):
			d.fields(path, f)
		case f.Kind() == reflect.Pointer && f.Elem().Kind() == reflect.Struct:
			d.set(path, "true")
			d.fields(path, f.Elem())
		case f.Kind() == reflect.Pointer:
			d.set(path, fmt.Sprint(f.Elem()))
		default:
			d.set(path, fmt.Sprint(f.Interface()))
		}
	})
}

// isScalar reports whether a file writes a struct of type t as one scalar.
func isScalar(t reflect.Type) bool {
	return t.Implements(reflect.TypeFor[fmt.Stringer]())
}

// String is the address as it reads in a plan.
func (a NATGatewayAddress) String() string {
	if !a.PublicIP.IsValid() {
		return a.PrivateIP.String()
	}
	return a.PrivateIP.String() + "/" + a.PublicIP.String()
}

// String is the rule as it reads in a plan.
func (e NetworkACLEntry) String() string {
	text := fmt.Sprintf("%s %s", e.Action, e.Protocol)
	if e.Protocol.HasPorts() {
		text += " " + e.PortBounds().String()
	}
	if icmpType, icmpCode := e.ICMP(); icmpType >= 0 {
		text += fmt.Sprintf(" type %d code %d", icmpType, icmpCode)
	}
	return text + " " + e.CIDR.String()
}

// differences compares two descriptions, by path.
func differences(was, is description) []FieldChange {
	var changes []FieldChange
	paths := slices.Concat(slices.Collect(maps.Keys(was)), slices.Collect(maps.Keys(is)))
	slices.Sort(paths)
	for _, path := range slices.Compact(paths) {
		name, isSet := strings.CutSuffix(path, "+")
		if !isSet {
			if o, n := strings.Join(was[path], ""), strings.Join(is[path], ""); o != n {
				changes = append(changes, FieldChange{Path: name, Old: o, New: n})
			}
			continue
		}
		for _, text := range was[path] {
			if !slices.Contains(is[path], text) {
				changes = append(changes, FieldChange{Path: name, Old: text})
			}
		}
		for _, text := range is[path] {
			if !slices.Contains(was[path], text) {
				changes = append(changes, FieldChange{Path: name, New: text})
			}
		}
	}
	return changes
}
