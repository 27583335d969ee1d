package scenarios

import (
	"os"
	"strings"
	"testing"

	"github.com/vpcsim/vpcsim/control"
)

// TestFaultsHaveAWSConsequences plays testdata/faults.yaml in memory; the program's
// own tests play it in namespaces.
func TestFaultsHaveAWSConsequences(t *testing.T) {
	src, err := os.ReadFile("testdata/faults.yaml")
	if err != nil {
		t.Fatal(err)
	}
	w, err := control.Open("faults.yaml", src)
	if err != nil {
		t.Fatal(err)
	}
	m, err := NewMemory(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range Run(t.Context(), m.World(), m, nil) {
		if !r.OK {
			t.Errorf("%s: %s", r.Check.String(), r.Got)
		}
	}
	if left := m.World().Faults; len(left) > 0 {
		t.Errorf("faults are left: %s", left)
	}
}

// TestCheckLeavesTheLabsOwnFaults holds that a check repairs only what it broke.
func TestCheckLeavesTheLabsOwnFaults(t *testing.T) {
	m, err := NewMemory(t.Context(), loadText(t, runnerLab+`  - {from: web, to: mysql, tcp: 80, fault: [instance job, instance mysql], expect: drop, at: instance mysql}
  - {from: web, to: mysql, tcp: 80}
  - {from: job, to: web, tcp: 80}
  - {from: job, to: web, tcp: 80, expect: drop, at: securityGroup}
faults: [instance job]
`))
	if err != nil {
		t.Fatal(err)
	}
	results := Run(t.Context(), m.World(), m, nil)
	for i, want := range []string{
		"true dropped at networkInterface mysql/eth0",
		"true answered",
		"false dropped at instance job: it is down, fault instance job",
		"false dropped at instance job: it is down, fault instance job; expected a drop at securityGroup",
	} {
		verdict, text, _ := strings.Cut(want, " ")
		if r := results[i]; r.OK != (verdict == "true") || !strings.HasPrefix(r.Got, text) {
			t.Errorf("%s: %v, %s; want %s", r.Check.String(), r.OK, r.Got, want)
		}
	}
	if left := m.World().Faults.String(); left != "instance job" {
		t.Errorf("faults afterwards: %q", left)
	}
}
