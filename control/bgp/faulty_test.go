package bgp

import (
	"net/netip"
	"testing"
	"time"

	wire "github.com/osrg/gobgp/v4/pkg/packet/bgp"
)

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
