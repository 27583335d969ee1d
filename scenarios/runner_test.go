package scenarios

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vpcsim/vpcsim/control"
)

// runnerLab has a reason for every kind of verdict that checks can get wrong.
const runnerLab = `
name: runner
vpcs: {v: {cidr: 10.0.0.0/16, ipv6: true}}
internetGateways: {igw: {vpc: v}}
natGateways:
  nat:    {subnet: s, eip: [198.51.100.20, 198.51.100.21]}
  hidden: {subnet: s, connectivity: private, privateIp: 10.0.1.60}
routeTables:
  r: {vpc: v, main: true, routes: {0.0.0.0/0: igw, "::/0": igw}}
  p: {vpc: v, routes: {0.0.0.0/0: nat, "64:ff9b::/96": nat, 10.0.2.0/24: hidden}}
subnets:
  s: {vpc: v, cidr: 10.0.1.0/24, ipv6: true}
  t: {vpc: v, cidr: 10.0.2.0/24, ipv6: true}
  p: {vpc: v, cidr: 10.0.3.0/24, ipv6: true, routeTable: p}
securityGroups:
  web: {vpc: v, ingress: [{protocol: tcp, ports: 80-81, from: [0.0.0.0/0, "::/0"]}, {protocol: udp, ports: 53-54, from: 0.0.0.0/0}]}
  ops: {vpc: v}
instances:
  web: {subnet: s, ip: 10.0.1.10, publicIp: 198.51.100.7, securityGroups: [web, ops], serve: [http/80, udp/53]}
  job: {subnet: t, ip: 10.0.2.10, securityGroups: [ops], run: [/bin/true], interfaces: [{subnet: s, ip: 10.0.1.11, securityGroups: [web]}]}
  off: {subnet: t, ip: 10.0.2.11, securityGroups: [web], stopped: true}
  app: {subnet: p, ip: 10.0.3.10, securityGroups: [ops]}
  two: {subnet: s, ip: 10.0.1.12, securityGroups: [web], secondaryIps: [{ip: 10.0.1.13, publicIp: 198.51.100.8}]}
  mysql: {subnet: t, ip: 10.0.2.12, securityGroups: [web]}
internetHosts: {laptop: {ip: 203.0.113.10, serve: [http/80]}, old: {ip: 203.0.113.11, ipv6: false}}
checks:
`

