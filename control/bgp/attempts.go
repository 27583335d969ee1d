package bgp

import (
	"slices"

	wire "github.com/osrg/gobgp/v4/pkg/packet/bgp"
)

// send reports progress unless nobody waits for it any more.
func (c *connector) send(p progress) bool {
	select {
	case c.progress <- p:
		return true
	case <-c.ctx.Done():
		return false
	}
}

// current reports whether an attempt still counts: one that was dropped goes on
// reporting until its goroutine notices.
func (c *connector) current(a *attempt) bool { return slices.Contains(c.attempts, a) }

// find is the attempt of one direction, of which there is one at most.
func (c *connector) find(outbound bool) *attempt {
	for _, a := range c.attempts {
		if a.outbound == outbound {
			return a
		}
	}
	return nil
}

// forget takes an attempt off the list, whatever becomes of its connection.
func (c *connector) forget(a *attempt) {
	c.attempts = slices.DeleteFunc(c.attempts, func(o *attempt) bool { return o == a })
}

// drop ends an attempt in favour of another.
func (c *connector) drop(a *attempt) {
	c.forget(a)
	c.reject(a.conn, wire.BGP_ERROR_CEASE, ceaseConnectionCollision, nil)
}

// dropAll ends all that have not become the session.
func (c *connector) dropAll() {
	for len(c.attempts) > 0 {
		c.drop(c.attempts[0])
	}
}
