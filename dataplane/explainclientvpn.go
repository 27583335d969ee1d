package dataplane

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// This file words what a Client VPN endpoint says.

// explainClientVPN tells the two things apart that a packet needs, a route and a rule
// (C3): most questions about Client VPN are about one taken for the other.
func (s *Snapshot) explainClientVPN(t *TraceStep, step Step, before, after packet.Tuple) {
	e := s.clientVPNEndpointOf(step.Object)
	switch {
	case step.Stage == StageClientVPNRoute && step.Reason == ReasonRouted:
		if e != nil && int(step.Detail) < len(e.texts) {
			t.Rule = e.texts[step.Detail]
		}
		t.Text = t.Rule
	case step.Stage == StageClientVPNRoute:
		if e != nil && e.table != nil {
			t.Text = fmt.Sprintf("no route of the endpoint leads to %s by its transit gateway attachment", after.Dst)
			return
		}
		// Routes are per association, so the one the client landed on is part of the
		// answer: the route may be there for another zone (C3).
		t.Text = fmt.Sprintf("no route matches %s for clients that landed on %s", after.Dst, s.subnetOf(Handle(step.Detail)))
	case step.Stage == StageAuthorization:
		s.explainAuthorization(t, e, step, after)
	default:
		t.Text = s.explainClient(step, before, after)
	}
}

// clientVPNEndpointOf is nil for an endpoint that is gone.
func (s *Snapshot) clientVPNEndpointOf(h Handle) *clientVPNEndpoint {
	for i := range s.clientVPNEndpoints {
		if s.clientVPNEndpoints[i].handle == h {
			return &s.clientVPNEndpoints[i]
		}
	}
	return nil
}

// subnetOf names the subnet of an association's interface.
func (s *Snapshot) subnetOf(h Handle) string {
	if i := s.interfaceOf(uint32(h)); i >= 0 {
		return s.objectOf(s.subnets[s.interfaces[i].subnet].handle).String()
	}
	return "an association that is gone"
}

// explainAuthorization names the rules that were asked. Where a longer CIDR took the
// client's rule away (C4), they are what a user looks for.
func (s *Snapshot) explainAuthorization(t *TraceStep, e *clientVPNEndpoint, step Step, tuple packet.Tuple) {
	if e != nil && step.Reason != ReasonNoRule {
		t.Rule = e.rulesBeside(step.Detail)
	}
	switch step.Reason {
	case ReasonRule:
		if e != nil && int(step.Detail) < len(e.ruleTexts) {
			t.Rule = e.ruleTexts[step.Detail]
		}
		t.Text = "authorization rule allows " + t.Rule
	case ReasonNotAuthorized:
		t.Text = fmt.Sprintf("for %s only the rules of its longest CIDR count, %s: none admits this client", tuple.Dst, t.Rule)
	case ReasonNotForEverybody:
		t.Text = fmt.Sprintf("for %s there is %s: clients reach each other only by a rule for all groups", tuple.Dst, t.Rule)
	default:
		t.Text = fmt.Sprintf("no authorization rule covers %s", tuple.Dst)
	}
}

// rulesBeside lists all rules of the CIDR that rule index is of.
func (e *clientVPNEndpoint) rulesBeside(index uint32) string {
	var list []string
	e.rules.All()(func(_ netip.Prefix, rules []authorizationRule) bool {
		if rules[0].index != index {
			return true
		}
		for _, r := range rules {
			list = append(list, e.ruleTexts[r.index])
		}
		return false
	})
	return strings.Join(list, ", ")
}

// explainClient covers what happens between a client's tunnel and the association's
// interface.
func (s *Snapshot) explainClient(step Step, before, after packet.Tuple) string {
	switch step.Reason {
	case ReasonDecrypted:
		return fmt.Sprintf("came out of the client's tunnel: %s → %s", after.Src, after.Dst)
	case ReasonEncrypted:
		return "goes into the client's tunnel"
	case ReasonSourceAddress:
		return fmt.Sprintf("source %s is not the address that the endpoint gave this client", after.Src)
	case ReasonGroupAddress:
		return fmt.Sprintf("%s: a Client VPN endpoint carries no broadcast or multicast", after.Dst)
	case ReasonNotAssociated:
		if step.Detail != 0 {
			return "the endpoint's transit gateway attachment is not available"
		}
		return "the endpoint has no target network that works (pending-associate), so no client is connected"
	case ReasonNotConnected:
		return fmt.Sprintf("no client with %s is connected here", after.Dst)
	case ReasonUntranslated:
		return fmt.Sprintf("%s → %s: IPv6 of clients is not translated", after.Src, after.Dst)
	case ReasonClientToClientIPv6:
		return fmt.Sprintf("%s is another client's: AWS connects clients to each other over IPv4 only", after.Dst)
	case ReasonNATNoMapping:
		return "it answers nothing that a client sent, and a VPC opens no connections to clients"
	case ReasonNATProtocol:
		return fmt.Sprintf("%s: the endpoint translates TCP, UDP and ICMP echo only", protocolName(after.Proto))
	case ReasonTTLExpired:
		return "its hop limit ends at the endpoint, which tells nobody"
	}
	return s.explainPlace(step, before, after)
}
