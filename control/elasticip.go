package control

import (
	"encoding/json"
	"net/netip"
)

// ElasticIP is a public IPv4 address that belongs to the user: one that the file
// writes, or "auto", one that the lab allocates.
type ElasticIP struct {
	Addr netip.Addr // invalid: auto
}

// ElasticIPs is one Elastic IP or a list of them.
type ElasticIPs []ElasticIP

func (e ElasticIP) String() string {
	if !e.Addr.IsValid() {
		return "auto"
	}
	return e.Addr.String()
}

func (e *ElasticIP) parse(text string) (err error) {
	if text == "auto" {
		*e = ElasticIP{}
		return nil
	}
	e.Addr, err = parseAddr(text)
	return err
}

func (e *ElasticIPs) parseOne(text string) error {
	var one ElasticIP
	if err := one.parse(text); err != nil {
		return err
	}
	*e = ElasticIPs{one}
	return nil
}

// UnmarshalJSON takes one Elastic IP or a list.
func (e *ElasticIPs) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '[' {
		return json.Unmarshal(data, (*[]ElasticIP)(e))
	}
	return unmarshalScalar(data, e.parseOne)
}

// MarshalJSON writes a single Elastic IP without brackets.
func (e ElasticIPs) MarshalJSON() ([]byte, error) {
	if len(e) == 1 {
		return json.Marshal(e[0])
	}
	return json.Marshal([]ElasticIP(e))
}

// at is the Elastic IP of the address at place i; invalid where it is for the
// lab to choose.
func (e ElasticIPs) at(i int) netip.Addr {
	if i < len(e) {
		return e[i].Addr
	}
	return netip.Addr{}
}
