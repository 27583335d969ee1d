package control

import (
	"fmt"
	"slices"
)

// Connectivity says whether a NAT gateway has Elastic IPs. The zero
// Connectivity leaves it to AWS's default, public.
type Connectivity uint8

// The kinds of NAT gateway.
const (
	ConnectivityUnset Connectivity = iota
	ConnectivityPublic
	ConnectivityPrivate
)

var connectivityWords = []string{"", "public", "private"}

func (c Connectivity) String() string           { return connectivityWords[c] }
func (c *Connectivity) parse(text string) error { return parseWord(c, text, connectivityWords) }

// Toggle is an option that AWS spells enabled or disabled. The zero Toggle
// leaves it to the default.
type Toggle uint8

// The states of an option.
const (
	ToggleUnset Toggle = iota
	Disabled
	Enabled
)

var toggleWords = []string{"", "disabled", "enabled"}

func (t Toggle) String() string           { return toggleWords[t] }
func (t *Toggle) parse(text string) error { return parseWord(t, text, toggleWords) }

// HTTPTokens says whether instance metadata asks for a session token (A52). The
// zero HTTPTokens leaves it to AWS's default for new instances, required.
type HTTPTokens uint8

// Whether a token is needed.
const (
	TokensUnset HTTPTokens = iota
	TokensOptional
	TokensRequired
)

var tokenWords = []string{"", "optional", "required"}

func (t HTTPTokens) String() string           { return tokenWords[t] }
func (t *HTTPTokens) parse(text string) error { return parseWord(t, text, tokenWords) }

// HostnameType is what an instance's private DNS name is made of (A46). The zero
// HostnameType leaves it to AWS: ip-name where there is an IPv4 address.
type HostnameType uint8

// The kinds of private DNS names.
const (
	HostnameUnset HostnameType = iota
	HostnameIP
	HostnameResource
)

var hostnameWords = []string{"", "ip-name", "resource-name"}

func (h HostnameType) String() string           { return hostnameWords[h] }
func (h *HostnameType) parse(text string) error { return parseWord(h, text, hostnameWords) }

// parseWord reads one of a few words, whose index is the value; the first word
// stands for none.
func parseWord[T ~uint8](v *T, text string, words []string) error {
	i := slices.Index(words, text)
	if i < 1 {
		return noneOf("InvalidParameterValue", text, words[1:])
	}
	*v = T(i)
	return nil
}

// noneOf reports a word that is none of words. The message lists them, which is what
// to do already; the hint is the one that may have been meant.
func noneOf(code, text string, words []string) error {
	hint := ""
	if near := closest(text, words); near != "" {
		hint = fmt.Sprintf("did you mean %s?", near)
	}
	return badValue{code: code, message: fmt.Sprintf("%q is none of %s", text, orList(words)), hint: hint}
}
