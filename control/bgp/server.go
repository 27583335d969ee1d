package bgp

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"time"

	wire "github.com/osrg/gobgp/v4/pkg/packet/bgp"
)

// Config is what a Server needs beside its State. Only Event has to be given.
type Config struct {
	// Event is called for everything that happens, one call at a time and in
	// order. It must not wait for the Server, and sessions wait for it.
	Event func(Event)
	// Open runs f where the sockets that it makes belong: on a thread inside a
	// network namespace (host.In does that). Nil: right here.
	Open func(f func() error) error
	Log  *slog.Logger // nil: none
}

// Server holds the sessions of a State.
type Server struct {
	sockets sockets
	log     *slog.Logger
	event   func(Event)

	// setting serialises Set and Close, which wait for sessions; sessions
	// never take it.
	setting   sync.Mutex
	closed    bool
	running   map[string]*running
	listeners map[netip.Addr]*listener

	// mu guards what sessions touch when they report. No other lock is taken
	// under it but those of ribOut.
	mu     sync.Mutex
	router *Router
	table  *table
	active map[string]*running // running, as reports see it
}

// running is a session with what the Server keeps about it.
type running struct {
	*session
	peer   Peer // as last set
	router bool
	cancel context.CancelCauseFunc
	done   chan struct{}
	// routerID is the other end's, while the session is up.
	routerID netip.Addr
}

// NewServer returns a Server with nothing to do. It must be closed.
func NewServer(c Config) *Server {
	if c.Open == nil {
		c.Open = func(f func() error) error { return f() }
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Server{
		sockets: sockets{c.Open}, log: c.Log, event: c.Event,
		running: map[string]*running{}, listeners: map[netip.Addr]*listener{},
		table: newTable(), active: map[string]*running{},
	}
}

// Set makes state the one in force, and returns when what it ends has ended. An
// error changes nothing.
func (s *Server) Set(state State) error {
	// All of it is checked before any of it counts.
	state, err := state.complete()
	if err != nil {
		return err
	}
	s.setting.Lock()
	defer s.setting.Unlock()
	if s.closed {
		return errors.New("bgp: the server is closed")
	}
	wanted := map[string]Peer{}
	for _, p := range state.Peers {
		wanted[p.Name] = p
	}
	// What ends, ends first: a new session may need the addresses of an old one.
	s.stop(func(r *running) *ceased {
		p, ok := wanted[r.peer.Name]
		switch {
		case !ok:
			return &ceased{wire.BGP_ERROR_SUB_PEER_DECONFIGURED, "removed from the configuration"}
		case r.router != (state.Router != nil) || !reflect.DeepEqual(fixed(p), fixed(r.peer)):
			return &ceased{ceaseOtherConfigurationChange, "its configuration changed"}
		}
		return nil
	})
	s.setRouter(state.Router)
	for _, p := range state.Peers {
		if r := s.running[p.Name]; r != nil {
			s.adjust(r, p)
		} else {
			s.start(p)
		}
	}
	s.export()
	return nil
}

// Close ends every session with a Cease, and everything else.
func (s *Server) Close() {
	s.setting.Lock()
	defer s.setting.Unlock()
	s.closed = true
	s.stop(func(*running) *ceased {
		return &ceased{wire.BGP_ERROR_SUB_ADMINISTRATIVE_SHUTDOWN, "the speaker is shut down"}
	})
}

// fixed is what of a peer cannot change while its session lives.
func fixed(p Peer) Peer {
	p.Announce, p.MaxPrefixes, p.Export = nil, 0, Export{}
	return p
}

// stop ends the sessions for which why gives a reason, all at once.
func (s *Server) stop(why func(*running) *ceased) {
	var ending []*running
	for _, r := range s.running {
		if c := why(r); c != nil {
			r.cancel(c)
			ending = append(ending, r)
		}
	}
	// They say goodbye at the same time: one whose peer does not read takes a
	// second, and so do fifty.
	for _, r := range ending {
		<-r.done
		delete(s.running, r.peer.Name)
		if l := s.listeners[r.peer.LocalAddress]; l.remove(r.session) {
			delete(s.listeners, r.peer.LocalAddress)
			l.close()
		}
	}
	s.mu.Lock()
	s.active = maps.Clone(s.running)
	s.mu.Unlock()
}

// start begins a session, and the listener that its address needs.
func (s *Server) start(p Peer) {
	ctx, cancel := context.WithCancelCause(context.Background())
	r := &running{session: newSession(p, s.sockets, s.log), peer: p, router: s.router != nil, cancel: cancel, done: make(chan struct{})}
	r.report = func(session *Session, d *delta) { s.report(r, session, d) }
	s.running[p.Name] = r
	s.mu.Lock()
	s.active[p.Name] = r
	s.mu.Unlock()
	// Before its session can be up, so that the first thing that a peer hears
	// is all of it. A router's announcements follow from its table: see export.
	if s.router == nil {
		r.out.replace(p.announced())
	}
	l := s.listeners[p.LocalAddress]
	if l == nil {
		l = newListener(p.LocalAddress, s.sockets, s.log)
		s.listeners[p.LocalAddress] = l
	}
	l.add(r.session)
	go func() {
		defer close(r.done)
		r.run(ctx)
	}()
}

// adjust changes what can change while a session lives.
func (s *Server) adjust(r *running, p Peer) {
	s.mu.Lock()
	r.peer = p
	s.mu.Unlock()
	if r.maxPrefixes.Swap(int64(p.MaxPrefixes)) != int64(p.MaxPrefixes) {
		r.out.poke()
	}
	if s.router == nil {
		r.out.replace(p.announced())
	}
}

// report takes a session's word, in its goroutine.
func (s *Server) report(r *running, session *Session, d *delta) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := Event{Time: time.Now(), Peer: r.session.peer.Name, Session: session}
	e.Learned, e.Withdrawn = d.lists()
	s.event(e)
	if session != nil && session.State == Established {
		r.routerID = session.RouterID
	}
	if !r.router || d.empty() {
		return // AWS's end: what follows from the routes is control's
	}
	best := newDelta()
	s.table.learn(r.session.peer, r.routerID, d, best)
	if best.empty() {
		return
	}
	s.tellBest(best)
	if s.router.Transit {
		s.exportLocked()
	}
}

