package bgp

import (
	"fmt"
	"io"
	"net"
	"time"
	"unicode/utf8"

	wire "github.com/osrg/gobgp/v4/pkg/packet/bgp"
)

// Codes that the codec does not name.
const (
	ceaseOtherConfigurationChange = 6
	ceaseConnectionCollision      = 7
)

// notificationName is a NOTIFICATION in IANA's words.
func notificationName(code, subcode uint8) string {
	if int(code) >= len(notificationNames) || code == 0 {
		return fmt.Sprintf("error %d/%d", code, subcode)
	}
	n := notificationNames[code]
	switch {
	case int(subcode) < len(n.subcodes) && n.subcodes[subcode] != "":
		return n.name + ": " + n.subcodes[subcode]
	case subcode == 0:
		return n.name
	}
	return fmt.Sprintf("%s: subcode %d", n.name, subcode)
}

// notificationNames is indexed by code and subcode.
var notificationNames = []struct {
	name     string
	subcodes []string
}{
	{},
	{"Message Header Error", []string{"", "Connection Not Synchronized", "Bad Message Length", "Bad Message Type"}},
	{"OPEN Message Error", []string{"", "Unsupported Version Number", "Bad Peer AS", "Bad BGP Identifier", "Unsupported Optional Parameter",
		"", "Unacceptable Hold Time", "Unsupported Capability", 11: "Role Mismatch"}},
	{"UPDATE Message Error", []string{"", "Malformed Attribute List", "Unrecognized Well-known Attribute", "Missing Well-known Attribute",
		"Attribute Flags Error", "Attribute Length Error", "Invalid ORIGIN Attribute", "", "Invalid NEXT_HOP Attribute",
		"Optional Attribute Error", "Invalid Network Field", "Malformed AS_PATH"}},
	{"Hold Timer Expired", nil},
	{"Finite State Machine Error", []string{"", "Unexpected Message in OpenSent", "Unexpected Message in OpenConfirm", "Unexpected Message in Established"}},
	{"Cease", []string{"", "Maximum Number of Prefixes Reached", "Administrative Shutdown", "Peer De-configured", "Administrative Reset",
		"Connection Rejected", "Other Configuration Change", "Connection Collision Resolution", "Out of Resources", "Hard Reset", "BFD Down"}},
	{"ROUTE-REFRESH Message Error", []string{"", "Invalid Message Length"}},
	{"Send Hold Timer Expired", nil},
}

// describe is a received NOTIFICATION, with the sentence that may come with a
// shutdown (RFC 9003).
func describe(n *wire.BGPNotification) string {
	text := notificationName(n.ErrorCode, n.ErrorSubcode)
	shutdown := n.ErrorCode == wire.BGP_ERROR_CEASE &&
		(n.ErrorSubcode == wire.BGP_ERROR_SUB_ADMINISTRATIVE_SHUTDOWN || n.ErrorSubcode == wire.BGP_ERROR_SUB_ADMINISTRATIVE_RESET)
	if shutdown && len(n.Data) > 1 && int(n.Data[0]) == len(n.Data)-1 && utf8.Valid(n.Data[1:]) {
		text += fmt.Sprintf(" (%q)", n.Data[1:])
	}
	return text
}

// notification is a whole NOTIFICATION message.
func notification(code, subcode uint8, data []byte) []byte {
	return serialize(wire.NewBGPNotificationMessage(code, subcode, data))
}

// serialize writes down a message that is known to fit.
func serialize(m *wire.BGPMessage) []byte {
	bytes, err := m.Serialize()
	if err != nil {
		panic("bgp: a message of our own cannot be written: " + err.Error())
	}
	return bytes
}

// farewell is how long a connection may take to end in good order.
const farewell = time.Second

// reject ends a connection with a NOTIFICATION, as exchange.hear does, without
// holding anybody up.
func (s *session) reject(conn net.Conn, code, subcode uint8, data []byte) {
	s.group.Go(func() {
		defer conn.Close()
		// Not by a deadline: the attempt that the connection comes from may
		// still set another. Over a tunnel that is gone nobody else ends this.
		defer time.AfterFunc(farewell, func() { _ = conn.Close() }).Stop()
		if _, err := conn.Write(notification(code, subcode, data)); err != nil {
			return
		}
		endWriting(conn)
		_, _ = io.Copy(io.Discard, conn)
	})
}

// endWriting tells the other end that nothing more comes.
func endWriting(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
	}
}
