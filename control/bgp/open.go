package bgp

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"time"

	wire "github.com/osrg/gobgp/v4/pkg/packet/bgp"
)

// terms are what both ends agreed on with their OPEN messages.
type terms struct {
	routerID netip.Addr // the other end's
	hold     time.Duration
	// keepalive is how often to write; both are zero where the other end wants
	// no timers.
	keepalive time.Duration
	families  []Family
	// twoByteASN: the other end knows no ASN above 65535 (RFC 6793).
	twoByteASN bool
	// restart is the other end's word on graceful restart; nil: it, or this
	// end, does not support it.
	restart *restartTerms
}

// restartTerms are those of RFC 4724.
type restartTerms struct {
	time      time.Duration
	families  []Family
	preserved []Family // those that were still forwarded while it was away
}

var wireFamilies = map[Family]wire.Family{IPv4: wire.RF_IPv4_UC, IPv6: wire.RF_IPv6_UC}

// openMessage is this end's offer. Restarting says that the session is the first
// one of this process: the other end must not wait for routes it may hold.
func openMessage(p Peer, restarting bool) []byte {
	capabilities := []wire.ParameterCapabilityInterface{
		wire.NewCapRouteRefresh(),
		wire.NewCapFourOctetASNumber(p.LocalASN),
	}
	var tuples []*wire.CapGracefulRestartTuple
	for _, f := range p.Families {
		capabilities = append(capabilities, wire.NewCapMultiProtocol(wireFamilies[f]))
		// Packets are forwarded by the core, whether or not anybody speaks BGP.
		tuples = append(tuples, wire.NewCapGracefulRestartTuple(wireFamilies[f], restarting))
	}
	if p.GracefulRestart > 0 {
		capabilities = append(capabilities, wire.NewCapGracefulRestart(restarting, false, uint16(p.GracefulRestart/time.Second), tuples))
	}
	// The field has two bytes; the capability says it in four (RFC 6793).
	asn := p.LocalASN
	if asn > 1<<16-1 {
		asn = asTrans
	}
	m, err := wire.NewBGPOpenMessage(uint16(asn), uint16(p.HoldTime/time.Second), p.RouterID,
		[]wire.OptionParameterInterface{wire.NewOptionParameterCapability(capabilities)})
	if err != nil {
		panic("bgp: a router ID that was checked: " + err.Error())
	}
	return serialize(m)
}

// negotiate reads the other end's OPEN as RFC 4271, section 6.2, wants it.
func negotiate(p Peer, o *wire.BGPOpen) (terms, *fault) {
	bad := func(subcode uint8, data []byte, text string, values ...any) (terms, *fault) {
		return terms{}, &fault{wire.BGP_ERROR_OPEN_MESSAGE_ERROR, subcode, data, fmt.Sprintf(text, values...)}
	}
	c := capabilitiesOf(o)
	asn := uint32(o.MyAS)
	if c.asn != 0 {
		asn = c.asn
	}
	switch {
	case o.Version != 4:
		return bad(wire.BGP_ERROR_SUB_UNSUPPORTED_VERSION_NUMBER, []byte{0, 4}, "it speaks BGP version %d, not 4", o.Version)
	case asn != p.RemoteASN:
		return bad(wire.BGP_ERROR_SUB_BAD_PEER_AS, nil, "its ASN is %d, configured here is %d", asn, p.RemoteASN)
	case !o.ID.Is4() || o.ID.IsUnspecified():
		return bad(wire.BGP_ERROR_SUB_BAD_BGP_IDENTIFIER, nil, "its router ID is 0.0.0.0")
	case o.HoldTime == 1 || o.HoldTime == 2:
		return bad(wire.BGP_ERROR_SUB_UNACCEPTABLE_HOLD_TIME, nil, "its hold time is %d s, the least is 3 s", o.HoldTime)
	}
	// A peer that knows fewer families than this end is no fault: those that
	// both know are exchanged.
	t := terms{routerID: o.ID, twoByteASN: c.asn == 0}
	for _, f := range p.Families {
		if slices.Contains(c.families, f) {
			t.families = append(t.families, f)
		}
	}
	if len(t.families) == 0 {
		// RFC 5492: the data is the capability that is missed.
		data := []byte{byte(wire.BGP_CAP_MULTIPROTOCOL), 4, 0, 0, 0, 1}
		binary.BigEndian.PutUint16(data[2:], wireFamilies[p.Families[0]].Afi())
		return bad(wire.BGP_ERROR_SUB_UNSUPPORTED_CAPABILITY, data, "it offers routes of %v, configured here are %v", c.families, p.Families)
	}
	if o.HoldTime > 0 {
		t.hold = min(p.HoldTime, time.Duration(o.HoldTime)*time.Second)
		t.keepalive = min(p.Keepalive, t.hold/3)
	}
	if p.GracefulRestart > 0 {
		t.restart = c.restart
	}
	return t, nil
}

// capabilities are those that concern us.
type capabilities struct {
	asn      uint32 // 0: no four-byte ASNs
	families []Family
	restart  *restartTerms
}

func capabilitiesOf(o *wire.BGPOpen) capabilities {
	var out capabilities
	multiprotocol := false
	for _, parameter := range o.OptParams {
		list, ok := parameter.(*wire.OptionParameterCapability)
		if !ok {
			continue
		}
		for _, capability := range list.Capability {
			switch c := capability.(type) {
			case *wire.CapFourOctetASNumber:
				out.asn = c.CapValue
			case *wire.CapMultiProtocol:
				multiprotocol = true
				if f, ok := familyOn(c.CapValue); ok && !slices.Contains(out.families, f) {
					out.families = append(out.families, f)
				}
			case *wire.CapGracefulRestart:
				out.restart = restartOf(c)
			}
		}
	}
	if !multiprotocol { // a speaker of before RFC 4760
		out.families = []Family{IPv4}
	}
	return out
}

func restartOf(c *wire.CapGracefulRestart) *restartTerms {
	out := &restartTerms{time: time.Duration(c.Time) * time.Second}
	for _, t := range c.Tuples {
		f, ok := familyOn(wire.NewFamily(t.AFI, t.SAFI))
		if !ok {
			continue
		}
		out.families = append(out.families, f)
		if t.Flags&0x80 != 0 {
			out.preserved = append(out.preserved, f)
		}
	}
	return out
}

// familyOn is a family as the wire names it, if it is one of ours.
func familyOn(w wire.Family) (Family, bool) {
	for f, number := range wireFamilies {
		if number == w {
			return f, true
		}
	}
	return "", false
}
