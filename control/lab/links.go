package lab

import (
	"context"
	"net/http"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/dataplane"
)

// Link is a link with what it does and what it has done.
type Link struct {
	Name string `json:"name"`
	// Derived: it is there because its places are, not because a file says so.
	Derived bool `json:"derived,omitempty"`
	control.LinkEnds
	Fault   string        `json:"fault,omitempty"`
	Forward LinkDirection `json:"forward"`
	Reverse LinkDirection `json:"reverse"`
}

// LinkDirection is one direction of a link.
type LinkDirection struct {
	control.ImpairmentInForce
	// Statistics count since the link was made; a direction that does nothing
	// to packets counts none.
	Statistics dataplane.LinkStatistics `json:"statistics"`
}

func (s *apiServer) links(w http.ResponseWriter, _ *http.Request) { reply(w, s.lab.links()) }

// links puts together what control and the data plane know, by handle. Either may
// be one change ahead.
func (l *lab) links() []Link {
	w, _ := l.store.World()
	statistics := map[dataplane.Handle]dataplane.LinkStatus{}
	for _, s := range l.engine.Links() {
		statistics[s.Link.Handle] = s
	}
	k, _ := control.KindNamed("links")
	list := []Link{}
	for _, name := range k.Names(w) {
		s := &w.Links[name].Status
		did := statistics[dataplane.Handle(s.Handle)]
		list = append(list, Link{
			Name: name, Derived: s.Derived, LinkEnds: s.LinkEnds, Fault: s.Fault,
			Forward: LinkDirection{s.Forward, did.Forward}, Reverse: LinkDirection{s.Reverse, did.Reverse},
		})
	}
	return list
}

// breakWorld injects faults for a check, and returns how to repair what was not
// broken before.
func (l *lab) breakWorld(ctx context.Context, faults control.Faults) (*control.World, func() error, error) {
	change := func(ctx context.Context, change func(w *control.World)) error {
		l.mu.Lock()
		defer l.mu.Unlock()
		changes, err := l.store.Update(ctx, func(w *control.World) error { change(w); return nil })
		if err == nil {
			l.converge(changes)
		}
		return err
	}
	var added control.Faults
	if err := change(ctx, func(w *control.World) { added = w.Break(faults...) }); err != nil {
		return nil, nil, err
	}
	l.log.Info("faults injected for a check", "faults", added.String())
	w, _ := l.store.World()
	return w, func() error {
		return change(context.WithoutCancel(ctx), func(w *control.World) { w.Repair(added...) })
	}, nil
}
