package bench

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vpcsim/vpcsim/control"
)

func TestScenariosHold(t *testing.T) {
	for name, source := range map[string]string{
		"routed": scenario(wayRouted), "gateways": scenario(wayGateways), "peering": scenario(wayPeering),
		"transit gateway": scenario(wayTransit), "tunnel": scenario(wayTunnel), "client": scenario(wayClient),
		"scale of 2": scaleScenario(2, 0), "scale of the most": scaleScenario(MaxInstances, 3),
	} {
		t.Run(name, func(t *testing.T) {
			w, err := control.Open("bench.yaml", []byte(source))
			if err != nil {
				t.Fatal(err)
			}
			if w.Instances[clientNode] == nil && w.SiteHosts[clientNode] == nil && w.VPNClients[clientNode] == nil || w.Instances[serverNode] == nil && w.InternetHosts[serverNode] == nil {
				t.Error("a node is missing")
			}
		})
	}
}

// The nftables row is only worth something if it has the rules that the lab has.
func TestNftablesHasTheGroupsRules(t *testing.T) {
	nft := nftRules(clientLink, serverLink)
	lab, err := control.Open("bench.yaml", []byte(scenario(wayRouted)))
	if err != nil {
		t.Fatal(err)
	}
	inLab := len(lab.SecurityGroups["client"].Egress) + len(lab.SecurityGroups["server"].Ingress)
	if inLab != 2*rulesPerList {
		t.Errorf("the lab's groups have %d rules, want %d", inLab, 2*rulesPerList)
	}
	// A rule of the scenario stands for both families.
	if got := strings.Count(nft, " dport "); got != 2*inLab {
		t.Errorf("nftables has %d rules, the lab %d of both families", got, inLab)
	}
	for _, r := range rules() {
		if r.first <= closedPort && closedPort <= r.last {
			t.Errorf("rule %+v opens the port that must be closed", r)
		}
	}
}

func TestPortMasksAreExactlyTheRange(t *testing.T) {
	for _, r := range [][2]uint16{{0, 65535}, {80, 80}, {8000, 8005}, {firstPort, lastPort}, {1, 65535}, {65535, 65535}} {
		covered := map[uint16]int{}
		for _, m := range portMasks(r[0], r[1]) {
			var value, mask uint16
			if _, err := fmt.Sscanf(m, "0x%x/0x%x", &value, &mask); err != nil {
				t.Fatalf("%q: %v", m, err)
			}
			for port := range 1 << 16 {
				if uint16(port)&mask == value {
					covered[uint16(port)]++
				}
			}
		}
		for port := range 1 << 16 {
			want := 0
			if p := uint16(port); r[0] <= p && p <= r[1] {
				want = 1
			}
			if covered[uint16(port)] != want {
				t.Fatalf("%v: port %d is covered %d times, want %d", r, port, covered[uint16(port)], want)
			}
		}
	}
}
