package bgp

import (
	"net/netip"
	"time"
)

// Event is something that has happened to a peer, or to the best paths of a
// Router. One event may say several things that happened at once.
type Event struct {
	Time time.Time `json:"time"`
	// Peer is whose event it is; empty: the Router's, or that of the State.
	Peer string `json:"peer,omitempty"`

	// Session is set where the session's state, or its reason, changed.
	Session *Session `json:"session,omitempty"`

	// Learned are routes that are new or differ now; Withdrawn are prefixes
	// that the peer no longer offers, by its own word or because its session is
	// gone. A prefix is in one of them only. Routes that only a graceful
	// restart keeps are in neither.
	Learned   []Route        `json:"learned,omitempty"`
	Withdrawn []netip.Prefix `json:"withdrawn,omitempty"`

	// Best and NoBest are the same for the best paths of a Router. Its own
	// Networks are not among them.
	Best   []Route        `json:"best,omitempty"`
	NoBest []netip.Prefix `json:"noBest,omitempty"`

	// Error says why a State was refused; the one before stays in force.
	Error string `json:"error,omitempty"`
}

// Session is where a session stands, and why.
type Session struct {
	State SessionState `json:"state"`
	Cause Cause        `json:"cause"`
	// Reason is a sentence for the user.
	Reason string `json:"reason"`

	// RouterID, HoldTime and Families are the negotiated ones, of a session
	// that is Established.
	RouterID netip.Addr    `json:"routerID,omitzero"`
	HoldTime time.Duration `json:"holdTime,omitempty"`
	Families []Family      `json:"families,omitempty"`
}

// SessionState is a state of RFC 4271. Connect, OpenSent and OpenConfirm are
// passed within a round trip and reported as Active.
type SessionState string

// The states. Routes are exchanged in Established only.
const (
	Idle        SessionState = "Idle"        // refuses to come up for a while
	Active      SessionState = "Active"      // dials and listens
	Established SessionState = "Established" // up
	Removed     SessionState = "Removed"     // the peer is no longer in the State
)

// Cause is the kind of a session's reason, for programs.
type Cause string

// The causes.
const (
	CauseConfigured           Cause = "configured"            // the State wants it so
	CauseUp                   Cause = "up"                    // both ends agreed
	CauseUnreachable          Cause = "unreachable"           // no TCP connection
	CauseRefused              Cause = "refused"               // the OPEN messages did not agree
	CauseNotificationSent     Cause = "notification-sent"     // this end found a fault
	CauseNotificationReceived Cause = "notification-received" // the other end ended it
	CauseHoldTimerExpired     Cause = "hold-timer-expired"    // nothing was heard for the hold time
	CauseConnectionLost       Cause = "connection-lost"       // TCP broke
	CausePrefixLimit          Cause = "prefix-limit"          // MaxPrefixes (V12, D4)
)
