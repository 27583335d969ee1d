package control

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// textValue is a type that a file writes as one scalar. Its String is what
// parse reads.
type textValue interface {
	parse(text string) error
	String() string
}

// oneOrMany is a list that a file may write as its only item.
type oneOrMany interface {
	parseOne(text string) error
}

// shortForm is a map that a file may write as one scalar.
type shortForm interface {
	parseShort(text string) error
}

// bareScalar matches the texts that JSON and YAML write without quotes.
var bareScalar = regexp.MustCompile(`^(true|false|0|-?[1-9][0-9]{0,15})$`)

// marshalScalar writes a textValue as JSON: booleans and numbers bare, as a
// file would have them.
func marshalScalar(v fmt.Stringer) ([]byte, error) {
	text := v.String()
	if bareScalar.MatchString(text) {
		return []byte(text), nil
	}
	return json.Marshal(text)
}

func unmarshalScalar(data []byte, parse func(string) error) error {
	text := string(data)
	if strings.HasPrefix(text, `"`) {
		if err := json.Unmarshal(data, &text); err != nil {
			return err
		}
	}
	if text == "" || text == "null" {
		return nil
	}
	return parse(text)
}

func (a AddressChoice) MarshalJSON() ([]byte, error)     { return marshalScalar(a) }
func (a *AddressChoice) UnmarshalJSON(data []byte) error { return unmarshalScalar(data, a.parse) }
func (p PrefixChoice) MarshalJSON() ([]byte, error)      { return marshalScalar(p) }
func (p *PrefixChoice) UnmarshalJSON(data []byte) error  { return unmarshalScalar(data, p.parse) }
func (p Protocol) MarshalJSON() ([]byte, error)          { return marshalScalar(p) }
func (p *Protocol) UnmarshalJSON(data []byte) error      { return unmarshalScalar(data, p.parse) }
func (r PortRange) MarshalJSON() ([]byte, error)         { return marshalScalar(r) }
func (r *PortRange) UnmarshalJSON(data []byte) error     { return unmarshalScalar(data, r.parse) }
func (p *Port) UnmarshalJSON(data []byte) error          { return unmarshalScalar(data, p.parse) }
func (a RuleAction) MarshalJSON() ([]byte, error)        { return marshalScalar(a) }
func (a *RuleAction) UnmarshalJSON(data []byte) error    { return unmarshalScalar(data, a.parse) }
func (s Service) MarshalJSON() ([]byte, error)           { return marshalScalar(s) }
func (s *Service) UnmarshalJSON(data []byte) error       { return unmarshalScalar(data, s.parse) }
func (p Peer) MarshalJSON() ([]byte, error)              { return marshalScalar(p) }
func (p *Peer) UnmarshalJSON(data []byte) error          { return unmarshalScalar(data, p.parse) }
func (f Family) MarshalJSON() ([]byte, error)            { return marshalScalar(f) }
func (f *Family) UnmarshalJSON(data []byte) error        { return unmarshalScalar(data, f.parse) }
func (e Expect) MarshalJSON() ([]byte, error)            { return marshalScalar(e) }
func (e *Expect) UnmarshalJSON(data []byte) error        { return unmarshalScalar(data, e.parse) }
func (d Decider) MarshalJSON() ([]byte, error)           { return marshalScalar(d) }
func (d *Decider) UnmarshalJSON(data []byte) error       { return unmarshalScalar(data, d.parse) }
func (d Duration) MarshalJSON() ([]byte, error)          { return marshalScalar(d) }
func (d *Duration) UnmarshalJSON(data []byte) error      { return unmarshalScalar(data, d.parse) }
func (m MAC) MarshalJSON() ([]byte, error)               { return marshalScalar(m) }
func (m *MAC) UnmarshalJSON(data []byte) error           { return unmarshalScalar(data, m.parse) }
func (s *Seconds) UnmarshalJSON(data []byte) error       { return unmarshalScalar(data, s.parse) }
func (c Connectivity) MarshalJSON() ([]byte, error)      { return marshalScalar(c) }
func (c *Connectivity) UnmarshalJSON(data []byte) error  { return unmarshalScalar(data, c.parse) }
func (t Toggle) MarshalJSON() ([]byte, error)            { return marshalScalar(t) }
func (t *Toggle) UnmarshalJSON(data []byte) error        { return unmarshalScalar(data, t.parse) }
func (t HTTPTokens) MarshalJSON() ([]byte, error)        { return marshalScalar(t) }
func (t *HTTPTokens) UnmarshalJSON(data []byte) error    { return unmarshalScalar(data, t.parse) }
func (h HostnameType) MarshalJSON() ([]byte, error)      { return marshalScalar(h) }
func (h *HostnameType) UnmarshalJSON(data []byte) error  { return unmarshalScalar(data, h.parse) }
func (e ElasticIP) MarshalJSON() ([]byte, error)         { return marshalScalar(e) }
func (e *ElasticIP) UnmarshalJSON(data []byte) error     { return unmarshalScalar(data, e.parse) }

