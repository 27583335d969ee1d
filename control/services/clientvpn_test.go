package services

import (
	"testing"

	"github.com/miekg/dns"
)

// Clients of a Client VPN endpoint ask by its interface, and hear what an instance of
// that VPC would.
func TestClientVPNInterfaceAsksTheResolver(t *testing.T) {
	w := newWorld(t, fixture+`
clientVpnEndpoints: {corp: {clientCidr: 172.20.0.0/22, associations: [s1]}}
`)
	d := NewDirectory(w)
	asker := d.interfaceBy(w.ClientVPNEndpoints["corp"].Status.Associations[0].Handle)
	if asker == nil {
		t.Fatal("nobody has the interface's handle")
	}
	asker.Instance, asker.DeviceIndex = "corp", 0 // so that it can be named
	for query, want := range map[string]string{
		"ip-10-0-1-20.ec2.internal": "NOERROR 10.0.1.20",
		"i1.vpcsim.internal":        "NOERROR 10.0.1.10",
		"example.com":               "NXDOMAIN SOA .",
	} {
		if got := d.resolveText(t, "corp/eth0", query, dns.TypeA); got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}
}
