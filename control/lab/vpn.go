package lab

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/host"
	"github.com/vpcsim/vpcsim/dataplane/port"
)

// vpn runs both ends of a lab's VPN tunnels, of sites and of clients, the appliances'
// ends of Connect peers, and tells control what tunnels and BGP sessions do:
//
//	world ─► tunnels, speakers, site routers ─► RIB ─► Store.SetRIB ─► world
type vpn struct {
	store *control.Store
	log   *slog.Logger

	mu         sync.Mutex // one convergence or look at a time
	world      *control.World
	rib        *control.RIB // as Store has it
	tunnels    *tunnels
	clientEnds *clientEnds
	speakers   *speakers
	routers    *siteRouters
	clients    *vpnClients
	// appliances are instances that end GRE tunnels.
	appliances *appliances
	closed     bool
	revived    time.Time
	logs       *connectionLogs

	news chan struct{} // something has changed; holds one
	stop context.CancelFunc
	done chan struct{}
}

const (
	// tunnelPause is how often the tunnels are looked at.
	tunnelPause = 500 * time.Millisecond
	// newsPause lets a burst of routes arrive before they are enforced at once.
	newsPause = 30 * time.Millisecond
)

func newVPN(h *host.Host, ports *port.Switch, store *control.Store, sites, clients string, logs *connectionLogs, sockets *listenSockets, log *slog.Logger) *vpn {
	v := &vpn{store: store, log: log, news: make(chan struct{}, 1), done: make(chan struct{})}
	v.tunnels = newTunnels(ports, log)
	v.logs = logs
	v.clientEnds = newClientEnds(ports, v.logs, sockets, log)
	v.speakers = newSpeakers(h.In, log, v.poke)
	v.routers = newSiteRouters(h, sites, log)
	v.clients = newVPNClients(h, clients, log)
	v.appliances = newAppliances(h, sites, log)
	var ctx context.Context
	ctx, v.stop = context.WithCancel(context.Background())
	go v.watch(ctx)
	return v
}

func (v *vpn) poke() {
	select {
	case v.news <- struct{}{}:
	default:
	}
}

// converge makes the tunnels and routers those of w.
func (v *vpn) converge(w *control.World) error {
	if v == nil { // a lab without namespaces, of a test
		return nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return nil
	}
	if len(w.VPNConnections)+len(w.ClientVPNEndpoints)+len(w.VPNClients)+len(w.TransitGatewayConnectPeers) == 0 && v.world == nil {
		return nil
	}
	if v.world != nil {
		v.clientEnds.look(v.world, time.Now()) // what ends with the world is counted to its end
	}
	v.world = w
	err := v.apply()
	v.poke()
	return err
}

// apply hands the world to everybody. AWS's ends come first, so that the
// customer's first call is answered.
func (v *vpn) apply() error {
	return errors.Join(v.tunnels.converge(v.world), v.clientEnds.converge(v.world), v.speakers.converge(v.world),
		v.routers.converge(v.world), v.clients.converge(v.world), v.appliances.converge(v.world))
}

// watch looks at tunnels and sessions until it is stopped: sessions leave word when
// something happens, but WireGuard says nothing by itself, and that a peer has fallen
// silent is no event at all.
func (v *vpn) watch(ctx context.Context) {
	defer close(v.done)
	ticker := time.NewTicker(tunnelPause)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-v.news:
			select {
			case <-ctx.Done():
				return
			case <-time.After(newsPause):
			}
		}
		v.look()
	}
}

// look makes known what has changed: control chooses its routes anew, and what
// AWS announces follows from them. That may be news again, for which the next look is;
// it ends when nothing differs any more. The lab's own lock is held by whoever calls
// converge, and not wanted here.
func (v *vpn) look() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.world == nil || v.closed {
		return
	}
	now := time.Now()
	v.clientEnds.look(v.world, now)
	rib := v.collect(now)
	if reflect.DeepEqual(rib, v.rib) {
		v.revive(now)
		return
	}
	if err := v.store.SetRIB(rib); err != nil {
		v.log.Error("learned routes", "error", err)
		return
	}
	v.rib = rib
	// Store's, not what was looked at: a file may have been applied meanwhile, whose
	// converge waits for us.
	v.world, _ = v.store.World()
	if err := v.apply(); err != nil {
		v.log.Error("learned routes", "error", err)
	}
}

// revive has processes started anew that are gone, though nobody has news of AWS's
// side: what they carried would be lost for good. One that cannot live is not tried
// again and again.
func (v *vpn) revive(now time.Time) {
	const pause = 5 * time.Second
	if now.Sub(v.revived) < pause || !v.routers.ended() && !v.clients.ended() {
		return
	}
	v.revived = now
	if err := v.apply(); err != nil {
		v.log.Error("starting tunnels again", "error", err)
	}
}

func (v *vpn) collect(now time.Time) *control.RIB {
	rib := &control.RIB{Tunnels: map[string]control.TunnelState{}, Sessions: map[string]control.SessionState{}}
	for _, p := range v.world.TransitGatewayConnectPeers {
		for i := range p.Status.Sessions {
			if s, known := v.speakers.connectSession(p.Status.Sessions[i].Name); known {
				rib.Sessions[p.Status.Sessions[i].Name] = s
			}
		}
	}
	for _, c := range v.world.VPNConnections {
		for i := range c.Status.Tunnels {
			t := &c.Status.Tunnels[i]
			open := v.tunnels.open[t.Name]
			if open == nil {
				continue
			}
			state := open.state(t, now)
			v.speakers.describe(t.Name, &state)
			rib.Tunnels[t.Name] = state
		}
	}
	return rib
}

// traffic is what the tunnels that are open have seen, by name.
func (v *vpn) traffic() map[string]TunnelTraffic {
	if v == nil {
		return nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.tunnels.traffic()
}

// close ends the customers' ends before AWS's, so that none calls where nobody is any
// more, and no log of the last moment is about that. The watcher is waited for without
// the lock, which it wants.
func (v *vpn) close() {
	v.stop()
	<-v.done
	v.mu.Lock()
	defer v.mu.Unlock()
	v.closed = true
	if v.world != nil {
		v.clientEnds.look(v.world, time.Now())
	}
	v.appliances.close()
	v.clients.close()
	v.routers.close()
	v.speakers.close()
	v.clientEnds.close()
	v.logs.close()
	v.tunnels.close()
}
