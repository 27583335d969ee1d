package dataplane

import (
	"fmt"
	"net/netip"
	"testing"
)

// hub is the fixture of what joins VPCs: VPCs 1, 2, … with two zones each, all
// open, a transit gateway attached in both zones of all, and no route out of a
// VPC until a test adds one.
//
//	VPC k: 10.k.0.0/16, 2001:db8:k00::/40
//	  instance in zone a: 10.k.1.10, in zone b: 10.k.2.10
//	  the gateway's interfaces: 10.k.254.4 in a, 10.k.254.20 in b
type hub struct {
	*network
	vpcs int
}

const (
	hubVPC = iota
	hubTable
	hubTransitTable
	hubACL
	hubTransitACL
	hubGroup
	hubSubnetA
	hubSubnetB
	hubTransitA
	hubTransitB
	hubInstanceA
	hubInstanceB
	hubAttachment
	hubEntryA
	hubEntryB
	hubPeering // with the next VPC
	hubNAT
)

const (
	hHub Handle = 90 + iota
	hHubTable
	hHubOther
	hHubOtherTable
	hHubPeering
)

// at is the handle of a part of VPC k.
func at(k, part int) Handle { return Handle(1000*k + part) }

func newHub(t testing.TB, vpcs int) *hub {
	h := &hub{&network{t: t, clock: 1e9}, vpcs}
	h.e = NewEngine(Config{Clock: func() int64 { return h.clock }, MaxFlows: 1 << 12})
	h.b.Internet = Object{Handle: hInternet, Kind: KindInternet}
	h.b.TransitGateways = []TransitGateway{{Object: Object{Handle: hHub, Kind: KindTransitGateway, Name: "hub"}, Region: "us-east-1"}}
	table := TransitGatewayRouteTable{Object: Object{Handle: hHubTable, Kind: KindTransitGatewayRouteTable, Name: "hub/default"}, TransitGateway: hHub}
	for k := 1; k <= vpcs; k++ {
		h.addVPC(k)
		for _, block := range h.b.VPCs[k-1].CIDRs {
			table.Routes = append(table.Routes, TransitGatewayRoute{
				Destination: block, Attachment: at(k, hubAttachment), Text: fmt.Sprintf("%s → transitGatewayAttachment %d", block, k),
			})
		}
	}
	h.b.TransitGatewayRouteTables = []TransitGatewayRouteTable{table}
	return h
}

func (h *hub) addVPC(k int) {
	block4, block6 := cidr(fmt.Sprintf("10.%d.0.0/16", k)), cidr(fmt.Sprintf("2001:db8:%x00::/40", k))
	object := func(part int, kind Kind, name string) Object {
		return Object{Handle: at(k, part), Kind: kind, Name: fmt.Sprintf("%s%d", name, k)}
	}
	h.b.VPCs = append(h.b.VPCs, VPC{Object: object(hubVPC, KindVPC, "vpc"), Region: "us-east-1", CIDRs: []netip.Prefix{block4, block6}})
	for part, name := range map[int]string{hubTable: "table", hubTransitTable: "transit"} {
		h.b.RouteTables = append(h.b.RouteTables, RouteTable{Object: object(part, KindRouteTable, name), VPC: at(k, hubVPC), Routes: []Route{
			{Destination: block4, Target: Target{TargetLocal, at(k, hubVPC)}, Text: "local"},
			{Destination: block6, Target: Target{TargetLocal, at(k, hubVPC)}, Text: "local"},
		}})
	}
	for part, name := range map[int]string{hubACL: "acl", hubTransitACL: "transit"} {
		h.b.NetworkACLs = append(h.b.NetworkACLs, NetworkACL{Object: object(part, KindNetworkACL, name), Ingress: openACL(), Egress: openACL()})
	}
	h.b.SecurityGroups = append(h.b.SecurityGroups, SecurityGroup{Object: object(hubGroup, KindSecurityGroup, "group"), Ingress: open(), Egress: open()})
	for i, zone := range []string{"us-east-1a", "us-east-1b"} {
		h.b.Subnets = append(h.b.Subnets, Subnet{
			Object: object(hubSubnetA+i, KindSubnet, "work"+zone[9:]+"-"), VPC: at(k, hubVPC), RouteTable: at(k, hubTable), NetworkACL: at(k, hubACL), Zone: zone,
			CIDRs: []netip.Prefix{cidr(fmt.Sprintf("10.%d.%d.0/24", k, i+1)), cidr(fmt.Sprintf("2001:db8:%x%02x::/64", k, i+1))},
		}, Subnet{
			Object: object(hubTransitA+i, KindSubnet, "transit"+zone[9:]+"-"), VPC: at(k, hubVPC), RouteTable: at(k, hubTransitTable), NetworkACL: at(k, hubTransitACL), Zone: zone,
			CIDRs: []netip.Prefix{cidr(fmt.Sprintf("10.%d.254.%d/28", k, 16*i))},
		})
		h.b.NetworkInterfaces = append(h.b.NetworkInterfaces, NetworkInterface{
			Object: object(hubInstanceA+i, KindNetworkInterface, "host"+zone[9:]+"-"), Subnet: at(k, hubSubnetA+i), MAC: InterfaceMAC(at(k, hubInstanceA+i)),
			Addresses: []netip.Addr{
				netip.MustParseAddr(fmt.Sprintf("10.%d.%d.10", k, i+1)), netip.MustParseAddr(fmt.Sprintf("2001:db8:%x%02x::10", k, i+1)),
			},
			SecurityGroups: []Handle{at(k, hubGroup)}, SourceDestCheck: true,
		})
	}
	h.b.TransitGatewayAttachments = append(h.b.TransitGatewayAttachments, TransitGatewayAttachment{
		Object: object(hubAttachment, KindTransitGatewayAttachment, "attachment"), TransitGateway: hHub, VPC: at(k, hubVPC), RouteTable: hHubTable,
		Interfaces: []TransitGatewayInterface{
			{Object: object(hubEntryA, KindTransitGatewayInterface, "entry-a-"), Subnet: at(k, hubTransitA), MAC: InterfaceMAC(at(k, hubEntryA)),
				Addresses: []netip.Addr{netip.MustParseAddr(fmt.Sprintf("10.%d.254.4", k))}},
			{Object: object(hubEntryB, KindTransitGatewayInterface, "entry-b-"), Subnet: at(k, hubTransitB), MAC: InterfaceMAC(at(k, hubEntryB)),
				Addresses: []netip.Addr{netip.MustParseAddr(fmt.Sprintf("10.%d.254.20", k))}},
		},
	})
}

