package control

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRegionAndAccountOfAVPC(t *testing.T) {
	w := open(t, `
name: lab
region: eu-central-1
account: 111122223333
vpcs:
  here:  {cidr: 10.0.0.0/16, enableDnsHostnames: true}
  there: {cidr: 10.1.0.0/16, region: us-east-1, account: 012345678901, enableDnsHostnames: true}
internetGateways: {i: {vpc: here}, j: {vpc: there}}
subnets:
  h: {vpc: here, cidr: 10.0.1.0/24}
  t: {vpc: there, cidr: 10.1.1.0/24}
  u: {vpc: there, cidr: 10.1.2.0/24, az: us-east-1b}
instances:
  h: {subnet: h, publicIp: 198.51.100.1}
  t: {subnet: t, publicIp: 198.51.100.2}
`)
	got := map[string]string{}
	for name, v := range w.VPCs {
		got[name] = fmt.Sprintf("%s %s %s", v.Status.Region, v.Status.Account, v.Status.DHCPOptions.DomainName)
	}
	for name, s := range w.Subnets {
		got["subnet "+name] = s.Status.AvailabilityZone
	}
	for name, i := range w.Instances {
		got["instance "+name] = i.Status.PrivateDNSName + " " + i.Status.PublicDNSName
	}
	want := map[string]string{
		"here":       "eu-central-1 111122223333 eu-central-1.compute.internal",
		"there":      "us-east-1 012345678901 ec2.internal",
		"subnet h":   "eu-central-1a",
		"subnet t":   "us-east-1a",
		"subnet u":   "us-east-1b",
		"instance h": "ip-10-0-1-4.eu-central-1.compute.internal ec2-198-51-100-1.eu-central-1.compute.amazonaws.com",
		"instance t": "ip-10-1-1-4.ec2.internal ec2-198-51-100-2.compute-1.amazonaws.com",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRegionProblems(t *testing.T) {
	vpcs := func(n int, more string) string {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf("v%d: {cidr: 10.%d.0.0/16%s}", i, i, more))
		}
		return strings.Join(list, ", ")
	}
	for name, tc := range map[string]struct {
		src  string
		want []string
	}{
		"Region":  {"name: x\nvpcs: {a: {cidr: 10.0.0.0/16, region: europe}}", []string{`vpcs.a.region [InvalidParameterValue] "europe" is not an AWS Region`}},
		"account": {"name: x\nvpcs: {a: {cidr: 10.0.0.0/16, account: 1234}}", []string{`vpcs.a.account [InvalidParameterValue] "1234" is not an AWS account`}},
		"QV5 zone of the lab's Region": {"name: x\nvpcs: {a: {cidr: 10.0.0.0/16, region: us-west-2}}\nsubnets: {s: {vpc: a, cidr: 10.0.0.0/24, az: us-east-1a}}", []string{
			`subnets.s.az [InvalidParameterValue] Value (us-east-1a) for parameter availabilityZone is invalid. Subnets can currently only be created in the following availability zones: us-west-2a, us-west-2b, us-west-2c.`}},
		"Q2 VPCs of two Regions":  {"name: x\nvpcs: {" + vpcs(5, "") + ", w: {cidr: 10.9.0.0/16, region: us-west-2}}", nil},
		"Q2 VPCs of two accounts": {"name: x\nvpcs: {" + vpcs(5, "") + ", w: {cidr: 10.9.0.0/16, account: 210987654321}}", nil},
		"Q2 six VPCs elsewhere": {"name: x\nvpcs: {" + vpcs(6, ", region: us-west-2") + "}", []string{
			`vpcs [VpcLimitExceeded] The maximum number of VPCs has been reached.`}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, p := range problems(t, tc.src) {
				got = append(got, fmt.Sprintf("%s [%s] %s", p.Path, p.Code, p.Message))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRegionOfAVPCIsForGood(t *testing.T) {
	src := "name: x\nvpcs: {a: {cidr: 10.0.0.0/16}}\n"
	same := strings.Replace(src, "/16}", "/16, region: us-east-1, account: 123456789012}", 1)
	if changes := Plan(open(t, src), open(t, same)); len(changes) != 0 {
		t.Errorf("writing the defaults out changes %v", changes)
	}
	moved := strings.Replace(src, "/16}", "/16, region: us-west-2}", 1)
	if changes := Plan(open(t, src), open(t, moved)); len(changes) == 0 || changes[0].Action != ActionReplace {
		t.Errorf("another Region: %v", changes)
	}
}
