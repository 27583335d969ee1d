package control

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// quickstart is the lab of the user's guide, word for word.
const quickstart = `
name: quickstart
description: A public web server, a private database, and a laptop on the Internet.
region: us-east-1                 # default for everything below

vpcs:
  app: {cidr: 10.0.0.0/16, ipv6: true}          # ipv6: true = AWS assigns a /56; or write the prefix
internetGateways:
  igw: {vpc: app}
natGateways:
  nat: {subnet: public}                         # eip: auto unless written; connectivity: public | private
egressOnlyInternetGateways:
  eigw: {vpc: app}
routeTables:
  public:  {vpc: app, routes: {0.0.0.0/0: igw, "::/0": igw}}
  private: {vpc: app, routes: {0.0.0.0/0: nat, "::/0": eigw}}
networkAcls:
  data:                                         # a custom ACL starts as deny-all, as on AWS
    vpc: app
    ingress:
      - {rule: 100, action: allow, protocol: tcp, ports: 5432, cidr: 10.0.1.0/24}
      - {rule: 110, action: allow, protocol: tcp, ports: 1024-65535, cidr: 0.0.0.0/0}
      - {rule: 120, action: allow, protocol: icmp, cidr: 10.0.1.0/24}
    egress:
      - {rule: 100, action: allow, protocol: all, cidr: 0.0.0.0/0}
subnets:
  public:  {vpc: app, cidr: 10.0.1.0/24, az: us-east-1a, routeTable: public, mapPublicIp: true, ipv6: true}
  private: {vpc: app, cidr: 10.0.2.0/24, az: us-east-1b, routeTable: private, networkAcl: data, ipv6: true}
securityGroups:
  web:
    vpc: app
    ingress:
      - {protocol: tcp, ports: 80, from: 0.0.0.0/0}
      - {protocol: icmp, from: 203.0.113.0/24}
    # no egress key: allow all, as a new group has on AWS; egress: [] allows nothing
  db:
    vpc: app
    ingress:
      - {protocol: tcp, ports: 5432, from: web}  # a group, a CIDR, or a prefix list
      - {protocol: icmp, from: web}
instances:
  web: {subnet: public, securityGroups: [web], serve: [http/80]}
  db:  {subnet: private, ip: 10.0.2.20, securityGroups: [db], serve: [tcp/5432]}   # serve: small built-in servers
internetHosts:
  laptop: {ip: 203.0.113.10, serve: [http/80]}

checks:
  - {from: laptop, to: web, tcp: 80}                                     # expect: pass is the default
  - {from: laptop, to: web, ping: true, source: 203.0.113.10}            # the source address the receiver must see
  - {from: web, to: db, tcp: 5432}
  - {from: web, to: db, ping: true}
  - {from: laptop, to: web, tcp: 22, expect: drop, at: securityGroup web}
  - {from: db, to: laptop, tcp: 80, source: nat}
  - {from: laptop, to: db, tcp: 5432, expect: drop, at: internet}        # a private address is not on the Internet
`

// compareAddresses lets cmp compare netip's values.
var compareAddresses = cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})

func open(t *testing.T, src string) *World {
	t.Helper()
	w, err := Open("lab.yaml", []byte(src))
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return w
}

// problems are what Open says about src.
func problems(t *testing.T, src string) Problems {
	t.Helper()
	w, err := Open("lab.yaml", []byte(src))
	if err == nil {
		return nil
	}
	if w != nil {
		t.Fatal("Open returned a world beside an error")
	}
	list, ok := err.(Problems)
	if !ok {
		t.Fatalf("error is a %T, want Problems", err)
	}
	return list
}

