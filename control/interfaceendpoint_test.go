package control

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const privateLinkBase = `
name: x
vpcs: {a: {cidr: 10.0.0.0/16}, p: {cidr: 10.0.0.0/16, account: "111111111111"}, far: {cidr: 10.1.0.0/16, region: eu-west-1}}
subnets:
  a1: {vpc: a, cidr: 10.0.1.0/24}
  a2: {vpc: a, cidr: 10.0.2.0/24}
  b1: {vpc: a, cidr: 10.0.3.0/24, az: us-east-1b}
  p1: {vpc: p, cidr: 10.0.1.0/24}
  f1: {vpc: far, cidr: 10.1.1.0/24}
instances: {t: {subnet: p1}, sleeper: {subnet: p1, stopped: true}}
targetGroups: {kv: {vpc: p, port: 443, targets: [t, sleeper, 10.0.9.9]}, udp: {vpc: p, port: 53, protocol: udp}}
loadBalancers: {nlb: {subnets: [p1], listeners: [{port: 443, targetGroup: kv}]}}
vpcEndpointServices:
  kv: {loadBalancers: [nlb], allowedPrincipals: ["arn:aws:iam::123456789012:role/any"]}
  closed: {loadBalancers: [nlb]}
`

func TestValidateInterfaceEndpoints(t *testing.T) {
	for name, c := range map[string]struct {
		src  string
		want []string
	}{
		"E12 good ones": {`vpcEndpoints:
  e: {vpc: a, service: kv, subnets: [a1], privateIps: {a1: 10.0.1.99}, securityGroups: [a/default]}
  f: {vpc: a, service: com.amazonaws.us-east-1.s3, type: interface, subnets: [a1, b1]}
`, nil},
		"QC8 QC9 two subnets of a zone, a zone without a node": {"vpcEndpoints: {e: {vpc: a, service: kv, subnets: [a1, a2, b1]}}\n", []string{
			`vpcEndpoints.e.subnets[1] [DuplicateSubnetsInSameZone] Found another VPC endpoint subnet in the availability zone of a2. VPC endpoint subnets should be in different availability zones supported by the VPC endpoint service.`,
			`vpcEndpoints.e.subnets[2] [InvalidParameter] The VPC endpoint service com.amazonaws.vpce.us-east-1.SVC does not support the availability zone of the subnet: b1.`}},
		"E17 nobody is let in, unless it was": {`vpcEndpoints:
  e: {vpc: a, service: closed, subnets: [a1]}
  f: {vpc: a, service: closed, subnets: [a1], state: available}
  g: {vpc: far, service: kv, subnets: [f1]}
`, []string{
			`vpcEndpoints.e.service [InvalidServiceName] The Vpc Endpoint Service 'closed' does not exist`,
			`vpcEndpoints.g.service [InvalidServiceName] The Vpc Endpoint Service 'kv' does not exist`,
			`vpcEndpoints.g.subnets[0] [InvalidParameter] The VPC endpoint service com.amazonaws.vpce.us-east-1.SVC does not support the availability zone of the subnet: f1.`}},
		"what belongs to the other type": {`vpcEndpoints:
  e: {vpc: a, service: kv, subnets: [a1], routeTables: [a/main]}
  f: {vpc: a, service: s3, type: gateway, subnets: [a1], securityGroups: [a/default], privateDnsEnabled: true, state: available}
  g: {vpc: a, service: s3, type: interface, subnets: [a1], state: available}
  h: {vpc: a, service: kv, type: gateway}
`, []string{
			`vpcEndpoints.e.routeTables [InvalidParameter] The parameter routeTables is not valid for an interface endpoint`,
			`vpcEndpoints.f.privateDnsEnabled [InvalidParameter] The parameter privateDnsEnabled is not valid for a gateway endpoint`,
			`vpcEndpoints.f.securityGroups [InvalidParameter] The parameter securityGroups is not valid for a gateway endpoint`,
			`vpcEndpoints.f.state [InvalidParameter] The parameter state is not valid for a gateway endpoint`,
			`vpcEndpoints.f.subnets [InvalidParameter] The parameter subnets is not valid for a gateway endpoint`,
			`vpcEndpoints.g.state [InvalidParameter] AWS's own services accept endpoints by themselves`,
			`vpcEndpoints.h.type [InvalidParameter] The VPC endpoint service does not support gateway endpoints`}},
		"a misspelt service is no service of AWS": {`vpcEndpoints:
  e: {vpc: a, service: kvx, subnets: [a1], state: available}
`, []string{`vpcEndpoints.e.service [InvalidServiceName] The Vpc Endpoint Service 'kvx' does not exist`}},
		"QC11 private DNS": {`vpcEndpoints:
  e: {vpc: a, service: s3, type: interface, subnets: [a1], privateDnsEnabled: true}
  f: {vpc: a, service: s3, type: interface, subnets: [a2], privateDnsEnabled: true}
`, []string{
			`vpcEndpoints.e.privateDnsEnabled [InvalidParameter] Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for a`,
			`vpcEndpoints.f.privateDnsEnabled [InvalidParameter] Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for a`,
			`vpcEndpoints.f.privateDnsEnabled [InvalidParameter] private-dns-enabled cannot be set because there is already a conflicting DNS domain for s3 in the VPC a`}},
		"QN6 an address twice, one of another subnet, a subnet of no interface": {`vpcEndpoints:
  e: {vpc: a, service: kv, subnets: [a1], privateIps: {a1: 10.0.1.99}}
  f: {vpc: a, service: s3, type: interface, subnets: [a1, b1], privateIps: {a1: 10.0.1.99, b1: 10.0.2.9, a2: 10.0.2.10}}
`, []string{
			`vpcEndpoints.f.privateIps.a1 [InvalidIPAddress.InUse] Address 10.0.1.99 is in use.`,
			`vpcEndpoints.f.privateIps.a2 [InvalidParameter] a2 is none of its subnets`,
			`vpcEndpoints.f.privateIps.b1 [InvalidParameterValue] Address 10.0.2.9 does not fall within the subnet's address range`}},
		"E27 two per VPC, where that is the quota": {"quotas: {interfaceEndpointsPerVpc: 1}\nvpcEndpoints: {e: {vpc: a, service: kv, subnets: [a1]}, f: {vpc: a, service: kv, subnets: [a2]}, g: {vpc: a, service: s3}}\n", []string{
			`vpcEndpoints.f [VpcEndpointLimitExceeded] The maximum number of VPC endpoints has been reached: 1 interface endpoints in a`}},
		"QG14 as a route's target": {"vpcEndpoints: {e: {vpc: a, service: kv, subnets: [a1]}}\nrouteTables: {r: {vpc: a, routes: {10.9.0.0/16: e}}}\n", []string{
			`routeTables.r.routes["10.9.0.0/16"] [RouteNotSupported] Route table contains unsupported route target: e. VPC Endpoints of this type cannot be used as route targets.`}},
	} {
		t.Run(name, func(t *testing.T) {
			w, err := Load("x.yaml", []byte(privateLinkBase+c.src))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range w.Prepare(nil) {
				message := p.Message
				for _, s := range w.VPCEndpointServices {
					message = strings.ReplaceAll(message, s.Status.ID, "SVC")
				}
				got = append(got, fmt.Sprintf("%s [%s] %s", p.Path, p.Code, message))
			}
			slices.Sort(got)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestValidateLoadBalancers(t *testing.T) {
	src := strings.NewReplacer(
		"nlb: {subnets: [p1], listeners: [{port: 443, targetGroup: kv}]}",
		"nlb: {subnets: [p1, p2, a1], ipAddressType: ipv6, listeners: [{port: 443, targetGroup: kv}, {port: 443, targetGroup: udp}, {protocol: icmp, port: 1, targetGroup: kv}]}, none: {subnets: []}",
		"  p1: {vpc: p", "  p2: {vpc: p, cidr: 10.0.2.0/24}\n  p1: {vpc: p", "targets: [t, sleeper, 10.0.9.9]", "targets: [t, 10.9.9.9]",
		`allowedPrincipals: ["arn:aws:iam::123456789012:role/any"]`, "allowedPrincipals: [me], privateDnsName: not a name",
	).Replace(privateLinkBase)
	w, err := Load("x.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range w.Prepare(nil) {
		got = append(got, fmt.Sprintf("%s [%s] %s", p.Path, p.Code, p.Message))
	}
	slices.Sort(got)
	want := []string{
		`loadBalancers.nlb.ipAddressType [ValidationError] a load balancer is ipv4 or dualstack`,
		`loadBalancers.nlb.listeners[1].port [DuplicateListener] A listener already exists on this port for this load balancer`,
		`loadBalancers.nlb.listeners[2].protocol [ValidationError] Protocol 'icmp' is not supported for Network Load Balancers here`,
		`loadBalancers.nlb.subnets[1] [InvalidConfigurationRequest] A load balancer cannot be attached to multiple subnets in the same Availability Zone: p2`,
		`loadBalancers.nlb.subnets[2] [InvalidConfigurationRequest] a1 is not in the VPC of the load balancer`,
		`loadBalancers.none.subnets [MissingParameter] The request must contain the parameter subnets`,
		`targetGroups.kv.targets[1] [InvalidTarget] The IP address '10.9.9.9' is not within the VPC of the target group`,
		`vpcEndpointServices.kv.allowedPrincipals[0] [InvalidPrincipal] Invalid Principal: 'me'`,
		`vpcEndpointServices.kv.privateDnsName [InvalidParameter] "not a name" is not a DNS name`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

// E16, E17: what the owner of the service says, and what AWS says when it cannot.
func TestEndpointOperations(t *testing.T) {
	w := open(t, privateLinkBase+"vpcEndpoints: {e: {vpc: a, service: kv, subnets: [a1]}, s: {vpc: a, service: s3, routeTables: [a/main]}}\n")
	for _, c := range []struct{ name, action, want, state string }{
		{"e", "accept", "", "available"},
		{"e", "accept", "InvalidState", "available"},
		{"e", "reject", "", "rejected"},
		{"e", "reject", "InvalidState", "rejected"},
		{"s", "reject", "InvalidParameter", "available"},
		{"x", "accept", "InvalidVpcEndpointId.NotFound", ""},
	} {
		got := ""
		if err := w.Operate(Operation{Kind: "vpcEndpoints", Name: c.name, Action: c.action}); err != nil {
			got = err.(Problems)[0].Code
		}
		if p := w.Prepare(nil); len(p) > 0 {
			t.Fatal(p)
		}
		if got != c.want || c.state != "" && w.VPCEndpoints[c.name].Status.State.String() != c.state {
			t.Errorf("%s %s: %q, state %s; want %q, %s", c.action, c.name, got, w.VPCEndpoints[c.name].Status.State, c.want, c.state)
		}
	}
}

// The interfaces keep their addresses, whatever comes and goes beside them (E12), and
// targets that do not run get nothing.
func TestEndpointInterfacesKeepTheirAddresses_E12(t *testing.T) {
	was := open(t, privateLinkBase+"vpcEndpoints: {e: {vpc: a, service: kv, subnets: [a1]}}\n")
	is := open(t, privateLinkBase+"vpcEndpoints: {b: {vpc: a, service: s3, type: interface, subnets: [a1]}, e: {vpc: a, service: kv, subnets: [a1]}}\n")
	if p := is.Prepare(was); len(p) > 0 {
		t.Fatal(p)
	}
	if had, has := was.VPCEndpoints["e"].Status.Interfaces[0].PrivateIP, is.VPCEndpoints["e"].Status.Interfaces[0].PrivateIP; had != has || !has.IsValid() {
		t.Errorf("e had %s and has %s", had, has)
	}
	var states []string
	for _, h := range is.TargetGroups["kv"].Status.Targets {
		states = append(states, h.Target+" "+h.State)
	}
	if diff := cmp.Diff([]string{"t/eth0 healthy", "sleeper/eth0 unused", "10.0.9.9 healthy"}, states); diff != "" {
		t.Errorf("targets (-want +got):\n%s", diff)
	}
}
