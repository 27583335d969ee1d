package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/vpcsim/vpcsim/dataplane"
)

// Plumbing makes the machine look like a world: namespaces, interfaces,
// addresses. The memory driver needs none.
type Plumbing interface {
	// Ensure creates and changes what w needs, and leaves alone what it does
	// not know. On an error it has undone what it created.
	Ensure(ctx context.Context, w *World) error
	// Prune removes what w no longer needs.
	Prune(w *World)
}

// Store holds the world in force and takes it from one to the next, all or
// nothing: clone, change, complete, allocate, validate, compile, plumb,
// publish. An error before publishing leaves the old world running.
type Store struct {
	publish  func(*dataplane.Snapshot)
	plumbing Plumbing
	log      *slog.Logger
	observe  func(time.Duration)

	mu       sync.Mutex
	world    *World
	document *World // as it was applied last, without what operations changed
	revision uint64
	next     uint32 // the next handle to give out
}

// NewStore returns a store with an empty world. Publish receives every
// snapshot; plumbing may be nil.
func NewStore(log *slog.Logger, plumbing Plumbing, publish func(*dataplane.Snapshot)) *Store {
	return &Store{publish: publish, plumbing: plumbing, log: log, observe: func(time.Duration) {}, world: &World{}, next: firstFreeHandle}
}

// ObservePublishing calls observe after every snapshot with how long it took from
// the change to its being published. It is called before the first change.
func (s *Store) ObservePublishing(observe func(time.Duration)) { s.observe = observe }

// World returns a copy of the world in force, and its revision.
func (s *Store) World() (*World, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.world.Clone(), s.revision
}

// Apply makes next the world in force and returns what that changed. A world
// that does not hold is refused with [Problems]; the old one goes on.
func (s *Store) Apply(ctx context.Context, next *World) ([]Change, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	changes, err := s.update(ctx, func(w *World) error {
		*w = *next.Clone()
		return nil
	})
	if err == nil {
		s.document = next.Clone()
	}
	return changes, err
}

// Operate does one operation to the world in force. Problems name no place in a
// file: it is not the file that brought them.
func (s *Store) Operate(ctx context.Context, op Operation) ([]Change, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	op.document = s.document
	changes, err := s.update(ctx, func(w *World) error { return w.Operate(op) })
	var problems Problems
	if errors.As(err, &problems) {
		for i := range problems {
			problems[i].File, problems[i].Line, problems[i].Column = "", 0, 0
		}
	}
	return changes, err
}

// Preview says what Apply would change, and changes nothing.
func (s *Store) Preview(next *World) ([]Change, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next = next.Clone()
	next.RIB = s.world.RIB
	if problems := next.Prepare(s.world); len(problems) > 0 {
		return nil, problems
	}
	return Plan(s.world, next), nil
}

// Update changes a copy of the world with change and makes it the world in
// force.
func (s *Store) Update(ctx context.Context, change func(*World) error) ([]Change, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.update(ctx, change)
}

func (s *Store) update(ctx context.Context, change func(*World) error) ([]Change, error) {
	start := time.Now()
	next := s.world.Clone()
	if err := change(next); err != nil {
		return nil, err
	}
	next.RIB = s.world.RIB // no document knows it
	if problems := next.Prepare(s.world); len(problems) > 0 {
		return nil, problems
	}
	next.dateRequests(s.world, start)
	changes := Plan(s.world, next)
	handle, err := s.assignHandles(next, changes)
	if err != nil {
		return nil, err
	}
	snapshot, err := Compile(next, s.revision+1)
	if err != nil {
		return nil, fmt.Errorf("compile: %w (this is a bug in vpcsim: please report it with the scenario)", err)
	}
	if s.plumbing != nil {
		if err := s.plumbing.Ensure(ctx, next); err != nil {
			return nil, fmt.Errorf("set up the namespaces: %w", err)
		}
	}
	s.publish(snapshot)
	s.observe(time.Since(start))
	s.world, s.revision, s.next = next, s.revision+1, handle
	if s.plumbing != nil {
		s.plumbing.Prune(next)
	}
	s.log.Info("world applied", "revision", s.revision, "changes", len(changes))
	return changes, nil
}

// SetRIB makes what tunnels and BGP sessions are doing known: the world in force
// chooses its routes anew and is published. Nothing else changes, so nothing is
// validated or plumbed. The caller waits until a burst of news is over (50 ms is a
// good time), and leaves rib alone afterwards; nil is the assumed one.
func (s *Store) SetRIB(rib *RIB) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	start := time.Now()
	next := s.world.Clone()
	next.RIB = rib
	next.computeStatus()
	snapshot, err := Compile(next, s.revision+1)
	if err != nil {
		return fmt.Errorf("compile: %w (this is a bug in vpcsim: please report it with the scenario)", err)
	}
	s.publish(snapshot)
	s.observe(time.Since(start))
	s.world, s.revision = next, s.revision+1
	s.log.Debug("routes learned", "revision", s.revision)
	return nil
}

// assignHandles gives every resource its handle: the one it had, or a new one
// if it is new or replaced. A handle is never used again, so that the state of
// a resource dies with it. It returns the next free handle, for the store to
// keep once the update has succeeded.
func (s *Store) assignHandles(next *World, changes []Change) (uint32, error) {
	replaced := map[string]bool{}
	for _, c := range changes {
		if c.Action == ActionReplace {
			replaced[c.Kind+" "+c.Name] = true
		}
	}
	free := s.next
	give := func(id *Identity) error {
		if free > uint32(dataplane.MaxHandle) {
			return fmt.Errorf("this lab has created %d resources since it came up, the most it can: take it down and up again", dataplane.MaxHandle)
		}
		id.Handle = free
		free++
		return nil
	}
	for _, k := range Kinds() {
		for _, name := range k.Names(next) {
			id := k.Identity(next, name)
			if old := k.Identity(s.world, name); old != nil && !replaced[k.Plural+" "+name] {
				id.Handle = old.Handle
				continue
			}
			if err := give(id); err != nil {
				return 0, err
			}
		}
	}
	if err := next.assignTransitGatewayHandles(s.world, replaced, give); err != nil {
		return 0, err
	}
	if err := next.assignVPNHandles(s.world, replaced, give); err != nil {
		return 0, err
	}
	if err := next.assignConnectHandles(s.world, replaced, give); err != nil {
		return 0, err
	}
	if err := next.assignClientVPNHandles(s.world, replaced, give); err != nil {
		return 0, err
	}
	if err := assignManagedHandles(next.managedOwners(), s.world.managedOwners(), replaced, give); err != nil {
		return 0, err
	}
	for _, n := range next.NetworkInterfaces {
		n.Status.MAC = MAC(dataplane.InterfaceMAC(dataplane.Handle(n.Status.Handle)))
	}
	for _, g := range next.NATGateways {
		g.Status.MAC = MAC(dataplane.InterfaceMAC(dataplane.Handle(g.Status.Handle)))
	}
	return free, nil
}
