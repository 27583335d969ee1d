package control

import (
	"cmp"
	"net/netip"
)

// TunnelOptions are what a file says about one of the two tunnels of a VPN
// connection.
type TunnelOptions struct {
	// Inside IPv4 block, a /30 of 169.254.0.0/16: AWS has its first usable
	// address, the customer's router the second; a free one unless written.
	InsideCIDR netip.Prefix `json:"insideCidr,omitzero"`
	// Inside IPv6 block, a /126 of fd00::/8, of a connection whose tunnels carry
	// IPv6; a free one unless written.
	InsideIPv6CIDR netip.Prefix `json:"insideIpv6Cidr,omitzero"`
	// Secret that both ends know: 8 to 64 letters, digits, dots and underscores,
	// the first not 0; made up unless written.
	PresharedKey string `json:"presharedKey,omitempty"`
	// How long the other end may be silent before it counts as dead, at least 30
	// seconds; 40 unless written.
	DPDTimeout Seconds `json:"dpdTimeout,omitempty"`
	// What AWS does then: clear (the tunnel is down), none or restart; clear
	// unless written.
	DPDAction DPDAction `json:"dpdAction,omitempty"`
	// Who brings the tunnel up: add (the customer's router) or start (AWS); add
	// unless written.
	StartupAction StartupAction `json:"startupAction,omitempty"`
}

// VPNTunnel is what AWS makes of a tunnel, and what it is doing.
type VPNTunnel struct {
	Name string `json:"name"` // "office/1"
	// Handle is that of the tunnel's inside, the link that what is decrypted comes
	// from; OutsideHandle is that of AWS's end on the Internet. Store assigns both,
	// and MAC and OutsideMAC follow from them.
	Handle        uint32 `json:"-"`
	OutsideHandle uint32 `json:"-"`
	MAC           MAC    `json:"mac"`
	OutsideMAC    MAC    `json:"outsideMac"`
	// OutsideIP is AWS's end on the Internet, of the connection's family. The other
	// end is the customer gateway's address.
	OutsideIP netip.Addr `json:"outsideIp,omitzero"`
	// The inside blocks, and each end's addresses in them; IPv6 is invalid in a
	// tunnel that carries IPv4.
	InsideCIDR     netip.Prefix `json:"insideCidr,omitzero"`
	InsideIPv6CIDR netip.Prefix `json:"insideIpv6Cidr,omitzero"`
	AmazonIP       netip.Addr   `json:"amazonIp,omitzero"`
	AmazonIPv6     netip.Addr   `json:"amazonIpv6,omitzero"`
	CustomerIP     netip.Addr   `json:"customerIp,omitzero"`
	CustomerIPv6   netip.Addr   `json:"customerIpv6,omitzero"`
	// The options in force.
	PresharedKey  string        `json:"presharedKey"`
	DPDTimeout    Seconds       `json:"dpdTimeout"`
	DPDAction     DPDAction     `json:"dpdAction"`
	StartupAction StartupAction `json:"startupAction"`
	TunnelTelemetry
}

// TunnelTelemetry is what a tunnel is doing now.
type TunnelTelemetry struct {
	// State is TunnelUp if packets for routes by the tunnel can pass: with BGP
	// that takes an established session.
	State string `json:"state"`
	// StatusMessage is AWS's, and Reason a sentence for people that says why a
	// tunnel is down.
	StatusMessage string `json:"statusMessage"`
	Reason        string `json:"reason,omitempty"`
	// IPsecUp says whether the two ends have agreed on keys, and BGPUp whether
	// the session is established.
	IPsecUp bool `json:"ipsecUp"`
	BGPUp   bool `json:"bgpUp"`
	// Learned are the routes that the customer's router announced.
	Learned             []BGPRoute `json:"learned,omitempty"`
	AcceptedRouteCount  int        `json:"acceptedRouteCount"`
	AnnouncedRouteCount int        `json:"announcedRouteCount"`
	// AnnouncedMED is what AWS announces all routes with, the lower the better; 0 of
	// a tunnel that is down, or with static routing.
	AnnouncedMED uint32 `json:"announcedMed,omitempty"`
	// Maintenance is the fault that says that AWS is about to work on its end, or "":
	// the tunnel works, and the other is preferred (V7).
	Maintenance string `json:"maintenance,omitempty"`
	// Fault is what has the tunnel down, or "".
	Fault string `json:"fault,omitempty"`
}

