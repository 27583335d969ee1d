package control

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Fault is something that is broken, "natGateway nat": a state of the world like
// any other, so that what AWS would do about it follows where the world is
// completed and compiled. Nothing is done to packets that a broken thing would not
// do to them.
type Fault struct {
	Kind string // a word of faultKinds
	Name string
	// Direction of a link that is cut in one only: forward or reverse.
	Direction string
}

// Faults is a list that a file may write as its only item.
type Faults []Fault

// faultKind is a sort of thing that can break.
type faultKind struct {
	// plural is the kind of resource, "" for what is none.
	plural string
	// names are what can break, if it is no resource.
	names func(w *World) []string
	// does says what follows, in a sentence for people.
	does string
}

// faultKinds are all sorts of things that can break, by the word before their
// name. A new one is a line here and a look at its fault where it is completed.
var faultKinds = map[string]faultKind{
	"az":                        {names: (*World).zonesInUse, does: "its instances and NAT gateways are gone"},
	"region":                    {names: (*World).regionsInUse, does: "all its zones and its transit gateways are down"},
	"instance":                  {plural: "instances", does: "its programs end, and routes to it are blackholes"},
	"natGateway":                {plural: "natGateways", does: "it drops what comes to it; routes to it stay active"},
	"transitGatewayAttachment":  {plural: "transitGatewayAttachments", does: "routes to it are blackholes, propagated ones go"},
	"transitGatewayConnectPeer": {plural: "transitGatewayConnectPeers", does: "its GRE and BGP are dead; its routes go"},
	"vpcPeering":                {plural: "vpcPeerings", does: "routes to it are blackholes"},
	"clientVpnEndpoint":         {plural: "clientVpnEndpoints", does: "its clients are disconnected, and cannot connect"},
	"clientVpnAssociation":      {names: (*World).clientVPNAssociationNames, does: "its clients go to another association"},
	"site":                      {plural: "sites", does: "its router and hosts are gone, unannounced"},
	FaultTunnel:                 {names: (*World).vpnTunnelNames, does: "its routes go at once, and other tunnels take over"},
	TunnelMaintenance:           {names: (*World).vpnTunnelNames, does: "AWS prefers the other tunnel by its MED; both work"},
	"vpnConnection":             {plural: "vpnConnections", does: "AWS's ends of both its tunnels are gone"},
	"link":                      {plural: "links", does: "it loses every packet"},
}

// FaultKinds are the words that a fault begins with, sorted, each with what
// follows from it.
func FaultKinds() (words []string, does map[string]string) {
	does = map[string]string{}
	for word, k := range faultKinds {
		does[word] = k.does
	}
	return slices.Sorted(maps.Keys(faultKinds)), does
}

// FaultNames are what can break of a kind in w, sorted.
func FaultNames(w *World, kind string) []string {
	k, known := faultKinds[kind]
	switch {
	case !known:
		return nil
	case k.names != nil:
		return k.names(w)
	}
	resources, _ := KindNamed(k.plural)
	return resources.Names(w)
}

func (f Fault) String() string { return strings.TrimSpace(f.Kind + " " + f.Name + " " + f.Direction) }

func (f *Fault) parse(text string) error {
	words := strings.Fields(text)
	if len(words) < 2 || len(words) > 3 {
		return badValue{message: fmt.Sprintf("%q names nothing that can break", text), hint: "write a kind and a name, such as az us-east-1a"}
	}
	*f = Fault{Kind: words[0], Name: words[1]}
	if len(words) == 3 {
		f.Direction = words[2]
	}
	return nil
}

func (f Fault) MarshalJSON() ([]byte, error)     { return marshalScalar(f) }
func (f *Fault) UnmarshalJSON(data []byte) error { return unmarshalScalar(data, f.parse) }

func (f *Faults) parseOne(text string) error {
	var one Fault
	if err := one.parse(text); err != nil {
		return err
	}
	*f = Faults{one}
	return nil
}

