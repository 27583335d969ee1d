package control

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
)

// ClientVPNEndpoint lets machines on the Internet into a VPC, one by one.
type ClientVPNEndpoint struct {
	// IPv4 block that clients get their addresses from, of /12 to /22; about half of
	// it is the endpoint's own. None where trafficIpAddressType is ipv6.
	ClientCIDR netip.Prefix `json:"clientCidr,omitzero"`
	// Families of what clients send and get: ipv4, ipv6 or dual-stack; ipv4 unless
	// written. Over IPv6 clients have addresses of the subnets that they land on.
	TrafficIPAddressType ClientVPNAddressType `json:"trafficIpAddressType,omitempty"`
	// Families by which clients call the endpoint: ipv4, ipv6 or dual-stack; ipv4
	// unless written. Machines of the lab call by IPv6 where they can.
	EndpointIPAddressType ClientVPNAddressType `json:"endpointIpAddressType,omitempty"`
	// Whether clients send only what the endpoint's routes lead to into the tunnel,
	// and not all they have.
	SplitTunnel bool `json:"splitTunnel,omitempty"`
	// DNS servers that clients are told to use, at most two; their own unless
	// written.
	DNSServers []netip.Addr `json:"dnsServers,omitempty"`
	// Security groups of the endpoint's network interfaces; the default group of the
	// VPC unless written.
	SecurityGroups []string `json:"securityGroups,omitempty"`
	// Text that clients are shown when they connect, of at most 1400 bytes.
	Banner string `json:"banner,omitempty"`
	// Longest time that a client stays connected without logging in again: 8, 10, 12
	// or 24; 24 unless written.
	SessionTimeoutHours int `json:"sessionTimeoutHours,omitempty"`
	// Whether a client whose time is over has to be connected again by its user, and
	// may not call again by itself; true unless written.
	DisconnectOnSessionTimeout *bool `json:"disconnectOnSessionTimeout,omitempty"`
	// Whether connections, and attempts that fail, are logged: vpcsim client-vpn log
	// shows them.
	ConnectionLog bool `json:"connectionLog,omitempty"`
	// UDP port of this machine, such as 51820, or address and port, such as
	// 0.0.0.0:51820, at which clients outside of the lab call; a port alone is that of
	// the loopback interface. None unless written.
	Listen ListenAddress `json:"listen,omitzero"`
	// Target networks: subnets of one VPC, one per Availability Zone. Each brings
	// routes to the blocks of the VPC.
	Associations []string `json:"associations,omitempty"`
	// Transit gateway that the endpoint is attached to, instead of target networks: its
	// route tables say what clients reach, and whoever they talk to sees their own
	// addresses. The attachment has the endpoint's name.
	TransitGateway string `json:"transitGateway,omitempty"`
	// Availability Zones of an endpoint at a transit gateway, of the gateway's Region;
	// its first one unless written.
	AvailabilityZones []string `json:"availabilityZones,omitempty"`
	// Further routes: a destination to the associated subnet or subnets that lead
	// there, to the endpoint's transit gateway attachment, or to local, which leads to
	// other clients.
	Routes map[ClientVPNDestination]ClientVPNTargets `json:"routes,omitempty"`
	// Who may reach what; without a rule nobody reaches anything.
	AuthorizationRules []AuthorizationRule `json:"authorizationRules,omitempty"`

	Status ClientVPNEndpointStatus `json:"status" yaml:"-"`
}

// AuthorizationRule lets clients reach a block (C4).
type AuthorizationRule struct {
	// Block that clients may reach. Of several blocks that a destination is in,
	// only the rules of the smallest count.
	CIDR netip.Prefix `json:"cidr"`
	// Groups of clients that may: a list, or all.
	Groups ClientGroups `json:"groups"`
	// What the rule is for.
	Description string `json:"description,omitempty"`
}

// ClientVPNEndpointStatus is what AWS makes of a Client VPN endpoint.
type ClientVPNEndpointStatus struct {
	Identity
	// State is ClientVPNPending or ClientVPNAvailable.
	State string `json:"state"`
	// VPC is that of the first association, "" before there is one.
	VPC string `json:"vpc,omitempty"`
	// TransitGatewayAttachment is that of an endpoint at a transit gateway, "" for
	// others, and IPv6CIDR what its clients get their IPv6 addresses from (C11).
	TransitGatewayAttachment string       `json:"transitGatewayAttachment,omitempty"`
	IPv6CIDR                 netip.Prefix `json:"ipv6Cidr,omitzero"`
	DNSName                  string       `json:"dnsName"`
	// TrafficIPAddressType and EndpointIPAddressType are those in force.
	TrafficIPAddressType  ClientVPNAddressType `json:"trafficIpAddressType"`
	EndpointIPAddressType ClientVPNAddressType `json:"endpointIpAddressType"`
	// SecurityGroups and SessionTimeoutHours are those in force.
	SecurityGroups      []string `json:"securityGroups"`
	SessionTimeoutHours int      `json:"sessionTimeoutHours"`
	// DisconnectOnSessionTimeout is the switch in force.
	DisconnectOnSessionTimeout bool `json:"disconnectOnSessionTimeout"`
	// Fault is what has the whole endpoint down, or "".
	Fault string `json:"fault,omitempty"`
	// Associations are in the order of the file, Routes by destination and subnet. An
	// endpoint at a transit gateway has one per zone, without subnet and interface.
	Associations []ClientVPNAssociation `json:"associations"`
	Routes       []ClientVPNRoute       `json:"routes"`
	// Clients are the endpoint's, sorted.
	Clients []string `json:"clients"`
}

