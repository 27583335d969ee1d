package dataplane

// authorizationRule is a rule of an endpoint, compiled.
type authorizationRule struct {
	index  uint32 // in the endpoint's texts
	all    bool
	groups groupBits
}

// groupBits is a set of an endpoint's groups, by number.
type groupBits []uint64

func (g groupBits) intersects(o groupBits) bool {
	for i := range min(len(g), len(o)) {
		if g[i]&o[i] != 0 {
			return true
		}
	}
	return false
}

// authorize asks the rules of the longest CIDR that the destination is in, and no
// others: a rule for a host takes it away from those whom the rule for its network
// admits (C4, K-C19). Without a rule nobody gets anywhere. Other clients are
// reached only by rules for everybody, never by a group's (C9).
func (w *Walk) authorize(e *clientVPNEndpoint, groups groupBits, toClients bool) bool {
	rules, ok := e.rules.Lookup(w.tuple.Dst.Netip())
	if !ok {
		w.drop(StageAuthorization, ReasonNoRule, e.handle, 0)
		return false
	}
	for i := range rules {
		if r := &rules[i]; r.all || !toClients && r.groups.intersects(groups) {
			w.pass(StageAuthorization, ReasonRule, e.handle, r.index)
			return true
		}
	}
	reason := ReasonNotAuthorized
	if toClients {
		reason = ReasonNotForEverybody
	}
	w.drop(StageAuthorization, reason, e.handle, rules[0].index)
	return false
}
