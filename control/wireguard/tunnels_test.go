package wireguard

import (
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const deadline = 20 * time.Second

// pair is two tunnels of one machine that are each other's peers over its loopback
// interface.
func pair(t *testing.T, address string) State {
	t.Helper()
	var state State
	var public [2]Key
	for i := range public {
		private, err := ecdh.X25519().GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		public[i] = Key(private.PublicKey().Bytes())
		state.Tunnels = append(state.Tunnels, Tunnel{
			Name: fmt.Sprint("tun", i), PrivateKey: Key(private.Bytes()), PresharedKey: Key{1, 2, 3},
			ListenPort: uint16(51820 + i), PersistentKeepalive: time.Second,
		})
	}
	for i := range public {
		state.Tunnels[i].PeerPublicKey = public[1-i]
		state.Tunnels[i].Endpoint = netip.AddrPortFrom(netip.MustParseAddr(address), uint16(51820+1-i))
	}
	return state
}

// events collects what Tunnels or a Process report.
type events struct{ c chan Event }

func newEvents() *events { return &events{make(chan Event, 1000)} }

func (e *events) put(event Event) { e.c <- event }

// await waits for an event that is wanted.
func (e *events) await(t *testing.T, what string, wanted func(Event) bool) Event {
	t.Helper()
	timeout := time.After(deadline)
	for {
		select {
		case event := <-e.c:
			if wanted(event) {
				return event
			}
		case <-timeout:
			t.Fatalf("still not after %v: %s", deadline, what)
		}
	}
}

func (e *events) awaitHandshake(t *testing.T, tunnel string) {
	t.Helper()
	e.await(t, tunnel+" has shaken hands", func(e Event) bool {
		return e.Tunnel == tunnel && e.Status != nil && !e.Status.LastHandshake.IsZero()
	})
}

func up(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if out, err := exec.Command("ip", "link", "set", name, "up").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
}

func index(name string) int {
	link, err := net.InterfaceByName(name)
	if err != nil {
		return 0
	}
	return link.Index
}

func TestTunnelsShakeHandsAndWGShowsIt(t *testing.T) {
	needsTUN(t)
	needs(t, "wg")
	for _, address := range []string{"127.0.0.1", "::1"} {
		t.Run(address, func(t *testing.T) {
			reported := newEvents()
			tunnels := New(Config{Event: reported.put})
			defer tunnels.Close()
			state := pair(t, address)
			if err := tunnels.Set(state); err != nil {
				t.Fatal(err)
			}
			up(t, "tun0", "tun1")
			reported.awaitHandshake(t, "tun0")
			for i, name := range []string{"tun0", "tun1"} {
				out, err := exec.Command("wg", "show", name, "dump").CombinedOutput()
				if err != nil {
					t.Fatalf("wg: %v: %s", err, out)
				}
				lines := strings.Split(strings.TrimSpace(string(out)), "\n")
				if len(lines) != 2 {
					t.Fatalf("wg shows %q", out)
				}
				peer := strings.Fields(lines[1])
				if peer[0] != state.Tunnels[i].PeerPublicKey.String() || peer[2] != state.Tunnels[i].Endpoint.String() ||
					peer[3] != "0.0.0.0/0,::/0" || peer[4] == "0" {
					t.Errorf("%s: wg shows %q", name, peer)
				}
			}
		})
	}
}

func TestTunnelsWithoutTheSamePresharedKeyStayApart(t *testing.T) {
	needsTUN(t)
	reported := newEvents()
	tunnels := New(Config{Event: reported.put})
	defer tunnels.Close()
	state := pair(t, "127.0.0.1")
	state.Tunnels[0].PresharedKey = Key{9}
	if err := tunnels.Set(state); err != nil {
		t.Fatal(err)
	}
	up(t, "tun0", "tun1")
	reported.await(t, "tun0 has sent", func(e Event) bool { return e.Status != nil && e.Status.SentBytes > 0 })
	// Once both know the same, they meet, and the devices are the same.
	before := index("tun0")
	state.Tunnels[0].PresharedKey = state.Tunnels[1].PresharedKey
	if err := tunnels.Set(state); err != nil {
		t.Fatal(err)
	}
	reported.awaitHandshake(t, "tun0")
	if got := index("tun0"); got != before {
		t.Errorf("the device was made anew: index %d, before %d", got, before)
	}
}

func TestTunnelsConverge(t *testing.T) {
	needsTUN(t)
	reported := newEvents()
	tunnels := New(Config{Event: reported.put})
	state := pair(t, "127.0.0.1")
	if err := tunnels.Set(state); err != nil {
		t.Fatal(err)
	}
	first, second := index("tun0"), index("tun1")
	if first == 0 || second == 0 {
		t.Fatal("the devices are not there")
	}
	if link, err := net.InterfaceByName("tun0"); err != nil || link.MTU != defaultMTU {
		t.Errorf("%+v, %v", link, err)
	}
	state.Tunnels[0].MTU = 1300
	state.Tunnels[1].PrivateKey = Key{7}
	state.Tunnels[1].ListenPort = 0
	if err := tunnels.Set(state); err != nil {
		t.Fatal(err)
	}
	if link, err := net.InterfaceByName("tun0"); err != nil || link.MTU != 1300 || link.Index == first {
		t.Errorf("%+v, %v", link, err)
	}
	if got := index("tun1"); got != second {
		t.Errorf("tun1 was made anew")
	}
	if err := tunnels.Set(State{Tunnels: state.Tunnels[:1]}); err != nil {
		t.Fatal(err)
	}
	reported.await(t, "tun1 is removed", func(e Event) bool { return e.Tunnel == "tun1" && e.Removed })
	if index("tun1") != 0 {
		t.Error("tun1 is still there")
	}
	if _, err := os.Stat(filepath.Join(SocketDirectory, "tun1.sock")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its socket: %v", err)
	}
	tunnels.Close()
	tunnels.Close()
	if index("tun0") != 0 {
		t.Error("tun0 outlived Close")
	}
	if err := tunnels.Set(state); err == nil {
		t.Error("Set after Close is no error")
	}
}

func TestTunnelsReportADeviceThatIsTaken(t *testing.T) {
	needsTUN(t)
	reported := newEvents()
	tunnels := New(Config{Event: reported.put})
	defer tunnels.Close()
	state := pair(t, "127.0.0.1")
	state.Tunnels[0].Name = "lo"
	if err := tunnels.Set(state); err == nil || !strings.Contains(err.Error(), "tunnel lo") {
		t.Errorf("error %v", err)
	}
	reported.await(t, "the event", func(e Event) bool { return e.Tunnel == "lo" && e.Error != "" })
	if index("tun1") == 0 {
		t.Error("the other tunnel was not made")
	}
}

func TestStateThatCannotBe(t *testing.T) {
	good := pair(t, "127.0.0.1")
	for _, c := range []struct {
		name   string
		change func(*Tunnel)
		want   string
	}{
		{"no name", func(t *Tunnel) { t.Name = "" }, "1 to 15 characters"},
		{"a path", func(t *Tunnel) { t.Name = "../x" }, "slash"},
		{"twice", func(t *Tunnel) { t.Name = "tun1" }, "named twice"},
		{"no private key", func(t *Tunnel) { t.PrivateKey = Key{} }, "private key"},
		{"no peer", func(t *Tunnel) { t.PeerPublicKey = Key{} }, "public key"},
		{"MTU", func(t *Tunnel) { t.MTU = 60 }, "MTU 60"},
		{"keepalive", func(t *Tunnel) { t.PersistentKeepalive = time.Millisecond }, "whole seconds"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tunnels := New(Config{})
			defer tunnels.Close()
			bad := State{Tunnels: append([]Tunnel(nil), good.Tunnels...)}
			c.change(&bad.Tunnels[0])
			if err := tunnels.Set(bad); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
			if index("tun1") != 0 {
				t.Error("a part of it was made")
			}
		})
	}
}

func TestProcessEndsWithItsInput(t *testing.T) {
	needsTUN(t)
	command := exec.Command("/proc/self/exe", Argument)
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	reported := newEvents()
	process := NewProcess(in, out, reported.put)
	if err := process.Set(pair(t, "127.0.0.1")); err != nil {
		t.Fatal(err)
	}
	reported.await(t, "tun1 is there", func(e Event) bool { return e.Tunnel == "tun1" && e.Status != nil })
	up(t, "tun0", "tun1")
	reported.awaitHandshake(t, "tun1")
	if err := process.Close(); err != nil {
		t.Error(err)
	}
	if err := command.Wait(); err != nil {
		t.Error(err)
	}
	if index("tun0") != 0 || index("tun1") != 0 {
		t.Error("the devices outlived the process")
	}
	if err := process.Set(State{}); err == nil {
		t.Error("Set after Close is no error")
	}
}
