package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync"

	"github.com/vpcsim/vpcsim/control/host"
	"github.com/vpcsim/vpcsim/control/lab"
	"github.com/vpcsim/vpcsim/dataplane/port"
)

// row is something that forwards, or nothing that does.
type row struct {
	name  string
	about string
	// Exactly one of the two: a network of a daemon of ours, or a lab.
	network string
	lab     *labNetwork
	rules   bool // it has rules, and must prove them
	offload bool // of a lab: the kernel forwards established connections
}

// labNetwork is the network of a row that is a lab. It has the nodes client and
// server, and lets [rules] pass from the one to the other.
type labNetwork struct {
	scenario         string
	server4, server6 netip.Addr // as the client calls it
	// mtu is the most that the way carries, where the nodes' MTU is not to be
	// touched; 0 leaves it to the measurement.
	mtu int
}

// The rows that others are compared with.
const (
	rowKernel    = "kernel"
	rowNft       = "kernel+nft"
	rowReflector = "reflector"
	rowVPCSim    = "vpcsim"
)

// rows in the order in which they are shown: from the least work to the most.
func rows() []row {
	routed := &labNetwork{scenario: scenario(wayRouted), server4: serverPrefix4.Addr(), server6: serverPrefix6.Addr()}
	gateways := &labNetwork{scenario: scenario(wayGateways), server4: internetServer4, server6: internetServer6, mtu: ethernetMTU}
	peering := &labNetwork{scenario: scenario(wayPeering), server4: otherServer4.Addr(), server6: otherServer6.Addr()}
	transit := &labNetwork{scenario: scenario(wayTransit), server4: otherServer4.Addr(), server6: otherServer6.Addr()}
	tunnel := &labNetwork{scenario: scenario(wayTunnel), server4: otherServer4.Addr(), mtu: ethernetMTU}
	byClient := &labNetwork{scenario: scenario(wayClient), server4: otherServer4.Addr(), mtu: ethernetMTU}
	return []row{
		{name: "direct", network: networkDirect, about: "client and server on one veth pair, no router: the limit of this machine"},
		{name: rowKernel, network: networkKernel, about: "Linux forwards between two veth pairs"},
		{name: rowNft, network: networkNft, rules: true, about: fmt.Sprintf("the same, with the lab's security groups as stateful nftables rules (%d per list)", rulesPerList)},
		{name: "ovs", network: networkOVS, rules: true, about: "Open vSwitch's userspace datapath, connections tracked, the same rules"},
		{name: rowReflector, network: networkReflector, about: "vpcsim's packet socket, only the Ethernet header rewritten: the limit of our I/O"},
		{name: rowVPCSim, lab: routed, rules: true, about: fmt.Sprintf("a lab: security groups (%d rules per list and family), network ACLs (%d rules), two route tables", rulesPerList, aclRules)},
		{name: "vpcsim+offload", lab: routed, rules: true, offload: true, about: "the same lab with --offload: the kernel forwards established connections"},
		{name: "vpcsim+nat", lab: gateways, rules: true, about: "a lab: the same, out to the Internet by NAT gateway and internet gateway (IPv6: egress-only gateway)"},
		{name: "vpcsim+peering", lab: peering, rules: true, about: "a lab: the same between two VPCs, peered"},
		{name: "vpcsim+tgw", lab: transit, rules: true, about: "a lab: the same between two VPCs at a transit gateway"},
		{name: "vpcsim+vpn", lab: tunnel, rules: true, about: "a lab: from a customer's site by a Site-to-Site VPN tunnel, WireGuard in user space at both ends"},
		{name: "vpcsim+client-vpn", lab: byClient, rules: true, about: "a lab: from a machine on the Internet that is connected by Client VPN, WireGuard in user space at both ends"},
	}
}

// contender is a row that is up.
type contender interface {
	run(ctx context.Context, spec loadSpec) (*pairResult, error)
	close()
}

func (r *row) up(ctx context.Context) (contender, error) {
	if r.lab != nil {
		return r.startLab(ctx)
	}
	return r.startDaemon(ctx)
}

// server is the address that the client calls.
func (r *row) server(ipv6 bool) netip.Addr {
	server4, server6 := serverPrefix4.Addr(), serverPrefix6.Addr()
	if r.lab != nil {
		server4, server6 = r.lab.server4, r.lab.server6
	}
	if ipv6 {
		return server6
	}
	return server4
}