func TestQuickstartLoadsClean(t *testing.T) {
	w := open(t, quickstart)
	web := w.NetworkInterfaces["web/eth0"]
	if got := web.Status.PrivateIPs; len(got) != 1 || got[0] != netip.MustParseAddr("10.0.1.4") {
		t.Errorf("private addresses of web = %v, want the first free one, 10.0.1.4", got)
	}
	if got := web.Status.PublicIP; got != netip.MustParseAddr("198.51.100.1") {
		t.Errorf("public address of web = %v", got)
	}
	if len(web.Status.IPv6s) != 1 || !w.Subnets["public"].Status.IPv6CIDR.Contains(web.Status.IPv6s[0]) {
		t.Errorf("IPv6 addresses of web = %v in subnet %v", web.Status.IPv6s, w.Subnets["public"].Status.IPv6CIDR)
	}
	if got := w.Subnets["private"].Status; got.RouteTable != "private" || got.NetworkACL != "data" || got.AvailableIPAddressCount != 250 {
		t.Errorf("status of subnet private = %+v", got)
	}
	if got := w.VPCs["app"].Status; got.MainRouteTable != "app/main" || got.InternetGateway != "igw" || got.IPv6CIDR.Bits() != 56 {
		t.Errorf("status of VPC app = %+v", got)
	}
	var routes []string
	for _, r := range w.RouteTables["public"].Status.Routes {
		routes = append(routes, r.Destination.String()+" "+r.TargetKind+" "+r.Target+" "+r.State)
	}
	want := []string{
		"0.0.0.0/0 internetGateway igw active",
		"10.0.0.0/16 local  active",
		"::/0 internetGateway igw active",
		w.VPCs["app"].Status.IPv6CIDR.String() + " local  active",
	}
	if diff := cmp.Diff(want, routes); diff != "" {
		t.Errorf("routes (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(w.VPCs["app"].Status.ID, "vpc-") || len(w.VPCs["app"].Status.ID) != len("vpc-")+17 {
		t.Errorf("VPC ID = %q", w.VPCs["app"].Status.ID)
	}
}

func TestWorldFromPermutedFile(t *testing.T) {
	sections := strings.Split(strings.TrimSpace(quickstart), "\n")
	// Top-level keys start at column 1; group lines by them.
	var groups []string
	for _, line := range sections {
		if line != "" && line[0] != ' ' && line[0] != '#' {
			groups = append(groups, "")
		}
		groups[len(groups)-1] += line + "\n"
	}
	slices.Reverse(groups)
	reversed := strings.Join(groups, "")
	// Within a map and within a resource as well.
	reversed = strings.Replace(reversed, "  web: {subnet: public, securityGroups: [web], serve: [http/80]}\n", "", 1)
	reversed = strings.Replace(reversed, "serve: small built-in servers\n", "moved\n  web: {serve: [http/80], securityGroups: [web], subnet: public}\n", 1)
	if diff := cmp.Diff(open(t, quickstart), open(t, reversed), compareAddresses); diff != "" {
		t.Errorf("the order of the file matters (-as written +permuted):\n%s", diff)
	}
}

func TestCompleteIsIdempotent(t *testing.T) {
	w := open(t, quickstart)
	again := w.Clone()
	if p := again.Prepare(w); len(p) > 0 {
		t.Fatal(p)
	}
	if diff := cmp.Diff(w, again, compareAddresses); diff != "" {
		t.Errorf("second Prepare changed the world:\n%s", diff)
	}
}

func TestCloneSharesNothing(t *testing.T) {
	w := open(t, quickstart)
	c := w.Clone()
	if diff := cmp.Diff(w, c, compareAddresses); diff != "" {
		t.Fatalf("clone differs:\n%s", diff)
	}
	c.Instances["web"].SecurityGroups[0] = "changed"
	c.SecurityGroups["web"].Ingress[0].From[0].Name = "changed"
	*c.NetworkACLs["data"].Ingress[0].Ports = PortRange{1, 2}
	c.RouteTables["public"].Routes[Destination{PrefixList: "x"}] = "y"
	c.NetworkInterfaces["web/eth0"].Status.PrivateIPs[0] = netip.IPv4Unspecified()
	if diff := cmp.Diff(open(t, quickstart), w, compareAddresses); diff != "" {
		t.Errorf("a change to the clone reached the original:\n%s", diff)
	}
}

func TestWorldSurvivesJSON(t *testing.T) {
	w := open(t, quickstart)
	w.Source = nil
	text, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	var back World
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(w, &back, compareAddresses, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(SecurityGroupPermission{}, "Rule")); diff != "" {
		t.Errorf("JSON lost something (-want +got):\n%s", diff)
	}
	for _, bare := range []string{`"ports":80`, `"ipv6":true`, `"0.0.0.0/0":"igw"`, `"serve":["http/80"]`} {
		if !strings.Contains(string(text), bare) {
			t.Errorf("JSON does not contain %s", bare)
		}
	}
}

func TestMarshalReadsBackTheSame(t *testing.T) {
	for name, src := range map[string]string{"quickstart": quickstart, "everything": everything} {
		t.Run(name, func(t *testing.T) {
			w := open(t, src)
			text, err := w.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), "app/main") || strings.Contains(string(text), "status") {
				t.Errorf("Marshal wrote what AWS makes by itself:\n%s", text)
			}
			if diff := cmp.Diff(w, open(t, string(text)), compareAddresses); diff != "" {
				t.Errorf("(-before +after):\n%s\n%s", diff, text)
			}
		})
	}
}

