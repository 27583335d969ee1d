package port

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"
	"golang.zx2c4.com/wireguard/tun/tuntest"

	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// officeClient is somebody with a wireguard-go.
type officeClient struct {
	offices        *offices
	key, preshared WireGuardKey
	address        netip.Addr
	address6, at   netip.Addr
	machine, link  dataplane.Handle
	wire           *Endpoint
	tun            *tuntest.ChannelTUN
	device         *device.Device
	bind           *memoryBind
	got            chan []byte // what came out of the tunnel; what nobody takes is dropped
	reading        sync.WaitGroup
	captured       func([]byte) // sees what the machine sends; nil: nobody does
}

func (c *officeClient) peer() WireGuardPeer {
	return WireGuardPeer{PublicKey: c.key.Public(), PresharedKey: c.preshared, Addresses: PeerAddresses{c.address, c.address6}, Inside: tunnelLink(c.link)}
}

// call connects with what the client's configuration says; further settings follow
// those of the peer.
func (c *officeClient) call(settings ...string) *officeClient {
	c.offices.t.Helper()
	c.tun, c.got = tuntest.NewChannelTUN(), make(chan []byte, 256)
	c.bind = &memoryBind{client: c, port: 51820}
	c.device = device.NewDevice(c.tun.TUN(), c.bind, &device.Logger{Verbosef: device.DiscardLogf, Errorf: device.DiscardLogf})
	public := c.offices.key.Public()
	text := fmt.Sprintf("private_key=%s\nlisten_port=51820\npublic_key=%s\npreshared_key=%s\nendpoint=%s\nallowed_ip=0.0.0.0/0\nallowed_ip=::/0\npersistent_keepalive_interval=25\n",
		hex.EncodeToString(c.key[:]), hex.EncodeToString(public[:]), hex.EncodeToString(c.preshared[:]), netip.AddrPortFrom(c.offices.outside, 443))
	for _, s := range settings {
		text += s + "\n"
	}
	if err := errors.Join(c.device.IpcSet(text), c.device.Up()); err != nil {
		c.offices.t.Fatal(err)
	}
	c.reading.Go(func() {
		for {
			select {
			case p := <-c.tun.Inbound:
				select {
				case c.got <- p:
				default:
				}
			case <-c.device.Wait():
				return
			}
		}
	})
	return c
}

func (c *officeClient) close() {
	if c.device != nil {
		c.device.Close()
		c.reading.Wait()
		c.device = nil
	}
}

// send gives the client's tunnel a packet, which it bears the source address of.
func (c *officeClient) send(source netip.Addr, to netip.Addr, from uint16, payload []byte) {
	frame := packet.Append(nil, packet.Spec{
		Tuple: packet.Tuple{Src: packet.AddrFrom(source), Dst: packet.AddrFrom(to), SrcPort: from, DstPort: 53, Proto: packet.ProtoUDP}, Payload: payload,
	})
	select {
	case c.tun.Outbound <- frame[ethernetHeaderLen:]:
	case <-c.device.Wait():
	}
}

var officeInstance = instanceAddress(1, false).Netip()

// ask sends until an answer comes, for a datagram may be lost while keys are agreed on.
func (c *officeClient) ask(from uint16, payload []byte) {
	c.offices.t.Helper()
	c.askBy(c.address, officeInstance, from, payload)
}

// ask6 is ask by IPv6.
func (c *officeClient) ask6(from uint16, payload []byte) {
	c.offices.t.Helper()
	c.askBy(c.address6, instanceAddress(1, true).Netip(), from, payload)
}

func (c *officeClient) askBy(source, to netip.Addr, from uint16, payload []byte) {
	c.offices.t.Helper()
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for end := time.After(deadline); ; {
		c.send(source, to, from, payload)
		select {
		case p := <-c.got:
			if bytes.HasSuffix(p, payload) {
				return
			}
		case <-again.C:
		case <-end:
			c.offices.t.Fatalf("client %s: no answer; %+v\n%+v", c.address, c.offices.hub.Stats(), c.offices.engine.Counters())
		}
	}
}

// memoryBind is a client's socket: a host on the engine's Internet.
type memoryBind struct {
	client *officeClient
	port   uint16
	shown  atomic.Uint32 // the port of a NAT in front of it; 0: there is none

	mu     sync.Mutex
	cancel context.CancelFunc
}

func (b *memoryBind) Open(uint16) ([]conn.ReceiveFunc, uint16, error) {
	ctx, cancel := context.WithCancel(context.Background())
	b.mu.Lock()
	b.cancel = cancel
	b.mu.Unlock()
	receive := func(buffers [][]byte, sizes []int, endpoints []conn.Endpoint) (int, error) {
		for {
			f, err := b.client.wire.Wait(ctx)
			if err != nil {
				return 0, net.ErrClosed
			}
			var p packet.Packet
			if packet.Parse(&p, &f) != packet.ProblemNone || p.Proto != packet.ProtoUDP {
				continue
			}
			sizes[0] = copy(buffers[0], f.Data[p.Payload:p.End])
			endpoints[0] = newRemote(nil, netip.AddrPortFrom(p.Src.Netip(), p.SrcPort))
			return 1, nil
		}
	}
	return []conn.ReceiveFunc{receive}, b.port, nil
}

func (b *memoryBind) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cancel != nil {
		b.cancel()
	}
	return nil
}

func (b *memoryBind) Send(buffers [][]byte, to conn.Endpoint) error {
	r := to.(*remote)
	for _, data := range buffers {
		if b.client.captured != nil {
			b.client.captured(data)
		}
		b.client.throw(r.at, data)
	}
	return nil
}

// throw sends a datagram from the client's machine.
func (c *officeClient) throw(to netip.AddrPort, payload []byte) {
	port := uint16(51820)
	if c.bind != nil {
		if shown := c.bind.shown.Load(); shown != 0 {
			port = uint16(shown)
		}
	}
	c.wire.Inject(packet.Frame{Data: packet.Append(nil, packet.Spec{
		SrcMAC: dataplane.InterfaceMAC(c.machine), DstMAC: dataplane.RouterMAC(c.machine),
		Tuple:   packet.Tuple{Src: packet.AddrFrom(c.at), Dst: packet.AddrFrom(to.Addr()), SrcPort: port, DstPort: to.Port(), Proto: packet.ProtoUDP},
		Payload: payload,
	})})
}

func (b *memoryBind) SetMark(uint32) error { return nil }
func (b *memoryBind) BatchSize() int       { return 1 }
func (b *memoryBind) ParseEndpoint(s string) (conn.Endpoint, error) {
	at, err := netip.ParseAddrPort(s)
	return newRemote(nil, at), err
}
