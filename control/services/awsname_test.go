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
