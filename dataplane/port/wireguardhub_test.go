package port

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// offices is a Client VPN endpoint with clients, each a wireguard-go of its own with
// a machine on the engine's Internet, and an instance behind the endpoint. No kernel
// takes part.
//
//	client k 172.20.0.(k+1) ─ machine k ─ Internet ─ hub ─ link k ─ VPC 10.1/16 ─ instance
type offices struct {
	t        testing.TB
	memory   *Memory
	port     *Switch
	engine   *dataplane.Engine
	hub      *WireGuardHub
	key      WireGuardKey
	instance *Endpoint
	outside  netip.Addr
	clients  []*officeClient
}

const (
	officeHub        = 60
	officeEndpoint   = 61
	officeInterface  = 62
	officeMachines   = 100 // and one more for each client
	officeClientLink = 1000
)

func newOffices(t testing.TB, count int, sixOutside bool) *offices {
	memory := NewMemory(MemoryConfig{Queue: 1 << 15})
	o := &offices{t: t, memory: memory, port: NewSwitch(memory), key: NewWireGuardKey()}
	// The VPC is that of side 1 of a crossing.
	base := &crossing{t: t}
	object := func(h dataplane.Handle, kind dataplane.Kind) dataplane.Object {
		return dataplane.Object{Handle: h, Kind: kind, Name: fmt.Sprint("object", h)}
	}
	base.outside[1] = netip.MustParseAddr("203.0.113.1")
	base.addSide(1, object)
	b := &base.builder
	b.Internet = object(1, dataplane.KindInternet)
	b.VPNGateways, b.VPNTunnels = nil, nil
	b.RouteTables[0].Routes = b.RouteTables[0].Routes[:1] // local
	at, format := handle(1, sideSubnet), "203.0.113.%d"
	o.outside = netip.MustParseAddr("198.51.100.1")
	if sixOutside {
		o.outside, format = netip.MustParseAddr("2001:db8:ff00::1"), "2001:db8:ff01::%d"
	}
	b.InternetHosts = []dataplane.InternetHost{{Object: object(officeHub, dataplane.KindClientVPNEndpoint), MAC: dataplane.InterfaceMAC(officeHub), Addresses: []netip.Addr{o.outside}}}
	b.ClientVPNEndpoints = []dataplane.ClientVPNEndpoint{{
		Object: object(officeEndpoint, dataplane.KindClientVPNEndpoint),
		Associations: []dataplane.ClientVPNAssociation{{
			Object: object(officeInterface, dataplane.KindClientVPNInterface), Subnet: at, MAC: dataplane.InterfaceMAC(officeInterface),
			Addresses: []netip.Addr{netip.MustParseAddr("10.1.0.77")}, SecurityGroups: []dataplane.Handle{handle(1, sideGroup)},
		}},
		Routes: []dataplane.ClientVPNRoute{
			{Destination: netip.MustParsePrefix("10.1.0.0/16"), Association: officeInterface},
			{Destination: netip.MustParsePrefix("172.20.0.0/16")}, // local
			{Destination: netip.MustParsePrefix("2001:db8:1::/48"), Association: officeInterface},
		},
		AuthorizationRules: []dataplane.ClientVPNAuthorizationRule{{CIDR: netip.MustParsePrefix("0.0.0.0/0"), All: true}, {CIDR: netip.MustParsePrefix("::/0"), All: true}},
	}}
	for k := range count {
		c := &officeClient{
			offices: o, key: NewWireGuardKey(), preshared: NewWireGuardKey(),
			address:  netip.AddrFrom4([4]byte{172, 20, byte((k + 2) >> 8), byte(k + 2)}),
			address6: netip.MustParseAddr(fmt.Sprintf("2001:db8:1::f:%x", k+2)),
			at:       netip.MustParseAddr(fmt.Sprintf(format, k+2)), machine: dataplane.Handle(officeMachines + k), link: dataplane.Handle(officeClientLink + k),
		}
		o.clients = append(o.clients, c)
		b.InternetHosts = append(b.InternetHosts, dataplane.InternetHost{Object: object(c.machine, dataplane.KindVPNClient), MAC: dataplane.InterfaceMAC(c.machine), Addresses: []netip.Addr{c.at}})
		b.VPNClients = append(b.VPNClients, dataplane.VPNClient{Object: object(c.link, dataplane.KindVPNClient), MAC: dataplane.InterfaceMAC(c.link),
			Endpoint: officeEndpoint, Association: officeInterface, Addresses: []netip.Addr{c.address, c.address6}})
		c.wire = memory.Link(uint32(c.machine), EndpointConfig{MTU: 1500})
	}
	o.instance = memory.Link(uint32(handle(1, sideInstance)), EndpointConfig{MTU: 9001})
	snapshot, err := b.Seal()
	if err != nil {
		t.Fatal(err)
	}
	o.engine = dataplane.NewEngine(dataplane.Config{MaxFlows: 1 << 14})
	o.engine.Publish(snapshot)
	ended := make(chan error, 1)
	go func() { ended <- o.engine.Run(o.port) }()
	t.Cleanup(func() {
		for _, c := range o.clients {
			c.close()
		}
		if err := errors.Join(o.port.Close(), <-ended); err != nil {
			t.Error(err)
		}
	})
	o.hub, err = o.port.OpenWireGuardHub(WireGuardHubConfig{
		PrivateKey: o.key, Outside: []WireGuardOutside{{tunnelLink(officeHub), o.outside}}, Port: 443, MTU: dataplane.ClientVPNMTU,
	})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// admit makes the first count clients the hub's peers.
func (o *offices) admit(clients ...*officeClient) {
	o.t.Helper()
	var peers []WireGuardPeer
	for _, c := range clients {
		peers = append(peers, c.peer())
	}
	if err := o.hub.SetPeers(peers); err != nil {
		o.t.Fatal(err)
	}
}

// stats are those of a client at the hub.
func (o *offices) stats(c *officeClient) (s WireGuardPeerStats, there bool) {
	for _, s := range o.hub.Stats().Peers {
		if s.PublicKey == c.key.Public() {
			return s, true
		}
	}
	return s, false
}

// answered lets the instance answer every datagram until the returned function is
// called, and counts what it gets by source port.
func (o *offices) answered() (seen func(port uint16) int) {
	ctx, cancel := context.WithCancel(context.Background())
	var mu sync.Mutex
	counts := map[uint16]int{}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			f, err := o.instance.Wait(ctx)
			if err != nil {
				return
			}
			var p packet.Packet
			if packet.Parse(&p, &f) != packet.ProblemNone || p.Proto != packet.ProtoUDP {
				continue
			}
			mu.Lock()
			counts[p.SrcPort]++
			mu.Unlock()
			o.instance.Inject(packet.Frame{Data: packet.Append(nil, packet.Spec{
				SrcMAC: dataplane.InterfaceMAC(handle(1, sideInstance)), DstMAC: dataplane.RouterMAC(handle(1, sideSubnet)),
				Tuple:   packet.Tuple{Src: p.Dst, Dst: p.Src, SrcPort: p.DstPort, DstPort: p.SrcPort, Proto: packet.ProtoUDP},
				Payload: f.Data[p.Payload:p.End],
			})})
		}
	})
	o.t.Cleanup(func() { cancel(); running.Wait() })
	return func(port uint16) int {
		mu.Lock()
		defer mu.Unlock()
		return counts[port]
	}
}

