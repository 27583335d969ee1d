//go:build linux

package host

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
)

func TestDeviceAndLearnedRoutesAreAsAsked(t *testing.T) {
	inLab(t, func(t *testing.T, h *Host) {
		node := testNode(1)
		if err := h.Ensure(context.Background(), []Node{node}); err != nil {
			t.Fatal(err)
		}
		// Two devices that a program in the node made.
		if err := h.In(node.Name, func() error {
			for _, name := range []string{"vpn1", "vpn2"} {
				pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: "peer-" + name}
				if err := netlink.LinkAdd(pair); err != nil {
					return err
				}
				if peer, err := netlink.LinkByName(pair.PeerName); err != nil || netlink.LinkSetUp(peer) != nil {
					return fmt.Errorf("%s: %w", pair.PeerName, err)
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		for name, addresses := range map[string][]netip.Prefix{
			"vpn1": prefixes("169.254.6.9/30", "fd00::9/126"), "vpn2": prefixes("169.254.6.6/30"),
		} {
			if err := h.Device(node.Name, name, addresses, 1446); err != nil {
				t.Fatal(err)
			}
		}
		if err := h.Device(node.Name, "vpn1", prefixes("169.254.6.2/30", "fd00::2/126"), 1446); err != nil {
			t.Fatal(err)
		}
		got, _ := run(t, h, node.Name, "ip", "-o", "addr", "show", "dev", "vpn1")
		if !strings.Contains(got, "169.254.6.2/30") || !strings.Contains(got, "fd00::2/126") || strings.Contains(got, "6.9/30") {
			t.Errorf("vpn1 has:\n%s", got)
		}

		both := []NextHop{{Device: "vpn1"}, {Device: "vpn2", Via: netip.MustParseAddr("169.254.6.5")}}
		learn := func(routes ...LearnedRoute) string {
			t.Helper()
			if err := h.LearnedRoutes(node.Name, routes); err != nil {
				t.Fatal(err)
			}
			if err := h.LearnedRoutes(node.Name, routes); err != nil { // once more changes nothing
				t.Fatal(err)
			}
			four, _ := run(t, h, node.Name, "ip", "route", "show", "proto", "186")
			six, _ := run(t, h, node.Name, "ip", "-6", "route", "show", "proto", "186")
			return four + six
		}
		list := learn(
			LearnedRoute{Destination: netip.MustParsePrefix("172.31.0.0/16"), Hops: both[:1]},
			LearnedRoute{Destination: netip.MustParsePrefix("172.30.0.0/16"), Hops: both},
			LearnedRoute{Destination: netip.MustParsePrefix("172.29.0.0/16")},
			LearnedRoute{Destination: netip.MustParsePrefix("2001:db8:1::/48"), Hops: both[:1]},
		)
		for _, want := range []string{"172.31.0.0/16 dev vpn1", "nexthop dev vpn1", "nexthop via 169.254.6.5 dev vpn2", "unreachable 172.29.0.0/16", "2001:db8:1::/48 dev vpn1"} {
			if !strings.Contains(list, want) {
				t.Errorf("no %q in:\n%s", want, list)
			}
		}
		list = learn(LearnedRoute{Destination: netip.MustParsePrefix("172.31.0.0/16"), Hops: both[1:]})
		if want := "172.31.0.0/16 via 169.254.6.5 dev vpn2"; !strings.Contains(list, want) || strings.Count(list, "\n") != 1 {
			t.Errorf("want %q alone, got:\n%s", want, list)
		}
		if list = learn(); list != "" {
			t.Errorf("left over:\n%s", list)
		}
		routes, _ := run(t, h, node.Name, "ip", "route", "show", "default")
		if !strings.Contains(routes, "10.255.255.254") {
			t.Errorf("the node's own route went: %q", routes)
		}
		if err := h.LearnedRoutes(node.Name, []LearnedRoute{{Destination: netip.MustParsePrefix("172.31.0.0/16"), Hops: []NextHop{{Device: "nosuch"}}}}); err == nil {
			t.Error("a route over a device that is not there was taken")
		}
	})
}

// What stands in for a TUN device goes with its routes, and with nothing else; routes
// that a VPN pushes are apart from the node's own and from learned ones.
func TestPairAndPushedRoutes(t *testing.T) {
	inLab(t, func(t *testing.T, h *Host) {
		node := testNode(1)
		if err := h.Ensure(context.Background(), []Node{node}); err != nil {
			t.Fatal(err)
		}
		for range 2 { // once more changes nothing
			if err := h.Pair(node.Name, "wg0", "pair0", 1420); err != nil {
				t.Fatal(err)
			}
		}
		if err := h.Device(node.Name, "wg0", prefixes("172.20.0.2/32"), 0); err != nil {
			t.Fatal(err)
		}
		before, _ := run(t, h, node.Name, "ip", "route")
		routes := func() string {
			t.Helper()
			text, _ := run(t, h, node.Name, "ip", "route")
			return strings.TrimSpace(strings.Replace(text, before, "", 1))
		}
		by := func(block string) LearnedRoute {
			return LearnedRoute{Destination: netip.MustParsePrefix(block), Hops: []NextHop{{Device: "wg0"}}}
		}
		if err := h.LearnedRoutes(node.Name, []LearnedRoute{by("172.30.0.0/16")}); err != nil {
			t.Fatal(err)
		}
		for _, blocks := range [][]LearnedRoute{{by("10.0.0.0/16"), by("10.1.0.0/16")}, {by("10.1.0.0/16")}} {
			if err := h.PushedRoutes(node.Name, blocks); err != nil {
				t.Fatal(err)
			}
		}
		got, _ := run(t, h, node.Name, "ip", "route")
		for want, there := range map[string]bool{
			"default via 10.255.255.254": true, "10.0.0.0/16 dev wg0": false, "10.1.0.0/16 dev wg0": true, "172.30.0.0/16 dev wg0": true,
		} {
			if strings.Contains(got, want) != there {
				t.Errorf("%q there: %v, in:\n%s", want, !there, got)
			}
		}
		for range 2 {
			if err := h.RemovePair(node.Name, "wg0"); err != nil {
				t.Fatal(err)
			}
		}
		if got := routes(); got != "" {
			t.Errorf("left over: %s", got)
		}
		if err := h.RemovePair("nosuch", "wg0"); err != nil {
			t.Errorf("of a node that is gone: %v", err)
		}
	})
}