// tellBest reports best paths, but for the router's own networks: it needs no
// route to those.
func (s *Server) tellBest(d *delta) {
	own := func(p netip.Prefix) bool { return slices.Contains(s.router.Networks, p) }
	e := Event{Time: time.Now()}
	e.Best, e.NoBest = d.lists()
	e.Best = slices.DeleteFunc(e.Best, func(r Route) bool { return own(r.Prefix) })
	e.NoBest = slices.DeleteFunc(e.NoBest, own)
	if len(e.Best)+len(e.NoBest) > 0 {
		s.event(e)
	}
}

// setRouter changes the router. Its sessions have ended if there was none
// before, or is none now.
func (s *Server) setRouter(r *Router) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.router
	s.router = r
	if old == nil || r == nil {
		s.table = newTable()
		return
	}
	e := Event{Time: time.Now()}
	for p, best := range s.table.best {
		was, is := slices.Contains(old.Networks, p), slices.Contains(r.Networks, p)
		switch {
		case was && !is:
			e.Best = append(e.Best, best.Route)
		case is && !was:
			e.NoBest = append(e.NoBest, p)
		}
	}
	if len(e.Best)+len(e.NoBest) > 0 {
		s.event(e)
	}
}

// export has every session of a router announce what it should.
func (s *Server) export() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.router != nil {
		s.exportLocked()
	}
}

// exportLocked is export with mu held. It works out everything for everybody: a
// customer's router has a handful of peers, and a session sends changes only.
func (s *Server) exportLocked() {
	for _, r := range s.active {
		r.out.replace(s.table.exports(s.router, r.peer))
	}
}
