package bgp

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// wires counts the links to other namespaces that tests have made.
var wires int

// neighbour is a network namespace with a real daemon in it, a link away.
type neighbour struct {
	t      *testing.T
	name   string // of the interface at this end
	signal io.WriteCloser
	cmd    *exec.Cmd
	output bytes.Buffer
}

// daemon starts a shell script in a namespace that has the addresses of the
// customer's ends of all sessions, and the interface "wan" to this one, which
// has the others.
func daemon(t *testing.T, script string, env []string, ends ...Peer) *neighbour {
	t.Helper()
	wires++
	n := &neighbour{t: t, name: fmt.Sprintf("wire%d", wires)}
	setup := "read -r go; ip link set lo up; ip link set wan up"
	for _, p := range ends {
		bits, flag := 30, "" // V3
		if !p.LocalAddress.Is4() {
			bits, flag = 126, " nodad"
		}
		setup += fmt.Sprintf("; ip address add %s/%d dev wan%s", p.LocalAddress, bits, flag)
	}
	n.cmd = exec.Command("/bin/sh", "-c", setup+"; "+script)
	n.cmd.Env = append(os.Environ(), env...)
	n.cmd.Stdout, n.cmd.Stderr = &n.output, &n.output
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL, Setpgid: true}
	var err error
	if n.signal, err = n.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		n.kill()
		_ = exec.Command("ip", "link", "delete", n.name).Run()
		if t.Failed() {
			t.Logf("the daemon said:\n%s", n.output.String())
		}
	})
	run(t, "ip", "link", "add", n.name, "type", "veth", "peer", "name", "wan", "netns", fmt.Sprint(n.cmd.Process.Pid))
	run(t, "ip", "link", "set", n.name, "up")
	for _, p := range ends {
		if p.RemoteAddress.Is4() {
			run(t, "ip", "address", "add", p.RemoteAddress.String()+"/30", "dev", n.name)
		} else {
			run(t, "ip", "address", "add", p.RemoteAddress.String()+"/126", "dev", n.name, "nodad")
		}
	}
	fmt.Fprintln(n.signal, "go")
	return n
}

// kill ends the daemon, without a word to its peers, and its namespace.
func (n *neighbour) kill() {
	if n.cmd.ProcessState == nil {
		_ = syscall.Kill(-n.cmd.Process.Pid, syscall.SIGKILL)
		_ = n.cmd.Wait()
	}
}

// inside runs a command in the daemon's namespace.
func (n *neighbour) inside(args ...string) string {
	out, err := exec.Command("nsenter", append([]string{"-t", fmt.Sprint(n.cmd.Process.Pid), "-n"}, args...)...).CombinedOutput()
	if err != nil {
		return fmt.Sprintf("%s: %v: %s", args[0], err, out)
	}
	return string(out)
}

// tunnels are AWS's ends of two tunnels, one of each family, and the customer's
// State, which uses all that a configuration can say.
func tunnels() (aws State, site State) {
	address, prefix := netip.MustParseAddr, netip.MustParsePrefix
	one := Peer{
		Name: "tunnel1", LocalAddress: address("169.254.200.1"), RemoteAddress: address("169.254.200.2"), LocalASN: 64512, RemoteASN: 4200000001,
		Password: "s3cret.key", GracefulRestart: 120 * time.Second,
		Announce: []Route{{Prefix: prefix("10.0.0.0/16"), MED: 100, Communities: []Community{7224<<16 | 8100}}, {Prefix: prefix("10.1.0.0/16"), ASPath: []uint32{65010}}},
	}
	two := Peer{
		Name: "tunnel2", LocalAddress: address("fd00:200::1"), RemoteAddress: address("fd00:200::2"), LocalASN: 64512, RemoteASN: 4200000001,
		RouterID: one.LocalAddress, Families: []Family{IPv6},
		Announce: routes("2001:db8:1::/56"),
	}
	site = State{
		Router: &Router{ASN: 4200000001, RouterID: address("192.0.2.2"), Networks: []netip.Prefix{prefix("10.50.0.0/16"), prefix("2001:db8:50::/48")}},
		Peers: []Peer{
			{
				Name: "tunnel1", LocalAddress: one.RemoteAddress, RemoteAddress: one.LocalAddress, RemoteASN: 64512, Password: one.Password,
				GracefulRestart: 120 * time.Second, LocalPreference: 200, MaxPrefixes: 1000,
				Announce: routes("10.50.1.0/24"), // K-C13
				Export:   Export{Prepend: 2, MED: 50, Communities: []Community{7224<<16 | 7300}},
			},
			{Name: "tunnel2", LocalAddress: two.RemoteAddress, RemoteAddress: two.LocalAddress, RemoteASN: 64512},
		},
	}
	return peers(one, two), site
}

