package control

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// base is a small valid lab that each case adds to: keys at the top level.
const base = `
name: lab
vpcs:
  a: {cidr: 10.0.0.0/16, ipv6: 2001:db8:a::/56}
  b: {cidr: 10.0.0.0/16}
internetGateways:
  igw: {vpc: a}
`

// subnets completes base for cases that are not about subnets.
const subnets = `
subnets:
  s: {vpc: a, cidr: 10.0.1.0/24, ipv6: 2001:db8:a:1::/64}
  t: {vpc: a, cidr: 10.0.2.0/24, az: us-east-1b}
  o: {vpc: b, cidr: 10.0.1.0/24}
`

// TestValidate checks what is refused: each problem as "path [code] message",
// without position and hint. Names carry the ids of AWS's rules.
func TestValidate(t *testing.T) {
	for name, tc := range map[string]struct {
		src  string
		want []string
	}{
		"QV1 Q-C1 VPC too large": {"name: lab\nvpcs: {a: {cidr: 10.0.0.0/15}}", []string{
			`vpcs.a.cidr [InvalidVpc.Range] The CIDR '10.0.0.0/15' is invalid.`}},
		"QV1 Q-C1 VPC too small": {"name: lab\nvpcs: {a: {cidr: 10.0.0.0/29}}", []string{
			`vpcs.a.cidr [InvalidVpc.Range] The CIDR '10.0.0.0/29' is invalid.`}},
		"QV1 Q-C1 A2 forbidden block": {"name: lab\nvpcs: {a: {cidr: 169.254.0.0/16}}", []string{
			`vpcs.a.cidr [InvalidVpc.Range] The CIDR '169.254.0.0/16' is invalid.`}},
		"A2 multicast": {"name: lab\nvpcs: {a: {cidr: 230.0.0.0/16}}", []string{
			`vpcs.a.cidr [InvalidVpc.Range] The CIDR '230.0.0.0/16' is invalid.`}},
		"A1 IPv6 as primary": {"name: lab\nvpcs: {a: {cidr: 2001:db8::/56}}", []string{
			`vpcs.a.cidr [InvalidVpc.Range] The CIDR '2001:db8::/56' is invalid.`}},
		"Q-C1 Q-C4 A1 host bits cleared": {"name: lab\nvpcs: {a: {cidr: 100.68.0.18/18}}", nil},
		"A9 public space":                {"name: lab\nvpcs: {a: {cidr: 52.0.0.0/16}}", nil},
		"QV6 sixth block": {"name: lab\nvpcs: {a: {cidr: 10.1.0.0/16, secondaryCidrs: [10.2.0.0/16, 10.3.0.0/16, 10.4.0.0/16, 10.5.0.0/16, 10.6.0.0/16]}}", []string{
			`vpcs.a.secondaryCidrs[4] [CidrLimitExceeded] This network 'a' has met its maximum number of allowed CIDRs: 5`}},
		"QV6 raised": {"name: lab\nquotas: {cidrsPerVpc: 6}\nvpcs: {a: {cidr: 10.2.0.0/16, secondaryCidrs: [10.3.0.0/16, 10.4.0.0/16, 10.5.0.0/16, 10.6.0.0/16, 10.7.0.0/16]}}", nil},
		"QV7 A-C22 A6 other private range": {"name: lab\nvpcs: {a: {cidr: 10.0.0.0/16, secondaryCidrs: [192.168.0.0/24]}}", []string{
			restrictedProblem("192.168.0.0/24")}},
		"A6 198.19 and private": {"name: lab\nvpcs: {a: {cidr: 10.5.0.0/16, secondaryCidrs: [198.19.0.0/16]}, b: {cidr: 198.19.0.0/16, secondaryCidrs: [10.5.0.0/16]}}", []string{
			restrictedProblem("198.19.0.0/16"),
			strings.Replace(restrictedProblem("10.5.0.0/16"), "vpcs.a", "vpcs.b", 1)}},
		"A6 private after public": {"name: lab\nvpcs: {a: {cidr: 100.64.0.0/16, secondaryCidrs: [10.5.0.0/16]}}", []string{restrictedProblem("10.5.0.0/16")}},
		"A6 172.31 in 172.16/12":  {"name: lab\nvpcs: {a: {cidr: 172.16.0.0/16, secondaryCidrs: [172.31.0.0/16]}}", []string{restrictedProblem("172.31.0.0/16")}},
		"A6 10.0 beside 10.1":     {"name: lab\nvpcs: {a: {cidr: 10.1.0.0/16, secondaryCidrs: [10.0.0.0/16]}}", []string{restrictedProblem("10.0.0.0/16")}},
		"A6 allowed":              {"name: lab\nvpcs: {a: {cidr: 10.2.0.0/16, secondaryCidrs: [10.1.0.0/16, 100.64.0.0/16, 52.0.0.0/16]}}", nil},
		"QV8 A3 overlap": {"name: lab\nvpcs: {a: {cidr: 10.2.0.0/16, secondaryCidrs: [10.2.1.0/24]}}", []string{
			`vpcs.a.secondaryCidrs[0] [InvalidVpc.Range] The CIDR '10.2.1.0/24' conflicts with an existing CIDR.`}},
		"A10 IPv6 size": {"name: lab\nvpcs: {a: {cidr: 10.0.0.0/16, ipv6: 2001:db8::/57}}", []string{
			`vpcs.a.ipv6 [InvalidVpc.Range] The CIDR '2001:db8::/57' is invalid.`}},
		"A12 private IPv6":          {"name: lab\nvpcs: {a: {cidr: 10.0.0.0/16, ipv6: fd12::/56}}", nil},
		"A12 fd00::/16 is reserved": {"name: lab\nvpcs: {a: {cidr: 10.0.0.0/16, ipv6: \"fd00:1::/56\"}}", []string{`vpcs.a.ipv6 [InvalidVpc.Range] The CIDR 'fd00:1::/56' is invalid.`}},
		"IPv6 of two VPCs overlap": {"name: lab\nvpcs: {a: {cidr: 10.0.0.0/16, ipv6: 2001:db8::/56}, b: {cidr: 10.0.0.0/16, ipv6: 2001:db8::/48}}", []string{
			`vpcs.b.ipv6 [InvalidVpc.Range] The CIDR '2001:db8::/48' conflicts with an existing CIDR.`}},
		"Q-C4 sixth VPC": {"name: lab\nvpcs: {" + vpcs(6) + "}", []string{
			`vpcs [VpcLimitExceeded] The maximum number of VPCs has been reached.`}},
		"quota out of range": {"name: lab\nquotas: {securityGroupsPerInterface: 17}", []string{
			`quotas [] rulesPerSecurityGroup × securityGroupsPerInterface is 1020; AWS allows 1000`,
			`quotas.securityGroupsPerInterface [] 17 is out of range: 1 to 16`}},
		"Q4 product of quotas": {"name: lab\nquotas: {securityGroupsPerInterface: 10, rulesPerSecurityGroup: 101}", []string{
			`quotas [] rulesPerSecurityGroup × securityGroupsPerInterface is 1010; AWS allows 1000`}},

		"QV3 Q-C2 outside the VPC": {base + "subnets: {s: {vpc: a, cidr: 10.1.0.0/24}}", []string{
			`subnets.s.cidr [InvalidSubnet.Range] The CIDR '10.1.0.0/24' is invalid.`}},
		"QV3 Q-C2 too small": {base + "subnets: {s: {vpc: a, cidr: 10.0.0.0/29}}", []string{
			`subnets.s.cidr [InvalidSubnet.Range] The CIDR '10.0.0.0/29' is invalid.`}},
		"QV4 Q-C3 overlap": {base + "subnets: {s: {vpc: a, cidr: 10.0.0.0/24}, u: {vpc: a, cidr: 10.0.0.128/25}, ok: {vpc: a, cidr: 10.0.1.0/24}, elsewhere: {vpc: b, cidr: 10.0.0.0/24}}", []string{
			`subnets.u.cidr [InvalidSubnet.Conflict] The CIDR '10.0.0.128/25' conflicts with another subnet`}},
		"A14 the whole VPC": {base + "subnets: {s: {vpc: a, cidr: 10.0.0.0/16}}", nil},
		"QV5 zone": {base + "subnets: {s: {vpc: a, cidr: 10.0.0.0/24, az: eu-west-1a}}", []string{
			`subnets.s.az [InvalidParameterValue] Value (eu-west-1a) for parameter availabilityZone is invalid. Subnets can currently only be created in the following availability zones: us-east-1a, us-east-1b, us-east-1c.`}},
		"A11 subnet IPv6 size": {base + "subnets: {s: {vpc: a, cidr: 10.0.0.0/24, ipv6: 2001:db8:a::/62}}", []string{
			`subnets.s.ipv6 [InvalidSubnet.Range] The IPv6 CIDR '2001:db8:a::/62' is invalid.`}},
		"A11 subnet IPv6 outside": {base + "subnets: {s: {vpc: a, cidr: 10.0.0.0/24, ipv6: 2001:db8:b::/64}}", []string{
			`subnets.s.ipv6 [InvalidSubnet.Range] The IPv6 CIDR '2001:db8:b::/64' is invalid.`}},
		"A14 subnet IPv6 overlap": {base + "subnets: {s: {vpc: a, cidr: 10.0.0.0/24, ipv6: 2001:db8:a::/64}, u: {vpc: a, cidr: 10.0.1.0/24, ipv6: 2001:db8:a::/60}}", []string{
			`subnets.u.ipv6 [InvalidSubnet.Conflict] The CIDR '2001:db8:a::/60' conflicts with another subnet`}},
		"IPv6 without the VPC's": {base + "subnets: {s: {vpc: b, cidr: 10.0.0.0/24, ipv6: true}}", []string{
			`subnets.s.ipv6 [InvalidParameterValue] The VPC 'b' has no IPv6 CIDR block`}},
		"A17 assignIpv6 without IPv6": {base + "subnets: {s: {vpc: a, cidr: 10.0.0.0/24, assignIpv6: true}}", []string{
			`subnets.s.assignIpv6 [InvalidParameterValue] The subnet 's' has no IPv6 CIDR block`}},
		"table and ACL of another VPC": {base + "routeTables: {r: {vpc: b}}\nnetworkAcls: {n: {vpc: b}}\nsubnets: {s: {vpc: a, cidr: 10.0.0.0/24, routeTable: r, networkAcl: n}}", []string{
			`subnets.s.routeTable [InvalidParameterValue] route table r and subnet s belong to different networks`,
			`subnets.s.networkAcl [InvalidParameterValue] network acl n and subnet s belong to different networks`}},
		"missing parameters": {base + "subnets: {s: {}}\nsecurityGroups: {g: {}}\nrouteTables: {r: {}}\nnetworkAcls: {n: {}}\ninstances: {i: {}}\ninternetHosts: {h: {}}", []string{
			`subnets.s.cidr [MissingParameter] The request must contain the parameter cidr`,
			`subnets.s.vpc [MissingParameter] The request must contain the parameter vpc`,
			`securityGroups.g.vpc [MissingParameter] The request must contain the parameter vpc`,
			`routeTables.r.vpc [MissingParameter] The request must contain the parameter vpc`,
			`networkAcls.n.vpc [MissingParameter] The request must contain the parameter vpc`,
			`instances.i.subnet [MissingParameter] The request must contain the parameter subnet`,
			`internetHosts.h.ip [MissingParameter] The request must contain the parameter ip`}},

		"QG1 Q-C9": {"name: lab\nvpcs: {a: {cidr: 10.0.0.0/16}}\ninternetGateways: {igw-1: {vpc: a}, igw-2: {vpc: a}, spare: {}}", []string{
			`internetGateways.igw-2.vpc [InvalidParameterValue] Network a already has an internet gateway attached`}},
		"QG11 Q-C12 gateway of another VPC": {base + "routeTables: {r: {vpc: b, routes: {0.0.0.0/0: igw}}}", []string{
			`routeTables.r.routes["0.0.0.0/0"] [InvalidParameterValue] route table r and network gateway igw belong to different networks`}},
		"QG13 Q-C11 R-C5 gateway inside the VPC": {base + subnets + "routeTables: {r: {vpc: a, routes: {10.0.2.0/24: igw, 10.0.0.0/16: igw, 2001:db8:a:1::/64: igw}}}", []string{
			`routeTables.r.routes["10.0.2.0/24"] [InvalidParameterValue] Route target is not supported. This route only supports interface and instance targets.`,
			`routeTables.r.routes["10.0.0.0/16"] [InvalidParameterValue] Route target is not supported. This route only supports interface and instance targets.`,
			`routeTables.r.routes["2001:db8:a:1::/64"] [InvalidParameterValue] Route target is not supported. This route only supports interface and instance targets.`}},
		"R6 R-C5 part of a subnet": {base + subnets + "instances: {mb: {subnet: s}}\nrouteTables: {r: {vpc: a, routes: {10.0.2.0/25: mb, 2001:db8:a:1::/65: mb}}}", []string{
			`routeTables.r.routes["10.0.2.0/25"] [InvalidParameterValue] The destination CIDR block 10.0.2.0/25 is more specific than the local route 10.0.0.0/16 and does not match a subnet CIDR block.`,
			`routeTables.r.routes["2001:db8:a:1::/65"] [InvalidParameterValue] The destination CIDR block 2001:db8:a:1::/65 is more specific than the local route 2001:db8:a::/56 and does not match a subnet CIDR block.`}},
		"R6 R-C4 a whole subnet, R3 the local route, and wider": {base + subnets + "instances: {mb: {subnet: s}}\nrouteTables: {r: {vpc: a, routes: {10.0.2.0/24: mb, 2001:db8:a:1::/64: mb, 10.0.0.0/16: mb, 10.0.0.0/8: mb}}}", nil},
		"R7 A-C18 A42 link-local": {base + subnets + "instances: {mb: {subnet: s}}\nrouteTables: {r: {vpc: a, routes: {169.254.169.0/24: mb, 169.254.168.0/22: igw, \"fd00:ec2::/32\": igw, 169.254.0.0/16: mb}}}", []string{
			`routeTables.r.routes["169.254.169.0/24"] [InvalidParameterValue] The destination CIDR block 169.254.169.0/24 is equal to or more specific than 169.254.168.0/22, which AWS keeps for link-local services.`,
			`routeTables.r.routes["169.254.168.0/22"] [InvalidParameterValue] The destination CIDR block 169.254.168.0/22 is equal to or more specific than 169.254.168.0/22, which AWS keeps for link-local services.`,
			`routeTables.r.routes["fd00:ec2::/32"] [InvalidParameterValue] The destination CIDR block fd00:ec2::/32 is equal to or more specific than fd00:ec2::/32, which AWS keeps for link-local services.`}},
		"instance with several interfaces": {base + subnets + "instances: {mb: {subnet: s, interfaces: [{subnet: s}]}}\nrouteTables: {r: {vpc: a, routes: {192.0.2.0/24: mb, 198.51.100.0/24: mb/eth1, 203.0.113.0/24: mb/eth2}}}", []string{
			`routeTables.r.routes["192.0.2.0/24"] [InvalidInstanceID] There are multiple interfaces attached to instance 'mb'. Please specify an interface ID for the operation instead.`,
			`routeTables.r.routes["203.0.113.0/24"] [InvalidInternetGatewayID.NotFound] no internet gateway, NAT gateway, egress-only internet gateway, VPC peering connection, transit gateway, virtual private gateway or instance named "mb/eth2"`}},
		"interface of another VPC": {base + subnets + "instances: {mb: {subnet: o}}\nrouteTables: {r: {vpc: a, routes: {192.0.2.0/24: mb}}}", []string{
			`routeTables.r.routes["192.0.2.0/24"] [InvalidParameterValue] route table r and interface mb/eth0 belong to different networks`}},
		"local elsewhere": {base + "routeTables: {r: {vpc: a, routes: {10.0.0.0/16: local, 192.0.2.0/24: local}}}", []string{
			`routeTables.r.routes["192.0.2.0/24"] [InvalidParameterValue] The target local is for the blocks of the VPC only.`}},
		"R2 two main tables": {base + "routeTables: {r: {vpc: a, main: true}, q: {vpc: a, main: true}, a/main: {routes: {0.0.0.0/0: igw}}}", []string{
			`routeTables.r.main [] route table r cannot be the main route table of VPC a as well`,
			`routeTables.a/main.main [] route table a/main cannot be the main route table of VPC a as well`}},
		"R24 QG22 routes": {base + "routeTables: {r: {vpc: a, routes: {" + routes(500) + "\"::/0\": igw}}, full: {vpc: a, routes: {" + routes(501) + "}}}", []string{
			`routeTables.full.routes [RouteLimitExceeded] The maximum number of routes has been reached.`}},
		"R22 Q5 prefix list in a table": {base + "prefixLists: {p: {maxEntries: 499, entries: [192.0.2.0/24]}}\nrouteTables: {r: {vpc: a, routes: {p: igw, " + routes(2) + "}}}", []string{
			`routeTables.r.routes [RouteLimitExceeded] The maximum number of routes has been reached.`}},

		"QS1 Q-C15 name in another case": {base + "securityGroups: {Web: {vpc: a}, web: {vpc: a}, WEB: {vpc: b}}", []string{
			`securityGroups.web [InvalidGroup.Duplicate] The security group 'web' already exists for VPC 'a'`}},
		"QS2 default": {base + "securityGroups: {default: {vpc: a}}", []string{
			`securityGroups.default [InvalidGroup.Reserved] Cannot use reserved security group name: default`}},
		"QS3 sg-": {base + "securityGroups: {sg-web: {vpc: a}}", []string{
			`securityGroups.sg-web [InvalidParameterValue] Invalid value 'sg-web' for groupName. Group names may not be in the format sg-*`}},
		"QS4 Q-C16 the same rule": {base + `securityGroups:
  g:
    vpc: a
    ingress:
      - {protocol: tcp, ports: 22, from: 0.0.0.0/0}
      - {protocol: tcp, ports: 80, from: 100.68.0.0/18}
      - {protocol: tcp, ports: 22, from: 0.0.0.0/0, description: another}
      - {protocol: tcp, ports: 22, from: "::/0"}
      - {protocol: tcp, ports: 80, from: 100.68.0.18/18}
      - {protocol: all, from: [g, g]}
      - {protocol: 50, from: g}
      - {protocol: 50, from: g}
`, []string{
			`securityGroups.g.ingress[2] [InvalidPermission.Duplicate] the specified rule "peer: 0.0.0.0/0, TCP, from port: 22, to port: 22, ALLOW" already exists`,
			`securityGroups.g.ingress[4] [InvalidPermission.Duplicate] the specified rule "peer: 100.68.0.0/18, TCP, from port: 80, to port: 80, ALLOW" already exists`,
			`securityGroups.g.ingress[5] [InvalidPermission.Duplicate] the specified rule "peer: g, ALL, ALLOW" already exists`,
			`securityGroups.g.ingress[7] [InvalidPermission.Duplicate] the specified rule "peer: g, protocol: 50, ALLOW" already exists`}},
		"QS5 Q-C17 59 + 60 rules and a block": {base + "securityGroups: {g: {vpc: a, ingress: [" + rules(60, 60) + "]}}", nil},
		"QS5 Q-C17 59 + 60 rules and a reference": {base + "securityGroups: {g: {vpc: a, ingress: [" + rules(59, 60) + "{protocol: all, from: g}]}}", []string{
			`securityGroups.g.ingress[119] [RulesPerSecurityGroupLimitExceeded] The maximum number of rules per security group has been reached.`}},
		"S14 Q5 prefix list weighs its maximum": {base + "prefixLists: {p: {maxEntries: 60, entries: [192.0.2.0/24]}}\nsecurityGroups: {g: {vpc: a, egress: [{protocol: all, to: p}, {protocol: all, to: 10.0.0.0/8}]}}", []string{
			`securityGroups.g.egress[1] [RulesPerSecurityGroupLimitExceeded] The maximum number of rules per security group has been reached.`}},
		"QS6b Q-C18 six groups": {base + subnets + "securityGroups: {g1: {vpc: a}, g2: {vpc: a}, g3: {vpc: a}, g4: {vpc: a}, g5: {vpc: a}, g6: {vpc: a}}\ninstances: {i: {subnet: s, securityGroups: [g1, g2, g3, g4, g5, g6]}, j: {subnet: s, securityGroups: [g1, g2, g3, g4, g5]}, k: {subnet: s, securityGroups: [g1, g1]}}", []string{
			`instances.i.securityGroups [InvalidParameterValue] exceeded limit 5 on the number of interface security group memberships`,
			`instances.k.securityGroups[1] [InvalidParameterValue] security group g1 is given twice`}},
		"QS8 ports": {base + `securityGroups:
  g:
    vpc: a
    ingress:
      - {protocol: tcp, ports: 90-80, from: 0.0.0.0/0}
      - {protocol: udp, from: 0.0.0.0/0}
      - {protocol: icmp, ports: 80, from: 0.0.0.0/0}
      - {protocol: tcp, ports: 80, icmpType: 8, from: 0.0.0.0/0}
      - {protocol: icmp, icmpCode: 0, from: 0.0.0.0/0}
      - {protocol: icmp, icmpType: 256, from: 0.0.0.0/0}
      - {protocol: 47, ports: 5, from: 0.0.0.0/0}
      - {ports: 5, from: 0.0.0.0/0}
      - {protocol: tcp, ports: 5}
      - {protocol: tcp, ports: 5, to: g}
`, []string{
			`securityGroups.g.ingress[0].ports [InvalidParameterValue] Invalid TCP port range. Specify a range where from port is less than or equal to to port`,
			`securityGroups.g.ingress[1].ports [MissingParameter] The request must contain the parameter ports`,
			`securityGroups.g.ingress[2].ports [InvalidParameterValue] icmp has no ports`,
			`securityGroups.g.ingress[3].icmpType [InvalidParameterValue] tcp has no ICMP type or code`,
			`securityGroups.g.ingress[4].icmpCode [InvalidParameterValue] all ICMP types, but one ICMP code`,
			`securityGroups.g.ingress[5].icmpType [InvalidParameterValue] 256 is out of range for icmpType`,
			`securityGroups.g.ingress[7].protocol [MissingParameter] The request must contain the parameter protocol`,
			`securityGroups.g.ingress[8].from [MissingParameter] The request must contain the parameter from`,
			`securityGroups.g.ingress[9].to [] this rule has a peer under to`}},
		"QS9 peer of another VPC": {base + subnets + "securityGroups: {g: {vpc: a, ingress: [{protocol: all, from: h}]}, h: {vpc: b}}\ninstances: {i: {subnet: s, securityGroups: [h]}}", []string{
			`securityGroups.g.ingress[0].from [InvalidGroup.NotFound] You have specified two resources that belong to different networks.`,
			`instances.i.securityGroups[0] [InvalidGroup.NotFound] You have specified two resources that belong to different networks.`}},
		"QS14 Q-C20 number in use": {base + "networkAcls: {n: {vpc: a, ingress: [" + entries(19, "0.0.0.0/0") + "{rule: 100, action: deny, protocol: all, cidr: \"::/0\"}], egress: [{rule: 100, action: allow, protocol: all, cidr: 0.0.0.0/0}]}}", []string{
			`networkAcls.n.ingress[19].rule [NetworkAclEntryAlreadyExists] The network acl entry identified by 100 already exists.`}},
		"QS15 Q-C20 S42 twentieth entry": {base + "networkAcls: {n: {vpc: a, ingress: [" + entries(20, "0.0.0.0/0") + "]}, six: {vpc: a, ingress: [" + entries(19, "0.0.0.0/0") + "{rule: 99, action: allow, protocol: all, cidr: \"::/0\"}]}}", []string{
			`networkAcls.n.ingress[19] [NetworkAclEntryLimitExceeded] The maximum number of network acl entries has been reached.`}},
		"QS16 QS16b entries": {base + `networkAcls:
  n:
    vpc: a
    ingress:
      - {rule: 0, action: allow, protocol: all, cidr: 0.0.0.0/0}
      - {rule: 32767, action: allow, protocol: all, cidr: 0.0.0.0/0}
      - {rule: 1, action: allow, protocol: tcp, cidr: 0.0.0.0/0}
      - {rule: 32766}
      - {action: deny, protocol: all, cidr: 0.0.0.0/0}
`, []string{
			`networkAcls.n.ingress[0].rule [InvalidParameterValue] Value (0) for parameter ruleNumber is invalid.`,
			`networkAcls.n.ingress[1].rule [InvalidParameterValue] Value (32767) for parameter ruleNumber is invalid.`,
			`networkAcls.n.ingress[2].ports [MissingParameter] The request must contain the parameter ports`,
			`networkAcls.n.ingress[3].action [MissingParameter] The request must contain the parameter action`,
			`networkAcls.n.ingress[3].cidr [MissingParameter] The request must contain the parameter cidr`,
			`networkAcls.n.ingress[3].protocol [MissingParameter] The request must contain the parameter protocol`,
			`networkAcls.n.ingress[4].rule [MissingParameter] The request must contain the parameter rule`}},
		"what belongs to one VPC": {base + "networkAcls: {a/default: {vpc: b}}\nsecurityGroups: {a/main: {vpc: a}, x/default: {}}", []string{
			`networkAcls.a/default.vpc [InvalidParameterValue] a/default belongs to VPC a, not to b`,
			`securityGroups.a/main [] "a/main" is not a name`,
		}},

		"prefix lists": {base + "prefixLists: {p: {maxEntries: 1, entries: [192.0.2.0/24, 192.0.2.1/24, \"2001:db8::/32\"]}, pl-x: {entries: []}}", []string{
			`prefixLists.p.entries [PrefixListMaxEntriesExceeded] You've reached the maximum number of entries for the prefix list.`,
			`prefixLists.p.entries[1] [InvalidParameterValue] The entry '192.0.2.0/24' is in the list twice`,
			`prefixLists.p.entries[2] [InvalidParameterValue] The entry '2001:db8::/32' is not of the list's address family IPv4`,
			`prefixLists.pl-x [InvalidParameterValue] Invalid value 'pl-x' for prefix list name`}},

		"QN4 QN5 Q-C6 SB-1 addresses": {base + "subnets: {s: {vpc: a, cidr: 10.0.0.0/28, ipv6: 2001:db8:a::/64}}\ninstances: {i1: {subnet: s, ip: 10.0.0.3}, i2: {subnet: s, ip: 10.0.0.15}, i3: {subnet: s, ip: 10.0.1.4}, i4: {subnet: s, ip: 10.0.0.4, secondaryIps: [10.0.0.1], ipv6: \"2001:db8:a::3\"}}", []string{
			`instances.i1.ip [InvalidParameterValue] Address 10.0.0.3 is in subnet's reserved address range`,
			`instances.i2.ip [InvalidParameterValue] Address 10.0.0.15 is in subnet's reserved address range`,
			`instances.i3.ip [InvalidParameterValue] Address 10.0.1.4 does not fall within the subnet's address range`,
			`instances.i4.secondaryIps[0] [InvalidParameterValue] Address 10.0.0.1 is in subnet's reserved address range`,
			`instances.i4.ipv6 [InvalidParameterValue] Address 2001:db8:a::3 is in subnet's reserved address range`}},
		"QN6 in use": {base + subnets + "instances: {i: {subnet: s, ip: 10.0.1.9, ipv6: \"2001:db8:a:1::9\"}, j: {subnet: s, secondaryIps: [10.0.1.9], ipv6: \"2001:db8:a:1::9\"}, k: {subnet: o, ip: 10.0.1.9}}", []string{
			`instances.j.secondaryIps[0] [InvalidIPAddress.InUse] Address 10.0.1.9 is in use.`,
			`instances.j.ipv6 [InvalidIPAddress.InUse] Address 2001:db8:a:1::9 is in use.`}},
		"QN1 QN2 Q-C6 A15 the twelfth address of a /28": {base + "subnets: {s: {vpc: a, cidr: 10.0.0.0/28}}\ninstances: {" + instances(12) + "}", []string{
			`instances.i11 [InsufficientFreeAddressesInSubnet] There are not enough free addresses in subnet 's' to satisfy the requested number of instances.`}},
		"QN9 zone of a further interface": {base + subnets + "instances: {i: {subnet: s, interfaces: [{subnet: t}]}}", []string{
			`instances.i.interfaces[0].subnet [InvalidParameterCombination] You may not attach a network interface to an instance if they are not in the same availability zone`}},
		"QN10 Q-C7 Elastic IP without a gateway": {base + subnets + "instances: {i: {subnet: o, publicIp: 198.51.100.5}, j: {subnet: s, publicIp: 198.51.100.6}}", []string{
			`instances.i.publicIp [Gateway.NotAttached] Network b is not attached to any internet gateway`}},
		"A22 public address of several interfaces": {base + subnets + "instances: {i: {subnet: s, publicIp: true, interfaces: [{subnet: s, publicIp: 198.51.100.6}]}}", []string{
			`instances.i.publicIp [InvalidParameterCombination] The associatePublicIPAddress parameter cannot be specified when launching with multiple network interfaces.`}},
		"Elastic IPs": {base + subnets + "internetHosts: {h: {ip: 198.51.100.5}}\ninstances: {i: {subnet: s, publicIp: 198.51.100.5}, j: {subnet: s, publicIp: 10.9.9.9}, k: {subnet: s, publicIp: 2001:db8::1}}", []string{
			`instances.i.publicIp [InvalidIPAddress.InUse] Address 198.51.100.5 is in use.`,
			`instances.j.publicIp [InvalidParameterValue] Address 10.9.9.9 cannot be an Elastic IP address`,
			`instances.k.publicIp [InvalidParameterValue] Address 2001:db8::1 cannot be an Elastic IP address`}},
		"sixth Elastic IP": {base + subnets + "instances: {" + elasticIPs(6) + "}", []string{
			`instances [AddressLimitExceeded] The maximum number of addresses has been reached.`}},
		"IPv6 in an IPv4-only subnet": {base + subnets + "instances: {i: {subnet: t, ipv6: true}}", []string{
			`instances.i.ipv6 [InvalidParameterValue] The subnet 't' has no IPv6 CIDR block`}},
		"programs": {base + subnets + "instances: {i: {subnet: s, serve: [http/80, tcp/80, udp/80], run: [\" \"]}}", []string{
			`instances.i.serve[1] [] http/80 and tcp/80 listen on the same port`,
			`instances.i.run[0] [] an empty command`}},
		"Internet hosts": {base + "internetHosts: {h: {ip: 192.168.0.1}, i: {ip: 203.0.113.1, ipv6: 2001:db8:a::5}, j: {ip: 203.0.113.1, ipv6: fe80::1}}", []string{
			`internetHosts.h.ip [] 192.168.0.1 is not an address on the Internet`,
			`internetHosts.i.ipv6 [] 2001:db8:a::5 is not an IPv6 address on the Internet`,
			`internetHosts.j.ip [InvalidIPAddress.InUse] Address 203.0.113.1 is in use.`,
			`internetHosts.j.ipv6 [] fe80::1 is not an IPv6 address on the Internet`}},

		"dangling references": {base + subnets + "instances: {i: {subnet: private, securityGroups: [wbe, s]}}\nsecurityGroups: {web: {vpc: a}}\nrouteTables: {r: {vpc: a, routes: {0.0.0.0/0: nat, none: igw, 192.0.2.0/24: igw-0123456789abcdef0}}}", []string{
			`instances.i.subnet [InvalidSubnetID.NotFound] no subnet named "private"`,
			`instances.i.securityGroups[0] [InvalidGroup.NotFound] no security group named "wbe"`,
			`instances.i.securityGroups[1] [InvalidGroup.NotFound] no security group named "s"`,
			`routeTables.r.routes["0.0.0.0/0"] [InvalidInternetGatewayID.NotFound] no internet gateway, NAT gateway, egress-only internet gateway, VPC peering connection, transit gateway, virtual private gateway or instance named "nat"`,
			`routeTables.r.routes.none [InvalidPrefixListID.NotFound] no prefix list named "none"`,
			`routeTables.r.routes["192.0.2.0/24"] [InvalidInternetGatewayID.NotFound] The internet gateway ID 'igw-0123456789abcdef0' does not exist`}},
		"names": {base + subnets + "instances: {igw: {subnet: s}, -x: {subnet: s}, a/b: {subnet: s}, " + strings.Repeat("n", 64) + ": {subnet: s}}\nsecurityGroups: {p: {vpc: a}}\nprefixLists: {p: {entries: [192.0.2.0/24]}}", []string{
			`internetGateways.igw [] "igw" is also the name of an instance`,
			`instances.-x [] "-x" is not a name`,
			`instances.a/b [] "a/b" is not a name`,
			`instances.` + strings.Repeat("n", 64) + ` [] the name has 64 characters`,
			`prefixLists.p [] "p" is also the name of a security group`}},

		"checks": {base + subnets + `instances: {i: {subnet: s}, off: {subnet: s, stopped: true}}
internetHosts: {h: {ip: 203.0.113.1}}
checks:
  - {from: h, to: i, ping: true, expect: drop, at: securityGroup a/default}
  - {from: i, to: 203.0.113.77, udp: 53, expect: drop, at: internet}
  - {from: 203.0.113.1, to: j, tcp: 80}
  - {from: off, to: i, tcp: 80, udp: 80}
  - {from: i, to: h}
  - {from: i, to: h, ping: true, at: internet}
  - {from: i, to: h, ping: true, expect: drop, at: securitygroup web}
  - {from: i, to: h, ping: true, expect: drop, at: securityGroup web}
  - {from: i, to: h, ping: true, expect: drop, at: virtualInterface vpn}
  - {from: i, to: 2001:db8::1, ping: true, family: ipv4}
  - {from: i, to: h, ping: true, source: nat}
  - {from: i, to: h, ping: true, wait: 1h}
  - {to: h, ping: true}
`, []string{
			`checks[2].from [] no instance, Internet host, site host, site or VPN client named "203.0.113.1"`,
			`checks[2].to [] no instance, Internet host, site host, site, VPN client, NAT gateway, Client VPN endpoint, VPC endpoint or load balancer named "j"`,
			`checks[3] [] the check has 2 probes`,
			`checks[4] [] the check has 0 probes`,
			`checks[5].at [] only a drop has something that decides it`,
			`checks[6].at [] "securitygroup" is not a kind that can decide`,
			`checks[7].at [] no security group named "web"`,
			`checks[8].at [] "virtualInterface" is not a kind that can decide`,
			`checks[9].family [] 2001:db8::1 is not an ipv4 address`,
			`checks[10].source [] no instance, Internet host, site host, site, VPN client, NAT gateway, Client VPN endpoint, VPC endpoint or load balancer named "nat"`,
			`checks[11].wait [] 1h0m0s is too long`,
			`checks[12].from [MissingParameter] The request must contain the parameter from`}},
	} {
		t.Run(name, func(t *testing.T) { wantProblems(t, tc.src, tc.want...) })
	}
}

