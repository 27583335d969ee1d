package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/vpcsim/vpcsim/control/host"
	"github.com/vpcsim/vpcsim/control/wireguard"
)

// wireGuardProcess has the WireGuard devices of one machine outside of AWS: a program
// of ours in the machine's namespace. It is not safe for concurrent use.
type wireGuardProcess struct {
	node   string
	host   *host.Host
	log    *slog.Logger
	tun    bool // TUN devices can be made
	remote *wireguard.Process
	output []*os.File // our ends of its pipes
	wanted []string   // the devices of the state in force
	// pairs are the other ends of the pairs that stand in for devices, by device.
	pairs map[string]string
	made  int // pairs so far

	mu     sync.Mutex
	there  map[string]bool  // devices that are
	failed map[string]error // and what could not be, since the last set
	news   chan struct{}    // one of these has changed; holds one
}

// devicePatience is how long the process may take to make its devices.
const devicePatience = 5 * time.Second

// startWireGuard starts the process in a node. Directories are where its programs
// find its sockets; see [host.NodeFiles].
func startWireGuard(h *host.Host, node string, directories map[string]string, log *slog.Logger) (*wireGuardProcess, error) {
	binary, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &wireGuardProcess{
		node: node, host: h, log: log, tun: host.TUNAllowed(), pairs: map[string]string{},
		there: map[string]bool{}, failed: map[string]error{}, news: make(chan struct{}, 1),
	}
	stdin, stdout, err := p.command(directories, binary, DaemonArgument, wireguard.Argument)
	if err != nil {
		return nil, err
	}
	p.remote = wireguard.NewProcess(stdin, stdout, p.event)
	return p, nil
}

// command starts a program of ours in the node; what it logs is logged.
func (p *wireGuardProcess) command(directories map[string]string, args ...string) (io.WriteCloser, io.Reader, error) {
	var pipes [3][2]*os.File
	for i := range pipes {
		read, write, err := os.Pipe()
		if err != nil {
			return nil, nil, err
		}
		pipes[i] = [2]*os.File{read, write}
	}
	process, err := p.host.Command(p.node, host.ProcessSpec{
		Args: args, Stdin: pipes[0][0], Stdout: pipes[1][1], Stderr: pipes[2][1], Files: host.NodeFiles{Directories: directories},
	})
	// The process has its own copies. With ours open we would never read an end of its
	// output, nor it one of its input.
	for _, theirs := range []*os.File{pipes[0][0], pipes[1][1], pipes[2][1]} {
		_ = theirs.Close()
	}
	if err != nil {
		for _, ours := range []*os.File{pipes[0][1], pipes[1][0], pipes[2][0]} {
			_ = ours.Close()
		}
		return nil, nil, err
	}
	p.output = append(p.output, pipes[1][0], pipes[2][0])
	p.log.Debug("program started", "command", args[len(args)-1], "pid", process.PID())
	go logLines(pipes[2][0], p.log) // ends with the process
	return pipes[0][1], pipes[1][0], nil
}

// event is called by the goroutine that reads what the process says, which ends with
// the process. Whoever awaits is woken, and looks for himself: a channel of one is
// enough, and never holds the reader up.
func (p *wireGuardProcess) event(e wireguard.Event) {
	p.mu.Lock()
	switch {
	case e.Error != "":
		p.log.Error("WireGuard", "tunnel", e.Tunnel, "error", e.Error)
		p.failed[e.Tunnel] = errors.New(e.Error)
		if e.Removed {
			delete(p.there, e.Tunnel)
		}
	case e.Status != nil:
		p.log.Debug("WireGuard", "tunnel", e.Tunnel, "handshake", e.Status.LastHandshake)
		p.there[e.Tunnel] = true
	case e.Removed:
		delete(p.there, e.Tunnel)
	}
	p.mu.Unlock()
	select {
	case p.news <- struct{}{}:
	default:
	}
}

// set makes state the one in force, with pairs where there can be no TUN devices. The
// devices are there once await has returned.
func (p *wireGuardProcess) set(state wireguard.State) error {
	// Before the process has the state: what failed last time must not be taken for
	// its answer.
	p.mu.Lock()
	clear(p.failed)
	p.mu.Unlock()
	p.wanted = p.wanted[:0]
	for i := range state.Tunnels {
		t := &state.Tunnels[i]
		p.wanted = append(p.wanted, t.Name)
		if p.tun {
			continue
		}
		if p.pairs[t.Name] == "" {
			p.pairs[t.Name] = fmt.Sprintf("pair%d", p.made)
			p.made++
		}
		t.PairEnd = p.pairs[t.Name]
		if err := p.host.Pair(p.node, t.Name, t.PairEnd, t.MTU); err != nil {
			return err
		}
	}
	return errors.Join(p.remote.Set(state), p.removePairs())
}

// removePairs removes what is no longer wanted. TUN devices go with who made them;
// a pair would stay, and swallow what its routes lead into it.
func (p *wireGuardProcess) removePairs() error {
	var errs []error
	for name := range p.pairs {
		if !slices.Contains(p.wanted, name) {
			errs = append(errs, p.host.RemovePair(p.node, name))
			delete(p.pairs, name)
		}
	}
	return errors.Join(errs...)
}

// await waits until the process has said how it went with every device.
func (p *wireGuardProcess) await() error {
	late := time.After(devicePatience)
	for {
		missing, errs := "", []error(nil)
		p.mu.Lock()
		for _, name := range p.wanted {
			if !p.there[name] {
				missing = name
			}
			errs = append(errs, p.failed[name])
		}
		p.mu.Unlock()
		if err := errors.Join(errs...); err != nil || missing == "" {
			return err
		}
		select {
		case <-p.news:
		case <-p.remote.Done():
			return errors.New("the process that has the WireGuard devices has ended; its last words are in the lab's log")
		case <-late:
			return fmt.Errorf("device %s: not there after %s", missing, devicePatience)
		}
	}
}

// ended reports that the process is gone without being asked to, as when somebody
// killed it: its devices are gone with it, and another one has to make them.
func (p *wireGuardProcess) ended() bool {
	select {
	case <-p.remote.Done():
		return true
	default:
		return false
	}
}

// close ends the process, and the devices with it. Its pipes come last: the reader has
// read to their ends by then.
func (p *wireGuardProcess) close() {
	_ = p.remote.Close()
	p.wanted = nil
	if err := p.removePairs(); err != nil {
		p.log.Error("WireGuard", "error", err)
	}
	for _, f := range p.output {
		_ = f.Close()
	}
}

// wireGuardMain is the program that startWireGuard starts: by the same argument as
// the daemon, so that every program that can be a daemon can be this. It does not
// return. A signal ends the tunnels as the end of the standard input does.
func wireGuardMain() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := wireguard.Main(ctx, os.Stdin, os.Stdout, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "vpcsim: the tunnels ended:", err)
		os.Exit(1)
	}
	os.Exit(0)
}
