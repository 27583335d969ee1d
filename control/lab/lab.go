package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/flowlogs/delivery"
	"github.com/vpcsim/vpcsim/control/host"
	"github.com/vpcsim/vpcsim/control/metrics"
	"github.com/vpcsim/vpcsim/control/wireguard"
	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/port"
)

// DaemonArgument is the first argument by which the binary knows that it was
// started as a lab's daemon: main calls [DaemonMain] when os.Args[1] is it.
const DaemonArgument = "__lab"

// The descriptors that [Start] gives to the daemon.
const (
	orderFD  = 3
	reportFD = 4
	socketFD = 5 // and further ones: order.Listen
)

// order is what the daemon is to do, as Start wrote it.
type order struct {
	Name     string
	File     File
	Detached bool // log to the lab's own file
	Borrower string
	Log      LogConfig
	Offload  bool
	// Listen are the addresses of the sockets from socketFD on.
	Listen []netip.AddrPort
}

// lab is the daemon's state. Its parts are started and stopped in run.
type lab struct {
	name    string
	started time.Time
	log     *slog.Logger

	port   *port.AFPacket
	ports  *port.Switch // port, and the tunnels that end in this process
	engine *dataplane.Engine
	host   *host.Host
	store  *control.Store

	platform *platform
	vpn      *vpn
	servers  *servers
	programs *programs
	flowLogs *flowLogs
	// published is how long changes took to be in force, in seconds.
	published *metrics.Histogram

	cloudWatch *cloudWatch
	expiry     *peeringExpiry
	directory  atomic.Value // string: where programs start, for those who do not hold mu

	listens *listenSockets
	secret  func() ([32]byte, error) // that keys of Client VPN are made from

	down     chan struct{} // closed when somebody asks the lab to end
	downOnce sync.Once

	mu       sync.Mutex // one apply at a time, and what follows
	file     File       // in force
	checking sync.Mutex // one run of checks at a time: they share the journal
}

// DaemonMain is the program behind [DaemonArgument], and what the daemon starts of
// itself. It does not return.
func DaemonMain() {
	if len(os.Args) > 2 && os.Args[2] == wireguard.Argument {
		wireGuardMain()
	}
	report := &reporter{out: os.NewFile(reportFD, "report")}
	err := readOrderAndRun(report)
	if err == nil {
		os.Exit(0)
	}
	if !report.failed(err) { // nobody reads it any more
		fmt.Fprintln(os.Stderr, "vpcsim: the lab ended:", err)
	}
	os.Exit(1)
}

