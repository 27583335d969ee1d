package control

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/vpcsim/vpcsim/dataplane"
)

// TrafficMirrorFilter says which packets are mirrored. Without rules none are.
type TrafficMirrorFilter struct {
	// Rules for packets that the source receives.
	Ingress []TrafficMirrorFilterRule `json:"ingress,omitempty"`
	// Rules for packets that the source sends.
	Egress []TrafficMirrorFilterRule `json:"egress,omitempty"`
	// Services of AWS's whose packets are mirrored, too, both ways: amazon-dns.
	NetworkServices []NetworkService `json:"networkServices,omitempty"`

	Status TrafficMirrorFilterStatus `json:"status" yaml:"-"`
}

// TrafficMirrorFilterRule is one rule. The lowest number that matches decides.
type TrafficMirrorFilterRule struct {
	// Number of the rule, 1 to 32766; rules are asked in ascending order.
	Rule int `json:"rule"`
	// accept or reject.
	Action MirrorAction `json:"action"`
	// tcp, udp, icmp, icmpv6, all, or a protocol number; all unless written.
	Protocol Protocol `json:"protocol,omitempty"`
	// Block that the packet comes from.
	SourceCIDR netip.Prefix `json:"sourceCidr"`
	// Block that the packet goes to, of the same family.
	DestinationCIDR netip.Prefix `json:"destinationCidr"`
	// Source ports, 1024-65535 or such; all unless written. For tcp and udp only.
	SourcePorts *PortRange `json:"sourcePorts,omitempty"`
	// Destination ports, 443 or such; all unless written. For tcp and udp only.
	DestinationPorts *PortRange `json:"destinationPorts,omitempty"`
}

// TrafficMirrorFilterStatus is what AWS makes of a filter.
type TrafficMirrorFilterStatus struct {
	Identity
	// Sessions that use it, sorted.
	Sessions []string `json:"sessions"`
}

// MirrorAction is what a rule does. The zero MirrorAction means that none was
// written.
type MirrorAction uint8

// The actions; reject before accept, so that nothing is copied by accident.
const (
	MirrorUnset MirrorAction = iota
	MirrorReject
	MirrorAccept
)

var mirrorWords = []string{"", "reject", "accept"}

func (a MirrorAction) String() string                { return mirrorWords[a] }
func (a *MirrorAction) parse(text string) error      { return parseWord(a, text, mirrorWords) }
func (a MirrorAction) MarshalJSON() ([]byte, error)  { return marshalScalar(a) }
func (a *MirrorAction) UnmarshalJSON(b []byte) error { return unmarshalScalar(b, a.parse) }

// NetworkService is a service of AWS's that a filter may name.
type NetworkService uint8

// The network services.
const (
	networkServiceUnset NetworkService = iota
	AmazonDNS
)

var networkServiceWords = []string{"", "amazon-dns"}

func (s NetworkService) String() string                { return networkServiceWords[s] }
func (s *NetworkService) parse(text string) error      { return parseWord(s, text, networkServiceWords) }
func (s NetworkService) MarshalJSON() ([]byte, error)  { return marshalScalar(s) }
func (s *NetworkService) UnmarshalJSON(b []byte) error { return unmarshalScalar(b, s.parse) }

// mirrorRulesPerFilter cannot be raised.
const mirrorRulesPerFilter = 10

func (f *TrafficMirrorFilter) identity() *Identity { return &f.Status.Identity }

func (f *TrafficMirrorFilter) references(*World, string) []reference { return nil }

func (f *TrafficMirrorFilter) computeStatus() { f.Status.Sessions = []string{} }

