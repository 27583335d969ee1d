package port

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// crossing is two VPCs, each with an instance and a VPN gateway, and a tunnel
// between the gateways: both of its ends are ours, and what is between them is
// the engine's Internet. No kernel takes part.
//
//	instance 1 ─ VPC 1 ─ tunnel 1 ═ outside 1 ─ Internet ─ outside 2 ═ tunnel 2 ─ VPC 2 ─ instance 2
type crossing struct {
	t         testing.TB
	memory    *Memory
	port      *Switch
	engine    *dataplane.Engine
	builder   dataplane.Builder
	instances [3]*Endpoint // 1 and 2
	internet  *Endpoint    // a host that is nobody's end
	keys      [3]WireGuardKey
	outside   [3]netip.Addr
	ends      [3]*WireGuard
	wire      *wire
}

// The handles of side k are 10k and more.
const (
	sideVPC = iota
	sideTable
	sideACL
	sideGroup
	sideSubnet
	sideInstance
	sideGateway
	sideTunnel
	sideOutside
)

const hostHandle = 50

func handle(side, part int) dataplane.Handle { return dataplane.Handle(10*side + part) }

// instanceAddress is that of the instance of side k.
func instanceAddress(side int, six bool) packet.Addr {
	if six {
		return packet.AddrFrom(netip.MustParseAddr(fmt.Sprintf("2001:db8:%d::10", side)))
	}
	return packet.AddrFrom(netip.MustParseAddr(fmt.Sprintf("10.%d.0.10", side)))
}

var crossingHost = netip.MustParseAddr("203.0.113.50")

func newCrossing(t testing.TB, sixOutside bool) *crossing {
	memory := NewMemory(MemoryConfig{Queue: 1 << 15})
	c := newCrossingOn(t, memory, sixOutside)
	c.memory = memory
	for side := 1; side <= 2; side++ {
		c.instances[side] = memory.Link(uint32(handle(side, sideInstance)), EndpointConfig{MTU: 9001})
	}
	c.internet = memory.Link(hostHandle, EndpointConfig{MTU: 2000})
	return c
}

func newCrossingOn(t testing.TB, base Interruptible, sixOutside bool) *crossing {
	c := &crossing{t: t, port: NewSwitch(base)}
	c.wire = &wire{Switch: c.port}
	c.engine = dataplane.NewEngine(dataplane.Config{MaxFlows: 1 << 12})
	object := func(h dataplane.Handle, kind dataplane.Kind) dataplane.Object {
		return dataplane.Object{Handle: h, Kind: kind, Name: fmt.Sprint("object", h)}
	}
	b := &c.builder
	b.Internet = object(1, dataplane.KindInternet)
	for side := 1; side <= 2; side++ {
		c.outside[side] = netip.MustParseAddr(fmt.Sprintf("203.0.113.%d", side))
		if sixOutside {
			c.outside[side] = netip.MustParseAddr(fmt.Sprintf("2001:db8:ff00::%d", side))
		}
		c.addSide(side, object)
		c.keys[side] = NewWireGuardKey()
	}
	b.InternetHosts = append(b.InternetHosts, dataplane.InternetHost{
		Object: object(hostHandle, dataplane.KindInternetHost), MAC: dataplane.InterfaceMAC(hostHandle), Addresses: []netip.Addr{crossingHost},
	})
	snapshot, err := b.Seal()
	if err != nil {
		t.Fatal(err)
	}
	c.engine.Publish(snapshot)
	ended := make(chan error, 1)
	go func() { ended <- c.engine.Run(c.wire) }()
	t.Cleanup(func() {
		if err := errors.Join(c.port.Close(), <-ended); err != nil {
			t.Error(err)
		}
	})
	return c
}