func readOrderAndRun(report *reporter) error {
	file := os.NewFile(orderFD, "order")
	if file == nil || report.out == nil {
		return errors.New(DaemonArgument + " is how vpcsim starts a lab's daemon; use: vpcsim up")
	}
	var o order
	if err := json.NewDecoder(file).Decode(&o); err != nil {
		return fmt.Errorf("reading what the lab should be: %w", err)
	}
	_ = file.Close()
	sockets := &listenSockets{}
	for i, at := range o.Listen {
		if err := sockets.put(at, os.NewFile(uintptr(socketFD+i), at.String())); err != nil {
			return err
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	return run(ctx, o, sockets, report)
}

// run is the life of a lab, from top to bottom and, by the deferred calls, back
// up again. Whatever fails on the way undoes what was done.
func run(ctx context.Context, o order, sockets *listenSockets, report *reporter) error {
	level := &slog.LevelVar{}
	level.Set(slog.LevelWarn)
	log := newLog(os.Stderr, o.Log.Format, level)
	if err := host.InitCore(log); err != nil {
		return err
	}
	dir, err := lock(ctx, o.Name)
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	if o.Borrower != "" {
		if err := dir.Borrow(o.Borrower); err != nil {
			return err
		}
	}
	if o.Detached {
		file, err := os.OpenFile(dir.Log(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return fmt.Errorf("the lab's log: %w", err)
		}
		defer file.Close()
		_ = debug.SetCrashOutput(file, debug.CrashOptions{}) // nobody sees our standard error
		log = newLog(file, o.Log.Format, level)
	}
	l := &lab{name: o.Name, started: time.Now(), log: log, listens: sockets, secret: dir.KeySecret, down: make(chan struct{})}
	defer sockets.keep(nil)

	report.phase("opening the forwarding core")
	clock := func() int64 { return int64(time.Since(l.started)) } // so that drops have a wall-clock time
	if err := l.openCore(o.Offload, clock); err != nil {
		return err
	}
	defer l.ports.Close()
	actions := newAlarmActions(l, log)
	l.cloudWatch = newCloudWatch(actions.act, log)
	defer l.cloudWatch.close()
	l.flowLogs = newFlowLogs(l.engine, clock, l.started, delivery.New(dir.FlowLogs(), log), l.cloudWatch.put, log)
	defer l.flowLogs.close() // after the last packet
	forwarding := l.forward()
	defer func() { _ = l.ports.Close(); <-forwarding.done }()

	if l.host, err = host.New(host.Config{Log: log, Attach: l.port.Attach, Detach: l.port.Detach}); err != nil {
		return err
	}
	defer l.host.Close()
	sites, clients := filepath.Join(dir.Dir, "sites"), filepath.Join(dir.Dir, "vpnClients")
	l.platform = newPlatform(l.host.In, log)
	defer l.platform.close()
	l.servers = newServers(l.host.In, log)
	defer l.servers.close()
	l.programs = newPrograms(l.host, sites, clients, log)
	defer l.programs.close()

	l.store = control.NewStore(log, plumbing{l.host}, l.engine.Publish)
	l.observePublishing()
	l.vpn = newVPN(l.host, l.ports, l.store, sites, clients, newConnectionLogs(dir.ConnectionLogs(), l.cloudWatch.put, log), sockets, log)
	defer l.vpn.close()
	report.phase("creating namespaces, interfaces and addresses")
	if err := l.first(ctx, o.File); err != nil {
		return err
	}
	listener, err := listen(dir)
	if err != nil {
		return err
	}
	l.mu.Lock() // converge reads it
	l.expiry = l.expirePeerings()
	l.mu.Unlock()
	defer l.expiry.close()
	api := newServer(l)
	api.start(listener)
	defer api.stop()
	defer actions.close()    // before the nodes go
	defer l.flowLogs.flush() // while somebody may still be waiting for it

	report.ready()
	level.Set(o.Log.Level)
	return l.wait(ctx, forwarding)
}

// lockPatience is how long a lab's lock may be held by nobody who answers.
const lockPatience = 5 * time.Second

// lock takes the lab's lock. A daemon that was just killed holds it until the
// kernel has ended all of the lab's processes; only one that answers is running.
func lock(ctx context.Context, name string) (*host.Lab, error) {
	for giveUp := time.Now().Add(lockPatience); ; {
		dir, err := host.Lock(name)
		if !errors.Is(err, host.ErrRunning) || time.Now().After(giveUp) || answers(ctx, name) {
			return dir, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// answers reports whether a daemon of that name lives.
func answers(ctx context.Context, name string) bool {
	l, err := host.OpenLab(name)
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	_, err = newClient(l).Status(ctx)
	return err == nil
}

// first applies the file that the lab is brought up with. Here whatever cannot
// be had is an error: nothing runs yet that would be lost.
func (l *lab) first(ctx context.Context, file File) error {
	plan, err := l.apply(ctx, file)
	if err == nil && len(plan.Warnings) > 0 {
		err = errors.New(plan.Warnings[0])
	}
	return err
}

// wait returns when the lab is to end: nil if that was wanted.
func (l *lab) wait(ctx context.Context, forwarding *forwarding) error {
	select {
	case <-ctx.Done():
		l.log.Debug("ending: a signal came")
	case <-lifeline():
		l.log.Debug("ending: the process that started the lab has gone")
	case <-l.down:
		l.log.Debug("ending: down was asked for")
	case <-forwarding.done:
		return fmt.Errorf("forwarding stopped: %w", forwarding.err)
	}
	return nil
}

// lifeline is closed when the process that the lab belongs to has gone. A lab
// that belongs to none gets a channel that stays open.
func lifeline() <-chan struct{} {
	gone := make(chan struct{})
	if file := host.Lifeline(); file != nil {
		// The read cannot be interrupted; the goroutine ends with the process.
		go func() {
			_, _ = io.Copy(io.Discard, file)
			close(gone)
		}()
	}
	return gone
}

// forwarding is the goroutine that moves the packets.
type forwarding struct {
	done chan struct{}
	err  error // once done is closed; nil after the port was closed
}

func (l *lab) forward() *forwarding {
	f := &forwarding{done: make(chan struct{})}
	go func() {
		defer close(f.done)
		f.err = l.engine.Run(l.ports)
	}()
	return f
}

// end asks the lab to end; wait returns then.
func (l *lab) end() { l.downOnce.Do(func() { close(l.down) }) }

// apply makes file the world in force, and then starts and stops what runs in
// the nodes. Programs that cannot be started do not take the world back: they
// are in the plan's Warnings.
func (l *lab) apply(ctx context.Context, file File) (*Plan, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	next, err := readWorld(file)
	if err != nil {
		return nil, err
	}
	defer func() { // those that were for a file that is refused, too
		w, _ := l.store.World()
		l.listens.keep(w)
	}()
	if len(next.ClientVPNEndpoints) > 0 && l.secret != nil {
		if next.KeySecret, err = l.secret(); err != nil {
			return nil, err
		}
	}
	changes, err := l.store.Apply(ctx, next)
	if err != nil {
		return nil, err
	}
	l.file = file
	return l.converge(changes), nil
}

// operate does one operation to the world in force. The file stays what it was:
// to apply it again is to undo what it does not say.
func (l *lab) operate(ctx context.Context, op control.Operation) (*Plan, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	changes, err := l.store.Operate(ctx, op)
	if err != nil {
		return nil, err
	}
	l.log.Info("operation done", "kind", op.Kind, "name", op.Name, "action", op.Action)
	return l.converge(changes), nil
}

// converge starts and stops what runs in the nodes of the world in force, and
// reports the changes that led to it. The caller holds l.mu.
func (l *lab) converge(changes []control.Change) *Plan {
	w, revision := l.store.World()
	plan := newPlan(changes, revision)
	l.directory.Store(l.file.Dir)
	l.cloudWatch.converge(w)
	l.expiry.poke()
	l.flowLogs.converge(w)
	for _, err := range []error{l.platform.converge(w), l.vpn.converge(w), l.servers.converge(w), l.programs.converge(w, l.file.Dir)} {
		if err != nil {
			plan.Warnings = append(plan.Warnings, err.Error())
			l.log.Warn("not everything could be started", "error", err)
		}
	}
	return plan
}

// plan says what apply would do.
func (l *lab) plan(file File) (*Plan, error) {
	next, err := readWorld(file)
	if err != nil {
		return nil, err
	}
	changes, err := l.store.Preview(next)
	if err != nil {
		return nil, err
	}
	_, revision := l.store.World()
	return newPlan(changes, revision), nil
}

func newPlan(changes []control.Change, revision uint64) *Plan {
	return &Plan{Changes: changes, Text: control.FormatPlan(changes), Revision: revision}
}

// readWorld reads a file that Store is to prepare. Where not even that works,
// it reports everything that is wrong, as Validate would.
func readWorld(file File) (*control.World, error) {
	w, err := control.Load(file.Name, []byte(file.Source))
	if err == nil {
		return w, nil
	}
	if _, all := control.Open(file.Name, []byte(file.Source)); all != nil {
		return nil, all
	}
	return nil, err
}

// listen opens the lab's socket for its owner alone. The directory keeps others
// out before the mode of the socket does.
func listen(dir *host.Lab) (*net.UnixListener, error) {
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: dir.Socket(), Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("the lab's socket: %w", err)
	}
	if err := os.Chmod(dir.Socket(), 0o600); err != nil {
		_ = listener.Close()
		return nil, fmt.Errorf("the lab's socket: %w", err)
	}
	return listener, nil
}
