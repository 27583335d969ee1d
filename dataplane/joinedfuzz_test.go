package dataplane

import (
	"slices"
	"testing"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

var joinedLinks = []Handle{
	at(1, hubInstanceA), at(1, hubInstanceB), at(2, hubInstanceA), at(2, hubInstanceB), at(3, hubInstanceA), at(3, hubInstanceB),
	at(4, hubInstanceA), at(4, hubInstanceB), hOfficeTunnel1, hOfficeTunnel2, hBranchTunnel, hOfficeTransit, hSpeaker, hConnectSpeaker,
	hAnna, hBen, hCarl, hS3, hDNSInterface, hKVInterface, hJoinedNode, hCorpA, hPeer4, hPeer6 + 1, hSite, hServices, at(1, hubEntryA), 9999,
}

// joinedSeeds has one exchange per protocol between each two places that something
// joins, and between some that nothing does.
func joinedSeeds(n *network) [][]byte {
	const whole = fuzzMACs | fuzzSum
	everywhere := []string{
		"10.1.1.10", "10.1.2.10", "10.2.1.10", "10.2.2.10", "10.3.1.10", "10.3.2.10", "10.4.1.10", "10.50.0.5", "10.60.0.5", "10.70.0.5", "10.80.0.5",
		"172.20.0.2", "172.20.0.3", "10.1.1.77", "10.2.1.200", "10.2.2.200", "10.4.1.50", "198.18.0.5", "198.51.100.10", "203.0.113.10", "169.254.169.253",
		"2001:db8:101::10", "2001:db8:201::10", "2001:db8:301::10", "2001:db8:8000::5", "2001:db8:201::200", "2001:db8:202::200", "2001:db8:fe00::5", "2001:db8:ff00::10",
	}
	sources := []struct {
		link     Handle
		src4, v6 string // "": its own
	}{
		{at(1, hubInstanceA), "", ""}, {at(1, hubInstanceB), "", ""}, {at(2, hubInstanceA), "", ""}, {at(2, hubInstanceB), "", ""}, {at(3, hubInstanceA), "", ""},
		{at(4, hubInstanceA), "", ""}, {hOfficeTunnel1, "10.50.0.5", "2001:db8:5000::5"}, {hBranchTunnel, "10.60.0.5", "2001:db8:6000::5"},
		{hOfficeTransit, "10.70.0.5", "2001:db8:7000::5"}, {hAnna, "", "2001:db8:9000::5"}, {hBen, "", "2001:db8:9000::5"}, {hCarl, "", "2001:db8:9000::5"},
		{hS3, "", ""}, {hDNSInterface, "", ""}, {hSite, "192.168.100.2", ""},
	}
	var seeds [][]byte
	for _, from := range sources {
		for _, to := range everywhere {
			dst := addr(to)
			for _, s := range []packet.Spec{syn(to, 80), datagram(to, 53), echo(to, 7), {Tuple: packet.Tuple{Dst: dst, Proto: packet.ProtoGRE}}} {
				if src := from.src4; dst.Is4() && src != "" {
					s.Src = addr(src)
				} else if !dst.Is4() && from.v6 != "" {
					s.Src = addr(from.v6)
				}
				s.Payload = []byte("payload")
				back := fuzzFrameOf(joinedLinks, from.link, whole|fuzzReflect, 0, nil)
				seeds = append(seeds, slices.Concat(fuzzFrameOf(joinedLinks, from.link, whole|fuzzDefer, 0, packet.Append(nil, n.spec(from.link, s))), back, back))
			}
		}
	}
	return append(seeds, greSeeds(n)...)
}

// greSeeds come from the appliance of the Connect attachment: for VPCs, the office,
// the gateway's speaker and, tunnel in tunnel, for itself.
func greSeeds(n *network) (seeds [][]byte) {
	const whole = fuzzMACs | fuzzSum
	appliance, h := at(1, hubInstanceA), &hub{n, 3}
	for _, peer := range []Handle{hPeer4, hPeer6} {
		for _, to := range []string{"10.2.1.10", "10.3.1.10", "10.70.0.5", "10.80.0.9", "10.2.2.200", "169.254.100.2", "169.254.101.2", "2001:db8:301::10", "fd00:100::2"} {
			src := "10.80.0.5"
			if !addr(to).Is4() {
				src = "2001:db8:8000::5"
			}
			large := datagram(to, 53)
			large.Payload, large.DontFragment = make([]byte, 8460), true
			nested := h.gre(peer, "", from(src, syn(to, 80)))
			nested.TTL = 64
			for _, inner := range []packet.Spec{syn(to, 80), datagram(to, 53), echo(to, 7), large, nested} {
				if inner.Src.IsZero() {
					inner.Src = addr(src)
				}
				inner.TTL = 64
				frame := packet.Append(nil, n.spec(appliance, h.gre(peer, "", inner)))
				back := fuzzFrameOf(joinedLinks, appliance, whole|fuzzReflect, 0, nil)
				seeds = append(seeds, slices.Concat(fuzzFrameOf(joinedLinks, appliance, whole, 0, frame), back))
			}
		}
	}
	return seeds
}

// FuzzJoinedWalk is FuzzWalk in the network that has one of everything that joins
// networks.
func FuzzJoinedWalk(f *testing.F) {
	n := newJoinedNetwork(f).publish()
	for _, s := range joinedSeeds(n) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, input []byte) { newJoinedNetwork(t).fuzzAll(joinedLinks, input) })
}

