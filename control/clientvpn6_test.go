package control

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// clientVPN6Lab has subnets with IPv6 for an endpoint of each traffic type.
const clientVPN6Lab = `
name: lab
vpcs: {app: {cidr: 10.0.0.0/16, ipv6: "2001:db8:80::/56"}}
subnets:
  a:   {vpc: app, cidr: 10.0.1.0/24, az: us-east-1a, ipv6: "2001:db8:80:1::/64"}
  b:   {vpc: app, cidr: 10.0.2.0/24, az: us-east-1b, ipv6: "2001:db8:80:2::/64"}
  old: {vpc: app, cidr: 10.0.3.0/24, az: us-east-1c}
  six: {vpc: app, ipv6Native: true, az: us-east-1d, ipv6: "2001:db8:80:6::/64"}
securityGroups:
  byGroup: {vpc: app, ingress: [{protocol: tcp, ports: 80, from: app/default}]}
instances:
  web: {subnet: a, ip: 10.0.1.10, ipv6: "2001:db8:80:1::10", securityGroups: [byGroup]}
clientVpnEndpoints:
  corp: {%s}
vpnClients:
  anna: {endpoint: corp}
  ben: {endpoint: corp}
  carl: {endpoint: corp, inLab: false}
`

const dualStack = "trafficIpAddressType: dual-stack, clientCidr: 172.20.0.0/22, associations: [a, b]"

func TestValidateClientVPNForIPv6(t *testing.T) {
	at := "clientVpnEndpoints.corp."
	for name, tc := range map[string]struct {
		fields string
		want   []string
	}{
		"dual-stack":                 {dualStack + `, dnsServers: [10.0.0.2, "fd00:ec2::253"], routes: {"::/0": [a, b], 0.0.0.0/0: a}, authorizationRules: [{cidr: "::/0", groups: all}]`, nil},
		"ipv6":                       {`trafficIpAddressType: ipv6, associations: [a, six], routes: {"::/0": six}`, nil},
		"no such type":               {"clientCidr: 172.20.0.0/22, trafficIpAddressType: dualstack", []string{at + `trafficIpAddressType [InvalidParameterValue] "dualstack" is none of ipv4, ipv6 or dual-stack`}},
		"a block beside ipv6":        {"trafficIpAddressType: ipv6, clientCidr: 172.20.0.0/22", []string{at + `clientCidr [InvalidParameterCombination] clients of an endpoint that carries IPv6 alone have no IPv4 addresses`}},
		"dual-stack has to have one": {"trafficIpAddressType: dual-stack", []string{at + `clientCidr [MissingParameter] The request must contain the parameter clientCidr`}},
		"a subnet without IPv6":      {"trafficIpAddressType: ipv6, associations: [old]", []string{at + `associations[0] [InvalidParameterValue] The subnet 'old' has no IPv6 CIDR block`}},
		"a subnet without IPv4":      {"trafficIpAddressType: dual-stack, clientCidr: 172.20.0.0/22, associations: [six]", []string{at + `associations[0] [InvalidParameterValue] The subnet 'six' has no IPv4 CIDR block`}},
		"ipv6 carries no IPv4": {"trafficIpAddressType: ipv6, associations: [a], routes: {0.0.0.0/0: a}, dnsServers: [10.0.0.2], authorizationRules: [{cidr: 10.0.0.0/16, groups: all}]", []string{
			at + `authorizationRules[0].cidr [InvalidParameterValue] Value (10.0.0.0/16) for parameter targetNetworkCidr is invalid. This is not a valid IPv6 CIDR block.`,
			at + `dnsServers[0] [InvalidParameterValue] Value (10.0.0.2) for parameter dnsServers is invalid.`,
			at + `routes["0.0.0.0/0"] [InvalidParameterValue] Value (0.0.0.0/0) for parameter destinationCidrBlock is invalid. This is not a valid IPv6 CIDR block.`}},
		"C9 clients over IPv6":    {dualStack + `, routes: {"2001:db8:80:1::/64": local}`, []string{at + `routes["2001:db8:80:1::/64"] [InvalidParameterValue] Value (2001:db8:80:1::/64) for parameter destinationCidrBlock is invalid.`}},
		"QC7 the VPC's own block": {dualStack + `, routes: {"2001:db8:80::/56": a}`, []string{at + `routes["2001:db8:80::/56"] [InvalidClientVpnDuplicateRoute] The route for 2001:db8:80::/56 by subnet a already exists.`}},
	} {
		t.Run(name, func(t *testing.T) {
			wantProblems(t, fmt.Sprintf(clientVPN6Lab, tc.fields), tc.want...)
		})
	}
}

