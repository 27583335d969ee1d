package lab

import (
	"strings"
	"testing"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/dataplane"
)

// TestNamesAcrossPeeringA48: /etc/hosts, traces and checks mean the same address
// by a name as the resolver does.
func TestNamesAcrossPeeringA48(t *testing.T) {
	src := `
name: names
vpcs:
  a: {cidr: 10.0.0.0/16, enableDnsHostnames: true}
  b: {cidr: 10.1.0.0/16, enableDnsHostnames: true}
vpcPeerings: {ab: {vpc: a, peerVpc: b}}
internetGateways: {ia: {vpc: a}, ib: {vpc: b}}
subnets:
  a: {vpc: a, cidr: 10.0.1.0/24}
  b: {vpc: b, cidr: 10.1.1.0/24}
instances:
  a: {subnet: a, ip: 10.0.1.10, publicIp: 198.51.100.1}
  b: {subnet: b, ip: 10.1.1.10, publicIp: 198.51.100.2}
  inner: {subnet: b, ip: 10.1.1.11}
`
	for name, test := range map[string]struct{ edit, b, inner string }{
		"no leave":           {"", "198.51.100.2", "10.1.1.11"},
		"the other's leave":  {", requesterOptions: {allowDnsResolution: true}", "198.51.100.2", "10.1.1.11"},
		"leave":              {", accepterOptions: {allowDnsResolution: true}", "10.1.1.10", "10.1.1.11"},
		"leave, but deleted": {", state: deleted, accepterOptions: {allowDnsResolution: true}", "198.51.100.2", "10.1.1.11"},
	} {
		t.Run(name, func(t *testing.T) {
			w, err := control.Open("names.yaml", []byte(strings.Replace(src, "peerVpc: b", "peerVpc: b"+test.edit, 1)))
			if err != nil {
				t.Fatal(err)
			}
			from, err := findSender(w, "a")
			if err != nil {
				t.Fatal(err)
			}
			for to, want := range map[string]string{"b": test.b, "inner": test.inner} {
				if got := hostsFile(w, "a"); !strings.Contains(got, want+" "+to+"\n") {
					t.Errorf("/etc/hosts lacks %s %s:\n%s", want, to, got)
				}
				if got, err := findDestination(w, &from, to, control.FamilyUnset); err != nil || got.String() != want {
					t.Errorf("a trace to %s goes to %s, %v, want %s", to, got, err, want)
				}
			}
			if hosts := hostsFile(w, "b"); strings.Contains(hosts, "10.0.1.10 a\n") != strings.HasPrefix(test.edit, ", requester") {
				t.Errorf("/etc/hosts of b:\n%s", hosts)
			}
		})
	}
}

// TestPeersResolverCannotBeAskedA45: VPC+2 of a peer is nobody to ask, however open
// the way there.
func TestPeersResolverCannotBeAskedA45(t *testing.T) {
	w, err := control.Open("resolver.yaml", []byte(`
name: resolver
vpcs:
  a: {cidr: 10.0.0.0/16}
  b: {cidr: 10.1.0.0/16}
vpcPeerings: {ab: {vpc: a, peerVpc: b}}
routeTables:
  a/main: {routes: {10.1.0.0/16: ab}}
  b/main: {routes: {10.0.0.0/16: ab}}
subnets:
  a: {vpc: a, cidr: 10.0.0.0/24}
  b: {vpc: b, cidr: 10.1.0.0/24}
securityGroups:
  open: {vpc: b, ingress: [{protocol: all, from: 0.0.0.0/0}]}
instances:
  a: {subnet: a}
  b: {subnet: b, securityGroups: [open]}
`))
	if err != nil {
		t.Fatal(err)
	}
	engine := dataplane.NewEngine(dataplane.Config{})
	store := control.NewStore(quiet, nil, engine.Publish)
	if _, err := store.Apply(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	w, _ = store.World()
	for to, passes := range map[string]bool{"b": true, "10.0.0.2": true, "10.1.0.2": false} {
		for _, traffic := range []string{"udp/53", "tcp/53"} {
			trace, err := RunTrace(engine, w, TraceQuery{From: "a", To: to, Traffic: traffic})
			if err != nil || trace.Passed != passes {
				t.Errorf("%s to %s: %+v, %v; want passed %v", traffic, to, trace, err, passes)
			}
		}
	}
}
