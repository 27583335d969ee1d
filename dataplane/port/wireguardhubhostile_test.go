package port

import (
	"bytes"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// at is where clients call the hub.
func (o *offices) at() netip.AddrPort { return netip.AddrPortFrom(o.outside, 443) }

// Who calls without being a peer is refused and told of, by the key that he says is
// his; also a client who is a peer no more.
func TestHubKnowsStrangers(t *testing.T) {
	for _, six := range []bool{false, true} {
		o := newOffices(t, 2, six)
		o.admit(o.clients[0])
		stranger := o.clients[1].call()
		var got []WireGuardAttempt
		eventually(t, "the stranger is told of", func() bool { got = append(got, o.hub.Attempts()...); return len(got) > 0 })
		if a := got[0]; a.Key != stranger.key.Public() || a.From != netip.AddrPortFrom(stranger.at, 51820) || a.Time.IsZero() {
			t.Errorf("%+v", a)
		}
		eventually(t, "and counted", func() bool { return o.hub.Stats().Invalid > 0 })
		if s := o.hub.Stats(); s.OutsideSent != 0 {
			t.Errorf("a stranger is answered: %+v", s)
		}
	}
}

func TestHubDisconnectsAPeer(t *testing.T) {
	o := newOffices(t, 2, false)
	seen := o.answered()
	anna, ben := o.clients[0], o.clients[1]
	o.admit(anna, ben)
	anna.call().ask(7000, []byte("before"))
	ben.call().ask(7001, []byte("before"))
	before, _ := o.stats(anna)
	if err := o.hub.Disconnect(anna.key.Public()); err != nil {
		t.Fatal(err)
	}
	after, there := o.stats(anna)
	if !there || !after.LastHandshake.IsZero() || after.Received != 0 || after.Called || !after.Since.After(before.Since) {
		t.Errorf("%+v", after)
	}
	count := seen(7000)
	anna.send(anna.address, officeInstance, 7000, []byte("of the old session"))
	ben.ask(7001, []byte("after it"))
	if seen(7000) != count {
		t.Error("a packet of the old session arrived")
	}
	anna.close()
	anna.call().ask(7000, []byte("of the next one"))
	if err := o.hub.Disconnect(NewWireGuardKey()); err != nil {
		t.Errorf("a key that no peer has: %v", err)
	}
}

// A peer may send from its own address only: not from another peer's, nor the VPC's,
// in either family (C6).
func TestHubRefusesAddressesThatAreNotThePeers(t *testing.T) {
	o := newOffices(t, 2, false)
	seen := o.answered()
	anna, ben := o.clients[0], o.clients[1]
	o.admit(anna, ben)
	anna.call().ask(7000, []byte("own"))
	ben.call().ask(7001, []byte("own"))
	for _, source := range []netip.Addr{ben.address, officeInstance, netip.MustParseAddr("10.1.0.77"), netip.MustParseAddr("0.0.0.0")} {
		anna.send(source, officeInstance, 7666, []byte("forged"))
	}
	anna.send(netip.MustParseAddr("2001:db8::1"), instanceAddress(1, true).Netip(), 7666, []byte("forged"))
	anna.send(ben.address6, instanceAddress(1, true).Netip(), 7666, []byte("forged"))
	anna.ask(7000, []byte("after them"))
	eventually(t, "they are counted", func() bool { s, _ := o.stats(anna); return s.Disallowed == 6 })
	if seen(7666) != 0 {
		t.Errorf("%d packets passed", seen(7666))
	}
	if s, _ := o.stats(ben); s.Disallowed != 0 {
		t.Errorf("ben: %+v", s)
	}
}

// One key at two places: whoever spoke last is the peer, as always with WireGuard, and
// nobody else notices. The same from behind a NAT that gives another port.
func TestHubFollowsAPeerThatMoves(t *testing.T) {
	o := newOffices(t, 3, false)
	o.answered()
	anna, ben, twin := o.clients[0], o.clients[1], o.clients[2]
	twin.key, twin.preshared, twin.address, twin.address6 = anna.key, anna.preshared, anna.address, anna.address6
	o.admit(anna, ben)
	ben.call().ask(7001, []byte("ben"))
	anna.call().ask(7000, []byte("here"))
	first, _ := o.stats(anna)
	twin.call().ask(7002, []byte("there"))
	second, _ := o.stats(anna)
	if first.At != netip.AddrPortFrom(anna.at, 51820) || second.At != netip.AddrPortFrom(twin.at, 51820) {
		t.Errorf("at %s, then at %s", first.At, second.At)
	}
	twin.bind.shown.Store(1025)
	eventually(t, "the peer is at its new port", func() bool {
		twin.send(twin.address, officeInstance, 7002, []byte("moved"))
		s, _ := o.stats(anna)
		return s.At == netip.AddrPortFrom(twin.at, 1025)
	})
	ben.ask(7001, []byte("still here"))
}

// What is replayed, forged or garbage goes nowhere, and changes nothing.
func TestHubIgnoresReplayedAndForgedDatagrams(t *testing.T) {
	for _, six := range []bool{false, true} {
		o := newOffices(t, 2, six)
		seen := o.answered()
		anna, thief := o.clients[0], o.clients[1]
		var mu sync.Mutex
		var captured [][]byte
		anna.captured = func(b []byte) { mu.Lock(); captured = append(captured, bytes.Clone(b)); mu.Unlock() }
		o.admit(anna)
		anna.call().ask(7000, []byte("once"))
		before, _ := o.stats(anna)
		count := seen(7000)
		mu.Lock()
		for _, b := range captured {
			thief.throw(o.at(), b)
			forged := bytes.Clone(b)
			forged[len(forged)-1] ^= 1
			thief.throw(o.at(), forged)
		}
		mu.Unlock()
		for _, garbage := range [][]byte{[]byte("x"), make([]byte, 148), bytes.Repeat([]byte{0xff}, 1400), {1, 0, 0, 0}, {4, 0, 0, 0}} {
			thief.throw(o.at(), garbage)
		}
		eventually(t, "garbage is counted", func() bool { return o.hub.Stats().Malformed >= 5 })
		anna.ask(7001, []byte("after it"))
		after, _ := o.stats(anna)
		if after.At != before.At || after.LastHandshake != before.LastHandshake || seen(7000) != count {
			t.Errorf("before %+v\nafter %+v; %d packets seen, before %d", before, after, seen(7000), count)
		}
	}
}

// A flood of calls costs a bounded amount: what strangers say is looked at some twenty
// times a second, few of them are remembered, and a client is served meanwhile.
func TestHubBearsAFloodOfCalls(t *testing.T) {
	o := newOffices(t, 2, false)
	o.answered()
	anna, stranger := o.clients[0], o.clients[1]
	var mu sync.Mutex
	var call []byte
	stranger.captured = func(b []byte) { mu.Lock(); call = bytes.Clone(b); mu.Unlock() }
	o.admit(anna)
	anna.call().ask(7000, []byte("before"))
	stranger.call()
	eventually(t, "the stranger has called", func() bool { mu.Lock(); defer mu.Unlock(); return call != nil })
	o.hub.Attempts()
	start := time.Now()
	for i := range 5000 {
		stranger.throw(o.at(), call) // its first part, who calls, can be read each time
		if i%500 == 0 {
			anna.ask(7000, []byte("meanwhile"))
		}
	}
	anna.ask(7000, []byte("after"))
	took := time.Since(start)
	if got, most := len(o.hub.Attempts()), judgedPerSecond*(2+int(took/time.Second)); got > min(most, keptAttempts) {
		t.Errorf("%d attempts in %s", got, took)
	}
	if s := o.hub.Stats(); s.Invalid == 0 {
		t.Errorf("%+v", s)
	}
	t.Logf("5,000 calls in %s, of which %d were refused after a look", took, o.hub.Stats().Invalid)
}

// What the engine sends to a peer's link is for that peer's address alone.
func TestInsidePathsAgreeOnThePeer(t *testing.T) {
	one, two := NewWireGuardKey(), NewWireGuardKey()
	a := newHubPeer(WireGuardPeer{PublicKey: one, Addresses: PeerAddresses{netip.MustParseAddr("172.20.0.2")}, Inside: TunnelLink{Link: 1}})
	b := newHubPeer(WireGuardPeer{PublicKey: two, Addresses: PeerAddresses{netip.MustParseAddr("2001:db8::2")}, Inside: TunnelLink{Link: 2}})
	paths, links := pathsOf([]*hubPeer{a}, []*hubPeer{b})
	if len(links) != 2 {
		t.Fatalf("links %v", links)
	}
	frame := func(link uint32, from, to string) packet.Frame {
		return packet.Frame{Link: link, Data: packet.Append(nil, packet.Spec{Tuple: packet.Tuple{
			Src: packet.AddrFrom(netip.MustParseAddr(from)), Dst: packet.AddrFrom(netip.MustParseAddr(to)), SrcPort: 1, DstPort: 2, Proto: packet.ProtoUDP}})}
	}
	for _, c := range []struct {
		name  string
		frame packet.Frame
		want  *insidePath
	}{
		{"the first's", frame(1, "10.0.0.1", "172.20.0.2"), a.path},
		{"the second's", frame(2, "2001:db8::1", "2001:db8::2"), b.path},
		{"another's address", frame(1, "10.0.0.1", "172.20.0.3"), nil},
		{"the second's address on the first's link", frame(1, "2001:db8::1", "2001:db8::2"), nil},
		{"a link that is gone", frame(3, "10.0.0.1", "172.20.0.2"), nil},
		{"too short", packet.Frame{Link: 1, Data: make([]byte, ethernetHeaderLen+3)}, nil},
	} {
		if got := paths.towards(&c.frame); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	back := frame(0, "172.20.0.2", "10.0.0.1")
	if paths.from(back.Data[ethernetHeaderLen:]) != a.path || paths.from([]byte{0x45}) != nil || paths.from(nil) != nil {
		t.Error("the source does not tell")
	}
}

func TestHubThatCannotBe(t *testing.T) {
	o := newOffices(t, 2, false)
	a, b := o.clients[0].peer(), o.clients[1].peer()
	for name, peers := range map[string][]WireGuardPeer{
		"no key":           {{Addresses: a.Addresses, Inside: a.Inside}},
		"no address":       {{PublicKey: a.PublicKey, Inside: a.Inside}},
		"one key twice":    {a, {PublicKey: a.PublicKey, Addresses: b.Addresses, Inside: b.Inside}},
		"one address":      {a, {PublicKey: b.PublicKey, Addresses: PeerAddresses{b.Addresses[0], a.Addresses[1]}, Inside: b.Inside}},
		"one link":         {a, {PublicKey: b.PublicKey, Addresses: b.Addresses, Inside: a.Inside}},
		"the outside link": {{PublicKey: a.PublicKey, Addresses: a.Addresses, Inside: tunnelLink(officeHub)}},
	} {
		if err := o.hub.SetPeers(peers); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if len(o.hub.Stats().Peers) != 0 {
		t.Error("a peer came of an error")
	}
	if err := o.hub.SetOutside([]WireGuardOutside{{}}); err == nil {
		t.Error("an outside address that is none")
	}
	if _, err := o.port.OpenWireGuardHub(WireGuardHubConfig{}); err == nil {
		t.Error("a hub without a key")
	}
	for range 2 {
		if err := o.hub.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := o.hub.SetPeers([]WireGuardPeer{a}); err == nil {
		t.Error("a hub that is closed takes peers")
	}
}

// A peer's packet costs no memory of ours, in neither direction.
func TestHubAllocatesNothingPerPacket(t *testing.T) {
	a := newHubPeer(WireGuardPeer{Addresses: PeerAddresses{netip.MustParseAddr("172.20.0.2")}, Inside: TunnelLink{Link: 1}})
	a.meet()
	paths, _ := pathsOf([]*hubPeer{a})
	inside := newInsideEnd(1420, 1<<20, testRing(1<<20), paths)
	buffers, sizes := [][]byte{make([]byte, 2048)}, make([]int, 1)
	packetOf := func(from, to string) packet.Frame {
		return packet.Frame{Link: 1, Data: packet.Append(nil, packet.Spec{Tuple: packet.Tuple{
			Src: packet.AddrFrom(netip.MustParseAddr(from)), Dst: packet.AddrFrom(netip.MustParseAddr(to)), SrcPort: 1, DstPort: 2, Proto: packet.ProtoUDP}, Payload: make([]byte, 1000)})}
	}
	down, up := packetOf("10.0.0.1", "172.20.0.2"), packetOf("172.20.0.2", "10.0.0.1")
	decrypted, frames := [][]byte{up.Data}, make([]packet.Frame, 1)
	if n := testing.AllocsPerRun(200, func() {
		inside.in.put(&down)
		if n, err := inside.Read(buffers, sizes, 16); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		if n, err := inside.Write(decrypted, ethernetHeaderLen); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		if inside.out.take(frames) != 1 || frames[0].Link != 1 {
			t.Fatal("nothing came out")
		}
		inside.out.release()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
