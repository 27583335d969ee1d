package scenarios

import (
	"testing"

	"github.com/vpcsim/vpcsim/control"
)

// The records that AWS's user guide shows, out of packets: its addresses, ports, sizes
// and fields; names stand for IDs, and times are the lab's. SKIPDATA takes more flows
// than a case has packets: see TestSkipDataOfTheUserGuide in control/flowlogs.

// guideLab has a VPC with the guide's default addresses: a server with a group and a
// network ACL of a case's own.
func guideLab(group, acl, format string) string {
	return `
vpcs: {v: {cidr: 172.31.0.0/16}}
internetGateways: {igw: {vpc: v}}
routeTables: {public: {vpc: v, routes: {0.0.0.0/0: igw}}}
networkAcls: {acl: {vpc: v, ` + acl + `}}
subnets: {s: {vpc: v, cidr: 172.31.0.0/20, routeTable: public, networkAcl: acl}, t: {vpc: v, cidr: 172.31.16.0/20, routeTable: public, networkAcl: acl}}
securityGroups: {g: {vpc: v, ` + group + `}, any: {vpc: v}}
instances:
  ssh:    {subnet: t, ip: 172.31.16.21, securityGroups: [g]}
  rdp:    {subnet: s, ip: 172.31.9.12, securityGroups: [g]}
  pinged: {subnet: t, ip: 172.31.16.140, publicIp: 198.51.100.7, securityGroups: [g]}
  friend: {subnet: t, ip: 172.31.16.139, securityGroups: [any]}
  other:  {subnet: s, ip: 172.31.9.69, securityGroups: [any]}
internetHosts: {home: {ip: 203.0.113.12}}
flowLogs: {ssh: {networkInterface: ssh` + format + `}, rdp: {networkInterface: rdp` + format + `}, pinged: {networkInterface: pinged` + format + `}}
`
}

const (
	guideOpenACL   = `ingress: [{rule: 100, action: allow, protocol: all, cidr: 0.0.0.0/0}], egress: [{rule: 100, action: allow, protocol: all, cidr: 0.0.0.0/0}]`
	guidePingInACL = `ingress: [{rule: 100, action: allow, protocol: all, cidr: 0.0.0.0/0}], egress: [{rule: 90, action: deny, protocol: icmp, cidr: 0.0.0.0/0}, {rule: 100, action: allow, protocol: all, cidr: 0.0.0.0/0}]`
)

// segments are count packets of TCP with size bytes of IP together: the first has
// flags, and the others only acknowledge.
func segments(from, to string, src, dst uint16, flags uint8, count, size int) []flowStep {
	first, rest := tcp(src, dst, flags), tcp(src, dst, ack)
	each := (size - 40*count) / count
	first.payload, rest.payload = make([]byte, size-40*count-each*(count-1)), make([]byte, each)
	return []flowStep{{from: from, to: to, msg: first}, {from: from, to: to, msg: rest, count: count - 1}}
}

