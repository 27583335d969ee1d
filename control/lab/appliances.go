package lab

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/bgp"
	"github.com/vpcsim/vpcsim/control/gre"
	"github.com/vpcsim/vpcsim/control/host"
	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// appliances are what makes routers of instances with Connect peers: GRE tunnels, whose
// devices are in the instance's namespace, and who routes by them. They are not safe
// for concurrent use.
type appliances struct {
	host    *host.Host
	dir     string // where routing daemons find their files
	log     *slog.Logger
	running map[string]*appliance // by instance
}

// appliance routes as a site's router does, but for its tunnels: they are GRE, run in
// the daemon itself, and are closed by the appliance.
type appliance struct {
	*siteRouter
	open map[string]*openGRE // by Connect peer
	made int                 // pairs so far: no two that live have one name
}

// openGRE is a tunnel that is open, and what it and its device were made of.
type openGRE struct {
	// config is as the world wants it, without PairEnd, so that it can be compared.
	config    gre.Config
	addresses string // that the device was given last
	tunnel    *gre.Tunnel
	paired    bool // the device is a veth pair, which Close leaves
}

func newAppliances(h *host.Host, dir string, log *slog.Logger) *appliances {
	return &appliances{host: h, dir: dir, log: log, running: map[string]*appliance{}}
}