func (f *TrafficMirrorFilter) validate(v *validation, name string) {
	path := field("trafficMirrorFilters", name)
	for _, d := range []struct {
		key   string
		rules []TrafficMirrorFilterRule
	}{{"ingress", f.Ingress}, {"egress", f.Egress}} {
		numbers := map[int]bool{}
		for i := range d.rules {
			r, at := &d.rules[i], index(field(path, d.key), i)
			r.validate(v, at)
			if numbers[r.Rule] && r.Rule != 0 {
				v.reportf(field(at, "rule"), "TrafficMirrorFilterRuleAlreadyExists", "give each rule of a direction its own number",
					"A traffic mirror filter rule with number %d already exists.", r.Rule)
			}
			numbers[r.Rule] = true
		}
	}
	if n := len(f.Ingress) + len(f.Egress); n > mirrorRulesPerFilter {
		v.reportKey(path, "TrafficMirrorFilterRuleLimitExceeded", "The maximum number of traffic mirror filter rules has been reached.",
			fmt.Sprintf("the filter has %d, both directions together, the quota is %d; AWS does not raise it", n, mirrorRulesPerFilter))
	}
}

func (r *TrafficMirrorFilterRule) validate(v *validation, path string) {
	switch {
	case r.Rule == 0 && !v.w.Source.has(field(path, "rule")):
		v.missing(field(path, "rule"), fmt.Sprintf("number the rule, 1 to %d", lastRule))
	case r.Rule < 1 || r.Rule > lastRule:
		v.reportf(field(path, "rule"), "InvalidParameterValue", fmt.Sprintf("write 1 to %d", lastRule), "Value (%d) for parameter ruleNumber is invalid.", r.Rule)
	}
	if r.Action == MirrorUnset {
		v.missing(field(path, "action"), "write accept or reject")
	}
	for key, block := range map[string]netip.Prefix{"sourceCidr": r.SourceCIDR, "destinationCidr": r.DestinationCIDR} {
		if !block.IsValid() {
			v.missing(field(path, key), "write a block such as 10.0.0.0/16, 0.0.0.0/0 or ::/0")
		}
	}
	if s, d := r.SourceCIDR, r.DestinationCIDR; s.IsValid() && d.IsValid() && s.Addr().Is4() != d.Addr().Is4() {
		v.reportf(field(path, "destinationCidr"), "InvalidParameterValue", "write two IPv4 blocks or two IPv6 blocks",
			"%s and %s are of different address families", s, d)
	}
	for key, ports := range map[string]*PortRange{"sourcePorts": r.SourcePorts, "destinationPorts": r.DestinationPorts} {
		switch {
		case ports == nil || *ports == AllPorts || v.w.Source.unreadable(field(path, "protocol")):
		case !r.Protocol.HasPorts():
			v.reportf(field(path, key), "InvalidParameterValue", "write protocol: tcp or udp", "%s has no ports", r.protocol())
		case ports.From > ports.To:
			v.reportf(field(path, key), "InvalidParameterValue", "",
				"Invalid %s port range. Specify a range where from port is less than or equal to to port", strings.ToUpper(r.Protocol.String()))
		}
	}
}

// protocol is in force: all unless written.
func (r *TrafficMirrorFilterRule) protocol() Protocol {
	if r.Protocol == ProtocolUnset {
		return ProtocolAll
	}
	return r.Protocol
}

func (f *TrafficMirrorFilter) mirrorsDNS() bool { return slices.Contains(f.NetworkServices, AmazonDNS) }

func compileMirrorRules(rules []TrafficMirrorFilterRule) []dataplane.TrafficMirrorRule {
	var list []dataplane.TrafficMirrorRule
	for i := range rules {
		r := &rules[i]
		source, destination := AllPorts, AllPorts
		if r.SourcePorts != nil {
			source = *r.SourcePorts
		}
		if r.DestinationPorts != nil {
			destination = *r.DestinationPorts
		}
		out := dataplane.TrafficMirrorRule{
			Number: r.Rule, Accept: r.Action == MirrorAccept, Protocol: dataplane.AnyProtocol, Source: r.SourceCIDR, Destination: r.DestinationCIDR,
			FirstSource: source.From, LastSource: source.To, FirstPort: destination.From, LastPort: destination.To,
		}
		if p := r.protocol(); p != ProtocolAll {
			out.Protocol = int(p.Number())
		}
		list = append(list, out)
	}
	return list
}
