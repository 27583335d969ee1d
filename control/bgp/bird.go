package bgp

import (
	"net/netip"
	"slices"
	"strings"
)

// BIRD writes bird.conf, for BIRD 2, that does what a Router with this State
// would do, and puts the best paths into the kernel. Routes with attributes of
// their own in Peer.Announce are announced by prefix only.
func BIRD(state State) (string, error) {
	s, err := customer(state)
	if err != nil {
		return "", err
	}
	t := &text{}
	t.line(`# BIRD 2: a customer gateway that speaks BGP with AWS.`)
	t.line(`# Try it: bird -p -c bird.conf. See what it does: birdc show protocols all.`)
	t.line(``)
	t.line(`log stderr all;`)
	t.line(`router id %s;`, s.Router.RouterID)
	t.line(``)
	t.line(`# Which interfaces there are.`)
	t.line(`protocol device {}`)
	if slices.ContainsFunc(s.Peers, func(p Peer) bool { return p.MultihopTTL > 1 }) {
		t.line(``)
		t.line(`# The way to next hops that are not next to the other end.`)
		t.line(`protocol direct { ipv4; ipv6; }`)
	}
	for _, f := range []Family{IPv4, IPv6} {
		birdFamily(t, s, f)
	}
	for _, p := range s.Peers {
		birdFilter(t, s, p)
		birdPeer(t, s, p)
	}
	return t.String(), nil
}

// birdFamily brings the site's networks in, and the learned routes to the kernel.
func birdFamily(t *text, s State, f Family) {
	if !slices.ContainsFunc(s.Peers, func(p Peer) bool { return slices.Contains(p.Families, f) }) {
		return
	}
	t.line(``)
	t.line(`# Learned routes go to the kernel; the site's own are there already.`)
	t.line(`protocol kernel kernel_%s {`, f)
	t.line(`	%s {`, f)
	t.line(`		import none;`)
	if at := slices.IndexFunc(s.Router.Sources, func(a netip.Addr) bool { return familyOf(a) == f }); at >= 0 {
		t.line(`		# What the router itself sends comes from its address in its own network.`)
		t.line(`		export filter { if source = RTS_BGP then { krt_prefsrc = %s; accept; } reject; };`, s.Router.Sources[at])
	} else {
		t.line(`		export where source = RTS_BGP;`)
	}
	t.line(`	};`)
	t.line(`}`)
	list := originated(s, f)
	if len(list) == 0 {
		return
	}
	t.line(``)
	t.line(`# What the site announces. The routes stand in BIRD's table only.`)
	t.line(`protocol static site_%s {`, f)
	t.line(`	%s;`, f)
	for _, n := range list {
		t.line(`	route %s unreachable;`, n)
	}
	t.line(`}`)
}

// birdFilter is what a peer is told, and how it is made to prefer a way back.
func birdFilter(t *text, s State, p Peer) {
	t.line(``)
	t.line(`filter to_%s {`, identifier(p.Name))
	e := p.Export
	if e.MED != 0 {
		t.line(`	bgp_med = %d; # AWS takes the lowest, of one ASN`, e.MED)
	}
	for range e.Prepend {
		t.line(`	bgp_path.prepend(%d); # a longer path: AWS prefers others`, p.LocalASN)
	}
	for _, c := range e.Communities {
		t.line(`	bgp_community.add((%d,%d));`, uint32(c)>>16, uint32(c)&0xffff)
	}
	for _, f := range []Family{IPv4, IPv6} {
		if list := exported(s.Router, p, f); len(list) > 0 {
			t.line(`	if net.type = NET_%s && net ~ [ %s ] && source = RTS_STATIC then accept;`, birdNet[f], joined(list))
		}
	}
	if s.Router.Transit {
		t.line(`	if source = RTS_BGP then accept; # transit: what other peers offer`)
	}
	t.line(`	reject;`)
	t.line(`}`)
}

var birdNet = map[Family]string{IPv4: "IP4", IPv6: "IP6"}

func joined(list []netip.Prefix) string {
	var out []string
	for _, n := range list {
		out = append(out, n.String())
	}
	return strings.Join(out, ", ")
}

// birdPeer is one session. Its name is quoted, since a user may have called a
// peer what BIRD calls something else.
func birdPeer(t *text, s State, p Peer) {
	t.line(``)
	t.line(`protocol bgp '%s' {`, identifier(p.Name))
	t.line(`	description "%s";`, p.Name)
	t.line(`	local %s as %d;`, p.LocalAddress, p.LocalASN)
	t.line(`	neighbor %s as %d;`, p.RemoteAddress, p.RemoteASN)
	t.line(`	hold time %d;       # seconds; AWS has the same`, int(p.HoldTime.Seconds()))
	t.line(`	keepalive time %d;`, int(p.Keepalive.Seconds()))
	t.line(`	connect delay time 1;`)
	t.line(`	connect retry time 5;`)
	t.line(`	error wait time 2, 15;`)
	if p.MultihopTTL > 1 {
		t.line(`	multihop %d;`, p.MultihopTTL)
	} else {
		t.line(`	direct;              # the other end is on the tunnel's link`)
	}
	if p.Passive {
		t.line(`	passive on;          # AWS connects`)
	}
	if p.Password != "" {
		t.line(`	password "%s"; # TCP MD5, the same at AWS`, p.Password)
	}
	if p.GracefulRestart > 0 {
		t.line(`	graceful restart on;`)
		t.line(`	graceful restart time %d;`, int(p.GracefulRestart.Seconds()))
	} else {
		t.line(`	graceful restart off;`)
	}
	t.line(`	default bgp_local_pref %d; # of what is learned here: the highest wins`, p.LocalPreference)
	for _, f := range p.Families {
		t.line(`	%s {`, f)
		t.line(`		import all;`)
		t.line(`		export filter to_%s;`, identifier(p.Name))
		if f != familyOf(p.LocalAddress) && p.ownHop(f).IsValid() {
			t.line(`		next hop address %s;`, p.ownHop(f))
		} else {
			t.line(`		next hop self;`)
		}
		if p.MaxPrefixes > 0 {
			t.line(`		import limit %d action disable;`, p.MaxPrefixes)
		}
		t.line(`	};`)
	}
	t.line(`}`)
}
