package dataplane

import (
	"testing"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// BenchmarkJoinedVPCs is the walk between VPCs beside the walk between two
// subnets of one: what a peering, a transit gateway, and two of them cost.
func BenchmarkJoinedVPCs(b *testing.B) {
	single := newHub(b, 5).viaHub()
	peered := newHub(b, 5)
	for k := 1; k <= 5; k++ {
		for l := k + 1; l <= 5; l++ {
			p := peered.peer(k, l)
			for _, way := range [][2]int{{k, l}, {l, k}} {
				blocks := peered.b.VPCs[way[1]-1].CIDRs
				for _, block := range blocks {
					peered.route(way[0], hubTable, block.String(), TargetVPCPeering, p)
				}
			}
		}
	}
	two := twoHubs(b)
	two.b.TransitGatewayRouteTables[0].Routes = append(two.b.TransitGatewayRouteTables[0].Routes,
		TransitGatewayRoute{Destination: cidr("10.2.0.0/16"), Attachment: hHubPeering, Text: "peer"})
	for _, c := range []struct {
		name string
		h    *hub
		dst  string
	}{
		{"one VPC", single, "10.1.2.10"},
		{"peering", peered, "10.2.2.10"},
		{"transit gateway", single, "10.2.2.10"},
		{"two transit gateways", two, "10.2.2.10"},
	} {
		b.Run(c.name, func(b *testing.B) {
			h := c.h
			h.t = b
			h.publish()
			frame := packet.Append(nil, h.spec(at(1, hubInstanceA), syn(c.dst, 80)))
			work := make([]byte, len(frame))
			in, out := make([]packet.Frame, 1), make([]packet.Frame, 0, 4)
			b.ReportAllocs()
			for b.Loop() {
				copy(work, frame)
				in[0] = packet.Frame{Data: work, Link: uint32(at(1, hubInstanceA))}
				if out = h.e.Forward(in, out[:0]); len(out) != 1 {
					b.Fatal(h.story())
				}
			}
		})
	}
}
