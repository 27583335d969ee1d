package scenarios

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/dataplane"
)

// TestRandomJoinedWorldsKeepTheRules sends random packets through random peerings
// and transit gateways. Beside what testNetwork.sawLeg holds for every frame, none
// comes from one VPC to another but by what joins them.
func TestRandomJoinedWorldsKeepTheRules(t *testing.T) {
	used := map[dataplane.Stage]int{}
	for seed := range uint64(randomWorlds) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 3))
			n := newTestNetwork(t, control.IPv4, drawJoined(r, nil).String())
			seen := n.walked
			n.walked = func(leg dataplane.Leg) {
				seen(leg)
				n.staysInItsVPC(leg)
				for _, s := range leg.Steps {
					if leg.Verdict == dataplane.VerdictPass {
						used[s.Stage]++
					}
				}
			}
			traffic := append(drawTraffic(r, n.World()), drawTraffic(r, n.World())...)
			n.playAll(traffic)
			n.wreckFrames(r, traffic)
			if bugs := n.engine.Counters().Reasons[dataplane.ReasonBug]; bugs != 0 {
				t.Errorf("%d walks ended without a reason", bugs)
			}
		})
	}
	for _, stage := range []dataplane.Stage{dataplane.StagePeering, dataplane.StageTransitGateway, dataplane.StageNATGateway} {
		if used[stage] < 25 {
			t.Errorf("only %d packets that arrived took %s: the worlds are too poor", used[stage], stage)
		}
	}
}

// staysInItsVPC follows a leg from VPC to VPC, and holds what peerings are (P8, P9),
// that every other door is used from its own VPC, and that the receiver is in the VPC
// that the packet came to.
func (n *testNetwork) staysInItsVPC(leg dataplane.Leg) {
	n.Helper()
	w := n.World()
	vpc, peerings := vpcOf(w, short(leg.From)), 0
	if leg.From.Kind == dataplane.KindVPNClient {
		vpc = "" // until it is translated
	}
	use := func(door dataplane.Object, of string) {
		if vpc != "" && vpc != of {
			n.Errorf("%s of VPC %q was used in VPC %q:\n%s", door, of, vpc, describeLeg(leg))
		}
		vpc = of
	}
	for _, s := range leg.Steps {
		if s.Verdict == dataplane.VerdictDrop {
			return
		}
		door := s.Objects[0]
		switch s.Stage {
		case dataplane.StageInternet:
			vpc = ""
		case dataplane.StageInternetGatewayIn:
			vpc = w.InternetGateways[door.Name].VPC
		case dataplane.StagePeering:
			p := w.VPCPeerings[door.Name]
			other := p.VPC
			if other == vpc {
				other = p.PeerVPC
			}
			if vpc != p.VPC && vpc != p.PeerVPC || !isIn(w, vpc, s.After.Src) || !isIn(w, other, s.After.Dst) {
				n.Errorf("%s took what is not between its VPCs:\n%s", door, describeLeg(leg))
			}
			if peerings++; peerings > 1 {
				n.Errorf("transitive:\n%s", describeLeg(leg))
			}
			vpc = other
		case dataplane.StageTransitGateway:
			a := w.TransitGatewayAttachments[door.Name]
			switch {
			case s.Reason == dataplane.ReasonZone:
				vpc = a.VPC
			case a != nil && a.VPC != "":
				use(door, a.VPC)
				vpc = ""
			}
		case dataplane.StageVPNGateway:
			use(door, w.VPNGateways[door.Name].VPC) // K-C16
		case dataplane.StageClientVPN:
			if door.Kind == dataplane.KindClientVPNEndpoint && s.Reason != dataplane.ReasonEncrypted {
				use(door, w.ClientVPNEndpoints[door.Name].Status.VPC) // C6, C9
			}
		case dataplane.StageVPCEndpoint:
			use(door, w.VPCEndpoints[door.Name].VPC) // E7, E18
		case dataplane.StageLoadBalancer:
			if vpc = w.Subnets[w.LoadBalancers[door.Name].Subnets[0]].VPC; s.Reason == dataplane.ReasonNATIn {
				vpc = "" // what comes next names the endpoint
			}
		}
	}
	if leg.Verdict == dataplane.VerdictPass && leg.To.Kind == dataplane.KindNetworkInterface && vpcOf(w, short(leg.To)) != vpc {
		n.Errorf("delivered in VPC %s, but it was in VPC %s:\n%s", vpcOf(w, short(leg.To)), vpc, describeLeg(leg))
	}
}

// isIn reports whether the address lies in a block of the VPC, of either family.
func isIn(w *control.World, vpc, address string) bool {
	s, a := w.VPCs[vpc].Status, netip.MustParseAddr(address)
	for _, block := range s.CIDRs {
		if block.Contains(a) {
			return true
		}
	}
	return s.IPv6CIDR.IsValid() && s.IPv6CIDR.Contains(a)
}