// Values of TunnelTelemetry.State, spelled as AWS spells them.
const (
	TunnelUp   = "UP"
	TunnelDown = "DOWN"
)

// DPDAction is what AWS does when dead peer detection times out (V8). The zero
// DPDAction stands for clear.
type DPDAction uint8

// The actions.
const (
	DPDUnset DPDAction = iota
	DPDClear
	DPDNone
	DPDRestart
)

var dpdWords = []string{"", "clear", "none", "restart"}

func (a DPDAction) String() string                { return dpdWords[a] }
func (a *DPDAction) parse(text string) error      { return parseWord(a, text, dpdWords) }
func (a DPDAction) MarshalJSON() ([]byte, error)  { return marshalScalar(a) }
func (a *DPDAction) UnmarshalJSON(b []byte) error { return unmarshalScalar(b, a.parse) }

// StartupAction says which end begins to negotiate (V8). The zero StartupAction
// stands for add, the customer's.
type StartupAction uint8

// The actions.
const (
	StartupUnset StartupAction = iota
	StartupAdd
	StartupStart
)

var startupWords = []string{"", "add", "start"}

func (a StartupAction) String() string                { return startupWords[a] }
func (a *StartupAction) parse(text string) error      { return parseWord(a, text, startupWords) }
func (a StartupAction) MarshalJSON() ([]byte, error)  { return marshalScalar(a) }
func (a *StartupAction) UnmarshalJSON(b []byte) error { return unmarshalScalar(b, a.parse) }

// OutsideAddressType is what addresses the ends of a connection's tunnels have
// outside. The zero OutsideAddressType leaves it to AWS's default, publicIpv4.
type OutsideAddressType uint8

// The types. AWS's third, privateIpv4, is for tunnels over Direct Connect (V15).
const (
	OutsideUnset OutsideAddressType = iota
	OutsidePublicIPv4
	OutsideIPv6
)

var outsideWords = []string{"", "publicIpv4", "ipv6"}

func (o OutsideAddressType) String() string                { return outsideWords[o] }
func (o *OutsideAddressType) parse(text string) error      { return parseWord(o, text, outsideWords) }
func (o OutsideAddressType) MarshalJSON() ([]byte, error)  { return marshalScalar(o) }
func (o *OutsideAddressType) UnmarshalJSON(b []byte) error { return unmarshalScalar(b, o.parse) }

// options are what the file says about the tunnel at place i.
func (c *VPNConnection) options(i int) TunnelOptions {
	if i < len(c.Tunnels) {
		return c.Tunnels[i]
	}
	return TunnelOptions{}
}

// defaultDPDTimeout is AWS's (V8).
const defaultDPDTimeout Seconds = 40

// computeOptions settles all but what Allocate, Store and the RIB say.
func (t *VPNTunnel) computeOptions(w *World, c *VPNConnection, connection string, i int) {
	o := c.options(i)
	t.Name = VPNTunnelName(connection, i+1)
	t.PresharedKey = cmp.Or(o.PresharedKey, generatedPresharedKey(w.Name, t.Name))
	t.DPDTimeout = cmp.Or(o.DPDTimeout, defaultDPDTimeout)
	t.DPDAction = cmp.Or(o.DPDAction, DPDClear)
	t.StartupAction = cmp.Or(o.StartupAction, StartupAdd)
	t.AmazonIP, t.CustomerIP = insideAddresses(t.InsideCIDR)
	t.AmazonIPv6, t.CustomerIPv6 = insideAddresses(t.InsideIPv6CIDR)
}

// insideAddresses are AWS's and the customer's address in an inside block: the
// first and the second usable one (V3).
func insideAddresses(block netip.Prefix) (amazon, customer netip.Addr) {
	if !block.IsValid() {
		return amazon, customer
	}
	amazon = block.Addr().Next()
	return amazon, amazon.Next()
}

// addresses are AWS's, inside.
func (t *VPNTunnel) addresses() (list []netip.Addr) {
	for _, a := range []netip.Addr{t.AmazonIP, t.AmazonIPv6} {
		if a.IsValid() {
			list = append(list, a)
		}
	}
	return list
}

// number is the tunnel's in its connection, from 1.
func (t *VPNTunnel) number() int { return int(t.Name[len(t.Name)-1] - '0') }
