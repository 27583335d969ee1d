package control

import (
	"fmt"
	"net/netip"
)

// Choice says who picks a value that AWS can pick by itself.
type Choice uint8

// The zero Choice leaves it to the default of the place.
const (
	Unset    Choice = iota // not written
	None                   // false: there shall be none
	Auto                   // true: AWS picks one
	Explicit               // written out
)

// AddressChoice is a field that takes true, false or an address.
type AddressChoice struct {
	Choice Choice
	Addr   netip.Addr // valid if Explicit
}

func (a AddressChoice) String() string {
	switch a.Choice {
	case None:
		return "false"
	case Auto:
		return "true"
	case Explicit:
		return a.Addr.String()
	}
	return ""
}

// parse leaves the family open: which one a field wants is for Validate to say.
func (a *AddressChoice) parse(text string) (err error) {
	switch text {
	case "true":
		*a = AddressChoice{Choice: Auto}
	case "false":
		*a = AddressChoice{Choice: None}
	default:
		a.Choice = Explicit
		a.Addr, err = parseAddr(text)
		if err != nil {
			err = badValue{message: fmt.Sprintf("%q is neither true, false nor an address", text)}
		}
	}
	return err
}

// PrefixChoice is a field that takes true, false or an IPv6 block.
type PrefixChoice struct {
	Choice Choice
	Prefix netip.Prefix // valid if Explicit; without host bits
}

// Wanted reports whether there shall be a block, whoever picks it.
func (p PrefixChoice) Wanted() bool { return p.Choice == Auto || p.Choice == Explicit }

func (p PrefixChoice) String() string {
	switch p.Choice {
	case None:
		return "false"
	case Auto:
		return "true"
	case Explicit:
		return p.Prefix.String()
	}
	return ""
}

func (p *PrefixChoice) parse(text string) (err error) {
	switch text {
	case "true":
		*p = PrefixChoice{Choice: Auto}
	case "false":
		*p = PrefixChoice{Choice: None}
	default:
		p.Choice = Explicit
		p.Prefix, err = parsePrefix(text)
	}
	return err
}

// badValue is an error about the text of one value.
type badValue struct{ code, message, hint string }

func (b badValue) Error() string { return b.message }