func TestHubCarriesEachPeersPackets(t *testing.T) {
	for _, six := range []bool{false, true} {
		t.Run(map[bool]string{false: "IPv4 outside", true: "IPv6 outside"}[six], func(t *testing.T) {
			o := newOffices(t, 3, six)
			seen := o.answered()
			o.admit(o.clients...)
			for round := range 20 {
				for k, c := range o.clients {
					if round == 0 {
						c.call()
					}
					c.ask(uint16(7000+k), fmt.Appendf(nil, "round %d of %d", round, k))
					c.ask6(uint16(7000+k), fmt.Appendf(nil, "round %d of %d by IPv6", round, k))
				}
			}
			for k, c := range o.clients {
				s, _ := o.stats(c)
				if seen(uint16(7000+k)) < 40 || s.Received < 40 || s.Sent < 40 || s.LastHandshake.IsZero() || s.LastReceived.IsZero() || !s.Called || s.Disallowed != 0 {
					t.Errorf("client %d: %d seen, %+v", k, seen(uint16(7000+k)), s)
				}
				if want := netip.AddrPortFrom(c.at, 51820); s.At != want {
					t.Errorf("client %d is at %s, want %s", k, s.At, want)
				}
			}
		})
	}
}

// Packets of the engine's for a peer that has not called go nowhere; one that calls
// and sends no data, too, gets what others send (C9).
func TestHubReachesAPeerThatOnlyCalled(t *testing.T) {
	o := newOffices(t, 2, false)
	anna, ben := o.clients[0], o.clients[1]
	o.admit(anna, ben)
	anna.call()
	anna.send(anna.address, ben.address, 1, []byte("too early"))
	eventually(t, "the packet is dropped", func() bool { s, _ := o.stats(ben); return s.Unsent == 1 })
	ben.call() // its keepalive begins
	eventually(t, "ben has called", func() bool { s, _ := o.stats(ben); return !s.LastHandshake.IsZero() })
	anna.send(anna.address, ben.address, 2, []byte("hello"))
	select {
	case p := <-ben.got:
		if !bytes.HasSuffix(p, []byte("hello")) {
			t.Errorf("got %x", p)
		}
	case <-time.After(deadline):
		t.Fatalf("nothing came; %+v", o.hub.Stats())
	}
}

// Peers come and go while others carry packets.
func TestHubChangesItsPeersInTraffic(t *testing.T) {
	o := newOffices(t, 4, false)
	seen := o.answered()
	stays, goes := o.clients[0], o.clients[1]
	o.admit(stays, goes)
	stays.call().ask(7000, []byte("first"))
	goes.call().ask(7001, []byte("first"))
	before, _ := o.stats(stays)
	for range 20 {
		o.admit(stays)
		stays.ask(7000, []byte("alone"))
		o.admit(stays, o.clients[2], o.clients[3])
		stays.ask(7000, []byte("with others"))
	}
	if after, _ := o.stats(stays); after.LastHandshake != before.LastHandshake || after.Received <= before.Received {
		t.Errorf("before %+v\nafter %+v", before, after)
	}
	// Who is gone has no session, and gets another when he is back.
	count := seen(7001)
	goes.send(goes.address, officeInstance, 7001, []byte("gone"))
	stays.ask(7000, []byte("after it"))
	if seen(7001) != count {
		t.Error("a packet of a peer that is gone arrived")
	}
	o.admit(stays, goes)
	goes.close()
	goes.call().ask(7001, []byte("back"))
	if s, _ := o.stats(goes); s.Disallowed+s.Unsent != 0 {
		t.Errorf("%+v", s)
	}
}
