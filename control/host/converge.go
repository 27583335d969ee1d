//go:build linux

package host

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
)

// converge makes nodes be as described; see Ensure. The caller holds
// h.converging. After an error the nodes' specs say what was reached, which is
// what restore starts from.
func (h *Host) converge(ctx context.Context, nodes []Node) error {
	h.releaseMovedLinks(nodes)
	var changes []*change
	for _, n := range nodes {
		changes = append(changes, h.change(n))
	}
	err := h.apply(ctx, changes)
	h.record(changes)
	// The core learns of new links only when all are there, in the order of
	// the list and from one goroutine, so that it need not expect any other.
	if err != nil {
		return err
	}
	for _, c := range changes {
		for _, a := range c.links {
			if err := h.attach(a.link, a.ifindex); err != nil {
				return fmt.Errorf("node %s: link %d: %w", c.want.Name, a.link, err)
			}
			h.attached[a.link] = true
		}
	}
	return nil
}

// releaseMovedLinks removes each interface whose link is wanted elsewhere, or
// whose name is wanted for another link.
func (h *Host) releaseMovedLinks(nodes []Node) {
	type place struct{ node, name string }
	wanted := map[uint32]place{}
	for _, n := range nodes {
		for _, i := range n.Interfaces {
			wanted[i.Link] = place{n.Name, i.Name}
		}
	}
	var gone []uint32
	h.mu.Lock()
	for name, have := range h.nodes {
		// k < 0: a node that is not being changed, but may hold such a link.
		k := slices.IndexFunc(nodes, func(n Node) bool { return n.Name == name })
		have.spec.Interfaces = slices.DeleteFunc(slices.Clone(have.spec.Interfaces), func(i Interface) bool {
			to, moved := wanted[i.Link]
			moved = moved && to != place{name, i.Name}
			if k >= 0 && !moved {
				other := nodes[k].interfaceNamed(i.Name)
				moved = other != nil && other.Link != i.Link
			}
			if moved {
				gone = append(gone, i.Link)
			}
			return moved
		})
	}
	h.mu.Unlock()
	h.deleteLinks(gone)
}

// creators is how many threads make nodes at once. Most of the time of a new
// namespace is spent outside of the kernel's one big network lock, that of a
// veth pair inside it: more than a few threads only wait for each other.
const creators = 4

// apply does the changes and returns the error of the first that failed.
func (h *Host) apply(ctx context.Context, changes []*change) error {
	work := make(chan *change)
	failed := make(chan struct{})
	var once sync.Once
	var wg sync.WaitGroup
	errs := make([]error, min(creators, runtime.GOMAXPROCS(0), len(changes)))
	for k := range errs {
		wg.Go(func() {
			errs[k] = onThread(h.core, func() error {
				// The thread is still in the core; it will not be for long.
				core, err := openRouteSocket()
				if err != nil {
					once.Do(func() { close(failed) })
					return err
				}
				defer core.close()
				for c := range work {
					if c.err = c.do(core); c.err != nil {
						once.Do(func() { close(failed) })
					}
				}
				return nil
			})
		})
	}
	interrupted := feed(ctx, work, failed, changes)
	wg.Wait()
	for _, c := range changes {
		if c.err != nil {
			return fmt.Errorf("node %s: %w", c.want.Name, c.err)
		}
	}
	return errors.Join(append(errs, interrupted)...)
}

// feed hands out the changes until one fails or ctx ends, and closes work.
func feed(ctx context.Context, work chan<- *change, failed <-chan struct{}, changes []*change) error {
	defer close(work)
	for _, c := range changes {
		select {
		case work <- c:
		case <-failed:
			return nil // the failure itself is reported with its change
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// record takes over what was made, of failed changes as well: whatever has an
// interface or a namespace must be known to be removed.
func (h *Host) record(changes []*change) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range changes {
		have := h.nodes[c.want.Name]
		switch {
		// Never begun, or failed before there was anything to take over.
		case !c.done || c.fresh && c.ns == nil:
		case c.fresh:
			h.nodes[c.want.Name] = &node{spec: c.want, ns: c.ns, running: map[*Process]bool{}}
		case c.err != nil:
			have.tried = &c.want
		default:
			have.spec, have.tried = c.want, nil
		}
	}
}
