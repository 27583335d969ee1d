package control

import (
	"encoding/json"
	"net/netip"
)

// SecondaryIP is a further private IPv4 address of a network interface: an
// address, true for one of AWS's choice, or both with an Elastic IP.
type SecondaryIP struct {
	// Private IPv4 address; true, or nothing: AWS picks it.
	IP AddressChoice `json:"ip,omitzero"`
	// Elastic IP that translates to the address.
	PublicIP AddressChoice `json:"publicIp,omitzero"`
}

func (s SecondaryIP) String() string {
	ip := s.IP.String()
	if s.IP.Choice == Unset {
		ip = "true"
	}
	if s.PublicIP.Choice == Unset {
		return ip
	}
	return ip + "/" + s.PublicIP.String()
}

// parseShort reads the form without an Elastic IP.
func (s *SecondaryIP) parseShort(text string) error { return s.IP.parse(text) }

// UnmarshalJSON takes an address or a map.
func (s *SecondaryIP) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '{' {
		type fields SecondaryIP
		return json.Unmarshal(data, (*fields)(s))
	}
	return unmarshalScalar(data, s.parseShort)
}

// MarshalJSON writes a map only where an address does not say it all.
func (s SecondaryIP) MarshalJSON() ([]byte, error) {
	if s.PublicIP == (AddressChoice{}) && s.IP.Choice != Unset {
		return json.Marshal(s.IP)
	}
	type fields SecondaryIP
	return json.Marshal(fields(s))
}

// written lists what a list of choices writes; invalid where AWS picks.
func written(choices []AddressChoice) []netip.Addr {
	list := make([]netip.Addr, len(choices))
	for i, c := range choices {
		list[i] = c.Addr
	}
	return list
}