// everything uses every key at least once.
const everything = `
name: everything
region: eu-central-1
account: 210987654321
quotas: {vpcsPerRegion: 10}
vpcs:
  a:
    cidr: 10.0.0.0/16
    secondaryCidrs: [10.1.0.0/16, 100.64.0.0/16]
    ipv6: 2001:db8:1::/56
    enableDnsSupport: false
    enableDnsHostnames: true
    dhcpOptions: own
  b: {cidr: 10.0.0.0/16, ipv6: true, dhcpOptions: none}
  c: {cidr: 10.2.0.0/16, region: us-west-2, account: "012345678901", enableDnsHostnames: true}
  d: {cidr: 10.3.0.0/16, enableDnsHostnames: true}
vpcPeerings:
  ad: {vpc: a, peerVpc: d}
  cd: {vpc: c, peerVpc: d, state: active, requesterOptions: {allowDnsResolution: true}, accepterOptions: {allowDnsResolution: true}}
internetGateways:
  igw: {vpc: a}
  spare: {}
natGateways:
  nat: {subnet: one, eip: [198.51.100.60, auto], privateIp: 10.0.1.60, secondaryIps: [true]}
  inside: {subnet: one, connectivity: private, secondaryIps: [10.0.1.70, true]}
egressOnlyInternetGateways:
  eigw: {vpc: a}
dhcpOptions:
  own:
    domainName: example.com
    domainNameServers: [AmazonProvidedDNS, 10.0.0.53, "2001:db8:1::53"]
    ntpServers: [169.254.169.123]
    netbiosNameServers: [10.0.0.53]
    netbiosNodeType: 2
    ipv6PreferredLease: 1h
prefixLists:
  offices: {maxEntries: 5, entries: [203.0.113.0/25, 203.0.113.128/25]}
  offices6: {entries: ["2001:db8:aaaa::/48"]}
transitGateways:
  hub:
    region: eu-central-1
    account: "123456789012"
    asn: 4200000000
    defaultRouteTableAssociation: false
    defaultRouteTablePropagation: true
    vpnEcmp: false
    securityGroupReferencing: true
    cidrs: [10.99.0.0/24, 2001:db8:99::/64]
    sharedWith: ["210987654321"]
    shareInvitations: ["222222222222"]
    autoAcceptSharedAttachments: true
  west: {region: us-west-2}
regions:
  eu-central-1: {roundTrip: {us-east-1: 91.5ms}, zoneRoundTrip: typical}
  ap-south-2: {zoneRoundTrip: 700us}
links:
  fw/eth1: {bandwidth: 1.5Gbit, queue: 20ms, loss: 0.1%}
  plain: {delay: 30ms, jitter: 5ms, duplicate: 0.01%, forward: {bandwidth: 1Mbit, queue: 64KiB, loss: 0%}, reverse: {reorder: 1%, delay: 5ms}}
faults: [natGateway inside, link plain reverse]
flowLogs:
  all: {vpc: a, aggregationInterval: 10m, logGroup: lab}
  refused: {networkInterface: fw, trafficType: REJECT, format: "${version} ${srcaddr} ${tcp-flags} ${traffic-path}"}
  two: {subnet: two, trafficType: ACCEPT, aggregationInterval: 5}
  hub: {transitGateway: hub}
  hub-a: {transitGatewayAttachment: hub-a, format: "${tgw-id} ${packets-lost-blackhole}"}
  kept: {vpc: a, logDestinationType: s3, logDestination: "arn:aws:s3:::my-logs/net/", destinationOptions: {fileFormat: parquet, hiveCompatiblePartitions: true, perHourPartition: true}}
trafficMirrorTargets:
  sensor: {networkInterface: fw/eth1}
trafficMirrorFilters:
  web:
    networkServices: [amazon-dns]
    ingress: [{rule: 10, action: accept, protocol: tcp, sourceCidr: 0.0.0.0/0, destinationCidr: 10.0.0.0/16, sourcePorts: 1024-65535, destinationPorts: 443}]
    egress: [{rule: 20, action: reject, sourceCidr: "::/0", destinationCidr: "::/0"}]
trafficMirrorSessions:
  web: {networkInterface: fw, target: sensor, filter: web, sessionNumber: 1, packetLength: 200, virtualNetworkId: 77}
metricFilters:
  ssh: {logGroup: lab, filterPattern: "[..., action=REJECT, last]", metricName: Rejects, metricNamespace: Lab, metricValue: "1", defaultValue: 0, unit: Count}
  bytes: {filterPattern: "[a, b, c, source, destination, d, e, f, g, bytes, ...]", metricName: Bytes, metricNamespace: Lab, metricValue: $bytes, dimensions: {Source: $source, Destination: $destination}}
alarms:
  ssh:
    description: somebody knocks
    metricName: Rejects
    namespace: Lab
    dimensions: {Source: 10.0.0.1}
    statistic: Sum
    period: 1h
    evaluationPeriods: 3
    datapointsToAlarm: 2
    threshold: 9.5
    comparisonOperator: GreaterThanThreshold
    treatMissingData: notBreaching
    actionsEnabled: false
    alarmActions: [{on: fw, run: "echo $ALARM_NAME"}, {on: fw, post: "http://10.0.0.1:8080/"}]
    okActions: [{on: fw, run: "true"}]
    insufficientDataActions: []
  large: {metricName: Bytes, namespace: Lab, extendedStatistic: p99.9, period: 60, evaluationPeriods: 1, threshold: 1000, comparisonOperator: GreaterThanThreshold}
transitGatewayAttachments:
  hub-a: {transitGateway: hub, vpc: a, subnets: [two], applianceMode: true, securityGroupReferencing: false}
  hub-west: {transitGateway: hub, peer: west, state: pendingAcceptance}
  hub-sdwan: {transitGateway: hub, transport: hub-a}
transitGatewayConnectPeers:
  sdwan-1: {attachment: hub-sdwan, peerAddress: 10.0.2.90, transitGatewayAddress: 10.99.0.9, insideCidrs: [169.254.100.0/29, "fd00:100::/125"], peerAsn: 65010}
transitGatewayRouteTables:
  hub/default: {associations: [], propagations: [hub-a]}
  spokes: {transitGateway: hub, associations: [hub-a], routes: {10.77.0.0/16: hub-west, 10.60.0.0/16: branch-hub, offices: blackhole}}
sites:
  office:
    publicIp: 203.0.113.50
    ipv6: 2001:db8:ff00::50
    behindNat: true
    networks: [10.50.0.0/16, 10.51.0.0/16, "2001:db8:5000::/48"]
    router: bird
    asn: 65001
  branch: {ipv6: false}
siteHosts:
  desk: {site: office, ip: 10.50.1.10, ipv6: "2001:db8:5000::10", serve: [http/80], run: ["true"]}
  guest: {site: office, ipv6: false}
customerGateways:
  office: {site: office, asn: 65002}
  branch: {site: branch}
  office6: {site: office, ipAddressType: ipv6}
vpnGateways:
  vgw: {vpc: a, asn: 4200000001}
  cloudhub: {}
vpnConnections:
  office:
    customerGateway: office
    vpnGateway: vgw
    tunnels:
      - {insideCidr: 169.254.6.0/30, presharedKey: very.secret_1, dpdTimeout: 1m, dpdAction: restart, startupAction: start}
      - {}
  office6: {customerGateway: office6, transitGateway: hub, outsideIpAddressType: ipv6, tunnelInsideIpVersion: ipv6, tunnels: [{insideIpv6Cidr: "fd00:1::/126"}]}
  branch: {customerGateway: branch, vpnGateway: vgw, staticRoutes: [10.60.0.0/16]}
  branch-hub: {customerGateway: branch, transitGateway: hub, staticRoutes: [], enableAcceleration: true}
clientVpnEndpoints:
  corp:
    clientCidr: 172.20.0.0/22
    trafficIpAddressType: dual-stack
    endpointIpAddressType: dual-stack
    splitTunnel: true
    dnsServers: [10.0.0.2]
    securityGroups: [app]
    banner: Welcome
    sessionTimeoutHours: 8
    disconnectOnSessionTimeout: false
    connectionLog: true
    listen: 51820
    associations: [two]
    routes: {10.60.0.0/16: two, "2001:db8:60::/48": two, 172.20.0.0/22: local, 10.50.0.0/16: [two]}
    authorizationRules:
      - {cidr: 10.0.0.0/16, groups: all}
      - {cidr: 10.60.0.0/16, groups: [eng, ops], description: "the branch"}
  waiting: {clientCidr: 172.24.0.0/20}
  atHub: {clientCidr: 172.28.0.0/22, transitGateway: hub, availabilityZones: [eu-central-1a, eu-central-1b], routes: {10.60.0.0/16: atHub}}
vpnClients:
  anna: {endpoint: corp, groups: [eng], internetIp: 203.0.113.77, inLab: true, serve: [http/80], run: ["true"]}
  ben: {endpoint: waiting, inLab: false}
vpcEndpoints:
  s3: {vpc: a, service: com.amazonaws.eu-central-1.s3, type: gateway, routeTables: [main-a], ipAddressType: dualstack}
  kv: {vpc: a, service: kv, subnets: [two], privateIps: {two: 10.0.2.77}, securityGroups: [app], state: available}
  other: {vpc: d, service: kv, subnets: [four], privateDnsEnabled: true}
vpcEndpointServices:
  kv: {loadBalancers: [balancer], acceptanceRequired: true, allowedPrincipals: ["*"], privateDnsName: kv.example.com}
loadBalancers:
  balancer:
    subnets: [other]
    privateIps: {other: 10.0.1.88}
    ipAddressType: dualstack
    securityGroups: [b/default]
    enforceInboundRulesOnPrivateLink: false
    crossZone: true
    listeners: [{protocol: tcp, port: 443, targetGroup: kv}]
targetGroups:
  kv: {vpc: b, protocol: tcp, port: 8443, targets: [plain, plain/eth0, 10.0.1.99]}
routeTables:
  main-a: {vpc: a, main: true, propagate: [vgw]}
  ingress-vpn: {vpc: a, vpnGateway: vgw, routes: {10.0.2.0/24: fw/eth0}}
  edge:
    vpc: a
    routes:
      0.0.0.0/0: igw
      offices: fw/eth1
      10.0.2.0/24: fw/eth0
      10.1.0.0/16: local
      2001:db8:1:2::/64: fw/eth0
      192.0.2.0/24: spare
      198.51.100.0/24: sleeper
      172.16.0.0/12: nat
      64:ff9b::/96: inside
      "::/0": eigw
      10.78.0.0/16: hub
  peered: {vpc: d, routes: {10.0.0.0/16: ad, 10.2.0.0/16: cd, "::/0": cd}}
  ingress:
    vpc: a
    internetGateway: igw
    routes: {10.0.2.0/24: fw/eth0, 10.0.0.0/16: local}
networkAcls:
  a/default:
    ingress:
      - {rule: 200, action: deny, protocol: icmpv6, icmpType: 128, icmpCode: 0, cidr: "::/0"}
      - {rule: 100, action: allow, protocol: -1, cidr: 0.0.0.0/0}
subnets:
  one: {vpc: a, cidr: 10.0.1.0/24, routeTable: edge, ipv6: 2001:db8:1:1::/64, assignIpv6: false}
  two: {vpc: a, cidr: 10.0.2.0/24, ipv6: 2001:db8:1:2::/64, az: eu-central-1a, networkAcl: a/default, mapPublicIp: true}
  other: {vpc: b, cidr: 10.0.1.0/24, enableResourceNameDnsARecord: true}
  four: {vpc: d, cidr: 10.3.1.0/24}
  six: {vpc: b, ipv6Native: true, enableDns64: true, privateDnsHostnameType: resource-name, enableResourceNameDnsAAAARecord: true}
securityGroups:
  a/default: {egress: []}
  peer:
    vpc: d
    ingress:
      - {protocol: icmp, from: [app, 210987654321/a/default]}
  app:
    vpc: a
    description: the application
    ingress:
      - {protocol: tcp, ports: 8000-8999, from: [app, default, offices, 10.0.0.0/8, "::/0"], description: many peers}
      - {protocol: 50, from: 0.0.0.0/0}
      - {protocol: icmp, icmpType: 8, from: offices}
    egress:
      - {protocol: all, to: 0.0.0.0/0}
instances:
  fw:
    subnet: one
    ip: 10.0.1.10
    secondaryIps: [10.0.1.11, {ip: 10.0.1.12, publicIp: 198.51.100.78}]
    ipv6: 2001:db8:1:1::10
    ipv6s: [true, "2001:db8:1:1::11"]
    connectionTracking: {tcpEstablished: 350, udp: 60, udpStream: 3m, allowance: 1000}
    role: reader
    userData: |
      #!/bin/sh
      echo hello
    metadataOptions: {httpTokens: optional, httpEndpoint: enabled, httpPutResponseHopLimit: 2, httpProtocolIpv6: enabled, instanceMetadataTags: enabled}
    tags: {Name: fw, cost-center: "42"}
    publicIp: 198.51.100.77
    sourceDestCheck: false
    forward: true
    appliance: {networks: [10.80.0.0/16], asn: 65010, router: bird}
    interfaces:
      - {subnet: two, securityGroups: [app], sourceDestCheck: false}
    run: ["sh -c 'echo hi > /dev/null'", "true"]
  sleeper: {subnet: one, stopped: true, publicIp: true, ipv6: false}
  plain: {subnet: other, publicIp: false}
  six: {subnet: six}
internetHosts:
  client: {ip: 203.0.113.1, ipv6: 2001:db8:ff00::1, serve: [udp/53, http/80, tcp/81]}
  old: {ip: 203.0.113.2, ipv6: false}
checks:
  - {name: one, description: first, from: client, to: 198.51.100.77, udp: 53, family: ipv4, wait: 1m30s, source: client}
  - {from: fw, to: fw/eth1, tcp: 1, expect: drop, at: networkAcl a/default, mirrored: web}
  - {from: desk, to: guest, ping: true, expect: drop, at: vpnTunnel office/1, fault: [site branch, tunnel office/2, vpnConnection office6]}
  - {alarm: ssh, state: OK, wait: 1s}
  - {flowLog: all, record: "-NODATA"}
`

