package control

import (
	"net/netip"
	"slices"

	"github.com/vpcsim/vpcsim/dataplane"
)

// Compile turns a completed, allocated and valid world into a snapshot. It is
// pure and deterministic. An error is a bug of this package's: what a user can
// get wrong, Validate reports.
func Compile(w *World, revision uint64) (*dataplane.Snapshot, error) {
	return build(w, revision).Seal()
}

// build lays the world out for the data plane, kind by kind.
func build(w *World, revision uint64) *dataplane.Builder {
	c := &compilation{w: w, b: dataplane.Builder{Revision: revision, Internet: internetObject, Services: platformServices}}
	compileAll(c, w.VPCs)
	compileAll(c, w.VPCPeerings)
	compileAll(c, w.Subnets)
	compileAll(c, w.RouteTables)
	compileAll(c, w.NetworkACLs)
	compileAll(c, w.SecurityGroups)
	compileAll(c, w.NetworkInterfaces)
	compileAll(c, w.InternetGateways)
	compileAll(c, w.NATGateways)
	compileAll(c, w.EgressOnlyInternetGateways)
	compileAll(c, w.TransitGateways)
	compileAll(c, w.TransitGatewayAttachments)
	compileAll(c, w.TransitGatewayConnectPeers)
	compileAll(c, w.TransitGatewayRouteTables)
	compileAll(c, w.InternetHosts)
	compileAll(c, w.AWSServices)
	compileAll(c, w.LoadBalancers)
	compileAll(c, w.VPCEndpoints)
	compileAll(c, w.Sites)
	compileAll(c, w.SiteHosts)
	compileAll(c, w.VPNGateways)
	compileAll(c, w.VPNConnections)
	compileAll(c, w.ClientVPNEndpoints)
	compileAll(c, w.VPNClients)
	compileAll(c, w.Links)
	compileAll(c, w.FlowLogs)
	compileAll(c, w.TrafficMirrorSessions)
	return &c.b
}

// compilation is the state of one Compile; each noun adds itself to the Builder.
type compilation struct {
	w *World
	b dataplane.Builder
}

// compileAll compiles the resources of one kind by name, so that the same world
// gives the same snapshot.
func compileAll[T any, R interface {
	*T
	compile(c *compilation, name string)
}](c *compilation, resources map[string]*T) {
	for _, name := range sorted(resources) {
		R(resources[name]).compile(c, name)
	}
}

// InternetHandle is the Internet's own: control gives it to nothing else.
const InternetHandle = 1

var internetObject = dataplane.Object{Handle: InternetHandle, Kind: dataplane.KindInternet}

// object is how a snapshot knows a resource.
func object(kind dataplane.Kind, name string, id Identity) dataplane.Object {
	return dataplane.Object{Handle: dataplane.Handle(id.Handle), Kind: kind, Name: name, ID: id.ID}
}

// addressList is a list of one address, empty if there is none.
func addressList(a netip.Addr) []netip.Addr {
	if !a.IsValid() {
		return nil
	}
	return []netip.Addr{a}
}

// withIPv6 lists the valid blocks among v4 and v6.
func withIPv6(v4 []netip.Prefix, v6 netip.Prefix) []netip.Prefix {
	list := append(slices.Clone(v4), v6)
	return slices.DeleteFunc(list, func(p netip.Prefix) bool { return !p.IsValid() })
}