// converge makes the appliances those of w. An appliance whose node is another one was
// replaced, or is back from a fault: its devices went with the old namespace, and what
// still runs has sockets in it that lead nowhere.
func (a *appliances) converge(w *control.World) error {
	for name, running := range a.running {
		if i := w.Instances[name]; i == nil || i.Status.Appliance == nil || running.node != nodeName(w, name) {
			running.close()
			delete(a.running, name)
		}
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(w.Instances)) {
		i := w.Instances[name]
		if i.Status.Appliance == nil || i.Down() {
			continue
		}
		running := a.running[name]
		if running == nil {
			if len(i.Status.Appliance.ConnectPeers) == 0 {
				continue // nobody to speak with; one that lost its peers is kept below, and falls silent
			}
			running = &appliance{open: map[string]*openGRE{}, siteRouter: &siteRouter{
				node: nodeName(w, name), host: a.host, log: a.log.With("appliance", name),
				best: map[netip.Prefix]netip.Addr{}, byPeer: map[netip.Addr]string{},
			}}
			a.running[name] = running
		}
		if err := running.converge(w, name, filepath.Join(a.dir, name)); err != nil {
			errs = append(errs, fmt.Errorf("appliance %s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

// converge makes the appliance's tunnels, addresses and routes those of w.
func (a *appliance) converge(w *control.World, name, dir string) error {
	status := w.Instances[name].Status.Appliance
	wanted, devices := map[string]gre.Config{}, map[string]string{}
	for place, peer := range status.ConnectPeers {
		p := w.TransitGatewayConnectPeers[peer]
		devices[peer] = peer
		if len(peer) > 15 { // Linux takes no more
			devices[peer] = fmt.Sprintf("gre%d", place+1)
		}
		outer := packet.AddrFrom(p.PeerAddress)
		wanted[peer] = gre.Config{
			Name: devices[peer], Local: p.PeerAddress, Remote: p.Status.TransitGatewayAddress, MTU: dataplane.TransitGatewayMTU - packet.GREOverhead(outer),
		}
	}
	// First all that go: a device's name or an address may be another peer's now.
	for peer, o := range a.open {
		if config, keep := wanted[peer]; !keep || config != o.config {
			if err := a.shut(peer); err != nil {
				return err
			}
		}
	}
	a.setNextHops(w, name, devices)
	// Before the tunnels: no route that comes by one may lead the tunnels' own
	// packets into one.
	if err := a.install(); err != nil {
		return err
	}
	for _, peer := range status.ConnectPeers {
		if err := a.setTunnel(w.TransitGatewayConnectPeers[peer], peer, wanted[peer], status.LAN); err != nil {
			return err
		}
	}
	// Last: a session's first packets come from addresses that the devices have now.
	return a.route(w, name, dir)
}

// shut ends a tunnel. A TUN device goes with it; a pair would stay, and swallow what
// its routes lead into it.
func (a *appliance) shut(peer string) error {
	o := a.open[peer]
	o.tunnel.Close()
	delete(a.open, peer)
	if !o.paired {
		return nil
	}
	return a.host.RemovePair(a.node, o.config.Name)
}

// setTunnel opens a tunnel unless it is open, and gives its device its addresses: the
// appliance's own in its networks come first, since that is what its packets come from.
func (a *appliance) setTunnel(p *control.TransitGatewayConnectPeer, peer string, config gre.Config, lan []netip.Prefix) error {
	o := a.open[peer]
	if o == nil {
		made := config
		if !host.TUNAllowed() {
			made.PairEnd = fmt.Sprintf("pair%d", a.made)
			a.made++
			if err := a.host.Pair(a.node, made.Name, made.PairEnd, made.MTU); err != nil {
				return err
			}
		}
		o = &openGRE{config: config, paired: made.PairEnd != ""}
		// The device and the socket stay in the namespace of the thread that opened
		// them, whoever uses them later.
		err := a.host.In(a.node, func() (err error) {
			o.tunnel, err = gre.Open(made)
			return err
		})
		if err != nil {
			return err
		}
		a.open[peer] = o
	}
	var addresses []netip.Prefix
	for _, own := range lan {
		addresses = append(addresses, single(own.Addr()))
	}
	addresses = append(addresses, netip.PrefixFrom(p.Status.PeerIP, p.Status.InsideCIDR.Bits()))
	if p.Status.PeerIPv6.IsValid() {
		addresses = append(addresses, netip.PrefixFrom(p.Status.PeerIPv6, p.Status.InsideIPv6CIDR.Bits()))
	}
	if text := fmt.Sprint(addresses); o.addresses != text {
		if err := a.host.Device(a.node, config.Name, addresses, config.MTU); err != nil {
			return err
		}
		o.addresses = text
	}
	return nil
}

// setNextHops notes which device leads to AWS's inside addresses, and the way that the
// tunnels' own packets take.
func (a *appliance) setNextHops(w *control.World, name string, devices map[string]string) {
	// Sessions of the built-in router that go on report while this is changed.
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.byPeer)
	a.static = nil
	for _, peer := range w.Instances[name].Status.Appliance.ConnectPeers {
		p := w.TransitGatewayConnectPeers[peer]
		for _, s := range p.Status.Sessions {
			a.byPeer[s.AmazonIP] = devices[peer]
			if s.AmazonIPv6.IsValid() {
				a.byPeer[s.AmazonIPv6] = devices[peer]
			}
		}
		if hop, ok := outwards(w, name, p.PeerAddress); ok {
			a.static = append(a.static, host.LearnedRoute{Destination: single(p.Status.TransitGatewayAddress), Hops: []host.NextHop{hop}})
		}
	}
}

// outwards is the router of the interface that has an address.
func outwards(w *control.World, instance string, own netip.Addr) (host.NextHop, bool) {
	for i, eni := range w.Instances[instance].Status.NetworkInterfaces {
		n := w.NetworkInterfaces[eni]
		subnet := w.Subnets[n.Subnet]
		device := fmt.Sprintf("eth%d", i)
		switch {
		case slices.Contains(n.Status.PrivateIPs, own):
			return host.NextHop{Device: device, Via: subnet.CIDR.Masked().Addr().Next()}, true
		case slices.Contains(n.Status.IPv6s, own):
			return host.NextHop{Device: device, Via: dataplane.RouterLinkLocal(dataplane.Handle(subnet.Status.Handle))}, true
		}
	}
	return host.NextHop{}, false
}

// route makes the appliance speak BGP in its tunnels, in two sessions each.
func (a *appliance) route(w *control.World, name, dir string) error {
	i := w.Instances[name]
	s := i.Status.Appliance
	id := i.Status.PrivateIP
	state := bgp.State{Router: &bgp.Router{ASN: uint32(s.ASN), Networks: i.Appliance.Networks}}
	for _, family := range []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
		state.Router.Sources = append(state.Router.Sources, valid(w.ApplianceAddress(name, family))...)
	}
	for _, peer := range s.ConnectPeers {
		p := w.TransitGatewayConnectPeers[peer]
		if !id.IsValid() { // an IPv6-only subnet
			id = p.Status.PeerIP
		}
		for n, session := range p.Status.Sessions {
			end := bgp.Peer{
				Name: fmt.Sprintf("%s-%d", peer, n+1), LocalAddress: p.Status.PeerIP, RemoteAddress: session.AmazonIP,
				LocalASN: uint32(s.ASN), RemoteASN: uint32(p.Status.AmazonASN), Internal: s.ASN == p.Status.AmazonASN,
				Families: []bgp.Family{bgp.IPv4}, MultihopTTL: connectTTL,
			}
			if p.Status.PeerIPv6.IsValid() {
				end.Families, end.IPv6NextHop = []bgp.Family{bgp.IPv4, bgp.IPv6}, p.Status.PeerIPv6
			}
			state.Peers = append(state.Peers, end)
		}
	}
	state.Router.RouterID = id
	if len(state.Peers) == 0 {
		a.stopRouting()
		return nil
	}
	return a.speak(s.Router, state, dir)
}

func (a *appliance) close() {
	a.siteRouter.close() // BGP first, while its good-byes still have a way
	for peer := range a.open {
		if err := a.shut(peer); err != nil {
			a.log.Error("GRE tunnel", "connectPeer", peer, "error", err)
		}
	}
}

func (a *appliances) close() {
	for _, running := range a.running {
		running.close()
	}
	a.running = map[string]*appliance{}
}
