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
	"K-C22": "Direct Connect",
	"K-C23": "Direct Connect",
	"K-C24": "Direct Connect",
	"K-C25": "Direct Connect",
	"E-C9":  policies,
	"E-C10": policies,
	"E-C11": policies,
	"E-C12": policies,
	"E-C13": policies,
	"E-C14": policies,
	"E-C22": "Gateway Load Balancers",
	"E-C23": "Gateway Load Balancers",
	"E-C24": "Gateway Load Balancers",
}

// policies is what cases of requests wait for: S3's API, and who may use it.
const policies = "S3's API and policies"

// elsewhere are cases that a scenario's packets cannot show, and the test of
// another package that holds them: "package: test".
var elsewhere = map[string]string{
	// Servers on sockets; the memory driver has none.
	"A-C5":  "control/services: TestTokensAreRequired_AC5_AC6_AC7_AC8",
	"A-C6":  "control/services: TestTokensAreRequired_AC5_AC6_AC7_AC8",
	"A-C7":  "control/services: TestTokensAreRequired_AC5_AC6_AC7_AC8",
	"A-C8":  "control/services: TestTokensAreRequired_AC5_AC6_AC7_AC8",
	"A-C9":  "control/services: TestOnlyTokenResponsesHaveTheHopLimit_AC9",
	"A-C24": "control/services: TestPublicNameNeedsHostnames_AC24",
	// 55,000 packets one by one, which would take seconds here.
	"R-C23": "dataplane: TestNATGatewayPortLimitPerDestination",
	// A file with a route to a gateway that is not there is refused.
	"R-C24": "dataplane: TestNATGatewayStateSurvivesPublishAndDiesWithTheGateway",
	// Servers on sockets, too.
	"E-C20": "control/services: TestPrivateDNSOfAnEndpoint_EC20",
	// What AWS's API answers, not what becomes of packets.
	"K-C3":  "control: TestVPCPeeringProblems",
	"K-C5":  "control: TestGroupReference_S10_S12_P12_QS9",
	"K-C21": "control: TestValidateClientVPN",
}

// Every case is played here, held elsewhere or waits, and only one of these: the
// lists stay honest.
func TestEveryCaseIsPlayedOrWaits(t *testing.T) {
	played := playedCases(t)
	for prefix, count := range map[string]int{"S-C": 25, "A-C": 24, "R-C": 24, "K-C": 25, "E-C": 24} {
		for i := 1; i <= count; i++ {
			id := fmt.Sprintf("%s%d", prefix, i)
			where := map[string]bool{"played here": played[id], "held elsewhere": elsewhere[id] != "", "waiting": waiting[id] != ""}
			var said []string
			for name, is := range where {
				if is {
					said = append(said, name)
				}
			}
			if len(said) != 1 {
				t.Errorf("%s: %v; want exactly one of played here, held elsewhere, waiting", id, said)
			}
		}
	}
}

func TestCasesHeldElsewhereHaveTheirTest(t *testing.T) {
	for id, place := range elsewhere {
		directory, test, _ := strings.Cut(place, ": ")
		files, err := filepath.Glob(filepath.Join("..", directory, "*_test.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no tests in %s: %v", id, directory, err)
		}
		found := false
		for _, file := range files {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			found = found || strings.Contains(string(src), "func "+test+"(")
		}
		if !found {
			t.Errorf("%s: %s has no %s any more", id, directory, test)
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
	named := regexp.MustCompile(`(?m)^func Test\w+|\{name: "[^"]*"|^\t\t\{"[AEKRS]-C[^"]*"`)
	id := regexp.MustCompile(`[AEKRS][-_]C\d+`)
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