// wantProblems checks what Open says about src: each problem as "path [code]
// message", whatever their order.
func wantProblems(t *testing.T, src string, want ...string) {
	t.Helper()
	var got []string
	for _, p := range problems(t, src) {
		got = append(got, fmt.Sprintf("%s [%s] %s", p.Path, p.Code, p.Message))
		if p.Line == 0 || p.Column == 0 || p.File != "lab.yaml" {
			t.Errorf("no position: %+v", p)
		}
	}
	if diff := cmp.Diff(want, got, sortStrings); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

// sortStrings compares lists of problems whatever their order: that it follows
// the file is TestLoadReportsWhatCannotBeRead's to check.
var sortStrings = cmp.Transformer("sorted", func(list []string) map[string]int {
	set := map[string]int{}
	for _, s := range list {
		set[s]++
	}
	return set
})

func restrictedProblem(block string) string {
	return fmt.Sprintf(`vpcs.a.secondaryCidrs[0] [InvalidVpc.Range] The CIDR '%s' is restricted. Use a CIDR from the same private address range as the current VPC CIDR, or use a publicly-routable CIDR.`, block)
}

// repeat writes n items of a flow map or list.
func repeat(n int, item func(i int) string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(item(i) + ", ")
	}
	return b.String()
}

func vpcs(n int) string {
	return repeat(n, func(i int) string { return fmt.Sprintf("v%d: {cidr: 10.0.0.0/16}", i) })
}

