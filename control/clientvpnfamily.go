package control

import "net/netip"

// ClientVPNAddressType says which families a Client VPN endpoint carries. The zero
// ClientVPNAddressType leaves it to AWS's default, ipv4. AWS spells the third word in
// another way than those of its other endpoints.
type ClientVPNAddressType uint8

// Families of an endpoint.
const (
	ClientVPNAddressTypeUnset ClientVPNAddressType = iota
	ClientVPNAddressTypeIPv4
	ClientVPNAddressTypeIPv6
	ClientVPNAddressTypeDualStack
)

var clientVPNAddressTypeWords = []string{"", "ipv4", "ipv6", "dual-stack"}

func (t ClientVPNAddressType) String() string { return clientVPNAddressTypeWords[t] }
func (t *ClientVPNAddressType) parse(text string) error {
	return parseWord(t, text, clientVPNAddressTypeWords)
}
func (t ClientVPNAddressType) MarshalJSON() ([]byte, error)  { return marshalScalar(t) }
func (t *ClientVPNAddressType) UnmarshalJSON(b []byte) error { return unmarshalScalar(b, t.parse) }

// carries reports whether packets of an address's family are let through.
func (t ClientVPNAddressType) carries(a netip.Addr) bool {
	if a.Is4() {
		return t.ipv4()
	}
	return t.ipv6()
}

func (t ClientVPNAddressType) ipv4() bool { return t != ClientVPNAddressTypeIPv6 }
func (t ClientVPNAddressType) ipv6() bool { return t >= ClientVPNAddressTypeIPv6 }