// excludes says why m makes no sense for r, or "".
func (r *row) excludes(m *measurement) string {
	if r.lab != nil && r.lab.mtu > 0 && m.mtu > r.lab.mtu {
		return fmt.Sprintf("its way carries %d bytes", r.lab.mtu)
	}
	return ""
}

// mtu is what the nodes set for m.
func (r *row) mtu(m *measurement) int {
	if r.lab != nil && r.lab.mtu > 0 {
		return 0
	}
	return m.mtu
}

// labRow is a lab as vpcsim up starts it, with nothing left out.
type labRow struct {
	running *lab.Running
	client  *lab.Client
}

func (r *row) startLab(ctx context.Context) (contender, error) {
	if r.offload {
		if err := port.CheckOffload(); err != nil {
			return nil, &missingError{err.Error()}
		}
	}
	running, err := lab.Start(ctx, lab.StartConfig{
		Name:     fmt.Sprintf("bench-%d-%s", os.Getpid(), strings.ReplaceAll(r.name, "+", "-")),
		File:     lab.File{Name: r.name + ".yaml", Source: r.lab.scenario},
		Log:      lab.LogConfig{Format: "text", Level: logLevel},
		Borrower: "vpcsim bench",
		Offload:  r.offload,
		Stderr:   os.Stderr,
	})
	if err != nil {
		return nil, err
	}
	client, err := lab.Connect(running.Name)
	if err != nil {
		running.Stop()
		return nil, err
	}
	return &labRow{running, client}, nil
}

func (l *labRow) run(ctx context.Context, spec loadSpec) (*pairResult, error) {
	return runPair(ctx, l.start, spec)
}

func (l *labRow) close() { l.running.Stop() }

// start is the starter of a lab: what vpcsim exec does.
func (l *labRow) start(ctx context.Context, node string, args []string, stdout, stderr *os.File) (func() (int, error), error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		closeAll([]*os.File{stdout, stderr})
		return nil, err
	}
	var code int
	var execErr error
	var done sync.WaitGroup
	done.Go(func() {
		defer null.Close()
		defer closeAll([]*os.File{stdout, stderr})
		code, execErr = l.client.Exec(ctx, lab.ExecRequest{Node: node, Args: args, Env: os.Environ()}, null, stdout, stderr)
	})
	return func() (int, error) { done.Wait(); return code, execErr }, nil
}

// daemonRow is a network of a daemon of this package.
type daemonRow struct {
	child   *host.Child
	in, out *os.File
	encoder *json.Encoder
	decoder *json.Decoder
	once    sync.Once
}

func (r *row) startDaemon(ctx context.Context) (contender, error) {
	inRead, inWrite, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer inRead.Close()
	outRead, outWrite, err := os.Pipe()
	if err != nil {
		_ = inWrite.Close()
		return nil, err
	}
	defer outWrite.Close()
	child, err := host.Spawn(host.SpawnConfig{
		Args: []string{Argument, partDaemon}, Dir: "/", Stdin: inRead, Stdout: outWrite, Stderr: os.Stderr,
	})
	if err != nil {
		_, _ = inWrite.Close(), outRead.Close()
		return nil, err
	}
	d := &daemonRow{child: child, in: inWrite, out: outRead, encoder: json.NewEncoder(inWrite), decoder: json.NewDecoder(outRead)}
	if _, err := d.ask(ctx, daemonOrder{Network: r.network}); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

func (d *daemonRow) run(ctx context.Context, spec loadSpec) (*pairResult, error) {
	return d.ask(ctx, spec)
}

// ask sends one order and waits for the answer. When ctx ends meanwhile, the
// daemon is ended: nothing else could stop what it does.
func (d *daemonRow) ask(ctx context.Context, order any) (*pairResult, error) {
	defer context.AfterFunc(ctx, func() { _ = d.child.Kill() })()
	if err := d.encoder.Encode(order); err != nil {
		return nil, errors.Join(context.Cause(ctx), err)
	}
	var reply daemonReply
	if err := d.decoder.Decode(&reply); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("the row's process ended: %w", err)
	}
	switch {
	case reply.Missing != "":
		return nil, &missingError{reply.Missing}
	case reply.Failure != "":
		return nil, errors.New(reply.Failure)
	}
	return reply.Result, nil
}

func (d *daemonRow) close() {
	d.once.Do(func() {
		_ = d.in.Close() // its order to end
		d.child.Release()
		_, _ = d.child.Wait()
		_ = d.out.Close()
	})
}
