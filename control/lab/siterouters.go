package lab

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/bgp"
	"github.com/vpcsim/vpcsim/control/host"
	"github.com/vpcsim/vpcsim/control/wireguard"
	"github.com/vpcsim/vpcsim/dataplane/port"
)

// siteRouters are the customers' routers: WireGuard devices, made by a process of
// ours in the router's namespace, and who routes by them. They are not safe for
// concurrent use, but for what sessions and processes report.
type siteRouters struct {
	host    *host.Host
	dir     string // where routing daemons find their files
	log     *slog.Logger
	running map[string]*siteRouter // by site
}

// siteRouter is the router of one site, or an appliance.
type siteRouter struct {
	node    string
	host    *host.Host
	log     *slog.Logger
	tunnels *wireGuardProcess // nil of an appliance
	devices map[string]string // tunnel → device that is set up

	builtin *bgp.Server
	daemon  *routingDaemon

	mu     sync.Mutex // guards what the built-in speaker reports
	static []host.LearnedRoute
	best   map[netip.Prefix]netip.Addr // → next hop
	byPeer map[netip.Addr]string       // AWS's inside address → device
}

func newSiteRouters(h *host.Host, dir string, log *slog.Logger) *siteRouters {
	return &siteRouters{host: h, dir: dir, log: log, running: map[string]*siteRouter{}}
}

// customerTunnel is a tunnel as the customer knows it.
type customerTunnel struct {
	*control.VPNTunnel
	connection *control.VPNConnection
	device     string
	// listenPort is the tunnel's at the router's address, which all share.
	listenPort uint16
}

// customerTunnels are those that end at a site, sorted by name, each with the name
// of its device.
func customerTunnels(w *control.World, siteName string) []customerTunnel {
	var list []customerTunnel
	for _, name := range slices.Sorted(maps.Keys(w.VPNConnections)) {
		c := w.VPNConnections[name]
		if c.Status.Site != siteName {
			continue
		}
		for i := range c.Status.Tunnels {
			place := len(list)
			list = append(list, customerTunnel{&c.Status.Tunnels[i], c, deviceName(name, i+1, place), uint16(port.WireGuardPort + place)})
		}
	}
	return list
}

// deviceName is the connection's and the tunnel's number, if Linux takes that.
func deviceName(connection string, number, place int) string {
	if name := fmt.Sprintf("%s-%d", connection, number); len(name) <= 15 {
		return name
	}
	return fmt.Sprintf("vpn%d", place)
}

