package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const watchFile = `
name: watched
vpcs: {v: {cidr: 10.0.0.0/16}}
subnets: {s: {vpc: v, cidr: 10.0.1.0/24}}
securityGroups: {ping: {vpc: v, ingress: [{protocol: icmp, from: 10.0.0.0/16}]}}
instances:
  a: {subnet: s, ip: 10.0.1.10, securityGroups: [ping]}
  b: {subnet: s, ip: 10.0.1.20, securityGroups: [ping], serve: [tcp/7]}
`

// TestWatching: what the lab's metrics and live views say of traffic that is known
// to the packet.
func TestWatching(t *testing.T) {
	asEveryUser(t, func(t *testing.T, u *user) {
		path := filepath.Join(u.dir, "watched.yaml")
		if err := os.WriteFile(path, []byte(watchFile), 0o644); err != nil {
			t.Fatal(err)
		}
		u.ok("up", "-d", path)
		u.ok("exec", "a", "--", "ping", "-q", "-c", "5", "-i", "0.05", "10.0.1.20")
		metrics := u.ok("metrics").stdout
		for _, eni := range []string{"a/eth0", "b/eth0"} {
			for _, family := range []string{"receive_packets", "transmit_packets"} {
				if got := sampleOf(metrics, "vpcsim_interface_"+family+"_total", eni); got != "5" {
					t.Errorf("%s of %s: %q, want 5", family, eni, got)
				}
			}
			if got := sampleOf(metrics, "vpcsim_interface_receive_bytes_total", eni); got != fmt.Sprint(5*84) {
				t.Errorf("bytes received by %s: %q", eni, got)
			}
		}
		u.testTop(t)
		u.ok("down")
	})
}

// testTop: a flow that goes on, and one that is refused, with the rule's owner.
func (u *user) testTop(t *testing.T) {
	u.start(u.command("exec", "a", "--", "ping", "-i", "0.05", "10.0.1.20"))
	refused := u.command("exec", "a", "--", "/bin/sh", "-c", "while :; do timeout 0.1 "+shared.tool+"; done")
	refused.Env = append(refused.Env, toolVariable+"=ask 10.0.1.20:9")
	u.start(refused)
	u.eventually("top's flows", func() bool {
		got := u.ok("top", "--once", "-i", "300ms").stdout
		return strings.Contains(got, "10.0.1.10 → 10.0.1.20 icmp") && strings.Contains(got, "DROP securityGroup ping: no ingress rule allows udp/9 from 10.0.1.10") &&
			strings.Contains(got, "b/eth0")
	})
}

// sampleOf is the value of a family for the interface of that name.
func sampleOf(metrics, family, eni string) string {
	for line := range strings.Lines(metrics) {
		if strings.HasPrefix(line, family+"{") && strings.Contains(line, `interface="`+eni+`"`) {
			return strings.TrimSpace(line[strings.LastIndex(line, " "):])
		}
	}
	return ""
}
