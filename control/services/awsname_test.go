package services

import (
	"testing"

	"github.com/miekg/dns"
)

// E8: names of services resolve to public addresses, in every VPC, endpoint or not.
func TestNamesOfAWSServices_E8(t *testing.T) {
	d := NewDirectory(newWorld(t, fixture+"\nvpcEndpoints: {e: {vpc: app, service: s3}}\n"))
	for _, c := range []struct {
		name  string
		qtype uint16
		want  string
	}{
		{"s3.us-east-1.amazonaws.com", dns.TypeA, "NOERROR 198.18.0.5"},
		{"S3.us-east-1.amazonaws.com", dns.TypeA, "NOERROR 198.18.0.5"},
		{"b1.s3.us-east-1.amazonaws.com", dns.TypeA, "NOERROR 198.18.0.5"},
		{"s3.us-east-1.amazonaws.com", dns.TypeAAAA, "NOERROR SOA s3.us-east-1.amazonaws.com."},
		{"s3.dualstack.us-east-1.amazonaws.com", dns.TypeAAAA, "NOERROR 2001:db8:fe00::5"},
		{"b1.s3.dualstack.us-east-1.amazonaws.com", dns.TypeA, "NOERROR 198.18.0.5"},
		{"dynamodb.us-east-1.amazonaws.com", dns.TypeA, "NOERROR 198.18.4.5"},
		{"dynamodb.us-east-1.api.aws", dns.TypeAAAA, "NOERROR 2001:db8:fe00:100::5"},
		{"us-east-1.amazonaws.com", dns.TypeA, "NOERROR SOA ."},
		{"s3.eu-west-1.amazonaws.com", dns.TypeA, "NXDOMAIN SOA ."},
		{"sqs.us-east-1.amazonaws.com", dns.TypeA, "NXDOMAIN SOA ."},
	} {
		if got := d.resolveText(t, "i1/eth0", c.name, c.qtype); got != c.want {
			t.Errorf("%s %s: got %s, want %s", c.name, dns.TypeToString[c.qtype], got, c.want)
		}
	}
}

// E22: an endpoint's own names are public; where private DNS is on, the service's name
// means its interfaces, in that VPC alone.
func TestPrivateDNSOfAnEndpoint_EC20(t *testing.T) {
	w := newWorld(t, fixture+`
targetGroups: {kv: {vpc: app, port: 443}}
loadBalancers: {nlb: {subnets: [s1], listeners: [{port: 443, targetGroup: kv}]}}
vpcEndpointServices: {kv: {loadBalancers: [nlb], acceptanceRequired: false, allowedPrincipals: ["*"], privateDnsName: kv.example.com}}
vpcEndpoints:
  ie: {vpc: app, service: kv, subnets: [s1], privateIps: {s1: 10.0.1.200}, privateDnsEnabled: true}
  s3: {vpc: app, service: s3, type: interface, subnets: [s1], privateIps: {s1: 10.0.1.201}, privateDnsEnabled: true}
`)
	d := NewDirectory(w)
	names := w.VPCEndpoints["ie"].Status.DNSNames
	other := "" // an interface of another VPC with names
	for name, n := range w.NetworkInterfaces {
		if n.VPC == "other" {
			other = name
		}
	}
	for _, c := range []struct{ eni, name, want string }{
		{"i1/eth0", "kv.example.com", "NOERROR 10.0.1.200"},
		{"i1/eth0", "s3.us-east-1.amazonaws.com", "NOERROR 10.0.1.201"},
		{"i1/eth0", "b1.s3.us-east-1.amazonaws.com", "NOERROR 10.0.1.201"},
		{other, "kv.example.com", "NXDOMAIN SOA ."},
		{other, "s3.us-east-1.amazonaws.com", "NOERROR 198.18.0.5"},
		{other, names[0], "NOERROR 10.0.1.200"},
		{other, names[1], "NOERROR 10.0.1.200"},
	} {
		if got := d.resolveText(t, c.eni, c.name, dns.TypeA); got != c.want {
			t.Errorf("%s asks for %s: got %s, want %s", c.eni, c.name, got, c.want)
		}
	}
}
