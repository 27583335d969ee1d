package bgp

import (
	"bufio"
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	wire "github.com/osrg/gobgp/v4/pkg/packet/bgp"
)

// rawPeer is an end that sends what the test wants, right or wrong.
type rawPeer struct {
	t      testing.TB
	conn   net.Conn
	reader *bufio.Reader
	peer   Peer
}

// raw connects from the customer's address to a Server that listens on AWS's.
func raw(t testing.TB, customer Peer) *rawPeer {
	t.Helper()
	customer = customer.complete(nil)
	var conn net.Conn
	eventually(t, "a TCP connection", func() (ok bool) {
		var err error
		conn, err = sockets{func(f func() error) error { return f() }}.dial(context.Background(), customer)
		return err == nil
	})
	t.Cleanup(func() { conn.Close() })
	return &rawPeer{t: t, conn: conn, reader: bufio.NewReader(conn), peer: customer}
}

func (r *rawPeer) send(messages ...[]byte) {
	r.t.Helper()
	for _, m := range messages {
		if _, err := r.conn.Write(m); err != nil {
			r.t.Fatal(err)
		}
	}
}

// receive reads on to the next message that is neither a KEEPALIVE nor an
// End-of-RIB marker.
func (r *rawPeer) receive() wire.BGPBody {
	r.t.Helper()
	_ = r.conn.SetReadDeadline(time.Now().Add(15 * time.Second))
	for {
		m, err := readMessage(r.reader, &wire.MarshallingOption{})
		if err != nil {
			r.t.Fatalf("reading: %v", err)
		}
		if _, idle := m.body.(*wire.BGPKeepAlive); idle {
			continue
		}
		if u, ok := m.body.(*wire.BGPUpdate); ok {
			if end, _ := u.IsEndOfRib(); end {
				continue
			}
		}
		return m.body
	}
}

// rejected reads the NOTIFICATION that must come next.
func (r *rawPeer) rejected(want string) {
	r.t.Helper()
	body := r.receive()
	n, ok := body.(*wire.BGPNotification)
	if !ok {
		r.t.Fatalf("got a %T, want a NOTIFICATION %q", body, want)
	}
	if got := describe(n); got != want {
		r.t.Fatalf("NOTIFICATION %q, want %q", got, want)
	}
}

// establish takes the session up, with an OPEN as of the Peer.
func (r *rawPeer) establish(restarting bool) {
	r.t.Helper()
	r.send(openMessage(r.peer, restarting))
	if _, ok := r.receive().(*wire.BGPOpen); !ok {
		r.t.Fatal("no OPEN")
	}
	r.keepalive()
}

func (r *rawPeer) keepalive() { r.send(serialize(wire.NewBGPKeepAliveMessage())) }

// announce sends routes as the peer would.
func (r *rawPeer) announce(list ...Route) {
	messages, _ := announcements(list, r.peer, terms{})
	r.send(messages...)
}

// headed is a message with a body that no codec would write.
func headed(kind uint8, body []byte) []byte {
	m := make([]byte, wire.BGP_HEADER_LENGTH, wire.BGP_HEADER_LENGTH+len(body))
	for n := range 16 {
		m[n] = 0xff
	}
	m[16], m[17], m[18] = byte((len(m)+len(body))>>8), byte(len(m)+len(body)), kind
	return append(m, body...)
}

// updateOf is an UPDATE with the given bytes in it.
func updateOf(withdrawn, attributes, nlri []byte) []byte {
	body := append([]byte{byte(len(withdrawn) >> 8), byte(len(withdrawn))}, withdrawn...)
	body = append(body, byte(len(attributes)>>8), byte(len(attributes)))
	return headed(wire.BGP_MSG_UPDATE, append(append(body, attributes...), nlri...))
}

// The attributes of a plain route from ASN 65001.
var (
	originBytes  = []byte{0x40, 1, 1, 0}
	pathBytes    = []byte{0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xe9}
	nextHopBytes = []byte{0x40, 3, 4, 169, 254, 0, 1}
	prefixTen    = []byte{16, 10, 50} // 10.50.0.0/16
)

