package lab

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/host"
	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// clientFile has an endpoint with a full tunnel and one with a split tunnel, whose
// clients have the same addresses, and one without an association.
const clientFile = `
name: clients
vpcs: {v: {cidr: 10.0.0.0/16}, far: {cidr: 10.9.0.0/16}}
internetGateways: {igw: {vpc: v}}
subnets: {a: {vpc: v, cidr: 10.0.1.0/24}, far: {vpc: far, cidr: 10.9.1.0/24}}
instances:
  web: {subnet: a, ip: 10.0.1.10, publicIp: 198.51.100.10}
  far: {subnet: far, ip: 10.9.1.10}
internetHosts: {x: {ip: 203.0.113.8, ipv6: false}}
clientVpnEndpoints:
  full:  {clientCidr: 172.20.0.0/22, associations: [a], dnsServers: [10.0.0.2, 9.9.9.9]}
  split: {clientCidr: 172.20.0.0/22, associations: [a], splitTunnel: true}
  idle:  {clientCidr: 172.24.0.0/22, dnsServers: [10.0.0.2]}
vpnClients:
  anna:  {endpoint: full, internetIp: 203.0.113.20, serve: [tcp/22, udp/53]}
  carol: {endpoint: split, internetIp: 203.0.113.30}
  dan:   {endpoint: idle, internetIp: 203.0.113.40, serve: [udp/53]}
  phone: {endpoint: split, inLab: false}
`

func clientWorld(t *testing.T) *control.World {
	t.Helper()
	next, err := readWorld(File{Name: "clients.yaml", Source: clientFile})
	if err != nil {
		t.Fatal(err)
	}
	store := control.NewStore(quiet, nil, dataplane.NewEngine(dataplane.Config{}).Publish)
	if _, err := store.Apply(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	w, _ := store.World()
	return w
}

func TestVPNClientIsAMachineOfTheInternet(t *testing.T) {
	w := clientWorld(t)
	s := &w.VPNClients["anna"].Status
	want := host.Node{Name: nodeName(w, "anna"), Hostname: "anna", Interfaces: []host.Interface{{
		Link: s.InternetHandle, Name: "eth0", MTU: 1500, MAC: packet.MAC(s.InternetMAC),
		Addresses: []netip.Prefix{netip.MustParsePrefix("203.0.113.20/32")}, Gateways: []netip.Addr{dataplane.InternetRouter4},
	}}}
	list := nodes(w)
	got := list[slices.IndexFunc(list, func(n host.Node) bool { return n.Hostname == "anna" })]
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := NodeNames(w); !slices.Equal(got, []string{"anna", "carol", "dan", "far", "web", "x"}) {
		t.Errorf("programs can run in %v", got)
	}
	err := unknownNode(w, "phone")
	if want := "the machine of VPN client phone is not in the lab (inLab: false); run programs there, or remove inLab from the file and apply it"; err.Error() != want {
		t.Errorf("phone: %v", err)
	}
}

func TestVPNClientsFiles(t *testing.T) {
	w := clientWorld(t)
	for _, test := range []struct{ client, hosts, nameservers string }{
		{"anna", "10.0.1.10 web", "10.0.0.2 9.9.9.9"},
		{"carol", "10.0.1.10 web", ""}, // its own, which it does not have
		{"dan", "198.51.100.10 web", ""},
	} {
		var nameservers []string
		for line := range strings.Lines(resolvFile(w, test.client)) {
			if server, ok := strings.CutPrefix(line, "nameserver "); ok {
				nameservers = append(nameservers, strings.TrimSpace(server))
			}
		}
		if got := strings.Join(nameservers, " "); got != test.nameservers {
			t.Errorf("%s asks %q, want %q", test.client, got, test.nameservers)
		}
		if got := hostsFile(w, test.client); !strings.Contains(got, "\n"+test.hosts+"\n") {
			t.Errorf("%s does not have %q:\n%s", test.client, test.hosts, got)
		}
	}
}

// UDP servers have the addresses that the machine has: that in the tunnel, while there
// is a tunnel.
func TestVPNClientsServers(t *testing.T) {
	w := clientWorld(t)
	got := map[string]bool{}
	for key := range wantedServers(w) {
		got[key.String()+" at "+key.address.String()] = true
	}
	want := map[string]bool{
		"tcp/22 in anna at invalid IP": true, "udp/53 in anna at 172.20.0.2": true, "udp/53 in anna at 203.0.113.20": true,
		"udp/53 in dan at 203.0.113.40": true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A client sends into its tunnel, or as itself, as its configuration says (C5).
func TestVPNClientAsAnEnd(t *testing.T) {
	w := clientWorld(t)
	tunnel := func(name string) dataplane.Handle { return dataplane.Handle(w.VPNClients[name].Status.Handle) }
	internet := func(name string) dataplane.Handle { return dataplane.Handle(w.VPNClients[name].Status.InternetHandle) }
	for _, test := range []struct {
		name, from, to string
		handle         dataplane.Handle
		source, target string
		receiver       string // "": none in the lab
	}{
		{"full tunnel, into the VPC", "anna", "web", tunnel("anna"), "172.20.0.2", "10.0.1.10", "web"},
		{"full tunnel, to the Internet", "anna", "x", tunnel("anna"), "172.20.0.2", "203.0.113.8", "x"},
		{"by its address in the tunnel", "172.24.0.2", "x", internet("dan"), "203.0.113.40", "203.0.113.8", "x"},
		{"by its machine's address", "203.0.113.20", "x", internet("anna"), "203.0.113.20", "203.0.113.8", "x"},
		{"split tunnel, into the VPC", "carol", "web", tunnel("carol"), "172.20.0.2", "10.0.1.10", "web"},
		{"split tunnel, to the Internet", "carol", "x", internet("carol"), "203.0.113.30", "203.0.113.8", "x"},
		{"not connected", "dan", "web", internet("dan"), "203.0.113.40", "198.51.100.10", "web"},
		{"a machine that is not in the lab", "phone", "web", tunnel("phone"), "172.20.0.3", "10.0.1.10", "web"},
		{"another VPC", "anna", "far", tunnel("anna"), "172.20.0.2", "10.9.1.10", ""},
		{"oneself", "anna", "anna", tunnel("anna"), "172.20.0.2", "172.20.0.2", "anna"},
		{"another endpoint's client, of the same address", "web", "carol", dataplane.Handle(w.NetworkInterfaces["web/eth0"].Status.Handle), "10.0.1.10", "172.20.0.2", ""},
		{"a client's machine", "x", "203.0.113.20", dataplane.Handle(w.InternetHosts["x"].Status.Handle), "203.0.113.8", "203.0.113.20", "anna"},
	} {
		t.Run(test.name, func(t *testing.T) {
			from, err := findSender(w, test.from)
			if err != nil {
				t.Fatal(err)
			}
			to, err := findDestination(w, &from, test.to, control.FamilyUnset)
			if err != nil {
				t.Fatal(err)
			}
			from = from.toward(w, to)
			if from.Handle != test.handle || from.address(false).String() != test.source || to.String() != test.target {
				t.Errorf("from %s by link %d to %s; want %s, %d, %s", from.address(false), from.Handle, to, test.source, test.handle, test.target)
			}
			if got, _ := receiverOf(w, &from, to); got != test.receiver {
				t.Errorf("%q receives it, want %q", got, test.receiver)
			}
		})
	}
}
