package control

import (
	"fmt"
	"slices"
	"strings"
)

// LinkEnds is where a link lies: at an interface of an instance, at an Internet
// host, a site or a VPN client, or between two places. The fields that do not apply are "".
type LinkEnds struct {
	NetworkInterface string `json:"networkInterface,omitempty"`
	InternetHost     string `json:"internetHost,omitempty"`
	Site             string `json:"site,omitempty"`      // its router's way to the Internet
	VPNClient        string `json:"vpnClient,omitempty"` // its machine's way to the Internet
	// From and To are two Regions or two Availability Zones.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
}

// linkEnds finds out what a link's name means. A machine's own link is known by
// its name, so that later kinds of ends (tunnels, connections) are further cases
// here.
func (w *World) linkEnds(name string, used places) (LinkEnds, *badValue) {
	switch {
	case w.InternetHosts[name] != nil:
		return LinkEnds{InternetHost: name}, nil
	case w.Sites[name] != nil:
		return LinkEnds{Site: name}, nil
	case w.VPNClients[name] != nil && !onUnlessWritten(w.VPNClients[name].InLab): // the Status comes later
		return LinkEnds{}, &badValue{
			message: fmt.Sprintf("the machine of VPN client %s is not in the lab", name), hint: "remove inLab: false there, or the link",
		}
	case w.VPNClients[name] != nil:
		return LinkEnds{VPNClient: name}, nil
	case w.NetworkInterfaces[name] != nil:
		return LinkEnds{NetworkInterface: name}, nil
	case w.Instances[name] != nil:
		if n := len(w.Instances[name].Interfaces); n > 0 {
			return LinkEnds{}, &badValue{
				message: fmt.Sprintf("instance %s has %d network interfaces", name, n+1),
				hint:    fmt.Sprintf("write one of them: %s", NetworkInterfaceName(name, 0)),
			}
		}
		return LinkEnds{NetworkInterface: NetworkInterfaceName(name, 0)}, nil
	}
	from, to, ok := strings.Cut(name, "/")
	if !ok {
		bad := w.dangling(name, []string{"instances", "internetHosts", "sites", "vpnClients"})
		bad.code, bad.message = "", fmt.Sprintf("%q is no machine and no pair of places", name)
		if !strings.HasPrefix(bad.hint, "did you mean") {
			bad.hint = "write an instance, an interface such as web/eth1, an Internet host, a site, a VPN client, or two Regions or Availability Zones such as us-east-1/eu-west-1"
		}
		return LinkEnds{}, &bad
	}
	if w.Instances[from] != nil {
		return LinkEnds{}, &badValue{
			message: fmt.Sprintf("instance %s has no network interface %s", from, to),
			hint:    "it has " + someOf(w.interfaceNames(from)),
		}
	}
	return used.linkEnds(from, to)
}

func (w *World) interfaceNames(instance string) (names []string) {
	for i := range w.Instances[instance].interfaceSpecs() {
		names = append(names, NetworkInterfaceName(instance, i))
	}
	return names
}

// linkEnds are two places of the same sort.
func (p places) linkEnds(from, to string) (LinkEnds, *badValue) {
	for _, place := range []string{from, to} {
		if p.isRegion(place) || p.isZone(place) {
			continue
		}
		all := slices.Concat(p.regions, p.zones)
		bad := &badValue{message: fmt.Sprintf("nothing of the lab is in %q", place), hint: "there is " + someOf(all)}
		switch near := closest(place, all); {
		case near != "":
			bad.hint = fmt.Sprintf("did you mean %q?", near)
		case len(all) == 0:
			bad.hint = "the file has no VPC"
		}
		return LinkEnds{}, bad
	}
	switch {
	case from == to:
		return LinkEnds{}, &badValue{message: fmt.Sprintf("both ends are %s", from), hint: "for all Availability Zones of a Region write zoneRoundTrip under regions"}
	case p.isRegion(from) != p.isRegion(to):
		return LinkEnds{}, &badValue{message: fmt.Sprintf("%s and %s are not of the same sort", from, to), hint: "write two Regions, or two Availability Zones"}
	}
	return LinkEnds{From: from, To: to}, nil
}

func (p places) isRegion(name string) bool { return isIn(p.regions, name) }
func (p places) isZone(name string) bool   { return isIn(p.zones, name) }

func isIn(sorted []string, name string) bool {
	_, found := slices.BinarySearch(sorted, name)
	return found
}

// regions are the two Regions that a link leads across, "" if it leads across
// none.
func (e *LinkEnds) regions() (a, b string) {
	a, b = e.From, e.To
	if a == "" {
		return "", ""
	}
	if last := a[len(a)-1]; last >= 'a' && last <= 'z' { // a zone
		a, b = regionOfZone(a), regionOfZone(b)
	}
	if a == b {
		return "", ""
	}
	return a, b
}

// isZero reports that the ends are not known.
func (e LinkEnds) isZero() bool { return e == LinkEnds{} }

// reversed are the same ends, seen from the other one.
func (e LinkEnds) reversed() LinkEnds {
	e.From, e.To = e.To, e.From
	return e
}

// linkAt is the link that has these ends, however its name spells them, and
// whether it counts its directions the other way round. Name is "" if there is
// none. Of several, which Validate reports, it is the first. Links know their ends
// once the world is complete.
func (w *World) linkAt(ends LinkEnds) (name string, reversed bool) {
	for _, name := range sorted(w.Links) {
		switch other := w.Links[name].Status.LinkEnds; {
		case other.isZero():
		case other == ends:
			return name, false
		case ends.From != "" && other == ends.reversed():
			return name, true
		}
	}
	return "", false
}
