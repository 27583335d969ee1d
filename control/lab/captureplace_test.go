package lab

import (
	"strings"
	"testing"
)

const placesFile = `
name: places
vpcs: {v: {cidr: 10.0.0.0/16}}
internetGateways: {igw: {vpc: v}}
routeTables:
  public: {vpc: v, routes: {0.0.0.0/0: igw}}
subnets:
  s: {vpc: v, cidr: 10.0.0.0/24, routeTable: public}
natGateways: {nat: {subnet: s}}
instances:
  web: {subnet: s}
  two: {subnet: s, interfaces: [{subnet: s}]}
internetHosts: {laptop: {ip: 203.0.113.10}}
trafficMirrorTargets: {t: {networkInterface: two}}
trafficMirrorFilters: {f: {}}
trafficMirrorSessions: {nat: {networkInterface: web, target: t, filter: f, sessionNumber: 1}}
`

func TestCapturePlacesByName(t *testing.T) {
	_, w := applied(t, placesFile)
	for text, want := range map[string]string{
		"web":                      "web",
		"web/eth0":                 "web/eth0",
		"two":                      "two/eth0 two/eth1",
		"two/eth1":                 "two/eth1",
		"igw":                      "igw:inside igw:outside",
		"igw:outside":              "igw:outside",
		"laptop":                   "laptop",
		"internet":                 "internet",
		"natGateway nat":           "nat:inside nat:outside",
		"trafficMirrorSession nat": "nat",
		"nat":                      `error: nat is the name of several things; write one of "natGateway nat", "trafficMirrorSession nat"`,
		"nat:inside":               "nat:inside",
		"web:inside":               `error: instance web has no side "inside"; NAT and internet gateways, VPN tunnels and VPN clients have :inside and :outside`,
		"wep":                      `error: nothing in the lab that packets pass is named "wep"; did you mean web?`,
	} {
		places, err := findPlaces(w, []string{text, text})
		var names []string
		for _, p := range places {
			names = append(names, p.Name)
		}
		got := strings.Join(names, " ")
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
	var all []string
	for _, p := range allPlaces(w) {
		all = append(all, p.Name)
	}
	if got, want := strings.Join(all, " "), "igw:inside igw:outside internet laptop nat:inside nat:outside nat two/eth0 two/eth1 web"; got != want {
		t.Errorf("all places are %s, want %s", got, want)
	}
}