// drawJoined draws four VPCs, one of them perhaps in another Region, with an
// Internet gateway and a NAT gateway in a. More, unless nil, adds to them before they
// get their routes.
func drawJoined(r *rand.Rand, more func(*joined, *transit)) joined {
	j := joined{vpcs: 4, regions: map[string]string{}, routes: map[string]string{}, groups: map[string]string{}, acls: map[string]string{}, fields: map[string]string{
		"a1": "publicIp: 198.51.100.11", "b2": "sourceDestCheck: false, forward: true", "c2": "sourceDestCheck: false",
	}}
	if r.IntN(2) == 0 {
		j.regions["d"] = "us-west-2"
	}
	j.more = `quotas: {elasticIpsPerRegion: 20}
internetGateways: {igw: {vpc: a}}
natGateways: {nat: {subnet: a-t1, privateIp: 10.0.81.50, eip: 198.51.100.50}}
internetHosts: {x: {ip: 203.0.113.5, ipv6: "2001:db8:ff00::5"}, y: {ip: 203.0.113.6, ipv6: "2001:db8:ff00::6"}}
`
	targets := map[string][]string{"a": {"igw", "nat", "nat"}, "b": {"b2"}, "c": {"c2"}}
	j.more += drawPeerings(r, &j, targets)
	lab := drawTransit(r, &j, targets)
	if more != nil {
		more(&j, &lab)
	}
	j.more += lab.String()
	for k := range j.vpcs {
		v := vpcName(k)
		for _, table := range []string{v, v + "-t1", v + "-t2"} {
			if table == v || r.IntN(2) == 0 {
				j.routes[table] = drawJoinedRoutes(r, k, targets[v])
			}
		}
		for _, subnet := range []string{"1", "2", "t1", "t2"} {
			if r.IntN(8) == 0 {
				j.acls[v+"-"+subnet] = "ingress: [" + drawEntries(r) + "], egress: [" + drawEntries(r) + "]"
			}
		}
		if r.IntN(3) == 0 {
			j.groups[v] = "ingress: [{" + drawMatch(r) + ", from: 10.0.0.0/8}, {" + drawMatch(r) + `, from: "2001:db8::/32"}]`
		}
	}
	// The NAT gateway is of use only in a subnet that leads to the Internet.
	j.routes["a-t1"] = toAll("igw")
	for v, target := range map[string]string{"b": "ab", "c": "ac", "d": "hub"} {
		if slices.Contains(targets["a"], target) {
			j.routes["a-t1"] += ", " + to(target, v)
		}
	}
	return j
}

func drawPeerings(r *rand.Rand, j *joined, targets map[string][]string) string {
	var list []string
	for k := range j.vpcs {
		for m := k + 1; m < j.vpcs; m++ {
			if r.IntN(3) == 0 {
				continue
			}
			v, o := vpcName(k), vpcName(m)
			state := []string{"", "", "", "", " pending-acceptance", " deleted"}[r.IntN(6)]
			list = append(list, v+o+state)
			targets[v], targets[o] = append(targets[v], v+o, v+o), append(targets[o], v+o, v+o)
			if state == "" && j.regions[o] == "" && r.IntN(3) == 0 {
				j.groups[v] = fmt.Sprintf("ingress: [{%s, from: %s}]", drawMatch(r), o)
			}
		}
	}
	return peered(list...)
}

// drawTransit attaches VPCs to the gateway hub, those of the other Region to far,
// and peers the two.
func drawTransit(r *rand.Rand, j *joined, targets map[string][]string) transit {
	lab := hub()
	attachments := map[string][]string{"hub": {"blackhole"}, "far": {"blackhole"}}
	for k := range j.vpcs {
		v, gateway := vpcName(k), "hub"
		if j.regions[v] != "" {
			gateway = "far"
			lab.gateways["far"] = "region: us-west-2, asn: 64513"
			lab = lab.attaching("hub-far", "transitGateway: hub, peer: far")
		}
		if r.IntN(5) == 0 {
			continue
		}
		zones := []string{v + "-t1", v + "-t2", v + "-t1, " + v + "-t2", v + "-1"}[r.IntN(4)]
		name := gateway + "-" + v
		lab = lab.attaching(name, fmt.Sprintf("transitGateway: %s, vpc: %s, subnets: [%s], applianceMode: %v", gateway, v, zones, r.IntN(3) == 0))
		attachments[gateway] = append(attachments[gateway], name, name)
		targets[v] = append(targets[v], gateway, gateway, gateway)
	}
	if lab.gateways["far"] != "" {
		attachments["hub"], attachments["far"] = append(attachments["hub"], "hub-far"), append(attachments["far"], "hub-far")
	}
	for _, gateway := range slices.Sorted(maps.Keys(lab.gateways)) {
		lab = lab.with(gateway+"/default", "routes: {"+drawJoinedRoutes(r, -1, attachments[gateway])+"}")
		if first := attachments[gateway]; r.IntN(2) == 0 && len(first) > 1 && first[1] != "hub-far" {
			lab = lab.with(gateway+"-own", fmt.Sprintf("transitGateway: %s, associations: [%s], routes: {%s}", gateway, first[1], drawJoinedRoutes(r, -1, attachments[gateway])))
		}
	}
	return lab
}

// drawJoinedRoutes draws routes for other blocks than those of VPC number own.
func drawJoinedRoutes(r *rand.Rand, own int, targets []string) string {
	if len(targets) == 0 {
		return ""
	}
	routes := map[string]string{}
	for range 2 + r.IntN(8) {
		k, s := r.IntN(4), 1+r.IntN(2)
		if k == own {
			continue
		}
		target := targets[r.IntN(len(targets))]
		v6 := []string{`"::/0"`, `"2001:db8::/32"`, fmt.Sprintf(`"2001:db8:a%d::/56"`, k), fmt.Sprintf(`"2001:db8:a%d:%d::/64"`, k, s)}[r.IntN(4)]
		v4 := []string{"0.0.0.0/0", "10.0.0.0/8", fmt.Sprintf("10.%d.0.0/16", k), fmt.Sprintf("10.%d.%d.0/24", k, s)}[r.IntN(4)]
		routes[v4] = target
		if target != "nat" {
			routes[v6] = target
		}
	}
	var list []string
	for _, destination := range slices.Sorted(maps.Keys(routes)) {
		list = append(list, destination+": "+routes[destination])
	}
	return strings.Join(list, ", ")
}
