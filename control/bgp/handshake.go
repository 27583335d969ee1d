package bgp

import (
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	wire "github.com/osrg/gobgp/v4/pkg/packet/bgp"
)

// expect reads the one message that may come now; state is the subcode with
// which any other is answered.
func expect[T wire.BGPBody](r io.Reader, state uint8) (T, error) {
	var none T
	m, err := readMessage(r, &wire.MarshallingOption{})
	if err != nil {
		return none, err
	}
	switch body := m.body.(type) {
	case T:
		return body, nil
	case *wire.BGPNotification:
		return none, &notificationError{body}
	}
	return none, &fault{code: wire.BGP_ERROR_FSM_ERROR, subcode: state, text: "it sent a message that nobody sends at this point"}
}

// notificationError is a NOTIFICATION in place of what was expected.
type notificationError struct{ *wire.BGPNotification }

func (n *notificationError) Error() string { return describe(n.BGPNotification) }

func (n *notificationError) collision() bool {
	return n.ErrorCode == wire.BGP_ERROR_CEASE && n.ErrorSubcode == ceaseConnectionCollision
}

// explain says what a user can do about a connection that is not made.
func explain(err error, p Peer) string {
	to := net.JoinHostPort(p.RemoteAddress.String(), fmt.Sprint(port))
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens on " + to
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "the local address " + p.LocalAddress.String() + " is on no interface"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return "no way leads to " + to
	case errors.As(err, &timeout) && timeout.Timeout() && p.Password != "":
		return "no answer from " + to + ": is the path up, and the MD5 password there the same?"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "no answer from " + to + ": is the path up, and does the other end want an MD5 password?"
	}
	return err.Error()
}