func TestEverythingLoadsClean(t *testing.T) {
	w := open(t, everything)
	states := map[string]string{}
	for _, r := range w.RouteTables["edge"].Status.Routes {
		states[r.Destination.String()] = strings.TrimSpace(r.TargetKind + " " + r.Target + " " + r.State)
	}
	want := map[string]string{
		"0.0.0.0/0":         "internetGateway igw active",
		"10.0.0.0/16":       "local  active",
		"10.1.0.0/16":       "local  active",
		"100.64.0.0/16":     "local  active",
		"2001:db8:1::/56":   "local  active",
		"10.0.2.0/24":       "networkInterface fw/eth0 active",
		"2001:db8:1:2::/64": "networkInterface fw/eth0 active",
		"offices":           "networkInterface fw/eth1 active",
		"192.0.2.0/24":      "internetGateway spare blackhole",
		"198.51.100.0/24":   "networkInterface sleeper/eth0 blackhole",
		"172.16.0.0/12":     "natGateway nat active",
		"10.78.0.0/16":      "transitGateway hub active",
		"64:ff9b::/96":      "natGateway inside active",
		"::/0":              "egressOnlyInternetGateway eigw active",
	}
	if diff := cmp.Diff(want, states); diff != "" {
		t.Errorf("routes (-want +got):\n%s", diff)
	}
	if got := w.VPCs["a"].Status.MainRouteTable; got != "main-a" || w.RouteTables["a/main"] != nil {
		t.Errorf("main route table of a = %q", got)
	}
	if got := w.NetworkACLs["a/default"].Status; got.Ingress[0].Rule != 100 || len(got.Egress) != 2 {
		t.Errorf("rules of the default ACL in force = %+v", got)
	}
	if got := w.SecurityGroups["a/default"].Status; len(got.Egress) != 0 || got.Ingress[0].SecurityGroup != "a/default" {
		t.Errorf("rules of the default group in force = %+v", got)
	}
	if got := w.SecurityGroups["app"].Status.Ingress; len(got) != 7 || got[1].SecurityGroup != "a/default" || got[2].PrefixList != "offices" {
		t.Errorf("rules of app in force = %+v", got)
	}
	sleeper := w.NetworkInterfaces["sleeper/eth0"].Status
	if sleeper.PublicIP.IsValid() || len(sleeper.IPv6s) != 0 || len(sleeper.PrivateIPs) != 1 {
		t.Errorf("addresses of a stopped instance = %+v", sleeper)
	}
	if got := w.InternetGateways["igw"].Status.EdgeRouteTable; got != "ingress" {
		t.Errorf("edge route table = %q", got)
	}
	if fw := w.NetworkInterfaces["fw/eth0"]; !fw.Status.ElasticIP || len(fw.Status.PrivateIPs) != 3 || fw.SourceDestCheck {
		t.Errorf("fw/eth0 = %+v", fw)
	}
}

