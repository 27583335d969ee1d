package control

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vpcsim/vpcsim/dataplane"
)

// referring is two VPCs of one Region, one elsewhere and one of another account,
// each with a group; PEERINGS and PEER are filled in.
const referring = `
name: lab
vpcs:
  a: {cidr: 10.0.0.0/16}
  b: {cidr: 10.1.0.0/16}
  far: {cidr: 10.2.0.0/16, region: us-west-2}
  theirs: {cidr: 10.3.0.0/16, account: 210987654321}
vpcPeerings: {PEERINGS}
securityGroups:
  b-web: {vpc: b}
  far-web: {vpc: far}
  their-web: {vpc: theirs}
  own:
    vpc: a
    ingress: [{protocol: tcp, ports: 80, from: PEER}]
    egress: [{protocol: tcp, ports: 443, to: PEER}]
`

func referringTo(peerings, peer string) string {
	return strings.NewReplacer("{PEERINGS}", "{"+peerings+"}", "PEER", peer).Replace(referring)
}

func TestGroupReference_S10_S12_P12_QS9(t *testing.T) {
	const ab = "ab: {vpc: a, peerVpc: b, state: %s}"
	const different = "[InvalidGroup.NotFound] You have specified two resources that belong to different networks."
	for name, tc := range map[string]struct{ peerings, peer, want string }{
		"QS9 no peering":                  {"", "b-web", different},
		"P12 active":                      {fmt.Sprintf(ab, "active"), "b-web", "b-web across peering"},
		"P12 requested by the other":      {"ba: {vpc: b, peerVpc: a}", "b-web", "b-web across peering"},
		"P12 the peer's default group":    {fmt.Sprintf(ab, "active"), "b/default", "b/default across peering"},
		"P12 another pair's peering":      {"tb: {vpc: theirs, peerVpc: b}", "b-web", different},
		"S12 S-C24 deleted":               {fmt.Sprintf(ab, "deleted"), "b-web", "b-web stale"},
		"S12 pending":                     {fmt.Sprintf(ab, "pending-acceptance"), "b-web", "b-web stale"},
		"S12 rejected":                    {fmt.Sprintf(ab, "rejected"), "b-web", "b-web stale"},
		"S12 expired":                     {fmt.Sprintf(ab, "expired"), "b-web", "b-web stale"},
		"S12 S-C24 deleted and made anew": {"old: {vpc: a, peerVpc: b, state: deleted}, new: {vpc: b, peerVpc: a}", "b-web", "b-web across peering"},
		"K-C5 inter-Region":               {"af: {vpc: a, peerVpc: far}", "far-web", different},
		"K-C5 inter-Region, a CIDR":       {"af: {vpc: a, peerVpc: far}", "10.2.0.0/16", "10.2.0.0/16"},
		"K-C5 inter-Region, deleted":      {"af: {vpc: a, peerVpc: far, state: deleted}", "far-web", different},
		"P12 another account":             {"at: {vpc: a, peerVpc: theirs}", "210987654321/their-web", "their-web across peering"},
		"P12 another account, default":    {"at: {vpc: a, peerVpc: theirs}", "210987654321/theirs/default", "theirs/default across peering"},
		"P12 another account, name alone": {"at: {vpc: a, peerVpc: theirs}", "their-web", "their-web across peering"},
		"P12 the wrong account":           {"at: {vpc: a, peerVpc: theirs}", "999999999999/their-web", `[InvalidGroup.NotFound] no security group or prefix list named "999999999999/their-web"`},
		"P12 the own account":             {fmt.Sprintf(ab, "active"), "123456789012/b-web", "b-web across peering"},
		"S4 the own VPC":                  {"", "own", "own"},
		"the own VPC, with the account":   {"", "123456789012/own", "own"},
	} {
		t.Run(name, func(t *testing.T) {
			src := referringTo(tc.peerings, tc.peer)
			if strings.HasPrefix(tc.want, "[") {
				list := problems(t, src)
				if len(list) != 2 {
					t.Fatalf("got %v, want a problem in each direction", list)
				}
				for _, p := range list {
					if got := fmt.Sprintf("[%s] %s", p.Code, p.Message); got != tc.want || p.Hint == "" || p.Line == 0 {
						t.Errorf("got %s, want %s with a place and a hint", p, tc.want)
					}
				}
				return
			}
			w := open(t, src)
			for i, p := range []SecurityGroupPermission{w.SecurityGroups["own"].Status.Ingress[0], w.SecurityGroups["own"].Status.Egress[0]} {
				if got := referenceText(w, p, i == 0); got != tc.want {
					t.Errorf("direction %d: got %s, want %s", i, got, tc.want)
				}
			}
		})
	}
}

// referenceText is a permission and what the data plane is told of it.
func referenceText(w *World, p SecurityGroupPermission, inbound bool) string {
	if p.CIDR.IsValid() {
		return p.CIDR.String()
	}
	handle, across := (&compilation{w: w}).groupOf("a", p, inbound)
	switch {
	case p.Stale && handle == noGroup && across == 0:
		return p.SecurityGroup + " stale"
	case p.Stale:
		return "stale, but compiled"
	case across == dataplane.CrossesPeering:
		return p.SecurityGroup + " across peering"
	}
	return p.SecurityGroup
}

func TestGroupReferenceByID(t *testing.T) {
	w := open(t, referringTo("at: {vpc: a, peerVpc: theirs}", "their-web"))
	id := w.SecurityGroups["their-web"].Status.ID
	for _, peer := range []string{id, "210987654321/" + id} {
		byID := open(t, referringTo("at: {vpc: a, peerVpc: theirs}", peer))
		if diff := cmp.Diff(w, byID, compareAddresses); diff != "" {
			t.Errorf("%s means another world:\n%s", peer, diff)
		}
	}
}

// TestGroupReferenceGoesStaleInARunningLab_S12_SC24: a rule outlives the peering,
// listed and matching nothing, and comes back with the next.
func TestGroupReferenceGoesStaleInARunningLab_S12_SC24(t *testing.T) {
	o := operate(t, referringTo("ab: {vpc: a, peerVpc: b}", "b-web"))
	stale := func() bool {
		w, _ := o.store.World()
		return w.SecurityGroups["own"].Status.Ingress[0].Stale
	}
	for _, step := range []struct {
		line, state string
		stale       bool
	}{
		{"delete ab", "deleted", true},
		{"request ab2 vpc=a peerVpc=b", "pending-acceptance", true},
		{"reject ab2", "rejected", true},
		{"request ab3 vpc=b peerVpc=a", "pending-acceptance", true},
		{"accept ab3", "active", false},
	} {
		if got := o.do(step.line); got != step.state || stale() != step.stale {
			t.Fatalf("%s: %s, stale %v; want %s, stale %v", step.line, got, stale(), step.state, step.stale)
		}
	}
	if o.published != 6 {
		t.Errorf("%d snapshots, want one for the file and one for each operation", o.published)
	}
}

func TestStaleReferenceSaysSoInTraces(t *testing.T) {
	w := open(t, referringTo("ab: {vpc: a, peerVpc: b, state: deleted}", "b-web"))
	for _, g := range build(w, 1).SecurityGroups {
		if g.Name != "own" {
			continue
		}
		if got := g.Ingress[0].Text; got != "tcp/80 from securityGroup b-web (stale)" || g.Ingress[0].Group != noGroup {
			t.Errorf("rule: %+v", g.Ingress[0])
		}
	}
}