// FuzzJoinedLinks is FuzzLinks there: tunnels and copies are under way like the rest.
func FuzzJoinedLinks(f *testing.F) {
	n := newJoinedNetwork(f).publish()
	for _, s := range joinedSeeds(n) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		n := newJoinedNetwork(t)
		n.delayAll(joinedLinks, input, at(1, hubInstanceA), at(2, hubInstanceA), at(3, hubInstanceB), hSite)
	})
}

// TestJoinedWalkHoldsForDamagedExchanges is TestWalkHoldsForDamagedExchanges in the
// joined network.
func TestJoinedWalkHoldsForDamagedExchanges(t *testing.T) {
	n := newJoinedNetwork(t).publish()
	n.damaged(joinedLinks, joinedSeeds(n), 100_000)
	for _, r := range []Reason{
		ReasonDelivered, ReasonNoRule, ReasonNoRoute, ReasonNATNoMapping, ReasonNATExpired, ReasonTTLExpired, ReasonNoListener, ReasonNotAuthorized,
		ReasonNotForEverybody, ReasonGRE, ReasonNotFromItsVPC, ReasonNotFromInternet, ReasonEndpointProtocol, ReasonNoTarget, ReasonTooBig,
		ReasonTableFull, ReasonServiceAnswer,
	} {
		if n.e.state.counters.Reasons[r] == 0 {
			t.Errorf("nothing ended by %v: the mix is too tame", r)
		}
	}
	for _, s := range n.e.TrafficMirrors() {
		if s.Delivered < 1000 {
			t.Errorf("only %d copies of session %d arrived", s.Delivered, s.Session)
		}
	}
}

// Whatever joins networks, a packet on a way that the engine has seen before costs no
// memory.
func TestJoinedWalksAllocateNothing(t *testing.T) {
	n := newJoinedNetwork(t)
	n.e = NewEngine(Config{Clock: func() int64 { return n.clock }})
	n.publish()
	var frames []packet.Frame
	for _, s := range joinedSeeds(n) {
		frames = append(frames, packet.Frame{Link: uint32(joinedLinks[s[0]]), Data: s[fuzzHeader : fuzzHeader+int(s[3])<<8+int(s[4])]})
	}
	var batch [1]packet.Frame
	buffer := make([]byte, 1<<16)
	send := func() {
		for i := range frames {
			batch[0] = frames[i]
			batch[0].Data = buffer[:copy(buffer, frames[i].Data)]
			n.frames = n.e.Forward(batch[:], n.frames[:0])
		}
	}
	send()
	if got := testing.AllocsPerRun(3, send); got != 0 {
		t.Errorf("%v allocations for %d frames", got, len(frames))
	}
	defer n.e.WatchFlows().Close()
	defer n.e.Capture(CaptureConfig{Ways: &Ways{}, Packets: 64, Bytes: 1 << 16}).Close()
	if got := testing.AllocsPerRun(3, send); got != 0 {
		t.Errorf("%v allocations for %d frames, while somebody looks on", got, len(frames))
	}
}
