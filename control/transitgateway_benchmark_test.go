package control

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/vpcsim/vpcsim/dataplane"
)

// largeTransitLab has 200 VPCs at five transit gateways, as many as a VPC can be
// attached to. Each gateway has two tables that every VPC propagates to: 2,000
// times a VPC's blocks of both families, 4,000 routes.
func largeTransitLab() string {
	const vpcs, gateways = 200, 5
	var b strings.Builder
	b.WriteString("name: large\nquotas: {vpcsPerRegion: 200}\nvpcs:\n")
	for v := range vpcs {
		fmt.Fprintf(&b, "  v%d: {cidr: 10.%d.0.0/16, ipv6: true}\n", v, v)
	}
	b.WriteString("subnets:\n")
	for v := range vpcs {
		fmt.Fprintf(&b, "  s%d: {vpc: v%d, cidr: 10.%d.1.0/24, ipv6: true}\n", v, v, v)
		fmt.Fprintf(&b, "  t%d: {vpc: v%d, cidr: 10.%d.2.0/24, ipv6: true, az: us-east-1b}\n", v, v, v)
	}
	b.WriteString("transitGateways: {g0: {}, g1: {}, g2: {}, g3: {}, g4: {}}\ntransitGatewayAttachments:\n")
	for v := range vpcs {
		for g := range gateways {
			fmt.Fprintf(&b, "  g%d-v%d: {transitGateway: g%d, vpc: v%d, subnets: [s%d, t%d]}\n", g, v, g, v, v, v)
		}
	}
	b.WriteString("transitGatewayRouteTables:\n")
	for g := range gateways {
		fmt.Fprintf(&b, "  r%d: {transitGateway: g%d, routes: {192.168.0.0/16: blackhole, 0.0.0.0/0: g%d-v0}, propagations: [", g, g, g)
		b.WriteString(repeat(vpcs, func(v int) string { return fmt.Sprintf("g%d-v%d", g, v) }) + "]}\n")
	}
	b.WriteString("routeTables:\n")
	for v := range vpcs {
		fmt.Fprintf(&b, "  r%d: {vpc: v%d, main: true, routes: {0.0.0.0/0: g0, 10.0.0.0/8: g1, 172.16.0.0/12: g2, 192.168.0.0/16: g3, \"::/0\": g4}}\n", v, v)
	}
	b.WriteString("instances:\n")
	for v := range vpcs {
		fmt.Fprintf(&b, "  i%d: {subnet: s%d}\n", v, v)
	}
	return b.String()
}

func appliedLargeTransit(b *testing.B) (*World, *Store) {
	b.Helper()
	w, err := Open("large.yaml", []byte(largeTransitLab()))
	if err != nil {
		b.Fatal(err)
	}
	s := NewStore(slog.New(slog.DiscardHandler), nil, func(*dataplane.Snapshot) {})
	if _, err := s.Apply(b.Context(), w); err != nil {
		b.Fatal(err)
	}
	w, _ = s.World()
	return w, s
}

// BenchmarkCompileTransitGateways is held to 50 ms.
func BenchmarkCompileTransitGateways(b *testing.B) {
	w, _ := appliedLargeTransit(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile(w, 1); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBuildTransitGateways is the part of it before the data plane's Seal.
func BenchmarkBuildTransitGateways(b *testing.B) {
	w, _ := appliedLargeTransit(b)
	b.ReportAllocs()
	for b.Loop() {
		build(w, 1)
	}
}

func BenchmarkPrepareTransitGateways(b *testing.B) {
	w, _ := appliedLargeTransit(b)
	for b.Loop() {
		if p := w.Clone().Prepare(w); len(p) > 0 {
			b.Fatal(p)
		}
	}
}

// BenchmarkComputeTransitGateways is what Prepare does of it three times.
func BenchmarkComputeTransitGateways(b *testing.B) {
	w, _ := appliedLargeTransit(b)
	b.ReportAllocs()
	for b.Loop() {
		w.computeTransitGateways()
	}
}

// BenchmarkUpdateTransitGateways is a whole change of one attachment.
func BenchmarkUpdateTransitGateways(b *testing.B) {
	_, s := appliedLargeTransit(b)
	for i := 0; b.Loop(); i++ {
		state := []AttachmentState{AttachmentDeleted, AttachmentAvailable}[i%2]
		if _, err := s.Update(b.Context(), func(w *World) error {
			w.TransitGatewayAttachments["g1-v1"].State = state
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
}