func TestEverythingUsesEveryKey(t *testing.T) {
	seen := map[reflect.Type]bool{}
	var visit func(reflect.Type)
	visit = func(u reflect.Type) {
		switch u.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			visit(u.Elem())
		case reflect.Struct:
			if _, isScalar := reflect.New(u).Interface().(textValue); isScalar || seen[u] || u == reflect.TypeFor[Quotas]() || u.PkgPath() == "net/netip" {
				return
			}
			seen[u] = true
			fileFields(u, func(name string, _ []int, f reflect.StructField) {
				if !strings.Contains(everything, name+":") && u != reflect.TypeFor[Check]() {
					t.Errorf("%s.%s is not in everything", u.Name(), name)
				}
				visit(f.Type)
			})
		}
	}
	visit(reflect.TypeFor[World]())
}

func TestReferencesByID(t *testing.T) {
	w := open(t, quickstart)
	src := quickstart
	for name, id := range map[string]string{
		"igw: {vpc: app}": "igw: {vpc: " + w.VPCs["app"].Status.ID + "}",
		"0.0.0.0/0: igw":  "0.0.0.0/0: " + w.InternetGateways["igw"].Status.ID,
		"web: {subnet: public, securityGroups: [web]": "web: {subnet: " + w.Subnets["public"].Status.ID + ", securityGroups: [" + w.SecurityGroups["web"].Status.ID + "]",
		"routeTable: private":                         "routeTable: " + w.RouteTables["app/main"].Status.ID,
	} {
		if !strings.Contains(src, name) {
			t.Fatalf("quickstart has no %q", name)
		}
		src = strings.Replace(src, name, id, 1)
	}
	byID := open(t, src)
	if got := byID.Subnets["private"].RouteTable; got != "app/main" {
		t.Errorf("route table by ID = %q", got)
	}
	byID.Subnets["private"].RouteTable = "private"
	byID.Complete()
	if diff := cmp.Diff(w, byID, compareAddresses); diff != "" {
		t.Errorf("IDs and names mean different worlds:\n%s", diff)
	}
}

