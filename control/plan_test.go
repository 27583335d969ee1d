package control

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// planned applies edits to quickstart and renders the plan from one to the other.
func planned(t *testing.T, edits ...string) string {
	t.Helper()
	before := open(t, quickstart)
	for i := 0; i+1 < len(edits); i += 2 {
		if !strings.Contains(quickstart, edits[i]) {
			t.Fatalf("quickstart has no %q", edits[i])
		}
	}
	after, err := Load("lab.yaml", []byte(strings.NewReplacer(edits...).Replace(quickstart)))
	if err != nil {
		t.Fatal(err)
	}
	if p := after.Prepare(before); len(p) > 0 {
		t.Fatal(p)
	}
	return FormatPlan(Plan(before, after))
}

func TestPlanSaysWhatChangesAndWhy(t *testing.T) {
	for name, tc := range map[string]struct {
		edits []string
		want  string
	}{
		"nothing": {nil, "No changes: the lab is as the file says.\n"},
		"only where and in what order it is written": {
			[]string{"az: us-east-1a, routeTable: public", "routeTable: public, az: us-east-1a", "region: us-east-1  ", "region:   us-east-1\n# \n"},
			"No changes: the lab is as the file says.\n"},
		"a default written out": {[]string{"10.0.1.0/24, az: us-east-1a,", "10.0.1.0/24,"}, "No changes: the lab is as the file says.\n"},
		"security group rule removed": {[]string{"      - {protocol: icmp, from: 203.0.113.0/24}\n", ""}, `~ securityGroup web
    - ingress: peer: 203.0.113.0/24, ICMP, type: -1, code: -1, ALLOW
      untracked flows that it allowed are cut at once; tracked connections go on until they idle out (S22, S23)
Plan: 0 to create, 1 to update, 0 to replace, 0 to delete.
`},
		"security group rule added": {[]string{"ports: 80, from: 0.0.0.0/0}", "ports: 80, from: [0.0.0.0/0, \"::/0\"]}"}, `~ securityGroup web
    + ingress: peer: ::/0, TCP, from port: 80, to port: 80, ALLOW
      takes effect at once on every interface that carries the group (S19)
Plan: 0 to create, 1 to update, 0 to replace, 0 to delete.
`},
		"network ACL rule": {[]string{"ports: 5432, cidr: 10.0.1.0/24", "ports: 5433, cidr: 10.0.1.0/24"}, `~ networkAcl data
    ~ ingress[100]: allow tcp 5432 10.0.1.0/24 -> allow tcp 5433 10.0.1.0/24
      takes effect at once on existing flows, even tracked ones (S41)
Plan: 0 to create, 1 to update, 0 to replace, 0 to delete.
`},
		"route": {[]string{"routes: {0.0.0.0/0: igw, ", "routes: {"}, `~ routeTable public
    - routes[0.0.0.0/0]: igw
      the next packet of every flow takes the new route; connection tracking goes on
Plan: 0 to create, 1 to update, 0 to replace, 0 to delete.
`},
		"main route table": {[]string{"private: {vpc: app, routes", "private: {main: true, vpc: app, routes"}, `- routeTable app/main
~ routeTable private
    + main: true
      subnets that name no table move to this one at once (R1)
Plan: 0 to create, 1 to update, 0 to replace, 1 to delete.
`},
		"subnet block": {[]string{"cidr: 10.0.2.0/24", "cidr: 10.0.3.0/24", "ip: 10.0.2.20", "ip: 10.0.3.20"}, `± subnet private
    ~ cidr: 10.0.2.0/24 -> 10.0.3.0/24
      a subnet's VPC, block and zone cannot be changed, so the subnet and the instances in it are made anew (A14)
± instance db
    ~ ip: 10.0.2.20 -> 10.0.3.20
      it goes with subnet private, which is replaced
± networkInterface db/eth0
    ~ ip: 10.0.2.20 -> 10.0.3.20
      it goes with instance db, which is replaced
Plan: 0 to create, 0 to update, 3 to replace, 0 to delete.
`},
		"instance stopped, another new": {[]string{"  web: {subnet: public,", "  new: {subnet: public}\n  web: {stopped: true, subnet: public,"}, `+ instance new
~ instance web
    + stopped: true
      its programs end, a public address that AWS picked is given back, and routes to it become blackholes (A22, R20)
Plan: 1 to create, 1 to update, 0 to replace, 0 to delete.
`},
		"further interface": {[]string{"  web: {subnet: public,", "  web: {interfaces: [{subnet: public}], subnet: public,"}, `~ instance web
    + interfaces[0].subnet: public
+ networkInterface web/eth1
Plan: 1 to create, 1 to update, 0 to replace, 0 to delete.
`},
		"gateway detached": {[]string{"  igw: {vpc: app}", "  igw: {}", "nat: {subnet: public}", "nat: {subnet: public, connectivity: private}"}, `~ internetGateway igw
    - vpc: app
      routes to it in its former VPC become blackholes (R20)
± natGateway nat
    ~ connectivity: public -> private
    - eip: 198.51.100.2
      a NAT gateway's subnet and primary addresses cannot be changed, so it is made anew; its connections end (R38)
Plan: 0 to create, 1 to update, 1 to replace, 0 to delete.
`},
		"NAT gateway's addresses written out": {[]string{"nat: {subnet: public}", "nat: {subnet: public, connectivity: public, privateIp: 10.0.1.5, eip: 198.51.100.2}"}, "No changes: the lab is as the file says.\n"},
		"NAT gateway gets another address": {[]string{"nat: {subnet: public}", "nat: {subnet: public, secondaryIps: [true]}"}, `~ natGateway nat
    + addresses: 10.0.1.6/198.51.100.3
      each address allows 55,000 more connections to one destination (R42)
Plan: 0 to create, 1 to update, 0 to replace, 0 to delete.
`},
		"NAT gateway moved": {[]string{"nat: {subnet: public}", "nat: {subnet: private}"}, `± natGateway nat
    ~ privateIp: 10.0.1.5 -> 10.0.2.4
    ~ subnet: public -> private
      a NAT gateway's subnet and primary addresses cannot be changed, so it is made anew; its connections end (R38)
Plan: 0 to create, 0 to update, 1 to replace, 0 to delete.
`},
		"edge route table": {[]string{"routeTables:\n", "routeTables:\n  edge: {vpc: app, internetGateway: igw}\n"}, `+ routeTable edge
Plan: 1 to create, 0 to update, 0 to replace, 0 to delete.
`},
		"DHCP option set": {[]string{"app: {cidr: 10.0.0.0/16,", "app: {dhcpOptions: own, cidr: 10.0.0.0/16,", "routeTables:\n", "dhcpOptions: {own: {domainName: example.com}}\nrouteTables:\n"}, `+ dhcpOptions own
~ vpc app
    + dhcpOptions: own
      running instances learn it when they next renew their lease (A38)
Plan: 1 to create, 1 to update, 0 to replace, 0 to delete.
`},
		"options of an instance": {[]string{"db:  {subnet: private,", "db:  {metadataOptions: {httpTokens: optional}, connectionTracking: {udp: 60}, tags: {Name: db}, secondaryIps: [10.0.2.21], subnet: private,"}, `~ instance db
    + connectionTracking.udp: 60
    + metadataOptions.httpTokens: optional
    + secondaryIps: [10.0.2.21]
    + tags[Name]: db
      the new idle timeouts hold from the next packet of each connection (S27)
Plan: 0 to create, 1 to update, 0 to replace, 0 to delete.
`},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, planned(t, tc.edits...)); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPlanFromNothingAndToNothing(t *testing.T) {
	w := open(t, quickstart)
	up := FormatPlan(Plan(&World{}, w))
	if !strings.HasSuffix(up, "to create, 0 to update, 0 to replace, 0 to delete.\n") || strings.Contains(up, "networkInterface") {
		t.Errorf("plan of a new lab:\n%s", up)
	}
	down := Plan(w, &World{})
	for _, c := range down {
		if c.Action != ActionDelete {
			t.Errorf("%+v", c)
		}
	}
	if n := len(Plan(&World{}, w)); n != len(down) {
		t.Errorf("%d to create, %d to delete", n, len(down))
	}
}

func TestPlanReplacesWhatIsInAReplacedVPC(t *testing.T) {
	got := planned(t, "app: {cidr: 10.0.0.0/16,", "app: {cidr: 10.0.0.0/17,")
	for _, want := range []string{"± vpc app\n", "± subnet public\n", "± securityGroup web\n", "± routeTable app/main\n", "± networkAcl data\n", "± instance web\n", "± networkInterface web/eth0\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("the plan lacks %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "internetGateway") {
		t.Errorf("the plan touches the internet gateway:\n%s", got)
	}
}
