package main

import (
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vpcsim/vpcsim/control"
)

// clientAddress is where the clients of an endpoint call its first association.
func (u *user) clientAddress(endpoint string) string {
	u.t.Helper()
	var e control.ClientVPNEndpoint
	if err := json.Unmarshal([]byte(u.ok("get", "clientVpnEndpoints", endpoint, "-o", "json").stdout), &e); err != nil {
		u.t.Fatal(err)
	}
	return netip.AddrPortFrom(e.Status.Associations[0].OutsideIP, control.ClientVPNPort).String()
}

// pings reports whether any of three echo requests is answered.
func (u *user) pings(from, to string, flags ...string) bool {
	u.t.Helper()
	return u.run(slices.Concat([]string{"exec", from, "--", "ping", "-c", "3", "-i", "0.1", "-W", "1"}, flags, []string{to})...).code == exitOK
}

// TestClientVPNBearsBadClients: what a client, or a stranger, does wrong is refused, and
// the other clients do not notice.
func TestClientVPNBearsBadClients(t *testing.T) {
	t.Parallel()
	requirePrograms(t, "ping", "wg", "ip")
	asEveryUser(t, func(t *testing.T, u *user) {
		t.Parallel()
		u.ok("up", "-d", "client-vpn")
		for _, client := range []string{"anna", "ben", "carol"} {
			u.within(10*time.Second, client+" is connected", func() bool { return u.pings(client, "10.80.3.10") })
		}
		bystander := u.start(u.command("exec", "ben", "--", "ping", "-q", "-c", "150", "-i", "0.02", "10.80.3.10"))

		// Replays and forgeries, from a stranger and from the client's own machine.
		eavesdropper := u.tool("anna", "eavesdrop", "eth0")
		eavesdropper.expect("listening")
		u.ok("exec", "anna", "--", "ping", "-q", "-c", "20", "-i", "0.02", "10.80.3.10")
		var heard [][]byte
		for range 20 {
			payload, err := hex.DecodeString(eavesdropper.expect(""))
			if err != nil {
				t.Fatal(err)
			}
			heard = append(heard, payload)
		}
		eavesdropper.end(os.Kill)
		handshake, outside := u.shell("anna", "wg show wg0 latest-handshakes").stdout, u.clientAddress("staff")
		random := rand.New(rand.NewPCG(7, control.ClientVPNPort))
		u.sendDatagrams("shop", outside, slices.Concat(forgedMessages(random, 200), slices.Repeat(heard, 5)))
		u.sendDatagrams("carol", outside, slices.Repeat(heard, 5)) // at another endpoint's client
		if !u.pings("anna", "10.80.3.10") || u.shell("anna", "wg show wg0 latest-handshakes").stdout != handshake {
			t.Error("anna had to connect again")
		}

		// Another client's address.
		u.shell("anna", "ip address add 172.20.0.3/32 dev wg0")
		if u.pings("anna", "10.80.3.10", "-I", "172.20.0.3") {
			t.Error("anna passes for ben")
		}
		u.shell("anna", "ip address del 172.20.0.3/32 dev wg0")

		// A key that nobody knows; and the right one again.
		key := filepath.Join(u.dir, "key")
		u.shell("carol", "wg show wg0 private-key > "+key+"; wg genkey | wg set wg0 private-key /dev/stdin")
		if u.pings("carol", "10.80.3.10") {
			t.Error("an unknown key is let in")
		}
		u.shell("carol", "wg set wg0 private-key "+key)
		u.within(20*time.Second, "carol is connected again", func() bool { return u.pings("carol", "10.80.3.10") })

		if text := bystander.rest(); !strings.Contains(text, " 0% packet loss") {
			t.Errorf("another client suffered: %s", text)
		}
		if s := u.status(); s.Packets.Drops["bug"] > 0 {
			t.Errorf("drops %v", s.Packets.Drops)
		}
	})
}