func routes(n int) string {
	return repeat(n, func(i int) string { return fmt.Sprintf("172.16.%d.%d/32: igw", i/256, i%256) })
}

func rules(v4, v6 int) string {
	return repeat(v4, func(i int) string { return fmt.Sprintf("{protocol: all, from: 192.0.2.%d/32}", i) }) +
		repeat(v6, func(i int) string { return fmt.Sprintf("{protocol: all, from: \"2001:db8::%d/128\"}", i) })
}

func entries(n int, cidr string) string {
	return repeat(n, func(i int) string {
		return fmt.Sprintf("{rule: %d, action: allow, protocol: all, cidr: %q}", 100+i, cidr)
	})
}

func instances(n int) string {
	return repeat(n, func(i int) string { return fmt.Sprintf("i%02d: {subnet: s}", i) })
}

func elasticIPs(n int) string {
	return repeat(n, func(i int) string { return fmt.Sprintf("i%d: {subnet: s, publicIp: 198.51.100.%d}", i, i+1) })
}

// NA-04: blocks are stored without host bits.
func TestBlocksAreStoredMasked(t *testing.T) {
	w := open(t, `
name: lab
vpcs: {a: {cidr: 100.68.0.18/16}}
subnets: {s: {vpc: a, cidr: 100.68.0.18/18}}
securityGroups: {g: {vpc: a, ingress: [{protocol: all, from: 100.68.0.18/18}]}}
networkAcls: {n: {vpc: a, ingress: [{rule: 1, action: allow, protocol: all, cidr: 100.68.0.18/18}]}}
`)
	for what, got := range map[string]fmt.Stringer{
		"subnet":         w.Subnets["s"].CIDR,
		"security group": w.SecurityGroups["g"].Status.Ingress[0].CIDR,
		"network ACL":    w.NetworkACLs["n"].Status.Ingress[0].CIDR,
	} {
		if got.String() != "100.68.0.0/18" {
			t.Errorf("%s = %s", what, got)
		}
	}
}