func (c *crossing) addSide(side int, object func(dataplane.Handle, dataplane.Kind) dataplane.Object) {
	at := func(part int) dataplane.Handle { return handle(side, part) }
	blocks := func(side int) []netip.Prefix {
		return []netip.Prefix{
			netip.MustParsePrefix(fmt.Sprintf("10.%d.0.0/16", side)), netip.MustParsePrefix(fmt.Sprintf("2001:db8:%d::/48", side)),
		}
	}
	b, own, other := &c.builder, blocks(side), blocks(3-side)
	every := dataplane.Match{Protocol: dataplane.AnyProtocol, ICMPType: dataplane.AnyICMP, ICMPCode: dataplane.AnyICMP}
	var aclRules []dataplane.ACLRule
	var groupRules []dataplane.GroupRule
	for i, p := range []string{"0.0.0.0/0", "::/0"} {
		m := every
		m.CIDR = netip.MustParsePrefix(p)
		aclRules = append(aclRules, dataplane.ACLRule{Number: 100 + i, Allow: true, Match: m})
		groupRules = append(groupRules, dataplane.GroupRule{Match: m})
	}
	b.VPCs = append(b.VPCs, dataplane.VPC{Object: object(at(sideVPC), dataplane.KindVPC), CIDRs: own})
	table := dataplane.RouteTable{Object: object(at(sideTable), dataplane.KindRouteTable), VPC: at(sideVPC)}
	gateway := dataplane.VPNGateway{Object: object(at(sideGateway), dataplane.KindVPNGateway), VPC: at(sideVPC)}
	for i := range own {
		table.Routes = append(table.Routes,
			dataplane.Route{Destination: own[i], Target: dataplane.Target{Kind: dataplane.TargetLocal, Handle: at(sideVPC)}},
			dataplane.Route{Destination: other[i], Target: dataplane.Target{Kind: dataplane.TargetVPNGateway, Handle: at(sideGateway)}})
		gateway.Routes = append(gateway.Routes, dataplane.VPNRoute{Destination: other[i], Tunnel: at(sideTunnel)})
	}
	b.RouteTables = append(b.RouteTables, table)
	b.VPNGateways = append(b.VPNGateways, gateway)
	b.NetworkACLs = append(b.NetworkACLs, dataplane.NetworkACL{Object: object(at(sideACL), dataplane.KindNetworkACL), Ingress: aclRules, Egress: aclRules})
	b.SecurityGroups = append(b.SecurityGroups, dataplane.SecurityGroup{Object: object(at(sideGroup), dataplane.KindSecurityGroup), Ingress: groupRules, Egress: groupRules})
	b.Subnets = append(b.Subnets, dataplane.Subnet{Object: object(at(sideSubnet), dataplane.KindSubnet), VPC: at(sideVPC),
		RouteTable: at(sideTable), NetworkACL: at(sideACL), CIDRs: own})
	b.NetworkInterfaces = append(b.NetworkInterfaces, dataplane.NetworkInterface{
		Object: object(at(sideInstance), dataplane.KindNetworkInterface), Subnet: at(sideSubnet), MAC: dataplane.InterfaceMAC(at(sideInstance)),
		Addresses:      []netip.Addr{instanceAddress(side, false).Netip(), instanceAddress(side, true).Netip()},
		SecurityGroups: []dataplane.Handle{at(sideGroup)},
	})
	b.VPNTunnels = append(b.VPNTunnels, dataplane.VPNTunnel{Object: object(at(sideTunnel), dataplane.KindVPNTunnel),
		MAC: dataplane.InterfaceMAC(at(sideTunnel)), Gateway: at(sideGateway)})
	b.InternetHosts = append(b.InternetHosts, dataplane.InternetHost{Object: object(at(sideOutside), dataplane.KindInternetHost),
		MAC: dataplane.InterfaceMAC(at(sideOutside)), Addresses: []netip.Addr{c.outside[side]}})
}

// tunnelLink is how a tunnel's end meets the engine at handle h.
func tunnelLink(h dataplane.Handle) TunnelLink {
	return TunnelLink{Link: uint32(h), MAC: dataplane.InterfaceMAC(h), Router: dataplane.RouterMAC(h)}
}

// config is that of the end of side; side 1 is AWS's and waits for the other.
func (c *crossing) config(side int) WireGuardConfig {
	config := WireGuardConfig{
		PrivateKey: c.keys[side], PeerPublicKey: c.keys[3-side].Public(),
		Inside: tunnelLink(handle(side, sideTunnel)), Outside: tunnelLink(handle(side, sideOutside)), Address: c.outside[side],
	}
	if side == 2 {
		config.Peer = netip.AddrPortFrom(c.outside[1], WireGuardPort)
	}
	return config
}