func TestFlowLogsOfTheUserGuide(t *testing.T) {
	ping4 := []flowStep{{from: "home", to: "198.51.100.7", msg: ping(), count: 4}, {from: "pinged", to: "home", msg: pong(), count: 4}}
	const icmpIn = "ingress: [{protocol: icmp, from: 0.0.0.0/0}], egress: []"
	playFlowLogs(t, []flowLogCase{
		{
			name:  "FL-01 accepted SSH",
			world: guideLab("ingress: [{protocol: tcp, ports: 22, from: 172.31.0.0/16}]", guideOpenACL, ""), only: control.IPv4,
			steps: segments("friend", "ssh", 20641, 22, syn, 20, 4249),
			want:  []string{"2 acct ssh 172.31.16.139 172.31.16.21 20641 22 6 20 4249 0 0 ACCEPT OK"},
		},
		{
			name:  "FL-02 rejected RDP",
			world: guideLab("ingress: [{protocol: tcp, ports: 22, from: 172.31.0.0/16}]", guideOpenACL, ""), only: control.IPv4,
			steps: segments("other", "rdp", 49761, 3389, syn, 20, 4249),
			want:  []string{"2 acct rdp 172.31.9.69 172.31.9.12 49761 3389 6 20 4249 0 0 REJECT OK"},
		},
		{
			name:  "FL-03 no data",
			world: guideLab("ingress: [{protocol: tcp, ports: 22, from: 172.31.0.0/16}]", guideOpenACL, ""), only: control.IPv4,
			steps: append(segments("friend", "ssh", 20641, 22, syn, 20, 4249),
				flowStep{wait: 60e9, want: []string{"2 acct ssh 172.31.16.139 172.31.16.21 20641 22 6 20 4249 0 0 ACCEPT OK"}}),
			want: []string{"2 acct ssh - - - - - - - 60 120 - NODATA"},
		},
		{
			name:  "F-C1 a group that allows ping in, a network ACL that denies it out",
			world: guideLab(icmpIn, guidePingInACL, ""), only: control.IPv4, steps: ping4,
			want: []string{
				"2 acct pinged 203.0.113.12 172.31.16.140 0 0 1 4 336 0 0 ACCEPT OK",
				"2 acct pinged 172.31.16.140 203.0.113.12 0 0 1 4 336 0 0 REJECT OK",
			},
		},
		{
			name:  "F-C1 a network ACL that allows it both ways",
			world: guideLab(icmpIn, guideOpenACL, ""), only: control.IPv4, steps: ping4,
			want: []string{
				"2 acct pinged 203.0.113.12 172.31.16.140 0 0 1 4 336 0 0 ACCEPT OK",
				"2 acct pinged 172.31.16.140 203.0.113.12 0 0 1 4 336 0 0 ACCEPT OK",
			},
		},
		{
			name:  "F-C2 a group that denies ping",
			world: guideLab("ingress: [], egress: []", guideOpenACL, ""), only: control.IPv4, steps: ping4[:1],
			want: []string{"2 acct pinged 203.0.113.12 172.31.16.140 0 0 1 4 336 0 0 REJECT OK"},
		},
		{
			name: "FL-05 IPv6", only: control.IPv6, world: `
vpcs: {v: {cidr: 10.0.0.0/16, ipv6: "2001:db8:1234:a100::/56"}}
subnets: {s: {vpc: v, cidr: 10.0.0.0/24, ipv6: "2001:db8:1234:a100::/64"}, t: {vpc: v, cidr: 10.0.2.0/24, ipv6: "2001:db8:1234:a102::/64"}}
securityGroups: {ssh: {vpc: v, ingress: [{protocol: tcp, ports: 22, from: "::/0"}]}}
instances:
  server: {subnet: t, ipv6: "2001:db8:1234:a102:3304:8879:34cf:4071", securityGroups: [ssh]}
  client: {subnet: s, ipv6: "2001:db8:1234:a100:8d6e:3477:df66:f105"}
flowLogs: {server: {networkInterface: server}}
`,
			steps: []flowStep{{from: "client", to: "server", msg: tcp(34892, 22, syn)}, {from: "client", to: "server", msg: tcp(34892, 22, ack), count: 53}},
			want:  []string{"2 acct server 2001:db8:1234:a100:8d6e:3477:df66:f105 2001:db8:1234:a102:3304:8879:34cf:4071 34892 22 6 54 3240 0 0 ACCEPT OK"},
		},
	})
}

