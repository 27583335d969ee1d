package services

import (
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

func BenchmarkAnswerDNS(b *testing.B) {
	d := NewDirectory(newWorld(b, fixture))
	eni := d.eni(b, "i1/eth0")
	request := must(new(dns.Msg).SetQuestion("ip-10-0-1-20.ec2.internal.", dns.TypeA).SetEdns0(1232, false).Pack())
	b.ReportAllocs()
	for b.Loop() {
		if d.answerDNS(eni, request, false) == nil {
			b.Fatal("no answer")
		}
	}
}

// BenchmarkNewDirectory is what an apply pays: a lab of 1,000 interfaces.
func BenchmarkNewDirectory(b *testing.B) {
	var scenario strings.Builder
	scenario.WriteString("name: large\nvpcs: {app: {cidr: 10.0.0.0/16}}\nsubnets: {s: {vpc: app, cidr: 10.0.0.0/20}}\ninstances:\n")
	for n := range 1000 {
		fmt.Fprintf(&scenario, "  i%d: {subnet: s}\n", n)
	}
	w := newWorld(b, scenario.String())
	b.ReportAllocs()
	for b.Loop() {
		NewDirectory(w)
	}
}
