package bgp

import (
	"slices"
	"testing"
	"time"

	wire "github.com/osrg/gobgp/v4/pkg/packet/bgp"
)

// TestPeerWithoutCapabilities: a speaker of RFC 4271 alone knows IPv4, ASNs of
// two bytes, and may want no timers.
func TestPeerWithoutCapabilities(t *testing.T) {
	aws, customer := link(t, false)
	aws.Passive, aws.Families = true, []Family{IPv4, IPv6}
	aws.LocalASN, customer.RemoteASN = 4200000001, 4200000001
	aws.Announce = []Route{{Prefix: routes("10.0.0.0/16")[0].Prefix, ASPath: []uint32{65010, 4200000002}}}
	a := speak(t, peers(aws))
	r := raw(t, customer)
	open, err := wire.NewBGPOpenMessage(uint16(customer.LocalASN), 0, customer.RouterID, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.send(serialize(open))
	if got := r.receive().(*wire.BGPOpen); got.MyAS != asTrans {
		t.Errorf("the OPEN says ASN %d, not AS_TRANS", got.MyAS)
	}
	r.keepalive()
	s := a.reaches("tunnel", Established, "")
	if s.HoldTime != 0 || !slices.Equal(s.Families, []Family{IPv4}) {
		t.Errorf("%+v", s)
	}
	_ = r.conn.SetReadDeadline(time.Now().Add(15 * time.Second))
	for {
		m, err := readMessage(r.reader, &wire.MarshallingOption{Use2ByteAS: true})
		if err != nil {
			t.Fatal(err)
		}
		update, ok := m.body.(*wire.BGPUpdate)
		if !ok {
			continue
		}
		reader := Peer{LocalASN: 65001, RemoteASN: 4200000001, Families: []Family{IPv4}}
		u, f := readUpdate(update, m.flaw, reader, terms{families: reader.Families, twoByteASN: true})
		if f != nil || u.complaint != "" || len(u.announced) != 1 {
			t.Fatal(f, u)
		}
		if got, want := u.announced[0].ASPath, []uint32{4200000001, 65010, 4200000002}; !slices.Equal(got, want) {
			t.Errorf("AS path %v, want %v", got, want)
		}
		break
	}
}

func TestRouteRefreshSendsEverythingAgain(t *testing.T) {
	aws, customer := link(t, false)
	aws.Passive, aws.Announce = true, routes("10.0.0.0/16", "10.1.0.0/16")
	speak(t, peers(aws))
	r := raw(t, customer)
	r.establish(false)
	for range 3 {
		update, ok := r.receive().(*wire.BGPUpdate)
		if !ok || len(update.NLRI) != 2 {
			t.Fatalf("%+v", update)
		}
		r.send(serialize(wire.NewBGPRouteRefreshMessage(wire.AFI_IP, 0, wire.SAFI_UNICAST)))
	}
}

// TestPeerThatDoesNotReadHoldsNobodyUp: what is to be written waits, the rest of
// the session does not.
func TestPeerThatDoesNotReadHoldsNobodyUp(t *testing.T) {
	aws, customer := link(t, false)
	aws.Passive = true
	for n := range 60000 { // more than both socket buffers take
		aws.Announce = append(aws.Announce, Route{Prefix: prefixNumber(n), MED: uint32(n + 1)})
	}
	a := speak(t, peers(aws))
	r := raw(t, customer)
	r.establish(false)
	r.announce(routes("10.50.0.0/16")...)
	a.learns("tunnel", "10.50.0.0/16")
	start := time.Now()
	a.Close()
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("closing took %s", took)
	}
}