func (c *crossing) open(side int, config WireGuardConfig) *WireGuard {
	c.t.Helper()
	w, err := c.port.OpenWireGuard(config)
	if err != nil {
		c.t.Fatal(err)
	}
	c.ends[side] = w
	c.t.Cleanup(func() { w.Close() })
	return w
}

func (c *crossing) openBoth() *crossing {
	c.t.Helper()
	c.open(1, c.config(1))
	c.open(2, c.config(2))
	return c
}

// datagram is one that the instance of side sends to the other's.
func datagram(side int, six bool, sequence uint16, payload []byte) packet.Frame {
	return packet.Frame{Data: packet.Append(nil, packet.Spec{
		SrcMAC: dataplane.InterfaceMAC(handle(side, sideInstance)), DstMAC: dataplane.RouterMAC(handle(side, sideSubnet)),
		Tuple:   packet.Tuple{Src: instanceAddress(side, six), Dst: instanceAddress(3-side, six), SrcPort: 7000, DstPort: sequence, Proto: packet.ProtoUDP},
		Payload: payload,
	})}
}

// receive waits for the next packet at the instance of side.
func (c *crossing) receive(side int) (p packet.Packet, payload []byte) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	f, err := c.instances[side].Wait(ctx)
	if err != nil {
		c.t.Fatalf("at instance %d: %v; %+v", side, err, c.engine.Counters())
	}
	if problem := packet.Parse(&p, &f); problem != packet.ProblemNone {
		c.t.Fatalf("at instance %d: %v", side, problem)
	}
	return p, f.Data[p.Payload:p.End]
}

// wire is the switch as the engine sees it, with a look at what tunnels send to
// the Internet.
type wire struct {
	*Switch
	mu    sync.Mutex
	links map[uint32]bool
	seen  func(packet.Frame) // its bytes are borrowed

	// nat is the link of a host that is behind a NAT, which shows port.
	nat  uint32
	port *atomic.Uint32

	// narrow is the link of a host that gets everything in fragments.
	narrow    uint32
	segmenter packet.Segmenter
	id        uint32
}

// fragment has all that is for the host at h arrive in fragments, the last one first.
func (w *wire) fragment(h dataplane.Handle) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.narrow = uint32(h)
}

// fragmented are the frames, with those for the narrow link cut. The caller holds mu.
func (w *wire) fragmented(frames []packet.Frame) (out []packet.Frame) {
	for _, f := range frames {
		if f.Link != w.narrow {
			out = append(out, f)
			continue
		}
		for _, one := range w.segmenter.Segment(nil, &f) {
			one = packet.Frame{Data: bytes.Clone(one.Data), Link: one.Link}
			var p packet.Packet
			first := len(out)
			if packet.Parse(&p, &one); p.Family == 6 {
				w.id++
				out = append(out, fragmentIPv6(one, w.id, 400)...)
			} else {
				out = append(out, new(packet.Segmenter).FragmentIPv4(nil, &one, 420)...)
			}
			slices.Reverse(out[first:])
		}
	}
	return out
}

// translate puts a NAT in front of the host at h: whatever it sends from comes from
// the port given, and what goes there goes to it.
func (w *wire) translate(h dataplane.Handle, port *atomic.Uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.nat, w.port = uint32(h), port
}

func (w *wire) Send(frames []packet.Frame) error {
	w.mu.Lock()
	for i := range frames {
		var p packet.Packet
		if f := &frames[i]; f.Link == w.nat && packet.Parse(&p, f) == packet.ProblemNone {
			to := p.Tuple
			if to.DstPort != uint16(w.port.Load()) {
				f.Link = 0 // a mapping that is gone: nobody's
			}
			to.DstPort = WireGuardPort
			packet.Rewrite(&p, to)
		}
	}
	if w.narrow != 0 {
		frames = w.fragmented(frames)
	}
	w.mu.Unlock()
	return w.Switch.Send(frames)
}

// watch calls seen for every frame that comes from links.
func (w *wire) watch(seen func(packet.Frame), links ...dataplane.Handle) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen, w.links = seen, map[uint32]bool{}
	for _, h := range links {
		w.links[uint32(h)] = true
	}
}

