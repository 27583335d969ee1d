package wireguard

import (
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Event says how a tunnel is now, or why a State was refused.
type Event struct {
	Time   time.Time `json:"time"`
	Tunnel string    `json:"tunnel,omitempty"` // whose; empty: the State's
	// Status is set when the device is there for the first time, and whenever
	// something about it has changed, looked at once a second.
	Status *Status `json:"status,omitempty"`
	// Removed: the tunnel is no longer in the State, and its device is gone.
	Removed bool `json:"removed,omitempty"`
	// Error says why the tunnel, or the State, could not be made as it is
	// wanted.
	Error string `json:"error,omitempty"`
}

// Status is what wireguard-go knows of a tunnel.
type Status struct {
	ListenPort uint16 `json:"listenPort,omitempty"`
	// Endpoint is where the peer was last.
	Endpoint netip.AddrPort `json:"endpoint,omitzero"`
	// LastHandshake is when both ends last agreed on keys.
	LastHandshake time.Time `json:"lastHandshake,omitzero"`
	// ReceivedBytes and SentBytes are of datagrams, keepalives and handshakes
	// included; what was not authentic is not in them.
	ReceivedBytes uint64 `json:"receivedBytes,omitempty"`
	SentBytes     uint64 `json:"sentBytes,omitempty"`
}

// readStatus reads wireguard-go's account of a device that has one peer.
func readStatus(text string, peer Key) (s Status) {
	number := func(s string) int64 {
		n, _ := strconv.ParseInt(s, 10, 64) // wireguard-go writes numbers
		return n
	}
	var seconds, nanoseconds int64
	ours := true // the device's own lines come first
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if name == "public_key" {
			ours = value == hex.EncodeToString(peer[:])
		}
		if !ours {
			continue
		}
		switch name {
		case "listen_port":
			s.ListenPort = uint16(number(value))
		case "endpoint":
			s.Endpoint, _ = netip.ParseAddrPort(value)
		case "last_handshake_time_sec":
			seconds = number(value)
		case "last_handshake_time_nsec":
			nanoseconds = number(value)
		case "rx_bytes":
			s.ReceivedBytes = uint64(number(value))
		case "tx_bytes":
			s.SentBytes = uint64(number(value))
		}
	}
	if seconds > 0 {
		s.LastHandshake = time.Unix(seconds, nanoseconds)
	}
	return s
}