func TestFlowLogsOfTheUserGuidesFields(t *testing.T) {
	const flags = `format: "${version} ${vpc-id} ${subnet-id} ${instance-id} ${interface-id} ${account-id} ${type} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ` +
		`${pkt-srcaddr} ${pkt-dstaddr} ${protocol} ${bytes} ${packets} ${start} ${end} ${action} ${tcp-flags} ${log-status}"`
	const in, out = "3 v s server server acct IPv4 52.213.180.42 10.0.0.62 ", "3 v s server server acct IPv4 10.0.0.62 52.213.180.42 "
	const inner, outer = " 52.213.180.42 10.0.0.62 6 ", " 10.0.0.62 52.213.180.42 6 "
	flagLab := `
vpcs: {v: {cidr: 10.0.0.0/16}}
internetGateways: {igw: {vpc: v}}
routeTables: {public: {vpc: v, routes: {0.0.0.0/0: igw}}}
subnets: {s: {vpc: v, cidr: 10.0.0.0/24, routeTable: public}}
securityGroups: {g: {vpc: v, ingress: [{protocol: tcp, ports: 5001, from: 0.0.0.0/0}]}}
instances: {server: {subnet: s, ip: 10.0.0.62, publicIp: 198.51.100.7, securityGroups: [g]}}
internetHosts: {client: {ip: 52.213.180.42}}
flowLogs: {server: {networkInterface: server, ` + flags + `}}
`
	const pairs = `format: "${instance-id} ${interface-id} ${srcaddr} ${dstaddr} ${pkt-srcaddr} ${pkt-dstaddr}"`
	const paths = `format: "${version} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${start} ${end} ${type} ${packets} ${bytes} ${account-id} ${vpc-id} ${subnet-id} ` +
		`${instance-id} ${interface-id} ${region} ${az-id} ${sublocation-type} ${sublocation-id} ${action} ${tcp-flags} ${pkt-srcaddr} ${pkt-dstaddr} ` +
		`${pkt-src-aws-service} ${pkt-dst-aws-service} ${traffic-path} ${flow-direction} ${log-status}"`
	const to = "198.51.100.7"
	long := append(segments("client", to, 43416, 5001, syn, 8, 568), segments("server", "client", 5001, 43416, synAck, 7, 376)...)
	long = append(long, flowStep{wait: 60e9, want: []string{
		in + "43416 5001" + inner + "568 8 0 0 ACCEPT 2 OK",
		out + "5001 43416" + outer + "376 7 0 0 ACCEPT 18 OK",
	}})
	long = append(long, append(segments("client", to, 43416, 5001, finAck, 2, 80), segments("server", "client", 5001, 43416, finAck, 2, 80)...)...)
	short := append(segments("client", to, 43638, 5001, syn, 16, 1220), segments("server", "client", 5001, 43638, synAck, 13, 927)...)
	short = append(short, flowStep{from: "client", to: to, msg: tcp(43638, 5001, finAck)}, flowStep{from: "server", to: "client", msg: tcp(5001, 43638, finAck)})
	request := tcp(39812, 443, syn)
	playFlowLogs(t, []flowLogCase{
		{
			name: "FL-06 flags over two intervals", world: flagLab, only: control.IPv4, steps: long,
			want: []string{in + "43416 5001" + inner + "80 2 60 60 ACCEPT 1 OK", out + "5001 43416" + outer + "80 2 60 60 ACCEPT 1 OK"},
		},
		{
			name: "FL-06 a short connection", world: flagLab, only: control.IPv4, steps: short,
			want: []string{in + "43638 5001" + inner + "1260 17 0 0 ACCEPT 3 OK", out + "5001 43638" + outer + "967 14 0 0 ACCEPT 19 OK"},
		},
		{
			name: "FL-07 a NAT gateway", only: control.IPv4, world: `
vpcs: {v: {cidr: 10.0.0.0/16}}
internetGateways: {igw: {vpc: v}}
natGateways: {nat: {subnet: public, privateIp: 10.0.0.220, eip: 198.51.100.50}}
routeTables: {public: {vpc: v, routes: {0.0.0.0/0: igw}}, private: {vpc: v, routes: {0.0.0.0/0: nat}}}
subnets: {public: {vpc: v, cidr: 10.0.0.0/24, routeTable: public}, private: {vpc: v, cidr: 10.0.1.0/24, routeTable: private}}
instances: {app: {subnet: private, ip: 10.0.1.5}}
internetHosts: {host: {ip: 203.0.113.5}}
flowLogs: {nat: {networkInterface: nat, ` + pairs + `}, app: {networkInterface: app, ` + pairs + `}}
`,
			steps: []flowStep{{from: "app", to: "host", msg: request}, {from: "host", reply: true}},
			want: []string{
				"app app 10.0.1.5 203.0.113.5 10.0.1.5 203.0.113.5",
				"app app 203.0.113.5 10.0.1.5 203.0.113.5 10.0.1.5",
				"- nat 10.0.1.5 10.0.0.220 10.0.1.5 203.0.113.5",
				"- nat 10.0.0.220 203.0.113.5 10.0.0.220 203.0.113.5",
				"- nat 203.0.113.5 10.0.0.220 203.0.113.5 10.0.0.220",
				"- nat 10.0.0.220 10.0.1.5 203.0.113.5 10.0.1.5",
			},
		},
		{
			name: "FL-09 the name of a service, path and direction", only: control.IPv4, world: `
vpcs: {v: {cidr: 10.0.0.0/16, region: ap-southeast-2}}
internetGateways: {igw: {vpc: v}}
routeTables: {public: {vpc: v, routes: {0.0.0.0/0: igw}}}
subnets: {s: {vpc: v, cidr: 10.0.0.0/24, az: ap-southeast-2b, routeTable: public}}
instances: {app: {subnet: s, ip: 10.0.0.71, publicIp: 198.51.100.7}}
internetHosts: {s3: {ip: 52.95.128.179}}
flowLogs: {app: {networkInterface: app, ` + paths + `}}
`,
			steps: append(segments("app", "s3", 34210, 443, finAck|syn, 7, 1000), segments("s3", "198.51.100.7", 443, 34210, synAck|finAck, 14, 14000)...),
			want: []string{
				"5 10.0.0.71 52.95.128.179 34210 443 6 0 0 IPv4 7 1000 acct v s app app ap-southeast-2 apse2-az2 - - ACCEPT 19 10.0.0.71 52.95.128.179 - S3 8 egress OK",
				"5 52.95.128.179 10.0.0.71 443 34210 6 0 0 IPv4 14 14000 acct v s app app ap-southeast-2 apse2-az2 - - ACCEPT 19 52.95.128.179 10.0.0.71 S3 - - ingress OK",
			},
		},
	})
}