// States of an endpoint, spelled as AWS spells them (C2).
const (
	ClientVPNPending   = "pending-associate"
	ClientVPNAvailable = "available"
)

// ClientVPNAssociation is a target network, and the requester-managed network
// interface in it by which clients get into the VPC (C2, A27). The interface's ID and
// Handle are its Identity.
type ClientVPNAssociation struct {
	Identity
	AssociationID    string     `json:"associationId,omitempty"`
	Subnet           string     `json:"subnet,omitempty"`
	AvailabilityZone string     `json:"availabilityZone"`
	PrivateIP        netip.Addr `json:"privateIp,omitzero"`
	// IPv6CIDR is the part of the subnet's block that clients who land here get their
	// IPv6 addresses from (C6). The VPC delivers what is for them to the interface.
	IPv6CIDR netip.Prefix `json:"ipv6Cidr,omitzero"`
	// PublicIP is what the interface is on the Internet, in a VPC that has an
	// internet gateway (C8).
	PublicIP netip.Addr `json:"publicIp,omitzero"`
	MAC      MAC        `json:"mac,omitzero"`
	// OutsideIP and OutsideIPv6 are where clients call the endpoint, on UDP port
	// ClientVPNPort. They are the addresses of a host of the Internet with
	// OutsideHandle and OutsideMAC, which Store assigns, as it does MAC.
	OutsideIP     netip.Addr `json:"outsideIp,omitzero"`
	OutsideIPv6   netip.Addr `json:"outsideIpv6,omitzero"`
	OutsideHandle uint32     `json:"-"`
	OutsideMAC    MAC        `json:"outsideMac"`
	// Fault is what has the association, its subnet or its endpoint down, or "".
	Fault string `json:"fault,omitempty"`
}

// ClientVPNPort is the UDP port that endpoints listen on: one of the two that AWS
// has (C10).
const ClientVPNPort = 443

func (e *ClientVPNEndpoint) identity() *Identity { return &e.Status.Identity }

// references must all be of the VPC of the first association. AWS's words for others
// are not known.
func (e *ClientVPNEndpoint) references(w *World, name string) []reference {
	path, vpc := field("clientVpnEndpoints", name), e.vpc(w)
	foreign := func(what, of string) badValue {
		return badValue{
			code:    "InvalidParameterValue",
			message: fmt.Sprintf("%s %s is not in the VPC of Client VPN endpoint %s", what, of, name),
		}
	}
	var refs []reference
	for i, subnet := range e.Associations {
		refs = append(refs, reference{
			path: index(field(path, "associations"), i), value: subnet, set: func(s string) { e.Associations[i] = s },
			kinds: []string{"subnets"}, required: "write a subnet", vpc: vpc, foreign: foreign("subnet", subnet),
		})
	}
	for i, group := range e.SecurityGroups {
		refs = append(refs, reference{
			path: index(field(path, "securityGroups"), i), value: group, set: func(s string) { e.SecurityGroups[i] = s },
			kinds: []string{"securityGroups"}, required: "write a security group", vpc: vpc, foreign: foreign("security group", group),
		})
	}
	if e.TransitGateway != "" {
		refs = append(refs, reference{
			path: field(path, "transitGateway"), value: e.TransitGateway, set: func(s string) { e.TransitGateway = s }, kinds: []string{"transitGateways"},
		})
	}
	kind, required := e.routeTarget(name)
	for _, d := range e.destinations() {
		targets := e.Routes[d]
		for i, target := range targets {
			if target == TargetLocal {
				continue
			}
			at := field(field(path, "routes"), d.String())
			if len(targets) > 1 {
				at = index(at, i)
			}
			refs = append(refs, reference{
				path: at, value: target, set: func(s string) { targets[i] = s }, kinds: []string{kind}, required: required,
			})
		}
	}
	return refs
}

// vpc is that of the first association, "" before there is one.
func (e *ClientVPNEndpoint) vpc(w *World) string {
	for _, subnet := range e.Associations {
		if s := w.Subnets[subnet]; s != nil {
			return s.VPC
		}
	}
	return ""
}

// available reports whether there is a target network to land on.
func (a *ClientVPNAssociation) available() bool { return a.Fault == "" }

