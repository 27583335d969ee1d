package bgp

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	wire "github.com/osrg/gobgp/v4/pkg/packet/bgp"
)

func TestStateThatCannotBeIsRefused(t *testing.T) {
	good := func() Peer {
		return Peer{
			Name: "tunnel", LocalAddress: netip.MustParseAddr("169.254.9.1"), RemoteAddress: netip.MustParseAddr("169.254.9.2"),
			LocalASN: 64512, RemoteASN: 65001,
		}
	}
	tests := []struct {
		name   string
		change func(*Peer)
		want   string
	}{
		{"no name", func(p *Peer) { p.Name = "" }, "no name"},
		{"no address", func(p *Peer) { p.RemoteAddress = netip.Addr{} }, "remote address"},
		{"mixed families", func(p *Peer) { p.RemoteAddress = netip.MustParseAddr("fd00::2") }, "of one family"},
		{"mapped address", func(p *Peer) { p.RemoteAddress = netip.MustParseAddr("::ffff:10.0.0.1") }, "is not a host's"},
		{"equal ASNs (V2)", func(p *Peer) { p.RemoteASN = 64512 }, "both ends have ASN 64512"},
		{"ASN 0", func(p *Peer) { p.RemoteASN = 0 }, "ASN 0 is reserved"},
		{"AS_TRANS", func(p *Peer) { p.RemoteASN = 23456 }, "reserved"},
		{"IPv6 without router ID", func(p *Peer) {
			p.LocalAddress, p.RemoteAddress = netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2")
		}, "router ID"},
		{"hold time of 2 s", func(p *Peer) { p.HoldTime = 2 * time.Second }, "hold time 2s: whole seconds from 3s"},
		{"half a second", func(p *Peer) { p.Keepalive = 1500 * time.Millisecond }, "keepalive 1.5s"},
		{"password of 81 bytes", func(p *Peer) { p.Password = strings.Repeat("x", 81) }, "password"},
		{"unknown family", func(p *Peer) { p.Families = []Family{"vpnv4"} }, `"vpnv4" is unknown`},
		{"prefix with host bits", func(p *Peer) { p.Announce = routes("10.0.0.1/16") }, "no bits set"},
		{"prefix of another family", func(p *Peer) { p.Announce = routes("2001:db8::/32") }, "carries no ipv6"},
		{"prefix twice", func(p *Peer) { p.Announce = routes("10.0.0.0/16", "10.0.0.0/16") }, "twice"},
		{"no next hop", func(p *Peer) { p.Families = []Family{IPv6}; p.Announce = routes("2001:db8::/32") }, "needs a next hop"},
		{"next hop of another family", func(p *Peer) {
			p.Announce = []Route{{Prefix: netip.MustParsePrefix("10.0.0.0/16"), NextHop: netip.MustParseAddr("fd00::1")}}
		}, "is not an ipv4 host's"},
		{"AS path without end", func(p *Peer) {
			p.Announce = []Route{{Prefix: netip.MustParsePrefix("10.0.0.0/16"), ASPath: make([]uint32, 1000)}}
		}, "a message has room for"},
	}
	if _, err := peers(good()).complete(); err != nil {
		t.Fatal(err)
	}
	for _, test := range tests {
		p := good()
		test.change(&p)
		if _, err := peers(p).complete(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
	other := good()
	if _, err := peers(good(), other).complete(); err == nil || !strings.Contains(err.Error(), "two of that name") {
		t.Error(err)
	}
	other.Name = "other"
	if _, err := peers(good(), other).complete(); err == nil || !strings.Contains(err.Error(), "already has a session between") {
		t.Error(err)
	}
}

func TestStateAndEventSurviveJSON(t *testing.T) {
	aws := Peer{
		Name: "t", LocalAddress: netip.MustParseAddr("fd00::1"), RemoteAddress: netip.MustParseAddr("fd00::2"), LocalASN: 1, RemoteASN: 4200000000,
		RouterID: netip.MustParseAddr("192.0.2.1"), HoldTime: 30 * time.Second, Families: []Family{IPv6},
		Announce: []Route{{Prefix: netip.MustParsePrefix("::/0"), ASPath: []uint32{1, 2}, MED: 5, Communities: []Community{7224<<16 | 7100}, LargeCommunities: []LargeCommunity{{1, 2, 3}}}},
		Export:   Export{Prepend: 1},
	}
	in := State{Peers: []Peer{aws}, Router: &Router{ASN: 1, RouterID: aws.RouterID, Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}}
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), `"7224:7100"`) {
		t.Errorf("communities are not written as AWS does: %s", text)
	}
	var out State
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(in, out, comparePrefix); d != "" {
		t.Error(d)
	}
	for _, wrong := range []string{`"1"`, `"1:65536"`, `"a:1"`, `"1:2:3"`} {
		var c Community
		if json.Unmarshal([]byte(wrong), &c) == nil {
			t.Errorf("%s is a community", wrong)
		}
	}
}