// UnmarshalJSON takes one fault or a list.
func (f *Faults) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '[' {
		return json.Unmarshal(data, (*[]Fault)(f))
	}
	var one Fault
	if err := one.UnmarshalJSON(data); err != nil || one == (Fault{}) {
		return err
	}
	*f = Faults{one}
	return nil
}

// spell names what the fault is about as the world does: by name, and a link in
// its own direction.
func (f *Fault) spell(w *World) {
	k, known := faultKinds[f.Kind]
	if !known || k.plural == "" {
		return
	}
	f.Name = w.resolve(reference{value: f.Name, kinds: []string{k.plural}})
	if f.Kind != "link" || w.Links[f.Name] != nil {
		return
	}
	ends, _ := w.linkEnds(f.Name, w.placesInUse())
	if name, reversed := w.linkAt(ends); name != "" && !ends.isZero() {
		f.Name = name
		if reversed {
			f.Direction = opposite(f.Direction)
		}
	}
}

// opposite is the other direction of a link, of both both.
func opposite(direction string) string {
	switch direction {
	case directionForward:
		return directionReverse
	case directionReverse:
		return directionForward
	}
	return direction
}

// problem says why the fault cannot be, nil if it can. The world is one that
// Complete has seen.
func (f *Fault) problem(w *World) *badValue {
	k, known := faultKinds[f.Kind]
	if !known {
		words, _ := FaultKinds()
		bad := &badValue{message: fmt.Sprintf("%q is not a kind that can break", f.Kind), hint: "write " + orList(words)}
		if near := closest(f.Kind, words); near != "" {
			bad.hint = fmt.Sprintf("did you mean %q?", near)
		}
		return bad
	}
	if names := FaultNames(w, f.Kind); !slices.Contains(names, f.Name) {
		if k.plural != "" {
			bad := w.dangling(f.Name, []string{k.plural})
			bad.code = ""
			return &bad
		}
		bad := &badValue{message: fmt.Sprintf("nothing of the lab is in %q", f.Name), hint: "there is " + cmp.Or(someOf(names), "none")}
		if near := closest(f.Name, names); near != "" {
			bad.hint = fmt.Sprintf("did you mean %q?", near)
		}
		return bad
	}
	switch {
	case f.Direction == "":
	case f.Kind != "link":
		return &badValue{message: fmt.Sprintf("%s %s has no directions", f.Kind, f.Name), hint: "only a link has: remove " + f.Direction}
	case f.Direction != directionForward && f.Direction != directionReverse:
		return &badValue{message: fmt.Sprintf("%q is not a direction", f.Direction), hint: "write forward or reverse, or nothing for both"}
	}
	return nil
}

// validate reports faults of what cannot break.
func (f Faults) validate(v *validation, path string) {
	for i := range f {
		at := index(path, i)
		if len(f) == 1 && !v.w.Source.has(at) {
			at = path // written without a list
		}
		fault := f[i] // a check keeps its own spelling until it breaks something
		fault.spell(v.w)
		if bad := fault.problem(v.w); bad != nil {
			v.reportAt(at, false, *bad)
		}
	}
}

