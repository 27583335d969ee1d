package bgp

import (
	"slices"
	"testing"
	"time"
)

// TestGracefulRestart: RFC 4724 as the end that stays up sees it.
func TestGracefulRestart(t *testing.T) {
	const kept = "kept for"
	start := func(t *testing.T, seconds time.Duration) (*speaking, *rawPeer, Peer) {
		aws, customer := link(t, false)
		aws.Passive, aws.GracefulRestart, customer.GracefulRestart = true, 60*time.Second, seconds*time.Second
		a := speak(t, peers(aws))
		r := raw(t, customer)
		r.establish(true)
		r.announce(routes("10.50.0.0/16", "10.60.0.0/16")...)
		a.learns("tunnel", "10.50.0.0/16", "10.60.0.0/16")
		return a, r, customer
	}
	t.Run("routes are kept until the peer has said everything again", func(t *testing.T) {
		a, r, customer := start(t, 60)
		r.conn.Close()
		a.reaches("tunnel", Active, kept)
		a.learns("tunnel", "10.50.0.0/16", "10.60.0.0/16")
		r = raw(t, customer)
		r.establish(true)
		a.reaches("tunnel", Established, "")
		r.announce(routes("10.60.0.0/16", "10.70.0.0/16")...)
		a.learns("tunnel", "10.50.0.0/16", "10.60.0.0/16", "10.70.0.0/16")
		r.send(endOfRIB(IPv4))
		a.learns("tunnel", "10.60.0.0/16", "10.70.0.0/16")
	})
	t.Run("a new connection tells of a restart before the old one is dead", func(t *testing.T) {
		a, _, customer := start(t, 60)
		r := raw(t, customer)
		r.establish(true)
		a.said(kept)
		a.reaches("tunnel", Established, "")
		r.announce(routes("10.60.0.0/16")...)
		r.send(endOfRIB(IPv4))
		a.learns("tunnel", "10.60.0.0/16")
	})
	t.Run("routes go when the peer has forgotten how to forward", func(t *testing.T) {
		a, r, customer := start(t, 60)
		r.conn.Close()
		a.reaches("tunnel", Active, kept)
		raw(t, customer).establish(false)
		a.reaches("tunnel", Established, "")
		a.learns("tunnel")
	})
	t.Run("routes go when the peer does not come back in time", func(t *testing.T) {
		a, r, _ := start(t, 1)
		r.conn.Close()
		a.reaches("tunnel", Active, kept)
		a.learns("tunnel")
	})
	t.Run("routes go with a NOTIFICATION", func(t *testing.T) {
		a, r, _ := start(t, 60)
		r.send(notification(6, 2, append([]byte{4}, "tea!"...)))
		a.reaches("tunnel", Active, `Cease: Administrative Shutdown ("tea!")`)
		a.learns("tunnel")
	})
	t.Run("routes go when nobody supports it", func(t *testing.T) {
		a, r, _ := start(t, 0)
		r.conn.Close()
		a.reaches("tunnel", Active, "without a NOTIFICATION")
		a.learns("tunnel")
	})
}

// TestRouteThatComesAndGoesIsNotReported: a delta says what is different for
// whoever has heard the deltas before.
func TestRouteThatComesAndGoesIsNotReported(t *testing.T) {
	in, d := newRIBIn(), newDelta()
	list := routes("10.0.0.0/16", "10.1.0.0/16")
	in.apply(update{announced: list}, d)
	in.lose(nil, d)
	if !d.empty() {
		t.Errorf("%v", d)
	}
	in.apply(update{announced: list[:1]}, d)
	if set, del := d.lists(); len(set) != 1 || len(del) != 0 {
		t.Errorf("%v", d)
	}
	d = newDelta()
	in.apply(update{withdrawn: prefixesOf(list)}, d)
	in.apply(update{announced: list[:1]}, d)
	in.apply(update{withdrawn: prefixesOf(list)}, d)
	if set, del := d.lists(); len(set) != 0 || !slices.Equal(del, prefixesOf(list[:1])) {
		t.Errorf("%v", d)
	}
	if in.count[IPv4] != 0 {
		t.Errorf("count %d", in.count[IPv4])
	}
}