func join(parts ...[]byte) []byte {
	var out []byte
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

func attributeOf(flags, kind byte, value ...byte) []byte {
	return append([]byte{flags, kind, byte(len(value))}, value...)
}

// TestFaultyMessages: RFC 4271 section 6 and RFC 7606 say which of them end the
// session, and nothing ends the process.
func TestFaultyMessages(t *testing.T) {
	plain := join(originBytes, pathBytes, nextHopBytes)
	tests := []struct {
		name    string
		message []byte
		// notification is what answers it; empty: the session goes on, and the
		// route that was there is
		notification string
		withdrawn    bool
	}{
		{"marker", append(make([]byte, 16), 0, 19, 4), "Message Header Error: Connection Not Synchronized", false},
		{"type", headed(9, nil), "Message Header Error: Bad Message Type", false},
		{"too long", join(headed(wire.BGP_MSG_UPDATE, make([]byte, 5000))), "Message Header Error: Bad Message Length", false},
		{"KEEPALIVE with a body", headed(wire.BGP_MSG_KEEPALIVE, []byte{1}), "Message Header Error: Bad Message Length", false},
		{"second OPEN", openMessage(Peer{LocalASN: 65001, RouterID: netip.MustParseAddr("192.0.2.2"), HoldTime: time.Minute}, false),
			"Finite State Machine Error: Unexpected Message in Established", false},
		{"UPDATE of one byte", headed(wire.BGP_MSG_UPDATE, []byte{0}), "UPDATE Message Error: Malformed Attribute List", false},
		{"lengths of attributes beyond the message", headed(wire.BGP_MSG_UPDATE, []byte{0, 0, 0xff, 0xff}), "UPDATE Message Error: Malformed Attribute List", false},
		{"prefix of 33 bits", updateOf(nil, plain, []byte{33, 10, 50, 0, 0, 0}), "UPDATE Message Error: Invalid Network Field", false},
		{"prefix cut off", updateOf(nil, plain, []byte{32, 10}), "UPDATE Message Error: Invalid Network Field", false},
		{"unknown well-known attribute", updateOf(nil, join(plain, attributeOf(0x40, 99, 1)), prefixTen), "UPDATE Message Error: Unrecognized Well-known Attribute", false},
		{"attribute that runs over the end, prefixes unreadable", updateOf(nil, []byte{0x40, 1, 200, 0}, prefixTen), "UPDATE Message Error: Attribute Length Error", false},

		{"no NEXT_HOP", updateOf(nil, join(originBytes, pathBytes), prefixTen), "", true},
		{"no ORIGIN", updateOf(nil, join(pathBytes, nextHopBytes), prefixTen), "", true},
		{"unknown ORIGIN", updateOf(nil, join(attributeOf(0x40, 1, 9), pathBytes, nextHopBytes), prefixTen), "", true},
		{"ORIGIN of two bytes", updateOf(nil, join(attributeOf(0x40, 1, 0, 0), pathBytes, nextHopBytes), prefixTen), "", true},
		{"AS_PATH cut off", updateOf(nil, join(originBytes, attributeOf(0x40, 2, 2, 9, 0, 0), nextHopBytes), prefixTen), "", true},
		{"AS_PATH of another neighbour", updateOf(nil, join(originBytes, attributeOf(0x40, 2, 2, 1, 0, 0, 1, 1), nextHopBytes), prefixTen), "", true},
		{"AS_SET (RFC 9774)", updateOf(nil, join(originBytes, attributeOf(0x40, 2, 2, 1, 0, 0, 0xfd, 0xe9, 1, 1, 0, 0, 0, 9), nextHopBytes), prefixTen), "", true},
		{"own ASN in AS_PATH (H4)", updateOf(nil, join(originBytes, attributeOf(0x40, 2, 2, 2, 0, 0, 0xfd, 0xe9, 0, 0, 0xfc, 0), nextHopBytes), prefixTen), "", true},
		{"next hop 0.0.0.0", updateOf(nil, join(originBytes, pathBytes, attributeOf(0x40, 3, 0, 0, 0, 0)), prefixTen), "", true},
		{"COMMUNITIES of three bytes", updateOf(nil, join(plain, attributeOf(0xc0, 8, 1, 2, 3)), prefixTen), "", true},
		{"withdrawn in words", updateOf(prefixTen, nil, nil), "", true},

		{"AGGREGATOR of one byte", updateOf(nil, join(plain, attributeOf(0xc0, 7, 1)), prefixTen), "", false},
		{"unknown optional attribute", updateOf(nil, join(plain, attributeOf(0xc0, 250, 1, 2)), prefixTen), "", false},
		{"LOCAL_PREF of an external peer", updateOf(nil, join(plain, attributeOf(0x40, 5, 0, 0, 0, 1)), prefixTen), "", false},
		{"a family that was not agreed on", updateOf(nil, attributeOf(0x80, 15, 0, 2, 1, 64, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0), nil), "", false},
		{"nothing", updateOf(nil, nil, nil), "", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			aws, customer := link(t, false)
			aws.Passive = true
			a := speak(t, peers(aws))
			r := raw(t, customer)
			r.establish(false)
			r.announce(routes("10.50.0.0/16", "10.60.0.0/16")...)
			a.learns("tunnel", "10.50.0.0/16", "10.60.0.0/16")
			r.send(test.message)
			if test.notification != "" {
				r.rejected(test.notification)
				if s := a.reaches("tunnel", Active, test.notification); s.Cause != CauseNotificationSent {
					t.Errorf("cause %s", s.Cause)
				}
				a.learns("tunnel")
				return
			}
			r.announce(routes("10.70.0.0/16")...)
			if test.withdrawn {
				a.learns("tunnel", "10.60.0.0/16", "10.70.0.0/16")
			} else {
				a.learns("tunnel", "10.50.0.0/16", "10.60.0.0/16", "10.70.0.0/16")
			}
			a.reaches("tunnel", Established, "")
		})
	}
}

