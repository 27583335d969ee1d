package lab

import (
	"errors"
	"strings"
	"testing"

	"github.com/vpcsim/vpcsim/control"
)

// operateFile adds to the lab of the tests a third VPC, for which a request waits.
var operateFile = strings.Replace(strings.Replace(testFile, "  b: {cidr: 10.0.0.0/16}\n", "  b: {cidr: 10.0.0.0/16}\n  c: {cidr: 10.9.0.0/16}\n", 1),
	"internetGateways:", "vpcPeerings: {ac: {vpc: a, peerVpc: c, state: pending-acceptance}}\ninternetGateways:", 1)

func TestAPIOperatesAllOrNothing(t *testing.T) {
	l, client := serveMemoryLab(t)
	if _, err := client.Apply(t.Context(), File{Name: "test.yaml", Source: operateFile}); err != nil {
		t.Fatal(err)
	}
	op := control.Operation{Kind: "vpcPeerings", Name: "ac", Action: "accept", Parameters: map[string]string{"region": "eu-west-1"}}
	_, err := client.Operate(t.Context(), op)
	var problems control.Problems
	if !errors.As(err, &problems) || len(problems) != 1 || problems[0].Code != "OperationNotPermitted" {
		t.Fatalf("in the wrong Region: got %v", err)
	}
	if _, revision := l.store.World(); revision != 2 {
		t.Errorf("a refused operation made revision %d", revision)
	}

	delete(op.Parameters, "region")
	plan, err := client.Operate(t.Context(), op)
	if err != nil || plan.Revision != 3 || len(plan.Changes) != 1 || len(plan.Warnings) > 0 || !strings.Contains(plan.Text, "~ state: pending-acceptance -> active") {
		t.Fatalf("accept: %+v, %v", plan, err)
	}
	if w, err := client.World(t.Context()); err != nil || w.VPCPeerings["ac"].Status.State != control.PeeringActive {
		t.Errorf("after accept: %+v, %v", w.VPCPeerings["ac"], err)
	}
	// The core and the platform's services have the new world, too.
	if got := l.engine.Snapshot().Revision; got != 3 {
		t.Errorf("the core forwards by revision %d", got)
	}

	// Applying the file again takes back what it does not say.
	plan, err = client.Apply(t.Context(), File{Name: "test.yaml", Source: operateFile})
	if err != nil || len(plan.Changes) != 1 || !strings.Contains(plan.Text, "~ state: active -> pending-acceptance") {
		t.Errorf("apply: %+v, %v", plan, err)
	}
}

// TestAPIOperateKeepsWhatRuns: an operation touches no program and no server.
func TestAPIOperateKeepsWhatRuns(t *testing.T) {
	l, client := serveMemoryLab(t)
	if _, err := client.Apply(t.Context(), File{Name: "test.yaml", Source: operateFile, Dir: "/tmp"}); err != nil {
		t.Fatal(err)
	}
	for _, action := range []string{"accept", "delete"} {
		plan, err := client.Operate(t.Context(), control.Operation{Kind: "vpcPeerings", Name: "ac", Action: action})
		if err != nil || len(plan.Warnings) > 0 {
			t.Fatalf("%s: %+v, %v", action, plan, err)
		}
	}
	if l.file.Dir != "/tmp" || l.file.Source != operateFile {
		t.Errorf("the file in force became %q", l.file.Name)
	}
}
