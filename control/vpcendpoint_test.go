package control

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const endpointBase = `
name: x
vpcs: {a: {cidr: 10.0.0.0/16}, b: {cidr: 10.1.0.0/16, region: eu-west-1}}
internetGateways: {igw: {vpc: a}}
routeTables:
  one: {vpc: a}
  two: {vpc: a}
  far: {vpc: b}
  edge: {vpc: a, internetGateway: igw}
`

func TestValidateVPCEndpoints(t *testing.T) {
	const s3, s3Six = "com.amazonaws.us-east-1.s3", "com.amazonaws.us-east-1.ipv6.s3"
	for name, c := range map[string]struct {
		src  string
		want []string
	}{
		"E1 both services on one table, and by whole name in another Region": {`vpcEndpoints:
  e: {vpc: a, service: s3, routeTables: [one, two, a/main], ipAddressType: dualstack}
  d: {vpc: a, service: dynamodb, type: gateway, routeTables: [one]}
  far: {vpc: b, service: com.amazonaws.eu-west-1.s3, routeTables: [far]}
`, nil},
		"no such service, one of another Region, none": {`vpcEndpoints:
  e: {vpc: a, service: sqs}
  f: {vpc: a, service: com.amazonaws.eu-west-1.s3}
  g: {vpc: a}
`, []string{
			`vpcEndpoints.e.service [InvalidServiceName] The Vpc Endpoint Service 'sqs' does not exist`,
			`vpcEndpoints.f.service [InvalidServiceName] The Vpc Endpoint Service 'com.amazonaws.eu-west-1.s3' does not exist`,
			`vpcEndpoints.g.service [MissingParameter] The request must contain the parameter service`}},
		"QG23 one route per service and table": {`vpcEndpoints:
  e: {vpc: a, service: s3, routeTables: [one]}
  f: {vpc: a, service: s3, routeTables: [two, one], ipAddressType: dualstack}
  g: {vpc: a, service: s3, routeTables: [one], ipAddressType: ipv6}
`, []string{
			`vpcEndpoints.f.routeTables[1] [RouteAlreadyExists] route table one already has a route with destination-prefix-list-id ` + s3,
			`vpcEndpoints.g.routeTables[0] [RouteAlreadyExists] route table one already has a route with destination-prefix-list-id ` + s3Six}},
		"a table twice, of another VPC, of a gateway, of nobody": {
			"vpcEndpoints: {e: {vpc: a, service: s3, routeTables: [one, one, far, edge, gone]}}\n", []string{
				`vpcEndpoints.e.routeTables[1] [InvalidParameter] route table one is in the list twice`,
				`vpcEndpoints.e.routeTables[2] [InvalidRouteTableId.NotFound] The routeTable ID 'far' does not belong to VPC a`,
				`vpcEndpoints.e.routeTables[3] [InvalidParameterValue] route table edge is associated with a gateway`,
				`vpcEndpoints.e.routeTables[4] [InvalidRouteTableID.NotFound] no route table named "gone"`}},
		"QG15 E-C24 its route is not written by hand": {
			"vpcEndpoints: {e: {vpc: a, service: s3}}\nrouteTables: {hand: {vpc: a, routes: {" + s3 + ": e, 10.9.0.0/16: e}}}\n", []string{
				`routeTables.hand.routes["10.9.0.0/16"] [InvalidParameterValue] Cannot create or replace a prefix list route targeting a VPC Endpoint.`,
				`routeTables.hand.routes["` + s3 + `"] [InvalidParameterValue] Cannot create or replace a prefix list route targeting a VPC Endpoint.`}},
		"AWS's list with another target takes the place": {
			"vpcEndpoints: {e: {vpc: a, service: s3, routeTables: [hand]}}\nrouteTables: {hand: {vpc: a, routes: {" + s3 + ": igw}}}\n", []string{
				`vpcEndpoints.e.routeTables[0] [RouteAlreadyExists] route table hand already has a route with destination-prefix-list-id ` + s3}},
		"AWS's lists are AWS's": {"vpcEndpoints: {e: {vpc: a, service: s3}}\nprefixLists: {" + s3 + ": {entries: [10.0.0.0/8]}}\n", []string{
			`prefixLists["` + s3 + `"] [InvalidParameterValue] Invalid value '` + s3 + `' for prefix list name`}},
		"E2 a list of another Region": {"vpcEndpoints: {e: {vpc: a, service: s3}}\nsecurityGroups: {g: {vpc: b, egress: [{protocol: all, to: com.amazonaws.us-east-1.s3}]}}\n", []string{
			`securityGroups.g.egress[0] [InvalidPrefixListID.NotFound] The prefix list ID 'com.amazonaws.us-east-1.s3' does not exist`}},
		"an address of a service's": {"vpcEndpoints: {e: {vpc: a, service: s3}}\ninternetHosts: {h: {ip: 198.18.1.1, ipv6: 2001:db8:fe00::9}}\n", []string{
			`internetHosts.h.ip [InvalidIPAddress.InUse] Address 198.18.1.1 is in use.`,
			`internetHosts.h.ipv6 [InvalidIPAddress.InUse] Address 2001:db8:fe00::9 is in use.`}},
		"E9 twenty per Region": {"vpcEndpoints: {" + repeat(21, func(i int) string { return fmt.Sprintf("e%02d: {vpc: a, service: s3}", i) }) + "far: {vpc: b, service: s3}}", []string{
			`vpcEndpoints.e20 [VpcEndpointLimitExceeded] The maximum number of VPC endpoints has been reached: 20 gateway endpoints in us-east-1`}},
	} {
		t.Run(name, func(t *testing.T) {
			src := endpointBase
			if strings.Contains(c.src, "routeTables: {hand") { // one map
				_, hand, _ := strings.Cut(c.src, "routeTables: {")
				src += "  " + strings.TrimSuffix(strings.TrimSpace(hand), "}") + "\n"
				c.src, _, _ = strings.Cut(c.src, "routeTables: {hand")
			}
			var got []string
			w, err := Load("x.yaml", []byte(src+c.src))
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range w.Prepare(nil) {
				got = append(got, fmt.Sprintf("%s [%s] %s", p.Path, p.Code, p.Message))
			}
			slices.Sort(got)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEndpointRoutesAreListed_E1(t *testing.T) {
	w := open(t, endpointBase+"vpcEndpoints: {e: {vpc: a, service: s3, routeTables: [one], ipAddressType: dualstack}}\n")
	var got []string
	for _, r := range w.RouteTables["one"].Status.Routes {
		got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", r.Destination, r.TargetKind, r.Target, r.Origin)))
	}
	want := []string{
		"10.0.0.0/16 local  CreateRouteTable",
		"com.amazonaws.us-east-1.ipv6.s3 vpcEndpoint e CreateRoute",
		"com.amazonaws.us-east-1.s3 vpcEndpoint e CreateRoute",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("routes (-want +got):\n%s", diff)
	}
}

// A lab that has nothing to do with AWS's services has none: no names, no lists, and
// no machines.
func TestAWSServicesAreThereWhenAskedFor(t *testing.T) {
	group := "securityGroups: {g: {vpc: a, egress: [{protocol: tcp, ports: 443, to: com.amazonaws.us-east-1.s3}]}}\n"
	host := "internetHosts: {h: {ip: 203.0.113.1}}\n"
	for name, c := range map[string]struct {
		src  string
		want []string
	}{
		"nothing":      {"", nil},
		"an endpoint":  {"vpcEndpoints: {e: {vpc: a, service: s3}}\n", []string{"dynamodb.eu-west-1", "dynamodb.us-east-1", "s3.eu-west-1", "s3.us-east-1"}},
		"a rule":       {group, []string{"dynamodb.eu-west-1", "dynamodb.us-east-1", "s3.eu-west-1", "s3.us-east-1"}},
		"a check":      {host + "checks: [{from: h, to: s3.sa-east-1, tcp: 80}]\n", []string{"dynamodb.eu-west-1", "dynamodb.sa-east-1", "dynamodb.us-east-1", "s3.eu-west-1", "s3.sa-east-1", "s3.us-east-1"}},
		"another name": {host + "checks: [{from: h, to: 203.0.113.2, tcp: 80}]\n", nil},
	} {
		w := open(t, endpointBase+c.src)
		if got := sorted(w.AWSServices); !slices.Equal(got, c.want) || len(w.PrefixLists) != 2*len(c.want) {
			t.Errorf("%s: services %v, %d lists; want %v", name, got, len(w.PrefixLists), c.want)
		}
		if text, err := w.Marshal(); err != nil || strings.Contains(string(text), "prefixLists") {
			t.Errorf("%s: %v; the file would say\n%s", name, err, text)
		}
	}
}

// The same Region has the same blocks in every lab, and no two have one in common.
func TestAWSServiceBlocksAreApart(t *testing.T) {
	var all []netip.Prefix
	for slot := range serviceSlots {
		for number := range awsServices {
			v4, v6 := awsServiceBlocks(slot, number)
			if !contains(awsServicesIPv4, v4) || !contains(awsServicesIPv6, v6) || overlapsAny(all, v4) || overlapsAny(all, v6) || v4 != v4.Masked() || v6 != v6.Masked() {
				t.Errorf("slot %d, service %d: %s, %s", slot, number, v4, v6)
			}
			all = append(all, v4, v6)
		}
	}
	w := open(t, "name: x\nregion: xx-nowhere-1\nvpcs: {a: {cidr: 10.0.0.0/16}, b: {cidr: 10.0.0.0/16, region: eu-west-1}}\nvpcEndpoints: {e: {vpc: a, service: s3}}\nregions: {xx-nowhere-1: {roundTrip: {eu-west-1: 1ms}}}\n")
	for service, want := range map[string]string{"s3.eu-west-1": "198.18.64.5", "dynamodb.eu-west-1": "198.18.68.5", "s3.xx-nowhere-1": "198.19.248.5"} {
		if got := w.AWSServices[service].Status.IP.String(); got != want {
			t.Errorf("%s is at %s, want %s", service, got, want)
		}
	}
	if len(slotsOf(map[string]bool{"us-east-1": true})) != 1 || slices.Contains(slotRegions, "") {
		t.Error("a Region without a slot")
	}
	for region := range regionPlaces {
		if !slices.Contains(slotRegions, region) {
			t.Errorf("%s has no slot of its own", region)
		}
	}
}