// OutsideAddresses are those that clients may call.
func (a *ClientVPNAssociation) OutsideAddresses() []netip.Addr {
	return append(addressList(a.OutsideIP), addressList(a.OutsideIPv6)...)
}

// Calls is the address that machines of the lab call: that of IPv6 if there is one, as
// whoever looks up a name with addresses of both families does.
func (a *ClientVPNAssociation) Calls() netip.Addr {
	if a.OutsideIPv6.IsValid() {
		return a.OutsideIPv6
	}
	return a.OutsideIP
}

// Works reports whether clients can be on the association: nothing has it down, and
// its interface has an address, if it has one.
func (a *ClientVPNAssociation) Works() bool {
	return a.available() && (a.Subnet == "" || a.PrivateIP.IsValid() || a.IPv6CIDR.IsValid())
}

// Place is what tells the associations of an endpoint apart: the subnet, or, at a transit
// gateway, the Availability Zone.
func (a *ClientVPNAssociation) Place() string { return cmp.Or(a.Subnet, a.AvailabilityZone) }

func (e *ClientVPNEndpoint) computeStatus(w *World, name string) {
	s := &e.Status
	s.VPC = e.vpc(w)
	s.DNSName = fmt.Sprintf("%s.prod.clientvpn.%s.amazonaws.com", s.ID, e.place(w).region)
	s.SecurityGroups = slices.Clone(e.SecurityGroups)
	if len(s.SecurityGroups) == 0 {
		s.SecurityGroups = []string{}
		if vpc := w.VPCs[s.VPC]; vpc != nil {
			s.SecurityGroups = []string{s.VPC + "/default"} // C7
		}
	}
	s.TrafficIPAddressType = cmp.Or(e.TrafficIPAddressType, ClientVPNAddressTypeIPv4)
	s.EndpointIPAddressType = cmp.Or(e.EndpointIPAddressType, ClientVPNAddressTypeIPv4)
	if s.SessionTimeoutHours = e.SessionTimeoutHours; s.SessionTimeoutHours == 0 {
		s.SessionTimeoutHours = longestSession
	}
	s.DisconnectOnSessionTimeout = onUnlessWritten(e.DisconnectOnSessionTimeout)
	s.Fault = w.faultOf("clientVpnEndpoint", name)
	e.computeTransit(w, name)
	e.computeAssociations(w, name)
	s.State = ClientVPNPending
	if len(s.Associations) > 0 {
		s.State = ClientVPNAvailable
	}
	e.computeRoutes(w)
	s.Clients = []string{}
	for _, client := range sorted(w.VPNClients) {
		if w.VPNClients[client].Endpoint == name {
			s.Clients = append(s.Clients, client)
		}
	}
}

// computeAssociations lists one per subnet. One that stays keeps what Allocate and
// Store gave it.
func (e *ClientVPNEndpoint) computeAssociations(w *World, name string) {
	s, had := &e.Status, e.Status.Associations
	s.Associations = []ClientVPNAssociation{}
	if s.TransitGatewayAttachment != "" {
		e.computeZones(w, had)
		return
	}
	for _, subnet := range e.Associations {
		in := w.Subnets[subnet]
		if in == nil || e.TransitGateway != "" || s.association(subnet) != nil {
			continue // a mistake, which Validate reports
		}
		a := ClientVPNAssociation{Subnet: subnet}
		if i := slices.IndexFunc(had, func(a ClientVPNAssociation) bool { return a.Subnet == subnet }); i >= 0 {
			a = had[i]
		}
		a.ID = resourceID("eni", w.Name, "clientVpnEndpoints", name+"/"+subnet)
		a.AssociationID = resourceID("cvpn-assoc", w.Name, "clientVpnEndpoints", name+"/"+subnet)
		a.AvailabilityZone = in.Status.AvailabilityZone
		a.Fault = cmp.Or(s.Fault, w.faultOf("clientVpnAssociation", name+"/"+subnet), in.Status.Fault)
		s.Associations = append(s.Associations, a)
	}
}

// association is the one of a place, or nil. The pointer is into s.
func (s *ClientVPNEndpointStatus) association(place string) *ClientVPNAssociation {
	for i := range s.Associations {
		if s.Associations[i].Place() == place {
			return &s.Associations[i]
		}
	}
	return nil
}

// clientVPNAssociationNames are endpoint and subnet of each, "corp/a".
func (w *World) clientVPNAssociationNames() (names []string) {
	for _, name := range sorted(w.ClientVPNEndpoints) {
		for _, subnet := range w.ClientVPNEndpoints[name].Associations {
			names = append(names, name+"/"+subnet)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// clientVPNAssociation is the association of an endpoint at a place, or nil.
func (w *World) clientVPNAssociation(endpoint, place string) *ClientVPNAssociation {
	if e := w.ClientVPNEndpoints[endpoint]; e != nil {
		return e.Status.association(place)
	}
	return nil
}

func (r AuthorizationRule) String() string { return fmt.Sprintf("%s for %s", r.CIDR, r.Groups) }
