package port

import (
	"encoding/binary"
	"slices"
	"sync/atomic"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// insidePath is where one peer's packets are in the clear: a link of the engine's.
type insidePath struct {
	link   uint32
	header [ethernetHeaderLen]byte // of what was decrypted; EtherType left out
	// addresses are the peer's own in the tunnel: what it sends bears one of them, and
	// what is for them goes there. None: whatever the packets say.
	addresses []packet.Addr
	met       <-chan struct{} // closed once there is a peer to send to

	sent, received counter       // packets inside, as they were cut
	unsent         atomic.Uint64 // frames for a peer that is not there yet
	lastReceived   atomic.Int64  // Unix nanoseconds
}

func newInsidePath(inside TunnelLink, addresses PeerAddresses, met <-chan struct{}) *insidePath {
	p := &insidePath{link: inside.Link, met: met}
	for _, a := range addresses {
		if a.IsValid() {
			p.addresses = append(p.addresses, packet.AddrFrom(a))
		}
	}
	copy(p.header[:], inside.Router[:])
	copy(p.header[6:], inside.MAC[:])
	return p
}

func (p *insidePath) hasMet() bool {
	select {
	case <-p.met:
		return true
	default:
		return false
	}
}

// insidePaths are those of a tunnel's end. They never change: one that comes or goes
// makes others.
type insidePaths struct {
	only    *insidePath // of an end with one peer, which may send and get everything
	links   map[uint32]*insidePath
	sources map[packet.Addr]*insidePath
}

// towards is the path of a frame that is to be encrypted, nil if there is none. The
// engine says by link whose it is, and wireguard-go goes by the destination; who is
// meant by the two must be one.
func (p *insidePaths) towards(f *packet.Frame) *insidePath {
	if p.only != nil {
		return p.only
	}
	path := p.links[f.Link]
	if path == nil || !slices.Contains(path.addresses, ipAddress(f.Data[ethernetHeaderLen:], destination)) {
		return nil
	}
	return path
}

// from is the path of a packet that was decrypted, nil if there is none: the source
// address, which wireguard-go has found to be the peer's own, and nothing else tells.
func (p *insidePaths) from(ip []byte) *insidePath {
	if p.only != nil {
		return p.only
	}
	return p.sources[ipAddress(ip, source)]
}

// Which of a packet's addresses.
const source, destination = 0, 1

// ipAddress is an address of a packet, the zero Addr if it is too short to have one.
func ipAddress(ip []byte, which int) packet.Addr {
	switch {
	case len(ip) >= 20 && ip[0]>>4 == 4:
		return packet.AddrFrom4([4]byte(ip[12+4*which:]))
	case len(ip) >= 40 && ip[0]>>4 == 6:
		at := ip[8+16*which:]
		return packet.Addr{Hi: binary.BigEndian.Uint64(at), Lo: binary.BigEndian.Uint64(at[8:])}
	}
	return packet.Addr{}
}
