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
	if took := time.Since(start); took < 2*time.Second {
		t.Errorf("after %s already, not 3 s", took)
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