// C2, C5, C6: what each traffic type gives associations, clients and their
// configurations.
func TestClientVPNTrafficTypes(t *testing.T) {
	for name, tc := range map[string]struct {
		fields                        string
		associations, routes, clients []string
		config                        []string
	}{
		"ipv4": {
			fields:       "clientCidr: 172.20.0.0/22, associations: [a]",
			associations: []string{"a 10.0.1.4 invalid Prefix"},
			routes:       []string{"10.0.0.0/16 a"},
			clients:      []string{"anna 172.20.0.2 invalid IP a", "ben 172.20.0.3 invalid IP a", "carl 172.20.0.4 invalid IP a"},
			config:       []string{"Address = 172.20.0.2/32", "AllowedIPs = 0.0.0.0/0"},
		},
		"dual-stack": {
			fields:       dualStack,
			associations: []string{"a 10.0.1.4 2001:db8:80:1:ffff::/80", "b 10.0.2.4 2001:db8:80:2:ffff::/80"},
			routes:       []string{"10.0.0.0/16 a", "10.0.0.0/16 b", "2001:db8:80::/56 a", "2001:db8:80::/56 b"},
			clients:      []string{"anna 172.20.0.2 2001:db8:80:1:ffff::2 a", "ben 172.20.0.3 2001:db8:80:2:ffff::2 b", "carl 172.20.0.4 2001:db8:80:1:ffff::3 a"},
			config:       []string{"Address = 172.20.0.2/32, 2001:db8:80:1:ffff::2/128", "AllowedIPs = 0.0.0.0/0, ::/0"},
		},
		"dual-stack, split": {
			fields:       dualStack + `, splitTunnel: true, routes: {"2001:db8:90::/56": a}`,
			associations: []string{"a 10.0.1.4 2001:db8:80:1:ffff::/80", "b 10.0.2.4 2001:db8:80:2:ffff::/80"},
			routes:       []string{"10.0.0.0/16 a", "10.0.0.0/16 b", "2001:db8:80::/56 a", "2001:db8:80::/56 b", "2001:db8:90::/56 a"},
			clients:      []string{"anna 172.20.0.2 2001:db8:80:1:ffff::2 a", "ben 172.20.0.3 2001:db8:80:2:ffff::2 b", "carl 172.20.0.4 2001:db8:80:1:ffff::3 a"},
			config:       []string{"AllowedIPs = 10.0.0.0/16, 2001:db8:80::/56, 2001:db8:90::/56"},
		},
		"ipv6": {
			fields:       "trafficIpAddressType: ipv6, associations: [six]",
			associations: []string{"six invalid IP 2001:db8:80:6:ffff::/80"},
			routes:       []string{"2001:db8:80::/56 six"},
			clients:      []string{"anna invalid IP 2001:db8:80:6:ffff::2 six", "ben invalid IP 2001:db8:80:6:ffff::3 six", "carl invalid IP 2001:db8:80:6:ffff::4 six"},
			config:       []string{"Address = 2001:db8:80:6:ffff::2/128", "AllowedIPs = ::/0"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, _ := applied(t, fmt.Sprintf(clientVPN6Lab, tc.fields))
			s := &w.ClientVPNEndpoints["corp"].Status
			var associations, routes, clients []string
			for _, a := range s.Associations {
				associations = append(associations, fmt.Sprint(a.Subnet, " ", a.PrivateIP, " ", a.IPv6CIDR))
			}
			for _, r := range s.Routes {
				routes = append(routes, fmt.Sprint(r.Destination, " ", r.Subnet))
			}
			for _, name := range s.Clients {
				c := &w.VPNClients[name].Status
				clients = append(clients, fmt.Sprint(name, " ", c.Address, " ", c.IPv6, " ", c.Subnet))
			}
			for what, diff := range map[string]string{
				"associations": cmp.Diff(tc.associations, associations), "routes": cmp.Diff(tc.routes, routes), "clients": cmp.Diff(tc.clients, clients),
			} {
				if diff != "" {
					t.Errorf("%s (-want +got):\n%s", what, diff)
				}
			}
			config, err := w.ClientConfig("anna")
			if err != nil {
				t.Fatal(err)
			}
			for _, line := range tc.config {
				if !strings.Contains(config, line+"\n") {
					t.Errorf("the configuration does not say %q:\n%s", line, config)
				}
			}
		})
	}
}