// NA-05, S2, S3: the rules of what AWS makes by itself.
func TestDefaultRules(t *testing.T) {
	w := open(t, "name: lab\nvpcs: {four: {cidr: 10.0.0.0/16}, dual: {cidr: 10.0.0.0/16, ipv6: true}}\nnetworkAcls: {empty: {vpc: four}}\nsecurityGroups: {new: {vpc: dual}, shut: {vpc: dual, egress: []}}")
	acl := func(name string) (list []string) {
		for _, e := range w.NetworkACLs[name].Status.Ingress {
			list = append(list, fmt.Sprintf("%d %s", e.Rule, e))
		}
		if diff := cmp.Diff(w.NetworkACLs[name].Status.Ingress, w.NetworkACLs[name].Status.Egress, compareAddresses); diff != "" {
			t.Errorf("%s: the directions differ:\n%s", name, diff)
		}
		return list
	}
	for name, want := range map[string][]string{
		"four/default": {"100 allow all 0.0.0.0/0"},
		"dual/default": {"100 allow all 0.0.0.0/0", "101 allow all ::/0"},
		"empty":        nil,
	} {
		if diff := cmp.Diff(want, acl(name)); diff != "" {
			t.Errorf("network ACL %s:\n%s", name, diff)
		}
	}
	group := func(list []SecurityGroupPermission) (texts []string) {
		for _, p := range list {
			texts = append(texts, p.String())
		}
		return texts
	}
	v4, v6 := "peer: 0.0.0.0/0, ALL, ALLOW", "peer: ::/0, ALL, ALLOW"
	for name, want := range map[string][2][]string{
		"four/default": {{"peer: four/default, ALL, ALLOW"}, {v4}},
		"dual/default": {{"peer: dual/default, ALL, ALLOW"}, {v4, v6}},
		"new":          {nil, {v4, v6}},
		"shut":         {nil, nil},
	} {
		status := w.SecurityGroups[name].Status
		if diff := cmp.Diff(want, [2][]string{group(status.Ingress), group(status.Egress)}); diff != "" {
			t.Errorf("security group %s:\n%s", name, diff)
		}
	}
}

func TestClosestGuessesTheTypo(t *testing.T) {
	for word, want := range map[string]string{
		"privat": "private", "Private": "private", "pirvate": "private", "publik": "public", "zebra": "", "pu": "",
	} {
		if got := closest(word, []string{"private", "public", "web"}); got != want {
			t.Errorf("closest(%q) = %q, want %q", word, got, want)
		}
	}
}
