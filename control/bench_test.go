package control

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/vpcsim/vpcsim/dataplane"
)

// largeLab is a lab of the size that the design promises: 1,000 interfaces and
// 10,000 routes.
func largeLab() string {
	var b strings.Builder
	b.WriteString("name: large\nvpcs: {a: {cidr: 10.0.0.0/16, ipv6: true}}\ninternetGateways: {igw: {vpc: a}}\nrouteTables:\n")
	for t := range 20 {
		fmt.Fprintf(&b, "  t%d:\n    vpc: a\n    routes:\n", t)
		for r := range 500 {
			fmt.Fprintf(&b, "      172.16.%d.%d/32: igw\n", r/250, r%250)
		}
	}
	b.WriteString("subnets:\n")
	for s := range 100 {
		fmt.Fprintf(&b, "  s%d: {vpc: a, cidr: 10.0.%d.0/24, ipv6: true, routeTable: t%d, mapPublicIp: true}\n", s, s, s%20)
	}
	b.WriteString("securityGroups:\n")
	for g := range 50 {
		fmt.Fprintf(&b, "  g%d: {vpc: a, ingress: [{protocol: tcp, ports: 80, from: [0.0.0.0/0, g%d]}]}\n", g, (g+1)%50)
	}
	b.WriteString("instances:\n")
	for i := range 1000 {
		fmt.Fprintf(&b, "  i%d: {subnet: s%d, securityGroups: [g%d], serve: [http/80]}\n", i, i%100, i%50)
	}
	return b.String()
}

func BenchmarkLoad(b *testing.B) {
	src := []byte(largeLab())
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		if _, err := Load("large.yaml", src); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPrepare(b *testing.B) {
	w, err := Open("large.yaml", []byte(largeLab()))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if p := w.Clone().Prepare(w); len(p) > 0 {
			b.Fatal(p)
		}
	}
}

func BenchmarkClone(b *testing.B) {
	w, err := Open("large.yaml", []byte(largeLab()))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		w.Clone()
	}
}

func BenchmarkPlan(b *testing.B) {
	w, err := Open("large.yaml", []byte(largeLab()))
	if err != nil {
		b.Fatal(err)
	}
	next := w.Clone()
	for b.Loop() {
		Plan(w, next)
	}
}

// BenchmarkCompile is held to 10 ms: the design's bar for a lab of this size.
func BenchmarkCompile(b *testing.B) {
	w := appliedLarge(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile(w, 1); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBuild is the part of BenchmarkCompile before the data plane's Seal.
func BenchmarkBuild(b *testing.B) {
	w := appliedLarge(b)
	b.ReportAllocs()
	for b.Loop() {
		build(w, 1)
	}
}

// appliedLarge is largeLab with handles.
func appliedLarge(b *testing.B) *World {
	b.Helper()
	w, err := Open("large.yaml", []byte(largeLab()))
	if err != nil {
		b.Fatal(err)
	}
	s := NewStore(slog.New(slog.DiscardHandler), nil, func(*dataplane.Snapshot) {})
	if _, err := s.Apply(b.Context(), w); err != nil {
		b.Fatal(err)
	}
	w, _ = s.World()
	return w
}
