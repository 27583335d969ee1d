package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/vpcsim/vpcsim/control/host"
)

// openVSwitch is an Open vSwitch with its userspace datapath between the two
// nodes, as a router with tracked connections and the rules of the groups. It is
// the nearest to vpcsim that one can install: frames pass a program there, too.
type openVSwitch struct {
	dir      string // of the switch's sockets and database
	programs []*exec.Cmd
}

// startOpenVSwitch starts a switch in the core's namespaces whose ports will
// be the core's ends of the two links. It is the switch as it comes: what its
// option userspace-tso-enable would add does not go together with tracking
// connections (3.1 moves next to nothing then). So the nodes finish checksums and
// cut superframes themselves, as the switch's documents demand.
func startOpenVSwitch(ctx context.Context) (_ *openVSwitch, err error) {
	for _, name := range []string{"ovs-vswitchd", "ovsdb-server", "ovsdb-tool", "ovs-vsctl", "ovs-ofctl"} {
		if _, err := findProgram(name); err != nil {
			return nil, &missingError{"Open vSwitch is not installed (Debian: apt install openvswitch-switch)"}
		}
	}
	const schema = "/usr/share/openvswitch/vswitch.ovsschema"
	if _, err := os.Stat(schema); err != nil {
		return nil, &missingError{"Open vSwitch's database schema is not at " + schema}
	}
	o := &openVSwitch{}
	if o.dir, err = host.PrivateDirectory(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			o.close()
			err = &missingError{"Open vSwitch does not start here: " + firstLine([]byte(err.Error()))}
		}
	}()
	database, socket := filepath.Join(o.dir, "conf.db"), filepath.Join(o.dir, "db.sock")
	if err := o.call(ctx, "", "ovsdb-tool", "create", database, schema); err != nil {
		return nil, err
	}
	if err := o.run("ovsdb-server", database, "--remote=punix:"+socket, "-vconsole:off"); err != nil {
		return nil, err
	}
	if err := waitFor(ctx, socket); err != nil {
		return nil, err
	}
	if err := o.configure(ctx, "--no-wait", "init"); err != nil {
		return nil, err
	}
	if err := o.run("ovs-vswitchd", "unix:"+socket, "-vconsole:off"); err != nil {
		return nil, err
	}
	words := []string{"--timeout=10", "add-br", bridge, "--", "set", "bridge", bridge, "datapath_type=netdev", "fail_mode=secure"}
	if err := o.configure(ctx, words...); err != nil {
		return nil, err
	}
	management := filepath.Join(o.dir, bridge+".mgmt")
	if _, err := os.Stat(management); err != nil {
		return nil, errors.New("it could not make its bridge; it needs /dev/net/tun, which not every user may open")
	}
	return o, o.call(ctx, openFlows(), "ovs-ofctl", "add-flows", "unix:"+management, "-")
}

// connect makes the links the switch's ports, once they are there.
func (o *openVSwitch) connect(ctx context.Context) error {
	var words []string
	for _, link := range []uint32{clientLink, serverLink} {
		name := host.CoreName(link)
		words = append(words, "--", "add-port", bridge, name, "--", "set", "interface", name, fmt.Sprintf("ofport_request=%d", link), fmt.Sprintf("mtu_request=%d", jumboMTU))
	}
	return o.configure(ctx, append([]string{"--timeout=10"}, words[1:]...)...)
}

const bridge = "br0"

func (o *openVSwitch) configure(ctx context.Context, words ...string) error {
	return o.call(ctx, "", "ovs-vsctl", append([]string{"--db=unix:" + filepath.Join(o.dir, "db.sock")}, words...)...)
}

// call runs a program to its end.
func (o *openVSwitch) call(ctx context.Context, input, name string, words ...string) error {
	cmd, err := o.command(name, words...)
	if err != nil {
		return err
	}
	in, err := pipeOf(input)
	if err != nil {
		return err
	}
	defer in.Close()
	cmd.Stdin = in
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, firstLine(out))
	}
	return nil
}

// run starts a program that stays.
func (o *openVSwitch) run(name string, words ...string) error {
	cmd, err := o.command(name, append(words, "--unixctl="+filepath.Join(o.dir, name+".ctl"))...)
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	o.programs = append(o.programs, cmd)
	return nil
}

func (o *openVSwitch) command(name string, words ...string) (*exec.Cmd, error) {
	path, err := findProgram(name)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path, words...)
	cmd.Env = append(os.Environ(), "OVS_RUNDIR="+o.dir, "OVS_LOGDIR="+o.dir, "OVS_DBDIR="+o.dir, "OVS_SYSCONFDIR="+o.dir)
	return cmd, nil
}

func (o *openVSwitch) close() {
	for _, p := range o.programs {
		_ = p.Process.Kill()
		_ = p.Wait()
	}
	o.programs = nil
}

// waitFor waits until a program has made its socket.
func waitFor(ctx context.Context, path string) error {
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if _, err := os.Stat(path); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(5 * time.Millisecond):
		}
	}
	return errors.New("its database did not come up within " + patience.String())
}

// openFlows are the groups' rules and the router in the switch's language: table
// 0 looks connections up, 1 has the client's rules and 2 the server's for what is
// new, 3 routes.
func openFlows() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	for _, family := range []string{"ip", "ipv6"} {
		line("table=0,priority=10,%s,ct_state=-trk,actions=ct(table=1)", family)
		line("table=1,priority=20,%s,ct_state=+trk+est,actions=goto_table:3", family)
		line("table=1,priority=20,%s,ct_state=+trk+rel,actions=goto_table:3", family)
	}
	for _, r := range rules() {
		for _, m := range portMasks(r.first, r.last) {
			for _, family := range []struct{ suffix, address, client, server string }{
				{"", "nw", clientPrefix4.Masked().String(), serverPrefix4.Masked().String()},
				{"6", "ipv6", clientPrefix6.Masked().String(), serverPrefix6.Masked().String()},
			} {
				line("table=1,priority=10,in_port=%d,ct_state=+trk+new,%s%s,%s_dst=%s,tp_dst=%s,actions=goto_table:2",
					clientLink, r.protocol, family.suffix, family.address, family.server, m)
				line("table=2,priority=10,%s%s,%s_src=%s,tp_dst=%s,actions=ct(commit,table=3)",
					r.protocol, family.suffix, family.address, family.client, m)
			}
		}
	}
	for _, way := range []struct {
		from, to uint32
		mac      string
	}{{clientLink, serverLink, serverMAC.String()}, {serverLink, clientLink, clientMAC.String()}} {
		for _, family := range []string{"ip", "ipv6"} {
			line("table=3,priority=10,in_port=%d,%s,actions=dec_ttl,mod_dl_src:%s,mod_dl_dst:%s,output:%d", way.from, family, gatewayMAC, way.mac, way.to)
		}
	}
	return b.String()
}

// portMasks are the fewest values with masks ("0x1388/0xfff8") that together are
// the ports from first to last: OpenFlow knows no ranges.
func portMasks(first, last uint16) []string {
	var list []string
	for at, end := uint32(first), uint32(last)+1; at < end; {
		size := uint32(1)
		for at%(2*size) == 0 && at+2*size <= end {
			size *= 2
		}
		list = append(list, fmt.Sprintf("0x%x/0x%x", at, 0xffff&^(size-1)))
		at += size
	}
	return list
}