// What `ip route` shows, with or without the number of a next hop.
var (
	routed     = regexp.MustCompile(`(?s)10\.0\.0\.0/16 [^\n]*via 169\.254\.200\.1 .*10\.1\.0\.0/16 [^\n]*via 169\.254\.200\.1 `)
	routedIPv6 = regexp.MustCompile(`2001:db8:1::/56 [^\n]*via fd00:200::1 `)
)

// exchangeWith checks that a real daemon with the site's configuration and this
// package understand each other.
func exchangeWith(t *testing.T, start func(t *testing.T, site State) *neighbour) {
	aws, site := tunnels()
	n := start(t, site)
	a := speak(t, aws)
	for _, p := range aws.Peers {
		s := a.reaches(p.Name, Established, "")
		if s.RouterID != site.Router.RouterID || s.HoldTime != 30*time.Second {
			t.Errorf("%s: %+v", p.Name, s)
		}
	}
	learned := a.learns("tunnel1", "10.50.0.0/16", "10.50.1.0/24")
	for _, r := range learned {
		want := Route{
			Prefix: r.Prefix, NextHop: site.Peers[0].LocalAddress, ASPath: []uint32{4200000001, 4200000001, 4200000001},
			MED: 50, Communities: []Community{7224<<16 | 7300},
		}
		if !r.Equal(want) {
			t.Errorf("learned %+v, want %+v", r, want)
		}
	}
	six := a.learns("tunnel2", "2001:db8:50::/48")
	if r := six[0]; r.NextHop != site.Peers[1].LocalAddress || r.MED != 0 || len(r.ASPath) != 1 {
		t.Errorf("learned %+v", r)
	}
	eventually(t, "AWS's routes in the daemon's kernel", func() bool {
		return routed.MatchString(n.inside("ip", "route")) && routedIPv6.MatchString(n.inside("ip", "-6", "route"))
	})
	// A withdrawal gets there, and a password is asked for.
	aws.Peers[0].Announce = aws.Peers[0].Announce[:1]
	a.set(aws)
	eventually(t, "the withdrawal in the daemon's kernel", func() bool { return !strings.Contains(n.inside("ip", "route"), "10.1.0.0/16") })
	// Killed, it says nothing: with graceful restart its routes stay, without
	// they go at once.
	n.kill()
	a.reaches("tunnel1", Active, "its 2 routes are kept for 2m0s (graceful restart)")
	a.learns("tunnel1", "10.50.0.0/16", "10.50.1.0/24")
	a.learns("tunnel2")
}

func TestBIRDExchangesRoutes(t *testing.T) {
	exchangeWith(t, startBIRD)
}

func startBIRD(t *testing.T, site State) *neighbour {
	bird := need(t, "bird")
	config, err := BIRD(site)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "bird.conf")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", config)
	run(t, bird, "-p", "-c", file)
	return daemon(t, fmt.Sprintf("exec %s -f -c %s -s %s/ctl -P %s/pid", bird, file, dir, dir), nil, site.completed(t).Peers...)
}

func (s State) completed(t *testing.T) State {
	t.Helper()
	s, err := s.complete()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFRRExchangesRoutes(t *testing.T) {
	exchangeWith(t, startFRR)
}

func startFRR(t *testing.T, site State) *neighbour {
	bgpd, zebra := need(t, "bgpd"), need(t, "zebra")
	files, err := FRR(site)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", files.Config)
	dir := t.TempDir()
	file := filepath.Join(dir, "frr.conf")
	if err := os.WriteFile(file, []byte(files.Config), 0o644); err != nil {
		t.Fatal(err)
	}
	// FRR gives up root unless root may do all that FRR's own user may.
	groups, err := os.ReadFile("/etc/group")
	if err != nil {
		t.Fatal(err)
	}
	group := filepath.Join(dir, "group")
	if err := os.WriteFile(group, bytes.ReplaceAll(groups, []byte("\nfrrvty:x:"), []byte("\nfrrvty:x:0:root\nwas:x:")), 0o644); err != nil {
		t.Fatal(err)
	}
	common := fmt.Sprintf("-u root -g root -z %s/zserv --vty_socket %s", dir, dir)
	script := fmt.Sprintf("mount --bind %[5]s /etc/group; %[1]s %[2]s -i %[3]s/zebra.pid & while [ ! -S %[3]s/zserv ]; do sleep 0.05; done; exec %[4]s %[2]s -f %[6]s -i %[3]s/bgpd.pid", zebra, common, dir, bgpd, group, file)
	return daemon(t, script, nil, site.completed(t).Peers...)
}
