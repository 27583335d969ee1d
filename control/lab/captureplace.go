package lab

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/capture"
	"github.com/vpcsim/vpcsim/dataplane"
)

// capturePlace is a place of a capture as its file names it.
type capturePlace struct {
	dataplane.CapturePlace
	capture.Interface
}

// placeGroup is what one name means: the places of one resource. A gateway that
// translates has two, which can be asked for by NAME:inside and NAME:outside.
type placeGroup struct {
	kind, name string
	places     []capturePlace
}

// placeGroups are all places of the world, by kind and name.
func placeGroups(w *control.World) []placeGroup {
	var groups []placeGroup
	add := func(kind, name string, places ...capturePlace) {
		// A handle of 0 is of what is not there, such as the machine of a VPN client
		// that is outside of the lab.
		if places = slices.DeleteFunc(places, func(p capturePlace) bool { return p.Object == 0 }); len(places) > 0 {
			groups = append(groups, placeGroup{kind, name, places})
		}
	}
	for name, i := range w.Instances {
		var places []capturePlace
		for _, eni := range i.Status.NetworkInterfaces {
			shown := eni // the instance's own name is enough where there is only one
			if len(i.Status.NetworkInterfaces) == 1 {
				shown = name
			}
			places = append(places, interfacePlace(w, eni, shown))
		}
		add("instance", name, places...)
	}
	for name := range w.NetworkInterfaces {
		add("networkInterface", name, interfacePlace(w, name, name))
	}
	for name, h := range w.InternetHosts {
		add("internetHost", name, onePlace(h.Status.Handle, name, "Internet host %s", name))
	}
	for name, h := range w.SiteHosts {
		add("siteHost", name, onePlace(h.Status.Handle, name, "host %s of site %s", name, h.Site))
	}
	for name, s := range w.Sites {
		add("site", name, onePlace(s.Status.Handle, name, "router of site %s, on the Internet", name))
	}
	for name, g := range w.NATGateways {
		add("natGateway", name, sides(g.Status.Handle, name, "NAT gateway %s, before translation", "NAT gateway %s, after translation")...)
	}
	for name, g := range w.InternetGateways {
		add("internetGateway", name, sides(g.Status.Handle, name, "internet gateway %s, towards the VPC", "internet gateway %s, towards the Internet")...)
	}
	for name, g := range w.EgressOnlyInternetGateways {
		add("egressOnlyInternetGateway", name, onePlace(g.Status.Handle, name, "egress-only internet gateway %s", name))
	}
	for name, p := range w.VPCPeerings {
		add("vpcPeering", name, onePlace(p.Status.Handle, name, "VPC peering connection %s", name))
	}
	for name, g := range w.TransitGateways {
		var places []capturePlace
		for _, a := range g.Status.Attachments {
			places = append(places, attachmentPlace(w, a))
		}
		add("transitGateway", name, places...)
	}
	for name := range w.TransitGatewayAttachments {
		add("transitGatewayAttachment", name, attachmentPlace(w, name))
	}
	for name, g := range w.VPNGateways {
		add("vpnGateway", name, onePlace(g.Status.Handle, name, "virtual private gateway %s", name))
	}
	for name, c := range w.VPNConnections {
		var places []capturePlace
		for i := range c.Status.Tunnels {
			t := tunnelPlaces(&c.Status.Tunnels[i])
			places = append(places, t...)
			add("vpnTunnel", c.Status.Tunnels[i].Name, t...)
		}
		add("vpnConnection", name, places...)
	}
	for name, e := range w.ClientVPNEndpoints {
		var places []capturePlace
		for i := range e.Status.Associations {
			a := &e.Status.Associations[i]
			places = append(places, onePlace(a.OutsideHandle, name+"/"+a.Place()+":outside", "Client VPN endpoint %s, encrypted", name))
		}
		add("clientVpnEndpoint", name, places...)
	}
	for name, c := range w.VPNClients {
		add("vpnClient", name,
			onePlace(c.Status.Handle, name+":inside", "VPN client %s, in its tunnel", name),
			onePlace(c.Status.InternetHandle, name+":outside", "VPN client %s, on the Internet", name))
	}
	for name, e := range w.VPCEndpoints {
		add("vpcEndpoint", name, onePlace(e.Status.Handle, name, "VPC endpoint %s", name))
	}
	for name, s := range w.TrafficMirrorSessions {
		add("trafficMirrorSession", name, onePlace(s.Status.Handle, name, "copies of traffic mirror session %s", name))
	}
	add("internet", "internet", onePlace(control.InternetHandle, "internet", "the Internet"))
	slices.SortFunc(groups, func(a, b placeGroup) int { return strings.Compare(a.name+" "+a.kind, b.name+" "+b.kind) })
	return groups
}

func onePlace(handle uint32, name, description string, values ...any) capturePlace {
	return capturePlace{
		dataplane.CapturePlace{Object: dataplane.Handle(handle)},
		capture.Interface{Name: name, Description: fmt.Sprintf(description, values...)},
	}
}

