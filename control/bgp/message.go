package bgp

import (
	"errors"
	"fmt"
	"io"
	"sync"

	wire "github.com/osrg/gobgp/v4/pkg/packet/bgp"
)

// fault is something wrong in what the other end sent, with the NOTIFICATION
// that RFC 4271, section 6, wants it to be answered with.
type fault struct {
	code, subcode uint8
	data          []byte
	text          string
}

func (f *fault) Error() string { return f.text }

// faultOf reads the codec's errors. Those without a code are about address
// families that the session does not carry.
func faultOf(err error) *fault {
	var e *wire.MessageError
	if !errors.As(err, &e) {
		return &fault{code: wire.BGP_ERROR_MESSAGE_HEADER_ERROR, text: err.Error()}
	}
	return &fault{code: e.TypeCode, subcode: e.SubTypeCode, data: e.Data, text: e.Message}
}

// message is one that was read.
type message struct {
	body wire.BGPBody
	// flaw makes the routes of an UPDATE count as withdrawn (RFC 7606).
	flaw error
}

// readMessage reads one message. The error is a *fault if the message must not
// be answered but with a NOTIFICATION, else that of the connection.
func readMessage(r io.Reader, o *wire.MarshallingOption) (message, error) {
	var head [wire.BGP_HEADER_LENGTH]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return message{}, err
	}
	var header wire.BGPHeader
	if err := header.DecodeFromBytes(head[:]); err != nil {
		return message{}, faultOf(err)
	}
	if header.Len > wire.BGP_MAX_MESSAGE_LENGTH {
		return message{}, &fault{wire.BGP_ERROR_MESSAGE_HEADER_ERROR, wire.BGP_ERROR_SUB_BAD_MESSAGE_LENGTH, head[16:18],
			fmt.Sprintf("a message of %d bytes, %d are allowed", header.Len, wire.BGP_MAX_MESSAGE_LENGTH)}
	}
	// A length below the header's own was refused above.
	body := make([]byte, int(header.Len)-len(head))
	if _, err := io.ReadFull(r, body); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return message{}, err
	}
	m, f := parse(&header, body, o)
	if f != nil {
		return message{}, f
	}
	return m, nil
}

// survive turns a panic of the codec into a fault: what the other end sends must
// never end this process.
func survive(f **fault) {
	if p := recover(); p != nil {
		*f = &fault{code: wire.BGP_ERROR_UPDATE_MESSAGE_ERROR, subcode: wire.BGP_ERROR_SUB_MALFORMED_ATTRIBUTE_LIST,
			text: fmt.Sprintf("undecodable message: %v", p)}
	}
}

// parse decodes a message.
func parse(header *wire.BGPHeader, body []byte, o *wire.MarshallingOption) (m message, f *fault) {
	defer survive(&f)
	if header.Type == wire.BGP_MSG_KEEPALIVE && len(body) > 0 {
		return message{}, &fault{code: wire.BGP_ERROR_MESSAGE_HEADER_ERROR, subcode: wire.BGP_ERROR_SUB_BAD_MESSAGE_LENGTH,
			text: "a KEEPALIVE that is not empty"}
	}
	decoded, err := wire.ParseBGPBody(header, body, o)
	if err == nil {
		return message{body: decoded.Body}, nil
	}
	if update, ok := bodyOf[*wire.BGPUpdate](decoded); ok && tolerable(err, update) {
		return message{body: update, flaw: withdrawing(err)}, nil
	}
	f = faultOf(err)
	if f.code == 0 { // the codec does not know which it would be
		f.code, f.subcode = wire.BGP_ERROR_UPDATE_MESSAGE_ERROR, wire.BGP_ERROR_SUB_MALFORMED_ATTRIBUTE_LIST
	}
	return message{}, f
}

// bodyOf is the body of a message, if it is of that kind.
func bodyOf[T wire.BGPBody](m *wire.BGPMessage) (T, bool) {
	var none T
	if m == nil {
		return none, false
	}
	body, ok := m.Body.(T)
	return body, ok
}

// tolerable reports whether a faulty UPDATE leaves the session up (RFC 7606):
// its attributes are wrong, but which routes it is about can be read.
func tolerable(err error, u *wire.BGPUpdate) bool {
	var e *wire.MessageError
	if !errors.As(err, &e) {
		return false
	}
	switch e.ErrorHandling {
	case wire.ERROR_HANDLING_ATTRIBUTE_DISCARD:
		return true
	case wire.ERROR_HANDLING_TREAT_AS_WITHDRAW:
		// The codec gives up before the prefixes where lengths contradict
		// each other: then nothing can be withdrawn.
		if len(u.NLRI)+len(u.WithdrawnRoutes) > 0 {
			return true
		}
		for _, a := range u.PathAttributes {
			if t := a.GetType(); t == wire.BGP_ATTR_TYPE_MP_REACH_NLRI || t == wire.BGP_ATTR_TYPE_MP_UNREACH_NLRI {
				return true
			}
		}
	}
	return false
}

// withdrawing is err if it makes routes count as withdrawn, nil if only an
// attribute was passed over.
func withdrawing(err error) error {
	var e *wire.MessageError
	if errors.As(err, &e) && e.ErrorHandling == wire.ERROR_HANDLING_TREAT_AS_WITHDRAW {
		return err
	}
	return nil
}

// outbox is what is still to be written to a connection. It takes any amount at
// once: two ends that announce much to each other must not wait for each other.
type outbox struct {
	mu     sync.Mutex
	bytes  []byte
	closed bool
	wake   chan struct{} // of length 1
}

func newOutbox() *outbox { return &outbox{wake: make(chan struct{}, 1)} }

// put appends whole messages; of one that cannot be written down, nothing.
func (o *outbox) put(messages ...[]byte) {
	o.mu.Lock()
	for _, m := range messages {
		o.bytes = append(o.bytes, m...)
	}
	o.mu.Unlock()
	o.poke()
}

// close lets drain return once everything is written.
func (o *outbox) close() {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	o.poke()
}

func (o *outbox) poke() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// drain writes until close, or the first error.
func (o *outbox) drain(w io.Writer) error {
	for range o.wake {
		o.mu.Lock()
		bytes, closed := o.bytes, o.closed
		o.bytes = nil
		o.mu.Unlock()
		if len(bytes) > 0 {
			if _, err := w.Write(bytes); err != nil {
				return err
			}
		}
		if closed {
			return nil
		}
	}
	return nil
}