func TestCompleteTakesAwayWhatLostItsVPC(t *testing.T) {
	w := open(t, "name: x\nvpcs: {a: {cidr: 10.0.0.0/16}, b: {cidr: 10.1.0.0/16}}")
	delete(w.VPCs, "b")
	if p := w.Prepare(nil); len(p) > 0 {
		t.Fatal(p)
	}
	if len(w.RouteTables) != 1 || len(w.SecurityGroups) != 1 || len(w.NetworkACLs) != 1 {
		t.Errorf("left: %v %v %v", w.RouteTables, w.SecurityGroups, w.NetworkACLs)
	}
	w.RouteTables["own"] = &RouteTable{VPC: "a", Main: true}
	if p := w.Prepare(nil); len(p) > 0 {
		t.Fatal(p)
	}
	if w.RouteTables["a/main"] != nil || !w.RouteTables["own"].Status.Main {
		t.Error("a table marked as main did not take the place of a/main")
	}
}

// TestKindsFillsEveryMap holds World and Kinds together.
func TestKindsFillsEveryMap(t *testing.T) {
	w := &World{}
	w.Complete()
	for _, k := range Kinds() {
		if got, ok := KindNamed(k.Singular); !ok || got.Plural != k.Plural {
			t.Errorf("KindNamed(%q) = %v", k.Singular, got.Plural)
		}
		if slices.Contains(laterKinds, k.Plural) {
			t.Errorf("%s is both supported and for later", k.Plural)
		}
	}
	for _, name := range fieldNames(reflect.TypeFor[World]()) {
		switch name {
		case "name", "description", "region", "account", "quotas", "checks", "faults":
			continue
		}
		if _, ok := KindNamed(name); !ok {
			t.Errorf("World has %s, Kinds has not", name)
		}
	}
}