func (w *wire) Recv(frames []packet.Frame, wait time.Duration) (int, error) {
	n, err := w.Switch.Recv(frames, wait)
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range frames[:n] {
		f := &frames[i]
		if w.links[f.Link] {
			w.seen(*f)
		}
		var p packet.Packet
		if w.nat != 0 && f.Link == w.nat && packet.Parse(&p, f) == packet.ProblemNone {
			to := p.Tuple
			to.SrcPort = uint16(w.port.Load())
			packet.Rewrite(&p, to)
		}
	}
	return n, err
}

func TestTunnelCarriesPackets(t *testing.T) {
	for _, c := range []struct {
		name           string
		inside, outsid bool // IPv6
	}{{"IPv4 in IPv4", false, false}, {"IPv6 in IPv4", true, false}, {"IPv4 in IPv6", false, true}, {"IPv6 in IPv6", true, true}} {
		t.Run(c.name, func(t *testing.T) {
			x := newCrossing(t, c.outsid).openBoth()
			for i := range uint16(100) {
				for _, from := range []int{2, 1} {
					want := bytes.Repeat([]byte{byte(i)}, int(i)*13)
					x.instances[from].Inject(datagram(from, c.inside, 1000+i, want))
					p, got := x.receive(3 - from)
					if p.Src != instanceAddress(from, c.inside) || p.DstPort != 1000+i || !bytes.Equal(got, want) {
						t.Fatalf("packet %d from %d: %+v", i, from, p.Tuple)
					}
				}
			}
			eventually(t, "all that came is authentic", func() bool { return x.ends[1].Stats().Rejected == 0 })
			s := x.ends[1].Stats()
			if s.Sent != 100 || s.Received != 100 || s.LastHandshake.IsZero() || s.LastReceived.IsZero() {
				t.Errorf("%+v", s)
			}
			if want := netip.AddrPortFrom(x.outside[2], WireGuardPort); s.Peer != want {
				t.Errorf("the peer is at %s, want %s", s.Peer, want)
			}
		})
	}
}

func goroutines() string {
	b := make([]byte, 1<<20)
	return string(b[:runtime.Stack(b, true)])
}

func TestTunnelCloseEndsEverything(t *testing.T) {
	x := newCrossing(t, false).openBoth()
	x.instances[2].Inject(datagram(2, false, 1, nil))
	x.receive(1)
	for _, end := range x.ends[1:] {
		if err := errors.Join(end.Close(), end.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if s := x.ends[1].Stats(); s.Received != 1 || s.LastHandshake.IsZero() {
		t.Errorf("after Close: %+v", s)
	}
	eventually(t, "no goroutine of WireGuard's runs", func() bool { return !strings.Contains(goroutines(), "wireguard/device") })
	// The links may be used again, and frames for them are nobody's until then.
	before := x.memory.Stats().UnknownLink
	x.instances[1].Inject(datagram(1, false, 1, nil))
	eventually(t, "the tunnel's link is unknown", func() bool { return x.memory.Stats().UnknownLink == before+1 })
	x.openBoth()
	x.instances[2].Inject(datagram(2, false, 2, nil))
	x.receive(1)
}

// AWS's end of "add" does not begin, and keeps nothing for later (V8).
func TestTunnelWaitsForTheCustomer(t *testing.T) {
	x := newCrossing(t, false)
	config := x.config(1)
	config.PersistentKeepalive = time.Second
	aws := x.open(1, config)
	x.instances[1].Inject(datagram(1, false, 1, nil))
	eventually(t, "the packet is dropped", func() bool { return aws.Stats().Unsent == 1 })
	if s := aws.Stats(); s.Sent != 0 || s.OutsideSent != 0 || s.Peer.IsValid() {
		t.Errorf("%+v", s)
	}
	x.open(2, x.config(2))
	eventually(t, "a keepalive of AWS's comes", func() bool { return x.ends[2].Stats().OutsideReceived >= 2 })
	x.instances[1].Inject(datagram(1, false, 2, nil))
	if p, _ := x.receive(2); p.DstPort != 2 {
		t.Errorf("packet %d was kept", p.DstPort)
	}
}
