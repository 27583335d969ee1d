package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vpcsim/vpcsim/control"
)

const peeringFile = `
name: peering
vpcs:
  a: {cidr: 10.0.0.0/16}
  b: {cidr: 10.1.0.0/16, enableDnsHostnames: true}
  c: {cidr: 10.2.0.0/16, enableDnsHostnames: true, region: eu-west-1, account: 210987654321}
vpcPeerings:
  ab: {vpc: a, peerVpc: b, state: deleted}
  ac: {vpc: a, peerVpc: c, state: pending-acceptance}
  bc: {vpc: b, peerVpc: c, requesterOptions: {allowDnsResolution: true}, accepterOptions: {allowDnsResolution: true}}
securityGroups:
  web: {vpc: b}
  db: {vpc: a, ingress: [{protocol: tcp, ports: 5432, from: web}]}
`

func TestGetShowsPeerings(t *testing.T) {
	w, err := control.Open("peering.yaml", []byte(peeringFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ args, format, want string }{
		{"vpcPeerings", formatTable, `NAME  ID    STATE               REQUESTER  ACCEPTER  MESSAGE                             EXPIRES
ab    ID-A  deleted             a          b         Deleted by 123456789012             -
ac    ID-B  pending-acceptance  a          c         Pending Acceptance by 210987654321  -
bc    ID-C  active              b          c         Active                              -
`},
		{"vpcPeering bc", formatWide, `NAME  ID    STATE   REQUESTER  ACCEPTER  MESSAGE  EXPIRES  REQUESTER ACCOUNT  REQUESTER REGION  ACCEPTER ACCOUNT  ACCEPTER REGION  DNS RESOLUTION      FAULT
bc    ID-C  active  b          c         Active   -        123456789012       us-east-1         210987654321      eu-west-1        requester,accepter  -
`},
	} {
		var out bytes.Buffer
		a := &app{stdout: &out}
		if err := a.get(w, strings.Fields(test.args), test.format); err != nil {
			t.Fatal(err)
		}
		got := out.String()
		for name, short := range map[string]string{"ab": "ID-A", "ac": "ID-B", "bc": "ID-C"} {
			id := w.VPCPeerings[name].Status.ID
			got = strings.ReplaceAll(got, id, short)
		}
		got = strings.ReplaceAll(got, "ID"+strings.Repeat(" ", 21), "ID    ")
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("get %s (-want +got):\n%s", test.args, diff)
		}
	}
	var out bytes.Buffer
	if err := (&app{stdout: &out}).get(w, []string{"securityGroup", "db"}, formatTable); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "securityGroup web (stale)") {
		t.Errorf("a stale rule does not say so (S12):\n%s", out.String())
	}
}

func TestPeeringCommandsSayWhatIsWrong(t *testing.T) {
	for _, test := range []struct {
		args   string
		code   int
		stderr string
	}{
		{"peering accept", exitUsage, "vpcsim: an argument is missing; write vpcsim peering accept NAME, or see vpcsim peering accept --help"},
		{"peering sever ab", exitUsage, `vpcsim: unknown command "sever" for "vpcsim peering"; see vpcsim peering --help`},
		{"peering dns-resolution ab", exitUsage, "vpcsim: neither side given; write --requester, --accepter or both, each with =false to forbid"},
		{"peering accept ab", exitFailed, "vpcsim: no lab is running; start one with: vpcsim up quickstart"},
	} {
		code, _, stderr := runHere(t, strings.Fields(test.args)...)
		if diff := cmp.Diff(test.stderr+"\n", stderr); diff != "" || code != test.code {
			t.Errorf("%s: exit code %d, want %d; stderr (-want +got):\n%s", test.args, code, test.code, diff)
		}
	}
}

func TestExistingPeeringIsNamed_QP2(t *testing.T) {
	w, err := control.Open("peering.yaml", []byte(peeringFile))
	if err != nil {
		t.Fatal(err)
	}
	want := "c and a have the VPC peering connection ac (" + w.VPCPeerings["ac"].Status.ID + ", pending-acceptance)."
	if got := existingPeering(w, "c", "a"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := existingPeering(w, "a", "b"); got != "" {
		t.Errorf("a deleted peering is there: %q", got)
	}
}