// route adds a route to a table of VPC k; part is hubTable or hubTransitTable.
func (h *hub) route(k, part int, destination string, kind TargetKind, target Handle) {
	t := h.table(k, part)
	t.Routes = append(t.Routes, Route{Destination: cidr(destination), Target: Target{kind, target}, Text: destination + " → there"})
}

func (h *hub) table(k, part int) *RouteTable {
	for i := range h.b.RouteTables {
		if h.b.RouteTables[i].Handle == at(k, part) {
			return &h.b.RouteTables[i]
		}
	}
	panic("no such table")
}

func (h *hub) acl(k, part int) *NetworkACL {
	for i := range h.b.NetworkACLs {
		if h.b.NetworkACLs[i].Handle == at(k, part) {
			return &h.b.NetworkACLs[i]
		}
	}
	panic("no such ACL")
}

// viaHub routes everything that is not its own to the transit gateway, in every
// VPC's work subnets.
func (h *hub) viaHub() *hub {
	for k := 1; k <= h.vpcs; k++ {
		h.route(k, hubTable, "10.0.0.0/8", TargetTransitGateway, at(k, hubAttachment))
		h.route(k, hubTable, "2001:db8::/32", TargetTransitGateway, at(k, hubAttachment))
	}
	return h
}

// peer joins VPCs k and l; the routes are a test's own.
func (h *hub) peer(k, l int) Handle {
	p := at(k, hubPeering) + Handle(100*l)
	h.b.VPCPeerings = append(h.b.VPCPeerings, VPCPeering{
		Object:    Object{Handle: p, Kind: KindVPCPeering, Name: fmt.Sprintf("peering%d-%d", k, l)},
		Requester: at(k, hubVPC), Accepter: at(l, hubVPC),
	})
	return p
}

// exit is the interface of the gateway by which the last walk left it.
func (h *hub) exit() Handle {
	h.t.Helper()
	w := &h.e.walk
	for _, s := range w.steps[:w.nSteps] {
		if s.Reason == ReasonZone {
			for i := range h.b.TransitGatewayAttachments {
				if a := &h.b.TransitGatewayAttachments[i]; a.Handle == s.Object {
					for _, n := range a.Interfaces {
						if w.snap.subnets[w.snap.interfaces[w.snap.interfaceOf(uint32(n.Handle))].subnet].zone == s.Detail {
							return n.Handle
						}
					}
				}
			}
		}
	}
	h.t.Fatalf("the packet left no transit gateway:\n%s", h.story())
	return 0
}

// both sends by IPv4 and by IPv6 from one instance to another.
func (h *hub) both(what string, from Handle, to int, zone int, verdict Verdict, reason Reason) {
	h.t.Helper()
	h.want(what+", IPv4", from, syn(fmt.Sprintf("10.%d.%d.10", to, zone), 80), verdict, reason)
	h.want(what+", IPv6", from, syn(fmt.Sprintf("2001:db8:%x%02x::10", to, zone), 80), verdict, reason)
}
