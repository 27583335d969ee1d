package scenarios

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// waiting are the cases of AWS's semantics that no test plays yet, and what they
// wait for. A case leaves this list when the test that carries its id arrives.
var waiting = map[string]string{
	"A-C1":  "held by package control: which addresses a subnet has",
	"A-C2":  "the DNS resolver",
	"A-C3":  "the DNS resolver",
	"A-C4":  "the DNS resolver",
	"A-C5":  "the instance metadata service",
	"A-C6":  "the instance metadata service",
	"A-C7":  "the instance metadata service",
	"A-C8":  "the instance metadata service",
	"A-C9":  "the instance metadata service",
	"A-C19": "the instance metadata service",
	"A-C22": "held by package control: which blocks a VPC can have",
	"A-C23": "VPN gateways, whose routes block an address block",
	"A-C24": "the instance metadata service",
	"S-C24": "VPC peering",
	"S-C25": "transit gateways",
	"R-C1":  "VPN gateways: propagated routes",
	"R-C2":  "VPC peering and VPN gateways",
	"R-C3":  "VPN gateways: propagated routes",
	"R-C8":  "transit gateways",
	"R-C13": "NAT gateways",
	"R-C14": "NAT gateways",
	"R-C15": "NAT gateways",
	"R-C16": "NAT gateways",
	"R-C17": "NAT gateways",
	"R-C18": "VPC peering",
	"R-C19": "NAT gateways and VPC peering",
	"R-C20": "egress-only Internet gateways",
	"R-C21": "NAT gateways: NAT64",
	"R-C22": "gateway route tables",
	"R-C23": "NAT gateways",
	"R-C24": "NAT gateways",
}

// Every case is played or waits, and none does both: the list stays honest.
func TestEveryCaseIsPlayedOrWaits(t *testing.T) {
	played := playedCases(t)
	for prefix, count := range map[string]int{"S-C": 25, "A-C": 24, "R-C": 24} {
		for i := 1; i <= count; i++ {
			id := fmt.Sprintf("%s%d", prefix, i)
			switch reason := waiting[id]; {
			case reason == "" && !played[id]:
				t.Errorf("%s: no test carries the id, and it does not wait for anything", id)
			case reason != "" && played[id]:
				t.Errorf("%s: a test carries the id, but it is said to wait for %s", id, reason)
			}
		}
	}
}

// playedCases are the ids in the names of tests and of table entries.
func playedCases(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`(?m)^func Test\w+|\{name: "[^"]*"|^\t\t\{"[ARS]-C[^"]*"`)
	id := regexp.MustCompile(`[SAR][-_]C\d+`)
	played := map[string]bool{}
	for _, file := range files {
		if file == "waiting_test.go" {
			continue
		}
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range named.FindAllString(string(src), -1) {
			for _, found := range id.FindAllString(name, -1) {
				played[strings.ReplaceAll(found, "_", "-")] = true
			}
		}
	}
	return played
}