// TestAnnouncementsAreReadAsWritten: any routes, over any session, come out as
// they went in, in messages that are not too long.
func TestAnnouncementsAreReadAsWritten(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	numbers := func(limit int) []uint32 {
		var out []uint32
		for range random.IntN(limit) {
			out = append(out, random.Uint32()|1)
		}
		return out
	}
	for round := range 50 {
		p := Peer{
			LocalASN: 1 + random.Uint32N(1<<31), RemoteASN: 9, LocalAddress: netip.MustParseAddr("169.254.9.1"), Families: []Family{IPv4, IPv6},
		}
		agreed := terms{families: p.Families, twoByteASN: round%3 == 0}
		want := map[netip.Prefix]Route{}
		for n := range random.IntN(2000) {
			r := Route{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(n >> 8), byte(n), 0}), 16+random.IntN(17)).Masked(), NextHop: netip.MustParseAddr("169.254.9.9")}
			if n%3 == 0 {
				address := [16]byte{0: 0x20, 5: byte(n >> 8), 6: byte(n)}
				r = Route{Prefix: netip.PrefixFrom(netip.AddrFrom16(address), 56+random.IntN(73)).Masked(), NextHop: netip.MustParseAddr("fd00::9")}
			}
			if n%10 == 0 {
				r.ASPath, r.MED = numbers(300), random.Uint32()
				for _, c := range numbers(50) {
					r.Communities = append(r.Communities, Community(c))
				}
				r.LargeCommunities = []LargeCommunity{{1, 2, uint32(n)}}
			}
			want[r.Prefix] = r
		}
		messages, tooLong := announcements(sorted(want), p, agreed)
		if len(tooLong) > 0 {
			t.Fatalf("too long: %v", tooLong)
		}
		got := map[netip.Prefix]Route{}
		reader := Peer{LocalASN: 8, RemoteASN: p.LocalASN, LocalAddress: netip.MustParseAddr("169.254.9.2")}
		for _, bytes := range messages {
			if len(bytes) > wire.BGP_MAX_MESSAGE_LENGTH {
				t.Fatalf("a message of %d bytes", len(bytes))
			}
			m, err := readMessage(strings.NewReader(string(bytes)), &wire.MarshallingOption{Use2ByteAS: agreed.twoByteASN})
			if err != nil {
				t.Fatal(err)
			}
			u, f := readUpdate(m.body.(*wire.BGPUpdate), m.flaw, reader, agreed)
			if agreed.twoByteASN && u.complaint != "" && p.LocalASN > 1<<16-1 {
				t.Fatalf("AS4_PATH was not merged: %s", u.complaint)
			}
			if f != nil || u.complaint != "" {
				t.Fatal(f, u.complaint)
			}
			for _, r := range u.announced {
				if r.ASPath[0] != p.LocalASN {
					t.Fatalf("AS path %v", r.ASPath)
				}
				if r.ASPath = r.ASPath[1:]; len(r.ASPath) == 0 {
					r.ASPath = nil
				}
				got[r.Prefix] = r
			}
		}
		if d := cmp.Diff(sorted(want), sorted(got), comparePrefix); d != "" {
			t.Fatalf("round %d: %s", round, d)
		}
		gone := slices.Collect(func(yield func(netip.Prefix) bool) {
			for _, r := range sorted(want) {
				if !yield(r.Prefix) {
					return
				}
			}
		})
		count := 0
		for _, bytes := range withdrawals(gone) {
			m, err := readMessage(strings.NewReader(string(bytes)), &wire.MarshallingOption{})
			if err != nil {
				t.Fatal(err)
			}
			u, f := readUpdate(m.body.(*wire.BGPUpdate), m.flaw, reader, agreed)
			if f != nil {
				t.Fatal(f)
			}
			count += len(u.withdrawn)
		}
		if count != len(want) {
			t.Fatalf("%d of %d were withdrawn", count, len(want))
		}
	}
}

// FuzzUpdate: whatever a peer sends, it is read or refused.
func FuzzUpdate(f *testing.F) {
	p := Peer{LocalASN: 64512, RemoteASN: 65001, LocalAddress: netip.MustParseAddr("169.254.9.1"), Families: []Family{IPv4, IPv6}}
	sender := Peer{LocalASN: 65001, LocalAddress: netip.MustParseAddr("169.254.9.2")}
	list := []Route{
		{Prefix: netip.MustParsePrefix("10.0.0.0/16"), MED: 1, Communities: []Community{1}, LargeCommunities: []LargeCommunity{{1, 2, 3}}},
		{Prefix: netip.MustParsePrefix("2001:db8::/32"), NextHop: netip.MustParseAddr("fd00::1")},
	}
	for _, two := range []bool{false, true} {
		messages, _ := announcements(list, sender, terms{twoByteASN: two})
		for _, m := range append(messages, withdrawals(prefixesOf(list))...) {
			f.Add(m[wire.BGP_HEADER_LENGTH:], two)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, two bool) {
		bytes := headed(wire.BGP_MSG_UPDATE, body)
		m, err := readMessage(strings.NewReader(string(bytes)), &wire.MarshallingOption{Use2ByteAS: two})
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without words")
			}
			return
		}
		u, fault := readUpdate(m.body.(*wire.BGPUpdate), m.flaw, p, terms{families: p.Families, twoByteASN: two})
		if fault != nil {
			return
		}
		in, d := newRIBIn(), newDelta()
		in.apply(u, d)
		for _, r := range u.announced {
			if !r.Prefix.IsValid() || !r.NextHop.IsValid() || len(r.ASPath) == 0 || r.ASPath[0] != p.RemoteASN {
				t.Errorf("a route that should not be: %+v", r)
			}
		}
		if in.count[IPv4] < 0 || in.count[IPv6] < 0 || in.count[IPv4]+in.count[IPv6] != len(in.routes)+len(in.refused) {
			t.Errorf("count %v of %d routes and %d refused", in.count, len(in.routes), len(in.refused))
		}
	})
}

func ExampleCommunity() {
	fmt.Println(Community(7224<<16 | 7300))
	// Output: 7224:7300
}
