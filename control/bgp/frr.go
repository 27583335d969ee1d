package bgp

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// FRRFiles are the two files of FRRouting that a customer gateway needs.
type FRRFiles struct {
	Config  string // frr.conf
	Daemons string // daemons: which of FRR's programs run
}

// FRR writes the files, for FRRouting 8 or later, that do what a Router with
// this State would do. FRR puts the best paths into the kernel by itself. Routes
// with attributes of their own in Peer.Announce are announced by prefix only.
func FRR(state State) (FRRFiles, error) {
	s, err := customer(state)
	if err != nil {
		return FRRFiles{}, err
	}
	t := &text{}
	t.line(`! FRRouting: a customer gateway that speaks BGP with AWS.`)
	t.line(`! See what it does: vtysh -c "show bgp summary" -c "show bgp all"`)
	t.line(`frr defaults traditional`)
	t.line(`log stdout informational`)
	t.line(`!`)
	for _, p := range s.Peers {
		frrPolicy(t, s, p)
	}
	t.line(`router bgp %d`, s.Router.ASN)
	t.line(` bgp router-id %s`, s.Router.RouterID)
	t.line(` no bgp default ipv4-unicast`)
	t.line(` ! Networks are announced whether or not the kernel has routes to them.`)
	t.line(` no bgp network import-check`)
	var restart time.Duration
	for _, p := range s.Peers {
		restart = max(restart, p.GracefulRestart)
	}
	if restart > 0 {
		t.line(` bgp graceful-restart restart-time %d`, int(restart.Seconds()))
	}
	for _, p := range s.Peers {
		frrPeer(t, p)
	}
	for _, f := range []Family{IPv4, IPv6} {
		frrFamily(t, s, f)
	}
	t.line(`exit`)
	t.line(`!`)
	return FRRFiles{Config: t.String(), Daemons: frrDaemons}, nil
}

const frrDaemons = `# FRRouting: zebra, which knows the kernel's routes, runs always.
bgpd=yes
vtysh_enable=yes
zebra_options="  -A 127.0.0.1 -s 90000000"
bgpd_options="   -A 127.0.0.1"
`

// frrPolicy is what a peer is told, and how it is made to prefer a way back.
// Without a policy FRR exchanges nothing with another AS (RFC 8212).
func frrPolicy(t *text, s State, p Peer) {
	name := identifier(p.Name)
	t.line(`! Whatever AWS announces is taken; the highest local preference wins.`)
	t.line(`route-map FROM_%s permit 10`, name)
	t.line(` set local-preference %d`, p.LocalPreference)
	t.line(`exit`)
	t.line(`!`)
	sequence := 10
	for _, f := range []Family{IPv4, IPv6} {
		list := exported(s.Router, p, f)
		if len(list) == 0 {
			continue
		}
		for n, prefix := range list {
			t.line(`%s prefix-list SITE_%s seq %d permit %s`, frrIP[f], name, 5*(n+1), prefix)
		}
		match := fmt.Sprintf("match %s address prefix-list SITE_%s", frrIP[f], name)
		if f != familyOf(p.LocalAddress) && p.ownHop(f).IsValid() {
			match += fmt.Sprintf("\n set ipv6 next-hop global %s", p.ownHop(f))
		}
		frrRouteMap(t, p, sequence, match)
		sequence += 10
	}
	if s.Router.Transit {
		t.line(`! Transit: what other peers offer goes on.`)
		frrRouteMap(t, p, sequence, fmt.Sprintf("match as-path LEARNED_%s", name))
		t.line(`bgp as-path access-list LEARNED_%s permit .`, name)
	}
	t.line(`! Nothing else.`)
	t.line(`route-map TO_%s deny 1000`, name)
	t.line(`exit`)
	t.line(`!`)
}

// frrRouteMap is one rule of a peer's policy: what matches is announced, with
// what is to steer AWS's choice.
func frrRouteMap(t *text, p Peer, sequence int, match string) {
	t.line(`route-map TO_%s permit %d`, identifier(p.Name), sequence)
	t.line(` %s`, match)
	if p.Export.MED != 0 {
		t.line(` set metric %d`, p.Export.MED)
	}
	if p.Export.Prepend > 0 {
		t.line(` set as-path prepend%s`, strings.Repeat(fmt.Sprintf(" %d", p.LocalASN), p.Export.Prepend))
	}
	if len(p.Export.Communities) > 0 {
		var list []string
		for _, c := range p.Export.Communities {
			list = append(list, c.String())
		}
		t.line(` set community %s additive`, strings.Join(list, " "))
	}
	t.line(`exit`)
	t.line(`!`)
}

var frrIP = map[Family]string{IPv4: "ip", IPv6: "ipv6"}

// frrPeer is what of a session concerns both families.
func frrPeer(t *text, p Peer) {
	set := func(format string, values ...any) {
		t.line(" neighbor %s "+format, append([]any{p.RemoteAddress}, values...)...)
	}
	set("remote-as %d", p.RemoteASN)
	set("description %s", p.Name)
	set("update-source %s", p.LocalAddress)
	t.line(` ! Keepalive and hold time in seconds; AWS has the same.`)
	set("timers %d %d", int(p.Keepalive.Seconds()), int(p.HoldTime.Seconds()))
	set("timers connect 5")
	if p.MultihopTTL > 1 && !p.Internal {
		set("ebgp-multihop %d", p.MultihopTTL)
	}
	if p.Passive {
		set("passive")
	}
	if p.Password != "" {
		set("password %s", p.Password)
	}
	if p.GracefulRestart > 0 {
		set("graceful-restart")
	} else {
		set("graceful-restart-disable")
	}
}

// frrFamily is what is exchanged of one family, and with whom.
func frrFamily(t *text, s State, f Family) {
	t.line(` !`)
	t.line(` address-family %s unicast`, f)
	for _, n := range originated(s, f) {
		t.line(`  network %s`, n)
	}
	for _, p := range s.Peers {
		if !slices.Contains(p.Families, f) {
			continue
		}
		name := identifier(p.Name)
		t.line(`  neighbor %s activate`, p.RemoteAddress)
		t.line(`  neighbor %s soft-reconfiguration inbound`, p.RemoteAddress)
		t.line(`  neighbor %s route-map FROM_%s in`, p.RemoteAddress, name)
		t.line(`  neighbor %s route-map TO_%s out`, p.RemoteAddress, name)
		if p.MaxPrefixes > 0 {
			t.line(`  neighbor %s maximum-prefix %d`, p.RemoteAddress, p.MaxPrefixes)
		}
	}
	t.line(` exit-address-family`)
}