// sides are the places of a gateway that translates.
func sides(handle uint32, name, inside, outside string) []capturePlace {
	list := []capturePlace{onePlace(handle, name+":inside", inside, name), onePlace(handle, name+":outside", outside, name)}
	list[0].Side, list[1].Side = dataplane.SideInside, dataplane.SideOutside
	return list
}

func interfacePlace(w *control.World, name, shown string) capturePlace {
	eni := w.NetworkInterfaces[name]
	if eni == nil {
		return capturePlace{}
	}
	return onePlace(eni.Status.Handle, shown, "network interface %s (%s)", name, eni.Status.ID)
}

func attachmentPlace(w *control.World, name string) capturePlace {
	a := w.TransitGatewayAttachments[name]
	if a == nil {
		return capturePlace{}
	}
	return onePlace(a.Status.Handle, name, "attachment %s of transit gateway %s", name, a.TransitGateway)
}

func tunnelPlaces(t *control.VPNTunnel) []capturePlace {
	return []capturePlace{
		onePlace(t.Handle, t.Name+":inside", "VPN tunnel %s, decrypted", t.Name),
		onePlace(t.OutsideHandle, t.Name+":outside", "VPN tunnel %s, encrypted: AWS's end on the Internet", t.Name),
	}
}

// allPlaces are the places of --all: each once, by its shortest name.
func allPlaces(w *control.World) []capturePlace {
	var list []capturePlace
	for _, g := range placeGroups(w) {
		switch g.kind {
		case "networkInterface", "transitGateway", "vpnConnection": // of instances, attachments and tunnels
			continue
		}
		list = append(list, g.places...)
	}
	return unique(list)
}

func unique(list []capturePlace) []capturePlace {
	seen := map[dataplane.CapturePlace]bool{}
	return slices.DeleteFunc(list, func(p capturePlace) bool {
		again := seen[p.CapturePlace]
		seen[p.CapturePlace] = true
		return again
	})
}

// findPlaces understands PLACE: a resource's name, "KIND NAME" where several kinds
// have it, and either with :inside or :outside behind.
func findPlaces(w *control.World, names []string) ([]capturePlace, error) {
	groups := placeGroups(w)
	var list []capturePlace
	for _, text := range names {
		found, err := findPlace(groups, text)
		if err != nil {
			return nil, err
		}
		list = append(list, found...)
	}
	return unique(list), nil
}

func findPlace(groups []placeGroup, text string) ([]capturePlace, error) {
	base, side, hasSide := text, "", false
	if at := strings.LastIndexByte(text, ':'); at >= 0 {
		base, side, hasSide = text[:at], text[at+1:], true
	}
	kind, name, hasKind := strings.Cut(base, " ")
	if !hasKind {
		kind, name = "", base
	}
	var found, sided []placeGroup
	for _, g := range groups {
		if g.name != name || kind != "" && g.kind != kind {
			continue
		}
		found = append(found, g)
		if places := g.side(side); hasSide && len(places) > 0 {
			sided = append(sided, placeGroup{g.kind, g.name, places})
		}
	}
	switch {
	case len(found) == 0:
		return nil, unknownPlace(groups, text)
	case hasSide && len(sided) == 0:
		return nil, &UsageError{fmt.Sprintf("%s %s has no side %q", found[0].kind, name, side), "NAT and internet gateways, VPN tunnels and VPN clients have :inside and :outside"}
	case hasSide:
		found = sided // of two with the name, only one may have sides
	}
	if len(found) > 1 {
		var kinds []string
		for _, g := range found {
			kinds = append(kinds, fmt.Sprintf("%q", g.kind+" "+g.name))
		}
		return nil, &UsageError{fmt.Sprintf("%s is the name of several things", name), "write one of " + strings.Join(kinds, ", ")}
	}
	return found[0].places, nil
}

// side are the places of a group on one side.
func (g *placeGroup) side(side string) (list []capturePlace) {
	for _, p := range g.places {
		if strings.HasSuffix(p.Name, ":"+side) {
			list = append(list, p)
		}
	}
	return list
}

func unknownPlace(groups []placeGroup, text string) error {
	var names []string
	for _, g := range groups {
		names = append(names, g.name)
	}
	names = slices.Compact(names)
	hint := "places are " + strings.Join(names, ", ")
	if near := Closest(text, names); near != "" {
		hint = fmt.Sprintf("did you mean %s?", near)
	}
	return &UsageError{fmt.Sprintf("nothing in the lab that packets pass is named %q", text), hint}
}

// CapturePlaceNames are the names that a capture may look at.
func CapturePlaceNames(w *control.World) []string {
	var names []string
	for _, k := range control.Kinds() {
		switch k.Plural {
		case "instances", "internetHosts", "siteHosts", "sites", "natGateways", "internetGateways", "egressOnlyInternetGateways", "vpcPeerings",
			"transitGateways", "transitGatewayAttachments", "vpnGateways", "vpnConnections", "clientVpnEndpoints", "vpnClients", "trafficMirrorSessions", "vpcEndpoints":
			names = append(names, k.Names(w)...)
		}
	}
	slices.Sort(names)
	return slices.Compact(append(names, "internet"))
}
