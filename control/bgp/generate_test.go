package bgp

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// everything is a State with all that a daemon's configuration can say.
func everything() State {
	_, site := tunnels()
	site.Router.Transit = true
	site.Peers[1].Passive = true
	site.Peers[1].MultihopTTL = 4
	site.Peers[1].Families = []Family{IPv6, IPv4}
	site.Peers[1].Name = "2nd-of_Ä"
	site.Peers[1].HoldTime, site.Peers[1].Keepalive = 9*time.Second, 3*time.Second
	return site
}

func TestDaemonsTakeTheirConfigurations(t *testing.T) {
	for _, test := range []struct {
		name  string
		state State
	}{
		{"everything", everything()},
		{"nothing but a peer", State{
			Router: &Router{ASN: 65001, RouterID: netip.MustParseAddr("192.0.2.2")},
			Peers:  []Peer{{Name: "aws", LocalAddress: netip.MustParseAddr("169.254.9.2"), RemoteAddress: netip.MustParseAddr("169.254.9.1"), RemoteASN: 64512}},
		}},
		{"nothing", State{Router: &Router{ASN: 65001, RouterID: netip.MustParseAddr("192.0.2.2")}}},
	} {
		t.Run("BIRD/"+test.name, func(t *testing.T) {
			bird := need(t, "bird")
			config, err := BIRD(test.state)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "bird.conf")
			if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
				t.Fatal(err)
			}
			run(t, bird, "-p", "-c", file)
		})
		t.Run("FRR/"+test.name, func(t *testing.T) {
			vtysh := need(t, "vtysh")
			if file, err := os.Open("/etc/frr/vtysh.conf"); errors.Is(err, os.ErrPermission) {
				t.Skip("vtysh reads FRR's own files, which this user may not; it is proved as root")
			} else if err == nil {
				file.Close()
			}
			files, err := FRR(test.state)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "frr.conf")
			if err := os.WriteFile(file, []byte(files.Config), 0o644); err != nil {
				t.Fatal(err)
			}
			if out := run(t, vtysh, "--dryrun", "--inputfile", file); strings.Contains(out, "%") {
				t.Errorf("%s\n%s", out, files.Config)
			}
			if !strings.Contains(files.Daemons, "bgpd=yes") {
				t.Error(files.Daemons)
			}
		})
	}
}

func TestConfigurationThatCouldBeMisreadIsRefused(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*State)
		want   string
	}{
		{"no router", func(s *State) { s.Router = nil }, "needs a Router"},
		{"a name with a quote", func(s *State) { s.Peers[0].Name = `x"; include "/etc/shadow` }, "cannot be written"},
		{"a password with a line break", func(s *State) { s.Peers[0].Password = "x\nend" }, "cannot be written"},
		{"names that differ in punctuation", func(s *State) { s.Peers[0].Name, s.Peers[1].Name = "a-b", "a_b" }, "have one name"},
		{"equal ASNs (V2)", func(s *State) { s.Peers[0].RemoteASN = s.Router.ASN }, "both ends have ASN"},
	} {
		site := everything()
		test.change(&site)
		if _, err := BIRD(site); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: BIRD: %v", test.name, err)
		}
		if _, err := FRR(site); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: FRR: %v", test.name, err)
		}
	}
}