// A Destination is the key of a map, which JSON wants as text.
func (d Destination) MarshalText() ([]byte, error)     { return []byte(d.String()), nil }
func (d *Destination) UnmarshalText(text []byte) error { return d.parse(string(text)) }

// UnmarshalJSON takes one peer or a list.
func (p *Peers) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '[' {
		return json.Unmarshal(data, (*[]Peer)(p))
	}
	var one Peer
	if err := one.UnmarshalJSON(data); err != nil || one == (Peer{}) {
		return err
	}
	*p = Peers{one}
	return nil
}

// MarshalJSON writes a single peer without brackets.
func (p Peers) MarshalJSON() ([]byte, error) {
	if len(p) == 1 {
		return json.Marshal(p[0])
	}
	return json.Marshal([]Peer(p))
}

func (p Peer) String() string {
	if p.Name != "" || !p.CIDR.IsValid() {
		return p.Name
	}
	return p.CIDR.String()
}

func (p *Peers) parseOne(text string) error {
	var one Peer
	if err := one.parse(text); err != nil {
		return err
	}
	*p = Peers{one}
	return nil
}

func (p *Peer) parse(text string) (err error) {
	if looksLikeAddress(text) {
		p.CIDR, err = parsePrefix(text)
		return err
	}
	p.Name = text
	return nil
}

func (d Destination) String() string {
	if d.PrefixList != "" || !d.Prefix.IsValid() {
		return d.PrefixList
	}
	return d.Prefix.String()
}

func (d *Destination) parse(text string) (err error) {
	if looksLikeAddress(text) {
		d.Prefix, err = parsePrefix(text)
		return err
	}
	d.PrefixList = text
	return nil
}

// addressLike matches whatever was meant as an address or block, well formed
// or not. Names contain no colon, and none begins like 10.0.
var addressLike = regexp.MustCompile(`^[0-9]+\.[0-9.]+(/.*)?$|^[0-9.]+/[0-9]*$|:`)

func looksLikeAddress(text string) bool { return addressLike.MatchString(text) }

func (f Family) String() string { return [...]string{"", "ipv4", "ipv6"}[f] }

func (f *Family) parse(text string) error {
	switch strings.ToLower(text) {
	case "ipv4":
		*f = IPv4
	case "ipv6":
		*f = IPv6
	default:
		return badValue{message: fmt.Sprintf("%q is not an address family", text), hint: "write ipv4 or ipv6"}
	}
	return nil
}

func (e Expect) String() string { return [...]string{"pass", "drop"}[e] }

func (e *Expect) parse(text string) error {
	switch text {
	case "pass":
		*e = ExpectPass
	case "drop":
		*e = ExpectDrop
	default:
		return badValue{message: fmt.Sprintf("%q is not an expectation", text), hint: "write pass or drop"}
	}
	return nil
}

func (d Decider) String() string { return strings.TrimSpace(d.Kind + " " + d.Name) }

func (d *Decider) parse(text string) error {
	words := strings.Fields(text)
	if len(words) == 0 || len(words) > 2 {
		return badValue{message: fmt.Sprintf("%q names nothing that decides", text), hint: "write a kind and a name, such as securityGroup web"}
	}
	d.Kind = words[0]
	if len(words) == 2 {
		d.Name = words[1]
	}
	return nil
}

func (d Duration) String() string { return time.Duration(d).String() }

func (d *Duration) parse(text string) error {
	t, err := time.ParseDuration(text)
	if err != nil || t < 0 {
		return badValue{message: fmt.Sprintf("%q is not a duration", text), hint: "write a number and a unit, such as 500ms, 10s or 1m30s"}
	}
	*d = Duration(t)
	return nil
}

func (m *MAC) parse(text string) error {
	var parsed MAC
	if n, err := fmt.Sscanf(text, "%02x:%02x:%02x:%02x:%02x:%02x",
		&parsed[0], &parsed[1], &parsed[2], &parsed[3], &parsed[4], &parsed[5]); n != 6 || err != nil {
		return badValue{message: fmt.Sprintf("%q is not a MAC address", text)}
	}
	*m = parsed
	return nil
}