// converge makes the routers those of w: their tunnels, addresses, and routes.
func (r *siteRouters) converge(w *control.World) error {
	var errs []error
	for name, running := range r.running {
		ended := running.tunnels.ended()
		if ended {
			running.log.Warn("the process that had the WireGuard devices ended; another one is started")
		}
		if s := w.Sites[name]; s == nil || s.Status.Fault != "" || running.node != nodeName(w, name) || ended {
			running.close()
			delete(r.running, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.Sites)) {
		if w.Sites[name].Status.Fault != "" {
			continue
		}
		tunnels := customerTunnels(w, name)
		if r.running[name] == nil {
			if len(tunnels) == 0 {
				continue
			}
			started, err := r.start(w, name)
			if err != nil {
				errs = append(errs, fmt.Errorf("site %s: %w", name, err))
				continue
			}
			r.running[name] = started
		}
		if err := r.running[name].converge(w, name, tunnels, filepath.Join(r.dir, name)); err != nil {
			errs = append(errs, fmt.Errorf("site %s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

// ended reports that a router's process is gone: converge starts another.
func (r *siteRouters) ended() bool {
	for _, running := range r.running {
		if running.tunnels.ended() {
			return true
		}
	}
	return false
}

// tunnelMTU is what AWS has inside a tunnel (V11). AWS answers nothing that is larger,
// and its guide has the customer's router lower the segment size of TCP to what fits.
const tunnelMTU = 1446

// start starts the process that has the router's WireGuard devices.
func (r *siteRouters) start(w *control.World, name string) (*siteRouter, error) {
	running := &siteRouter{
		node: nodeName(w, name), host: r.host, log: r.log.With("site", name), devices: map[string]string{},
		best: map[netip.Prefix]netip.Addr{}, byPeer: map[netip.Addr]string{},
	}
	directories, err := siteDirectories(filepath.Join(r.dir, name))
	if err != nil {
		return nil, err
	}
	running.tunnels, err = startWireGuard(r.host, running.node, directories, running.log)
	return running, err
}

// The directories where BIRD and FRRouting keep their control sockets, and their
// command lines look for them; and where the latter reads and writes configurations.
const (
	birdDirectory      = "/run/bird"
	frrDirectory       = "/run/frr"
	frrConfigDirectory = "/etc/frr"
)

// siteDirectories are a site's own, under dir: where wg(8), birdc and vtysh find the
// sockets of its tunnels and of its routing daemon, and "write" in vtysh its file.
// The machine's may hold those of other labs, or real ones.
func siteDirectories(dir string) (map[string]string, error) {
	directories := map[string]string{
		wireguard.SocketDirectory: "wireguard", birdDirectory: "bird", frrDirectory: "frr", frrConfigDirectory: frrConfig,
	}
	if st, err := os.Stat(frrConfigDirectory); err != nil || !st.IsDir() {
		delete(directories, frrConfigDirectory) // no FRRouting, or not as distributions have it
	}
	for path, name := range directories {
		directories[path] = filepath.Join(dir, name)
		if err := os.MkdirAll(directories[path], 0o700); err != nil {
			return nil, err
		}
	}
	return directories, nil
}

// converge makes the router's tunnels and routes those of w.
func (r *siteRouter) converge(w *control.World, name string, tunnels []customerTunnel, dir string) error {
	var state wireguard.State
	for _, t := range tunnels {
		keys := t.Keys(w.Name)
		state.Tunnels = append(state.Tunnels, wireguard.Tunnel{
			Name: t.device, PrivateKey: wireguard.Key(keys.Customer.Private), PeerPublicKey: wireguard.Key(keys.Amazon.Public),
			PresharedKey: wireguard.Key(keys.Preshared), ListenPort: t.listenPort,
			Endpoint: netip.AddrPortFrom(t.OutsideIP, port.WireGuardPort), MTU: tunnelMTU,
			AdjustMSS: true, PersistentKeepalive: keepalive,
		})
	}
	// The process makes its devices in its own time, and neither addresses nor routes
	// can be given to what is not there. Only then BGP, whose sessions come from these
	// addresses, and whose routes lead into these devices.
	if err := errors.Join(r.tunnels.set(state), r.tunnels.await()); err != nil {
		return err
	}
	if err := r.setDevices(tunnels); err != nil {
		return err
	}
	r.setStatic(w, name, tunnels)
	return errors.Join(r.route(w, name, tunnels, dir), r.install())
}

// setDevices gives the devices their inside addresses (V3).
func (r *siteRouter) setDevices(tunnels []customerTunnel) error {
	for _, t := range tunnels {
		var addresses []netip.Prefix
		for _, end := range []struct {
			a     netip.Addr
			block netip.Prefix
		}{{t.CustomerIP, t.InsideCIDR}, {t.CustomerIPv6, t.InsideIPv6CIDR}} {
			if end.a.IsValid() {
				addresses = append(addresses, netip.PrefixFrom(end.a, end.block.Bits()))
			}
		}
		if text := fmt.Sprint(addresses); r.devices[t.Name] != t.device+text {
			if err := r.host.Device(r.node, t.device, addresses, 0); err != nil {
				return err
			}
			r.devices[t.Name] = t.device + text
		}
	}
	return nil
}

// setStatic notes what the router knows without BGP: the routes of connections
// with static routing, by the tunnel that is up.
func (r *siteRouter) setStatic(w *control.World, name string, tunnels []customerTunnel) {
	r.mu.Lock()
	defer r.mu.Unlock()
	devices := map[string]string{}
	clear(r.byPeer)
	for _, t := range tunnels {
		devices[t.Name] = t.device
		for _, a := range []netip.Addr{t.AmazonIP, t.AmazonIPv6} {
			if a.IsValid() {
				r.byPeer[a] = t.device
			}
		}
	}
	r.static = nil
	for _, route := range w.SiteRoutes(name) {
		if route.Type == control.RouteStatic {
			r.static = append(r.static, host.LearnedRoute{Destination: route.Destination, Hops: []host.NextHop{{Device: devices[route.Tunnel]}}})
		}
	}
}

// install gives the kernel the static routes and the built-in router's best. A real
// daemon has its own way to the kernel.
func (r *siteRouter) install() error {
	r.mu.Lock()
	routes := slices.Clone(r.static)
	for _, p := range slices.SortedFunc(maps.Keys(r.best), comparePrefixes) {
		if device := r.byPeer[r.best[p]]; device != "" {
			routes = append(routes, host.LearnedRoute{Destination: p, Hops: []host.NextHop{{Device: device}}})
		}
	}
	r.mu.Unlock()
	return r.host.LearnedRoutes(r.node, routes)
}

// route makes the site's router speak BGP in the tunnels that do.
func (r *siteRouter) route(w *control.World, name string, tunnels []customerTunnel, dir string) error {
	s := w.Sites[name]
	state := bgp.State{Router: &bgp.Router{ASN: uint32(s.Status.ASN), RouterID: s.Status.PublicIP, Networks: s.Networks}}
	for _, t := range tunnels {
		if t.connection.Status.Routing != control.RouteBGP {
			continue
		}
		peer := bgp.Peer{
			Name: strings.ReplaceAll(t.Name, "/", "-"), LocalAddress: t.CustomerIP, RemoteAddress: t.AmazonIP,
			LocalASN: uint32(s.Status.ASN), RemoteASN: uint32(t.connection.Status.AmazonASN), Families: []bgp.Family{bgp.IPv4},
		}
		if t.CustomerIPv6.IsValid() {
			peer.LocalAddress, peer.RemoteAddress, peer.Families = t.CustomerIPv6, t.AmazonIPv6, []bgp.Family{bgp.IPv6}
		}
		state.Peers = append(state.Peers, peer)
	}
	if len(state.Peers) == 0 {
		r.stopRouting()
		return nil
	}
	return r.speak(s.Status.Router, state, dir)
}

// speak makes a router of the sort that is wanted speak BGP. Dir is where a daemon
// finds its files.
func (r *siteRouter) speak(kind control.Router, state bgp.State, dir string) error {
	switch cmp.Or(kind, control.RouterBuiltin) {
	case control.RouterBuiltin:
		if r.builtin == nil {
			r.stopRouting()
			r.builtin = bgp.NewServer(bgp.Config{
				Event: r.bgpEvent, Log: r.log, Open: func(f func() error) error { return r.host.In(r.node, f) },
			})
		}
		return r.builtin.Set(state)
	default:
		if r.builtin != nil {
			r.stopRouting()
		}
		if r.daemon == nil {
			r.daemon = &routingDaemon{router: r, dir: dir}
		}
		return r.daemon.set(kind, state)
	}
}

// bgpEvent takes over the best paths of the built-in router. A goroutine of its
// sessions calls it, so that it holds mu for the maps alone: stopRouting waits for
// those goroutines, and install asks the kernel.
func (r *siteRouter) bgpEvent(e bgp.Event) {
	if len(e.Best) == 0 && len(e.NoBest) == 0 {
		return
	}
	r.mu.Lock()
	for _, route := range e.Best {
		r.best[route.Prefix] = route.NextHop
	}
	for _, p := range e.NoBest {
		delete(r.best, p)
	}
	r.mu.Unlock()
	if err := r.install(); err != nil {
		// A site that a fault has down loses its node first, and its sessions then.
		if _, there := r.host.Node(r.node); there {
			r.log.Error("routes of the site's router", "error", err)
		}
	}
}

// stopRouting ends whatever speaks BGP, and forgets what it has learned; the caller
// gives the kernel what is left, or the node is gone.
func (r *siteRouter) stopRouting() {
	if r.builtin != nil {
		r.builtin.Close() // no event comes after it, so that best stays empty
		r.builtin = nil
	}
	if r.daemon != nil {
		r.daemon.stop()
		r.daemon = nil
	}
	r.mu.Lock()
	clear(r.best)
	r.mu.Unlock()
}

// close says good-bye by BGP while the tunnels still carry it.
func (r *siteRouter) close() {
	r.stopRouting()
	if r.tunnels != nil { // an appliance has others
		r.tunnels.close()
	}
}

func (r *siteRouters) close() {
	for _, running := range r.running {
		running.close()
	}
	r.running = map[string]*siteRouter{}
}