func TestHoldTimeExpires(t *testing.T) {
	aws, customer := link(t, false)
	aws.Passive, aws.HoldTime = true, 3*time.Second
	a := speak(t, peers(aws))
	r := raw(t, customer)
	r.establish(false)
	r.announce(routes("10.50.0.0/16")...)
	a.learns("tunnel", "10.50.0.0/16")
	start := time.Now()
	r.rejected("Hold Timer Expired")
	if took := time.Since(start); took < 2*time.Second || took > 5*time.Second {
		t.Errorf("after %s, not 3 s", took)
	}
	if s := a.reaches("tunnel", Active, "nothing heard for the hold time, 3s"); s.Cause != CauseHoldTimerExpired {
		t.Errorf("cause %s", s.Cause)
	}
	a.learns("tunnel")
}

func TestConnectionThatBreaksIsNamed(t *testing.T) {
	aws, customer := link(t, false)
	aws.Passive = true
	a := speak(t, peers(aws))
	r := raw(t, customer)
	r.establish(false)
	r.announce(routes("10.50.0.0/16")...)
	a.learns("tunnel", "10.50.0.0/16")
	r.conn.Close()
	if s := a.reaches("tunnel", Active, "the connection without a NOTIFICATION"); s.Cause != CauseConnectionLost {
		t.Errorf("cause %s", s.Cause)
	}
	a.learns("tunnel")
}

// TestManyPrefixes: without a limit, ten thousand and a default route are only
// routes; with one, the session goes down and the routes with it (V12).
func TestManyPrefixes(t *testing.T) {
	list := routes("0.0.0.0/0")
	for n := range 10000 {
		list = append(list, Route{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(n >> 8), byte(n), 0}), 24)})
	}
	for _, limit := range []int{0, 100} {
		aws, customer := link(t, false)
		aws.Passive, aws.MaxPrefixes = true, limit
		a := speak(t, peers(aws))
		r := raw(t, customer)
		r.establish(false)
		r.announce(list...)
		if limit > 0 {
			r.rejected("Cease: Maximum Number of Prefixes Reached")
			a.reaches("tunnel", Idle, "more than 100")
			a.learns("tunnel")
			// Idle lets nobody in.
			raw(t, customer).rejected("Cease: Connection Rejected")
			continue
		}
		eventually(t, "10,001 routes", func() bool { p, _ := a.Peer("tunnel"); return len(p.Learned) == 10001 })
	}
}

// TestCollisionKeepsTheConnectionOfTheHigherRouterID: RFC 4271, section 6.8.
func TestCollisionKeepsTheConnectionOfTheHigherRouterID(t *testing.T) {
	for _, test := range []struct {
		name, routerID string
		outbound       bool // the Server's connection survives
	}{{"ours is higher", "192.0.2.0", true}, {"theirs is higher", "192.0.2.9", false}} {
		t.Run(test.name, func(t *testing.T) {
			aws, customer := link(t, false)
			customer.RouterID = netip.MustParseAddr(test.routerID)
			listener, err := sockets{func(f func() error) error { return f() }}.listen(context.Background(), customer.LocalAddress)
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			a := speak(t, peers(aws))
			conn, err := listener.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			outbound := &rawPeer{t: t, conn: conn, reader: bufio.NewReader(conn), peer: customer.complete(nil)}
			inbound := raw(t, customer)
			for _, r := range []*rawPeer{outbound, inbound} {
				if _, ok := r.receive().(*wire.BGPOpen); !ok {
					t.Fatal("no OPEN")
				}
			}
			outbound.send(openMessage(outbound.peer, false))
			if m, err := readMessage(outbound.reader, nil); err != nil { // its KEEPALIVE: OpenConfirm
				t.Fatal(m, err)
			}
			inbound.send(openMessage(inbound.peer, false))
			winner, loser := outbound, inbound
			if !test.outbound {
				winner, loser = inbound, outbound
			}
			loser.rejected("Cease: Connection Collision Resolution")
			winner.keepalive()
			a.reaches("tunnel", Established, "")
		})
	}
}