func TestRunJudges(t *testing.T) {
	for _, c := range []struct {
		name, check string
		ok          bool
		got         string // a part of it
	}{
		{"pass", `{from: laptop, to: web, tcp: 80}`, true, "answered; web saw source 203.0.113.10"},
		{"pass over IPv6", `{from: laptop, to: web, tcp: 80, family: ipv6, source: laptop}`, true, "saw source 2001:db8:ff"},
		{"UDP", `{from: job, to: web, udp: 53, source: 10.0.1.11}`, true, "answered"},
		{"a pass that drops", `{from: laptop, to: web, tcp: 22}`, false, "dropped at securityGroup ops and securityGroup web: none of these groups"},
		{"a drop that passes", `{from: laptop, to: web, tcp: 80, expect: drop}`, false, "answered, but a drop was expected"},
		{"one of two groups", `{from: laptop, to: web, tcp: 22, expect: drop, at: securityGroup web}`, true, "dropped at"},
		{"the other of two groups", `{from: laptop, to: web, tcp: 22, expect: drop, at: securityGroup ops}`, true, "dropped at"},
		{"a kind alone", `{from: laptop, to: web, tcp: 22, expect: drop, at: securityGroup}`, true, "dropped at"},
		{"wrong object", `{from: laptop, to: web, tcp: 22, expect: drop, at: securityGroup v/default}`, false, "dropped at securityGroup ops and securityGroup web: none of these groups has an ingress rule that allows tcp/22 from 203.0.113.10; expected a drop at securityGroup v/default"},
		{"wrong kind", `{from: laptop, to: web, tcp: 22, expect: drop, at: networkAcl v/default}`, false, "expected a drop at networkAcl v/default"},
		{"an instance is its interfaces", `{from: job, to: off, ping: true, expect: drop, at: securityGroup web}`, true, "dropped at"},
		{"wrong source", `{from: laptop, to: web, tcp: 80, source: 203.0.113.11}`, false, "web saw source 203.0.113.10, not 203.0.113.11"},
		{"wrong named source", `{from: laptop, to: web, tcp: 80, source: old}`, false, "web saw source 203.0.113.10, not 203.0.113.11"},
		{"source by name, outside", `{from: web, to: laptop, tcp: 80, source: web}`, true, "saw source 198.51.100.7"},
		{"source by name, inside", `{from: job, to: web, tcp: 80, source: job/eth1}`, true, "saw source 10.0.1.11"},
		{"source by name, hairpin", `{from: web, to: 198.51.100.7, tcp: 80, source: web}`, true, "saw source 198.51.100.7"},
		{"nobody listens on TCP: a listener stands in", `{from: laptop, to: web, tcp: 81}`, true, "answered"},
		{"the network let it through", `{from: laptop, to: web, tcp: 81, expect: drop}`, false, "answered, but a drop was expected"},
		{"nobody listens on UDP: a listener stands in", `{from: laptop, to: web, udp: 54}`, true, "answered"},
		{"internet alone", `{from: laptop, to: job, tcp: 80, expect: drop, at: internet}`, true, "is a private address"},
		{"nobody on the Internet", `{from: laptop, to: 192.0.2.1, ping: true, expect: drop, at: internet}`, true, "nobody on the emulated Internet has 192.0.2.1"},
		{"no address of the family, there", `{from: laptop, to: old, ping: true, family: ipv6}`, false, "to old: it has no ipv6 address"},
		{"no address of the family, here", `{from: old, to: web, tcp: 80, family: ipv6, expect: drop, at: internet}`, false, "old has no address of that family"},
		{"source: a NAT gateway, on the Internet", `{from: app, to: laptop, tcp: 80, source: nat}`, true, "saw source 198.51.100.2"},
		{"source: a NAT gateway, in the VPC", `{from: app, to: mysql, tcp: 80, source: hidden}`, true, "saw source 10.0.1.60"},
		{"source: another NAT gateway", `{from: app, to: mysql, tcp: 80, source: nat}`, false, "mysql saw source 10.0.1.60, not 10.0.1.4 or 10.0.1.5"},
		{"source: not a NAT gateway", `{from: web, to: laptop, tcp: 80, source: nat}`, false, "laptop saw source 198.51.100.7, not 198.51.100.20 or 198.51.100.21"},
		{"source: a NAT gateway by NAT64", `{from: app, to: "64:ff9b::203.0.113.10", udp: 53, source: nat}`, true, "saw source 198.51.100.2"},
		{"source: a NAT gateway over IPv6", `{from: web, to: laptop, tcp: 80, family: ipv6, source: nat}`, false, "a NAT gateway translates no IPv6 but 64:ff9b::/96"},
		{"to a NAT gateway, from the Internet", `{from: laptop, to: nat, tcp: 80, expect: drop, at: natGateway nat}`, true, "it answers nothing"},
		{"to a NAT gateway, from the VPC", `{from: web, to: hidden, ping: true, expect: drop, at: natGateway hidden}`, true, "it answers nothing"},
		{"to a private NAT gateway, from the Internet", `{from: laptop, to: hidden, ping: true, expect: drop, at: internet}`, true, "10.0.1.60 is a private address"},
		{"to a NAT gateway over IPv6", `{from: laptop, to: nat, ping: true, family: ipv6}`, false, "to nat: it has no ipv6 address"},
		{"to the Elastic IP of a secondary address", `{from: laptop, to: two, tcp: 80, source: laptop}`, true, "two saw source 203.0.113.10"},
		{"no route", `{from: job, to: laptop, tcp: 80, expect: drop, at: internetGateway igw}`, true, "10.0.2.10 has no public address"},
	} {
		t.Run(c.name, func(t *testing.T) {
			results := checkOnMemory(t, loadText(t, runnerLab+"  - "+c.check))
			if r := results[0]; r.OK != c.ok || !strings.Contains(r.Got, c.got) {
				t.Errorf("%v: %s\nwant %v: … %s …", r.OK, r.Got, c.ok, c.got)
			}
		})
	}
}

// flakyDriver holds from its third probe on.
type flakyDriver struct{ probes, holds int }

func (d *flakyDriver) Probe(context.Context, Probe) (Outcome, error) {
	d.probes++
	if d.probes == 1 {
		return Outcome{}, errors.New("the tunnel is not up")
	}
	return Outcome{Answered: d.probes >= d.holds}, nil
}

func (d *flakyDriver) Break(context.Context, control.Faults) (*control.World, func() error, error) {
	return nil, nil, errors.New("not in this test")
}

func TestRunRetriesWhileACheckMayWait(t *testing.T) {
	w := loadText(t, runnerLab+"  - {from: laptop, to: web, tcp: 80, wait: 10s}\n")
	w.Prepare(nil)
	for _, c := range []struct {
		name          string
		wait          time.Duration
		holds, probes int
		ok            bool
	}{
		{"no wait, one probe", 0, 1, 1, false},
		{"holds on the third", 10 * time.Second, 3, 3, true},
		{"holds too late", 10 * time.Second, 1000, 9, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			w.Checks[0].Wait = control.Duration(c.wait)
			d := &flakyDriver{holds: c.holds}
			r := Run(t.Context(), w, d, nil)[0]
			if r.OK != c.ok || d.probes != c.probes || r.Took > c.wait {
				t.Errorf("%s: %v after %d probes and %s: %s", c.name, r.OK, d.probes, r.Took, r.Got)
			}
		})
	}
}
