package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/vpcsim/vpcsim/control/host"
	"github.com/vpcsim/vpcsim/dataplane/port"
)

// A row that is not a lab has a daemon of its own, in namespaces of its own, as
// a lab has. It reads what to do from its standard input, a JSON value each: first
// a daemonOrder, then loadSpecs. To each it answers with a daemonReply on its
// standard output. It ends when its input does, and with it, by the kernel's
// hand, everything in its namespaces.

type daemonOrder struct {
	Network string // which of networks
}

type daemonReply struct {
	Result *pairResult `json:",omitempty"`
	// Failure is why not; Missing, why this machine cannot have such a row.
	Failure string `json:",omitempty"`
	Missing string `json:",omitempty"`
}

// The networks that a daemon can build.
const (
	networkDirect    = "direct"
	networkKernel    = "kernel"
	networkNft       = "nft"
	networkOVS       = "ovs"
	networkReflector = "reflector"
)

// missingError says that a row cannot be had on this machine, and why.
type missingError struct{ reason string }

func (e *missingError) Error() string { return e.reason }

func daemonMain() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	var order daemonOrder
	if err := in.Decode(&order); err != nil {
		return fmt.Errorf("benchmark: reading what to do: %w", err)
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	n := &network{log: log, kind: order.Network}
	defer n.close()
	if err := out.Encode(replyTo(nil, n.build(ctx))); err != nil {
		return err
	}
	for {
		var spec loadSpec
		if err := in.Decode(&spec); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := out.Encode(replyTo(runPair(ctx, n.start, spec))); err != nil {
			return err
		}
	}
}

func replyTo(result *pairResult, err error) daemonReply {
	var missing *missingError
	switch {
	case errors.As(err, &missing):
		return daemonReply{Missing: missing.reason}
	case err != nil:
		return daemonReply{Failure: err.Error()}
	}
	return daemonReply{Result: result}
}

// network is what lies between the two nodes, and they.
type network struct {
	kind      string
	log       *slog.Logger
	host      *host.Host
	reflector *reflector
	ovs       *openVSwitch
}

// build makes the network. It runs in the core's namespace.
func (n *network) build(ctx context.Context) error {
	if err := host.InitCore(n.log); err != nil {
		return err
	}
	// Open vSwitch's packet sockets keep TCP in order only if each flow is
	// received on one CPU. The others come without, and are faster without.
	if err := host.SteerReceived(n.kind == networkOVS); err != nil {
		n.log.Info("received packets are not steered", "error", err)
	}
	config := host.Config{Log: n.log}
	// Programs that are waited for run before the host collects orphans.
	switch n.kind {
	case networkNft:
		if err := loadNftables(ctx); err != nil {
			return err
		}
	case networkOVS:
		var err error
		if n.ovs, err = startOpenVSwitch(ctx); err != nil {
			return err
		}
	case networkReflector:
		p, err := port.OpenAFPacket(port.AFPacketConfig{})
		if err != nil {
			return host.Explain(err)
		}
		n.reflector = startReflector(p)
		config.Attach, config.Detach = p.Attach, p.Detach
	}
	var err error
	if n.host, err = host.New(config); err != nil {
		return err
	}
	if n.kind == networkDirect {
		return n.buildDirect(ctx)
	}
	return n.buildRouted(ctx)
}

func (n *network) buildDirect(ctx context.Context) error {
	if err := n.host.Ensure(ctx, []host.Node{{Name: clientNode}, {Name: serverNode}}); err != nil {
		return err
	}
	client, server := neighbors()
	return n.host.ConnectNodes(clientNode, client, serverNode, server)
}

func (n *network) buildRouted(ctx context.Context) error {
	client, server := interfaces()
	err := n.host.Ensure(ctx, []host.Node{
		{Name: clientNode, Interfaces: []host.Interface{client}},
		{Name: serverNode, Interfaces: []host.Interface{server}},
	})
	if err != nil {
		return err
	}
	if n.kind == networkKernel || n.kind == networkNft {
		var ends []host.CoreInterface
		for _, i := range []host.Interface{client, server} {
			end := host.CoreInterface{Link: i.Link}
			for k, p := range i.Addresses {
				end.Addresses = append(end.Addresses, netip.PrefixFrom(i.Gateways[k], p.Bits()))
			}
			ends = append(ends, end)
		}
		return n.host.RouteInCore(ends)
	}
	if n.ovs != nil {
		if err := n.ovs.connect(ctx); err != nil {
			return &missingError{"Open vSwitch does not take the interfaces: " + firstLine([]byte(err.Error()))}
		}
	}
	// Nobody in these networks answers a question for the gateway's MAC.
	for node, i := range map[string]host.Interface{clientNode: client, serverNode: server} {
		if n.ovs != nil {
			if err := n.host.FinishChecksums(node, i.Name); err != nil {
				return err
			}
		}
		for _, g := range i.Gateways {
			if err := n.host.SetNeighbor(node, i.Name, g, gatewayMAC); err != nil {
				return err
			}
		}
	}
	return nil
}

// close ends what runs; the namespaces go with the process.
func (n *network) close() {
	if n.ovs != nil {
		n.ovs.close()
	}
	if n.reflector != nil {
		n.reflector.close()
	}
}

// start is the starter of this network.
func (n *network) start(ctx context.Context, node string, args []string, stdout, stderr *os.File) (func() (int, error), error) {
	defer closeAll([]*os.File{stdout, stderr})
	process, err := n.host.Command(node, host.ProcessSpec{Args: args, Stdout: stdout, Stderr: stderr})
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = process.Kill() }) // fails for one that has ended
	return func() (int, error) {
		defer stop()
		return process.Wait()
	}, nil
}

// loadNftables gives the rules to the nft program, which is in most
// distributions and in no kernel.
func loadNftables(ctx context.Context) error {
	nft, err := findProgram("nft")
	if err != nil {
		return &missingError{"nft is not installed (Debian: apt install nftables)"}
	}
	cmd := exec.CommandContext(ctx, nft, "-f", "-")
	rules, err := pipeOf(nftRules(clientLink, serverLink))
	if err != nil {
		return err
	}
	defer rules.Close()
	cmd.Stdin = rules
	if out, err := cmd.CombinedOutput(); err != nil {
		return &missingError{fmt.Sprintf("nft cannot load the rules on this machine: %v: %s", err, firstLine(out))}
	}
	return nil
}
