//go:build linux

package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Config of a [Host]. All fields may be left out.
type Config struct {
	Log *slog.Logger
	// Attach tells the forwarding core that frames of the interface ifindex
	// (in the core's namespace) are link's; Detach, that they no longer are.
	// Both are called from within Ensure, Prune and Close, never at once.
	Attach func(link uint32, ifindex int) error
	Detach func(link uint32)
}

// Host holds the nodes of one lab: their namespaces, interfaces and processes.
// It belongs to the lab's daemon, after [InitCore]. Its methods may be called
// from any goroutine.
type Host struct {
	log      *slog.Logger
	attach   func(uint32, int) error
	detach   func(uint32)
	core     *os.File // the daemon's own network namespace
	children *children

	converging sync.Mutex // one Ensure, Prune or Close at a time
	attached   map[uint32]bool

	mu     sync.RWMutex // guards what follows, held for moments only
	nodes  map[string]*node
	closed bool
}

// node is a network namespace and what was asked for in it. Only the holder of
// Host.converging changes it.
type node struct {
	spec  Node     // as applied, and what Prune has not removed yet
	tried *Node    // what a failed change may have applied on top; else nil
	ns    *os.File // the only reference that keeps an idle namespace alive

	// Guarded by Host.mu.
	used    bool // a process was started in it
	running map[*Process]bool
}

// ErrClosed is returned by a [Host] that was closed.
var ErrClosed = errors.New("the lab is being taken down")

// New returns the host of a lab without nodes. In process 1 of a PID namespace
// it also collects the orphans of the lab from now on.
func New(cfg Config) (*Host, error) {
	h := &Host{log: cfg.Log, attach: cfg.Attach, detach: cfg.Detach,
		attached: map[uint32]bool{}, nodes: map[string]*node{}}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if h.attach == nil {
		h.attach = func(uint32, int) error { return nil }
	}
	if h.detach == nil {
		h.detach = func(uint32) {}
	}
	// The netlink package finds this out when first asked, without a lock.
	nl.NativeEndian()
	var err error
	if h.core, err = openNamespace(); err != nil {
		return nil, fmt.Errorf("core namespace: %w", err)
	}
	h.children = newChildren(h.log)
	return h, nil
}

// Ensure makes the given nodes be as described: it creates what is missing and
// changes what differs, and touches nothing else, so that connections over what
// stays go on. Nodes and interfaces that are not named are left alone until
// [Host.Prune], with one exception: a link that moved to another interface is
// taken from the old one. After an error everything is as it was before.
func (h *Host) Ensure(ctx context.Context, nodes []Node) error {
	if err := validate(nodes); err != nil {
		return err
	}
	h.converging.Lock()
	defer h.converging.Unlock()
	if h.isClosed() {
		return ErrClosed
	}
	before := h.specs(nodes)
	err := h.converge(ctx, nodes)
	if err == nil {
		return nil
	}
	if undo := h.restore(nodes, before); undo != nil {
		h.log.Error("the lab's nodes could not be set back", "error", undo)
		return fmt.Errorf("%w (and setting back failed: %w)", err, undo)
	}
	return err
}

// Prune removes the nodes that are not in nodes, with their processes, and the
// interfaces that are not in their nodes. The kernel frees namespaces in the
// background.
func (h *Host) Prune(nodes []Node) {
	h.converging.Lock()
	defer h.converging.Unlock()
	h.prune(nodes)
}

// Close removes all nodes and stops collecting orphans. It may be called again.
func (h *Host) Close() error {
	h.converging.Lock()
	defer h.converging.Unlock()
	if h.isClosed() {
		return nil
	}
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.prune(nil)
	h.children.close()
	return h.core.Close()
}

// In runs f on a thread inside the node's network namespace: sockets that f
// makes (net.Listen, or net.Dial with an address, not a name) are the node's,
// and stay so wherever they are used. Goroutines that f starts are not inside.
// The empty name is the core's namespace.
func (h *Host) In(name string, f func() error) error {
	if name == "" {
		return f()
	}
	ns, err := h.Namespace(name)
	if err != nil {
		return err
	}
	defer ns.Close()
	return onThread(h.core, func() error {
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("node %s: entering: %w", name, err)
		}
		return f()
	})
}

// Namespace returns the node's network namespace as a file of the caller's,
// which keeps the namespace alive until closed.
func (h *Host) Namespace(name string) (*os.File, error) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	n := h.nodes[name]
	if h.closed {
		return nil, fmt.Errorf("node %s: %w", name, ErrClosed)
	}
	if n == nil {
		return nil, fmt.Errorf("node %s: there is none of that name", name)
	}
	fd, err := unix.FcntlInt(n.ns.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("node %s: namespace: %w", name, err)
	}
	return os.NewFile(uintptr(fd), "net:"+name), nil
}

// Node returns what was last asked for under that name, and whether there is
// such a node.
func (h *Host) Node(name string) (Node, bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	n := h.nodes[name]
	if n == nil {
		return Node{}, false
	}
	return n.spec.clone(), true
}

func (h *Host) isClosed() bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.closed
}

// specs returns what is now applied and what an Ensure of nodes may change:
// these nodes, and those that hold one of their links.
func (h *Host) specs(nodes []Node) []Node {
	names := map[string]bool{}
	links := map[uint32]bool{}
	for _, n := range nodes {
		names[n.Name] = true
		for _, i := range n.Interfaces {
			links[i.Link] = true
		}
	}
	var out []Node
	for _, name := range sortedNames(h.nodes) {
		spec := h.nodes[name].spec
		holds := func(i Interface) bool { return links[i.Link] }
		if names[name] || slices.ContainsFunc(spec.Interfaces, holds) {
			out = append(out, spec.clone())
		}
	}
	return out
}

// restore undoes a failed Ensure of nodes: what it created goes, what it
// changed becomes as it was before. It must run to its end, so no context.
func (h *Host) restore(nodes, before []Node) error {
	known := map[string]bool{}
	for _, n := range before {
		known[n.Name] = true
	}
	var created []string
	for _, n := range nodes {
		if !known[n.Name] {
			created = append(created, n.Name)
		}
	}
	h.removeNodes(created)
	h.pruneInterfaces(before)
	return h.converge(context.Background(), before)
}
