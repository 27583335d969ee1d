package control

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/vpcsim/vpcsim/dataplane"
)

// ClientVPNKeys are what a client and its endpoint encrypt with.
//
// AWS's clients speak OpenVPN, and know each other by certificates, or a directory's
// passwords. In the lab WireGuard stands in for all of these: UDP to one of AWS's
// ports, and a key pair per client, whose groups are the file's.
type ClientVPNKeys struct {
	// Endpoint is the same for all clients of an endpoint.
	Endpoint, Client WireGuardKey
	Preshared        [32]byte // of this client and its endpoint
}

// ClientVPNKeys of a client follow from the names and the world's KeySecret, so that a
// lab that is brought up again knows its clients. The client must exist.
func (w *World) ClientVPNKeys(client string) ClientVPNKeys {
	endpoint := w.VPNClients[client].Endpoint
	return ClientVPNKeys{
		Endpoint:  w.ClientVPNEndpointKey(endpoint),
		Client:    w.clientVPNKey("vpnClient", client),
		Preshared: w.clientVPNKey("clientVpnPresharedKey", endpoint+"\x00"+client).Private,
	}
}

// ClientVPNEndpointKey is what an endpoint encrypts with, also while it has no clients.
func (w *World) ClientVPNEndpointKey(endpoint string) WireGuardKey {
	return w.clientVPNKey("clientVpnEndpoint", endpoint)
}

func (w *World) clientVPNKey(what, of string) WireGuardKey {
	return wireGuardKey(what + "\x00" + w.Name + "\x00" + of + "\x00" + string(w.KeySecret[:]))
}

// ClientVPNKeepalive is how often a client says that it is there: NATs in front of it
// forget it otherwise.
const ClientVPNKeepalive = 25 * time.Second

// ClientConfig is the configuration of a client as wg-quick reads it: what AWS's
// export of a client configuration is to OpenVPN. It holds the client's private key.
// The world is one in force. An error says why there is none.
func (w *World) ClientConfig(name string) (string, error) {
	c := w.VPNClients[name]
	if c == nil {
		bad := w.dangling(name, []string{"vpnClients"})
		return "", fmt.Errorf("%s; %s", bad.message, bad.hint)
	}
	e := w.ClientVPNEndpoints[c.Endpoint]
	a := w.clientVPNAssociation(c.Endpoint, c.Status.Place())
	if e == nil || a == nil || !a.Works() {
		return "", fmt.Errorf("client %s: Client VPN endpoint %s has no target network that works; add a subnet under its associations, or a transitGateway", name, c.Endpoint)
	}
	keys := w.ClientVPNKeys(name)
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Client %s of Client VPN endpoint %s (%s) in the lab %s", name, c.Endpoint, e.Status.ID, w.Name)
	// What a user wrote must stay a comment, whatever is in it.
	for text := range strings.FieldsFuncSeq(e.Banner, func(r rune) bool { return r == '\n' || r == '\r' }) {
		line("# %s", text)
	}
	line("[Interface]")
	line("PrivateKey = %s", base64Key(keys.Client.Private))
	line("Address = %s", joinPrefixes(singles(c.Status.Addresses())))
	if len(e.DNSServers) > 0 {
		line("DNS = %s", joinAddresses(e.DNSServers))
	}
	line("MTU = %d", dataplane.ClientVPNMTU)
	line("")
	line("[Peer]")
	if at := e.Listen.AddrPort(); !c.Status.InLab && at.IsValid() && at.Addr().IsUnspecified() {
		line("# From another machine, write an address of the lab's machine under Endpoint.")
	}
	line("PublicKey = %s", base64Key(keys.Endpoint.Public))
	line("PresharedKey = %s", base64Key(keys.Preshared))
	if blocks := e.AllowedIPs(); len(blocks) > 0 {
		line("AllowedIPs = %s", joinPrefixes(blocks))
	}
	line("Endpoint = %s", e.callAt(c, a))
	line("PersistentKeepalive = %d", int(ClientVPNKeepalive/time.Second))
	return b.String(), nil
}

// callAt is where a client calls: a machine of the lab at the association's address on
// the emulated Internet, any other at the port of this machine.
func (e *ClientVPNEndpoint) callAt(c *VPNClient, a *ClientVPNAssociation) netip.AddrPort {
	if c.Status.InLab || e.Listen.IsZero() {
		return netip.AddrPortFrom(a.Calls(), ClientVPNPort)
	}
	at := e.Listen.AddrPort()
	switch {
	case !at.Addr().IsUnspecified():
		return at
	case at.Addr().Is4():
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port())
	}
	return netip.AddrPortFrom(netip.IPv6Loopback(), at.Port())
}

// AllowedIPs is what clients send into the tunnel: everything, or, with a split
// tunnel, what the endpoint's routes lead to, whatever association they are of (C5).
func (e *ClientVPNEndpoint) AllowedIPs() []netip.Prefix {
	if !e.SplitTunnel {
		return e.everywhere()
	}
	var blocks []netip.Prefix
	for _, r := range e.Status.Routes { // sorted
		blocks = append(blocks, r.Destination)
	}
	return slices.Compact(blocks)
}

// everywhere are the default routes of the families that the endpoint carries. What a
// machine has of another goes past the tunnel.
func (e *ClientVPNEndpoint) everywhere() (blocks []netip.Prefix) {
	for _, any := range []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
		if e.TrafficIPAddressType.carries(any) {
			blocks = append(blocks, netip.PrefixFrom(any, 0))
		}
	}
	return blocks
}

// singles are addresses as blocks of their own.
func singles(list []netip.Addr) (blocks []netip.Prefix) {
	for _, a := range list {
		blocks = append(blocks, netip.PrefixFrom(a, a.BitLen()))
	}
	return blocks
}

func base64Key(key [32]byte) string { return base64.StdEncoding.EncodeToString(key[:]) }

func joinAddresses(list []netip.Addr) string {
	texts := make([]string, len(list))
	for i, a := range list {
		texts[i] = a.String()
	}
	return strings.Join(texts, ", ")
}
