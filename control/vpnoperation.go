package control

import (
	"net/netip"
	"slices"
)

// vpnOperations change the static routes of a connection to a virtual private
// gateway while traffic runs.
var vpnOperations = map[string]operation{
	"create-route": {do: createVPNRoute, parameters: []string{"destination"}},
	"delete-route": {do: deleteVPNRoute, parameters: []string{"destination"}},
}

// vpnRoute reads the operation's block; a connection with BGP has no static routes
// (QC2, V4).
func (op Operation) vpnRoute(w *World) (netip.Prefix, error) {
	if !w.VPNConnections[op.Name].static() {
		return netip.Prefix{}, op.problemf("InvalidVpnConnection.InvalidType", "its routes are learned by BGP: a connection has staticRoutes from the beginning, or never",
			"VPN connection %s does not support static routes.", op.Name)
	}
	if op.Parameters["destination"] == "" {
		return netip.Prefix{}, op.problem("MissingParameter", "The request must contain the parameter destination", "write a block such as 10.50.0.0/16")
	}
	p, err := parsePrefix(op.Parameters["destination"])
	if bad, ok := err.(badValue); ok {
		return netip.Prefix{}, op.problem(bad.code, bad.message, bad.hint)
	}
	return p, err
}

// createVPNRoute adds a route. One that is there already is no error.
func createVPNRoute(w *World, op Operation) error {
	p, err := op.vpnRoute(w)
	if c := w.VPNConnections[op.Name]; err == nil && !slices.Contains(c.StaticRoutes, p) {
		c.StaticRoutes = append(c.StaticRoutes, p)
	}
	return err
}

func deleteVPNRoute(w *World, op Operation) error {
	p, err := op.vpnRoute(w)
	if err != nil {
		return err
	}
	c := w.VPNConnections[op.Name]
	i := slices.Index(c.StaticRoutes, p)
	if i < 0 {
		return op.problemf("InvalidRoute.NotFound", "it has "+joinPrefixes(c.StaticRoutes), "VPN connection %s has no route to %s.", op.Name, p)
	}
	c.StaticRoutes = slices.Delete(c.StaticRoutes, i, i+1)
	return nil
}