// A client keeps its IPv6 address while it stays on its association, which keeps its
// block; one that lands elsewhere has an address of that subnet. A block moves only for
// an address that a file writes into it, and two endpoints in a subnet share none.
func TestClientVPNIPv6AddressesStay(t *testing.T) {
	src := fmt.Sprintf(clientVPN6Lab, dualStack)
	w, store := applied(t, src)
	state := func(w *World) string {
		var list []string
		for _, name := range []string{"anna", "ben", "carl"} {
			if c := w.VPNClients[name]; c != nil {
				list = append(list, strings.TrimPrefix(c.Status.IPv6.String(), "2001:db8:80:"))
			}
		}
		return strings.Join(list, " ")
	}
	apply := func(what, src, want string) {
		t.Helper()
		if _, err := store.Apply(t.Context(), open(t, src)); err != nil {
			t.Fatal(err)
		}
		w, _ = store.World()
		if got := state(w); got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	if got := state(w); got != "1:ffff::2 2:ffff::2 1:ffff::3" {
		t.Fatal(got)
	}
	apply("without anna", strings.Replace(src, "  anna: {endpoint: corp}\n", "", 1), "2:ffff::2 1:ffff::3")
	apply("with anna again", src, "1:ffff::2 2:ffff::2 1:ffff::3")
	apply("its zone is down", strings.Replace(src, "clientVpnEndpoints:", "faults: [az us-east-1a]\nclientVpnEndpoints:", 1), "2:ffff::3 2:ffff::2 2:ffff::4")
	apply("and back: they stay", src, "2:ffff::3 2:ffff::2 2:ffff::4")
	second := strings.Replace(src, "vpnClients:", "  more: {trafficIpAddressType: ipv6, associations: [b]}\nvpnClients:\n  dora: {endpoint: more}", 1)
	apply("another endpoint", second, "2:ffff::3 2:ffff::2 2:ffff::4")
	if got := w.ClientVPNEndpoints["more"].Status.Associations[0].IPv6CIDR; got != netip.MustParsePrefix("2001:db8:80:2:fffe::/80") {
		t.Errorf("the other endpoint has %s", got)
	}
	taken := strings.Replace(src, "instances:", `instances:
  late: {subnet: b, ipv6: "2001:db8:80:2:ffff::99"}`, 1)
	apply("an address in the block", taken, "2:fffe::2 2:fffe::3 2:fffe::4")
}

// What carries the tunnels is of the endpoint's families: machines of the lab call by
// IPv6 where they can. Addresses stay.
func TestClientVPNEndpointTypes(t *testing.T) {
	for name, tc := range map[string]struct {
		written                      string
		outside4, outside6, machine6 bool
		calls                        string
	}{
		"not written": {"", true, false, false, "Endpoint = 198.51.100."},
		"ipv4":        {"endpointIpAddressType: ipv4, ", true, false, false, "Endpoint = 198.51.100."},
		"ipv6":        {"endpointIpAddressType: ipv6, ", false, true, true, "Endpoint = [2001:db8:ff"},
		"dual-stack":  {"endpointIpAddressType: dual-stack, ", true, true, true, "Endpoint = [2001:db8:ff"},
	} {
		t.Run(name, func(t *testing.T) {
			src := fmt.Sprintf(clientVPN6Lab, tc.written+dualStack)
			w, store := applied(t, src)
			outside := func(w *World) (text string) {
				for _, a := range w.ClientVPNEndpoints["corp"].Status.Associations {
					if a.OutsideIP.IsValid() != tc.outside4 || a.OutsideIPv6.IsValid() != tc.outside6 {
						t.Errorf("association %s is called at %s", a.Subnet, a.OutsideAddresses())
					}
					text += fmt.Sprint(a.OutsideAddresses())
				}
				for _, name := range []string{"anna", "ben", "carl"} {
					c := &w.VPNClients[name].Status
					if c.InternetIPv6.IsValid() != (tc.machine6 && c.InLab) || c.InternetIP.IsValid() != c.InLab {
						t.Errorf("the machine of %s has %s", name, c.InternetAddresses())
					}
					text += fmt.Sprint(c.InternetAddresses())
				}
				return text
			}
			before := outside(w)
			if config, err := w.ClientConfig("anna"); err != nil || !strings.Contains(config, tc.calls) || !strings.Contains(config, ":443\n") {
				t.Errorf("%v\n%s", err, config)
			}
			if _, err := store.Apply(t.Context(), open(t, src+"  aaron: {endpoint: corp}\n")); err != nil {
				t.Fatal(err)
			}
			if w, _ = store.World(); outside(w) != before {
				t.Errorf("%s, before %s", outside(w), before)
			}
		})
	}
}