// computeFaults settles what is broken, by itself or by what it stands in. Subnets
// know their zones by then; everything else asks its own Status.
func (w *World) computeFaults() {
	for i := range w.Faults {
		w.Faults[i].spell(w)
	}
	for i := range w.Checks {
		if at := &w.Checks[i].At; at.Kind == "link" {
			link := Fault{Kind: at.Kind, Name: at.Name}
			link.spell(w)
			at.Name = link.Name
		}
	}
	for name, r := range w.Regions {
		r.Status.Fault = w.faultOf("region", name)
	}
	for _, s := range w.Subnets {
		s.Status.Fault = w.zoneFault(s.Status.AvailabilityZone)
	}
	for name, i := range w.Instances {
		i.Status.Fault = cmp.Or(w.faultOf("instance", name), w.subnetFault(i.Subnet))
	}
	for name, g := range w.NATGateways {
		g.Status.Fault = cmp.Or(w.faultOf("natGateway", name), w.subnetFault(g.Subnet))
	}
	for name, p := range w.VPCPeerings {
		p.Status.Fault = w.faultOf("vpcPeering", name)
	}
	for name, p := range w.TransitGatewayConnectPeers {
		p.Status.Fault = w.faultOf("transitGatewayConnectPeer", name)
	}
	for name, s := range w.Sites {
		s.Status.Fault = w.faultOf("site", name)
	}
	for _, h := range w.SiteHosts {
		h.Status.Fault = w.faultOf("site", h.Site)
	}
	for name, c := range w.VPNConnections {
		c.Status.Fault = cmp.Or(w.faultOf("vpnConnection", name), w.faultOf("region", c.place(w).region))
	}
	for name, a := range w.TransitGatewayAttachments {
		a.Status.Fault = cmp.Or(w.faultOf("transitGatewayAttachment", name), w.gatewayFault(a.TransitGateway), w.gatewayFault(a.Peer))
		if a.isVPN() && a.Status.Fault == "" {
			a.Status.Fault = w.VPNConnections[name].Status.Fault
		}
	}
	for _, a := range w.TransitGatewayAttachments {
		if t := w.TransitGatewayAttachments[a.Transport]; a.isConnect() && t != nil {
			a.Status.Fault = cmp.Or(a.Status.Fault, t.Status.Fault)
		}
	}
}

// faultOf is the fault of that very thing, in words, or "".
func (w *World) faultOf(kind, name string) string {
	for _, f := range w.Faults {
		if f.Kind == kind && f.Name == name {
			return f.String()
		}
	}
	return ""
}

// FaultOf is what has a resource down, in the words of a fault, or "".
func FaultOf(r Resource) string {
	switch x := r.(type) {
	case *Region:
		return x.Status.Fault
	case *Subnet:
		return x.Status.Fault
	case *Instance:
		return x.Status.Fault
	case *NATGateway:
		return x.Status.Fault
	case *VPCPeering:
		return x.Status.Fault
	case *TransitGatewayAttachment:
		return x.Status.Fault
	case *TransitGatewayConnectPeer:
		return x.Status.Fault
	case *Site:
		return x.Status.Fault
	case *VPNConnection:
		return x.Status.Fault
	case *ClientVPNEndpoint:
		return x.Status.Fault
	case *Link:
		return x.Status.Fault
	}
	return ""
}

// zoneFault is what has an Availability Zone down, or "".
func (w *World) zoneFault(zone string) string {
	return cmp.Or(w.faultOf("az", zone), w.faultOf("region", regionOfZone(zone)))
}

func (w *World) subnetFault(subnet string) string {
	if s := w.Subnets[subnet]; s != nil {
		return s.Status.Fault
	}
	return ""
}

// gatewayFault is what has a transit gateway down: it is in no zone, so only its
// Region.
func (w *World) gatewayFault(gateway string) string {
	if g := w.TransitGateways[gateway]; g != nil {
		return w.faultOf("region", g.place(w).region)
	}
	return ""
}

// cut says which directions of a link a fault has cut.
func (w *World) cut(link string) (forward, reverse bool) {
	for _, f := range w.Faults {
		if f.Kind == "link" && f.Name == link {
			forward = forward || f.Direction != directionReverse
			reverse = reverse || f.Direction != directionForward
		}
	}
	return forward, reverse
}

// linkFault words the cut of a link.
func (w *World) linkFault(link string) string {
	switch forward, reverse := w.cut(link); {
	case forward && reverse:
		return Fault{Kind: "link", Name: link}.String()
	case forward:
		return Fault{"link", link, directionForward}.String()
	case reverse:
		return Fault{"link", link, directionReverse}.String()
	}
	return ""
}

// String lists the faults: "az us-east-1a and instance web".
func (f Faults) String() string {
	words := make([]string, len(f))
	for i := range f {
		words[i] = f[i].String()
	}
	return strings.Join(words, " and ")
}
