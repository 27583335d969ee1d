package control

import (
	"strings"
	"testing"

	"github.com/vpcsim/vpcsim/dataplane"
)

const mirrorLab = `
name: mirrors
vpcs:
  v: {cidr: 10.0.0.0/16, ipv6: "2001:db8:1::/56"}
  far: {cidr: 10.1.0.0/16, region: eu-west-1}
subnets:
  s: {vpc: v, cidr: 10.0.1.0/24, ipv6: "2001:db8:1:1::/64"}
  six: {vpc: v, ipv6Native: true, ipv6: "2001:db8:1:6::/64"}
  away: {vpc: far, cidr: 10.1.1.0/24}
instances:
  web: {subnet: s, ip: 10.0.1.10}
  sensor: {subnet: s, ip: 10.0.1.20}
  native: {subnet: six}
  abroad: {subnet: away}
trafficMirrorTargets:
  t: {networkInterface: sensor}
trafficMirrorFilters:
  all: {ingress: [{rule: 1, action: accept, sourceCidr: 0.0.0.0/0, destinationCidr: 0.0.0.0/0}]}
`

func TestTrafficMirrorSessionIsCompiled(t *testing.T) {
	w := open(t, mirrorLab+"trafficMirrorSessions: {a: {networkInterface: web, target: t, filter: all, sessionNumber: 1}, b: {networkInterface: web/eth0, target: t, filter: all, sessionNumber: 2, virtualNetworkId: 5}}\n")
	a, b := &w.TrafficMirrorSessions["a"].Status, &w.TrafficMirrorSessions["b"].Status
	if !strings.HasPrefix(a.ID, "tms-") || a.VirtualNetworkID == 5 || a.VirtualNetworkID <= 0 || b.VirtualNetworkID != 5 || b.NetworkInterface != "web/eth0" || a.NetworkInterface != "web/eth0" {
		t.Errorf("sessions are %+v, %+v", a, b)
	}
	if s := &w.TrafficMirrorTargets["t"].Status; s.IP.String() != "10.0.1.20" || strings.Join(s.Sessions, " ") != "a b" || s.NetworkInterface != "sensor/eth0" {
		t.Errorf("target is %+v", s)
	}
	if again := open(t, mirrorLab+"trafficMirrorSessions: {a: {networkInterface: web, target: t, filter: all, sessionNumber: 1}}\n"); again.TrafficMirrorSessions["a"].Status.VirtualNetworkID != a.VirtualNetworkID {
		t.Error("AWS's choice of a network identifier is another one in another run")
	}
	for i := range build(w, 1).TrafficMirrorSessions {
		if s := &build(w, 1).TrafficMirrorSessions[i]; s.Kind != dataplane.KindTrafficMirrorSession || len(s.Ingress) != 1 || !s.Ingress[0].Accept || s.Ingress[0].LastPort != 65535 || len(s.Egress) != 0 {
			t.Errorf("compiled to %+v", s)
		}
	}
}

func TestTrafficMirrorErrorsAreAWSs(t *testing.T) {
	session := func(fields string) string { return "trafficMirrorSessions: {s: {" + fields + "}}\n" }
	const good = "networkInterface: web, target: t, filter: all, sessionNumber: "
	for name, c := range map[string]struct{ file, want string }{
		"M2 no number":            {session("networkInterface: web, target: t, filter: all"), "must contain the parameter sessionNumber [MissingParameter]"},
		"M2 number":               {session(good + "32767"), "Value (32767) for parameter sessionNumber is invalid. [InvalidParameterValue]"},
		"M8 length":               {session(good + "1, packetLength: 8501"), "Value (8501) for parameter packetLength is invalid."},
		"M4 network":              {session(good + "1, virtualNetworkId: 16777216"), "Value (16777216) for parameter virtualNetworkId is invalid."},
		"M2 source is the target": {session("networkInterface: sensor, target: t, filter: all, sessionNumber: 1"), "sensor/eth0 is in use by traffic mirror target t and cannot be a source"},
		"M3 another Region":       {session("networkInterface: abroad, target: t, filter: all, sessionNumber: 1"), "does not exist in eu-west-1 [InvalidTrafficMirrorTargetId.NotFound]"},
		"M4 IPv6 only":            {session("networkInterface: native, target: t, filter: all, sessionNumber: 1"), "not supported for IPv6-only subnets"},
		"no target":               {session("networkInterface: web, target: u, filter: all, sessionNumber: 1"), "[InvalidTrafficMirrorTargetId.NotFound]"},
		"no filter":               {session("networkInterface: web, target: t, filter: alle, sessionNumber: 1"), "[InvalidTrafficMirrorFilterId.NotFound]"},
		"M6 same number": {"trafficMirrorSessions: {a: {" + good + "1}, b: {" + good + "1}}\n",
			"web/eth0 has a traffic mirror session with number 1: a"},
		"M6 a fourth session": {"trafficMirrorSessions: {a: {" + good + "1}, b: {" + good + "2}, c: {" + good + "3}, d: {" + good + "4}}\n",
			"[TrafficMirrorSessionsPerInterfaceLimitExceeded]"},
		"M7 families":  {"trafficMirrorFilters: {f: {egress: [{rule: 1, action: accept, sourceCidr: 10.0.0.0/8, destinationCidr: '::/0'}]}}\n", "are of different address families"},
		"M7 no blocks": {"trafficMirrorFilters: {f: {egress: [{rule: 1, action: accept, destinationCidr: '::/0'}]}}\n", "must contain the parameter sourceCidr"},
		"M7 ports":     {"trafficMirrorFilters: {f: {egress: [{rule: 1, action: accept, destinationPorts: 80, sourceCidr: 0.0.0.0/0, destinationCidr: 0.0.0.0/0}]}}\n", "all has no ports"},
		"M7 protocol":  {"trafficMirrorFilters: {f: {egress: [{rule: 1, action: accept, protocol: tcpp, destinationPorts: 80, sourceCidr: 0.0.0.0/0, destinationCidr: 0.0.0.0/0}]}}\n", "Unknown protocol"},
		"M7 action":    {"trafficMirrorFilters: {f: {egress: [{rule: 1, action: allow, sourceCidr: 0.0.0.0/0, destinationCidr: 0.0.0.0/0}]}}\n", "accept"},
		"M7 twice": {"trafficMirrorFilters: {f: {egress: [{rule: 1, action: accept, sourceCidr: 0.0.0.0/0, destinationCidr: 0.0.0.0/0}, {rule: 1, action: reject, sourceCidr: '::/0', destinationCidr: '::/0'}]}}\n",
			"[TrafficMirrorFilterRuleAlreadyExists]"},
	} {
		file := mirrorLab
		if strings.HasPrefix(c.file, "trafficMirrorFilters") {
			file = strings.Replace(mirrorLab, "trafficMirrorFilters:\n", "", 1)
			file = strings.Replace(file, "  all: {ingress", "trafficMirrorFilters:\n  all: {ingress", 1)
			file = file[:strings.Index(file, "trafficMirrorFilters")]
		}
		_, err := Open("x.yaml", []byte(file+c.file))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v\nwant %s", name, err, c.want)
		}
	}
}
