package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/port"
)

// requireOffload skips where the kernel takes no programs from us. As root, CI has to have
// it.
func requireOffload(t *testing.T) {
	t.Helper()
	if err := port.CheckOffload(); err != nil && os.Geteuid() == 0 && os.Getenv("CI") != "" {
		t.Fatal(err)
	} else if err != nil {
		t.Skip(err)
	}
}

const (
	offloadFile = `
name: fast
vpcs: {v: {cidr: 10.0.0.0/16, ipv6: 2001:db8:1::/56}}
subnets:
  s: {vpc: v, cidr: 10.0.1.0/24, ipv6: "2001:db8:1:1::/64"}
  r: {vpc: v, cidr: 10.0.2.0/24, ipv6: "2001:db8:1:2::/64"}
networkAcls:
  v/default:
    ingress: [{rule: 100, action: allow, protocol: all, cidr: 0.0.0.0/0}, {rule: 101, action: allow, protocol: all, cidr: "::/0"}]
    egress: [{rule: 100, action: allow, protocol: all, cidr: 0.0.0.0/0}, {rule: 101, action: allow, protocol: all, cidr: "::/0"}]
securityGroups: {in: {vpc: v, ingress: [{protocol: tcp, ports: 7, from: [10.0.0.0/16, "2001:db8:1::/56"]}]}}
instances:
  a: {subnet: s, ip: 10.0.1.10, ipv6: "2001:db8:1:1::10", securityGroups: [in]}
  b: {subnet: r, ip: 10.0.2.20, ipv6: "2001:db8:1:2::20", securityGroups: [in], serve: [tcp/7]}
`
	allowsIn = `ingress: [{rule: 100, action: allow, protocol: all, cidr: 0.0.0.0/0}, {rule: 101, action: allow, protocol: all, cidr: "::/0"}]`
)

// TestOffloadedConnectionObeysChanges: an established connection is the kernel's, until a
// network ACL forbids it; and again when it is allowed.
func TestOffloadedConnectionObeysChanges(t *testing.T) {
	requireOffload(t)
	u := newUser(t, nil)
	open := u.scenario("fast.yaml", offloadFile)
	closed := u.scenario("closed.yaml", strings.Replace(offloadFile, allowsIn, strings.ReplaceAll(allowsIn, "allow", "deny"), 1))
	offload := func() dataplane.OffloadStatistics { return *u.labs()[0].Offload }
	u.ok("up", "-d", "--offload", open)
	for _, c := range []struct{ address, client string }{{"10.0.2.20:7", "10.0.1.10"}, {"[2001:db8:1:2::20]:7", "2001:db8:1:1::10"}} {
		conn := u.tool("a", "dial", c.address)
		conn.expect("answers") // the greeting
		lines := 0
		exchange := func() {
			lines++
			conn.send(fmt.Sprintf("line %d\n", lines))
			conn.expect(fmt.Sprintf("line %d", lines))
		}
		u.eventually("the kernel forwards the connection to "+c.address, func() bool {
			exchange()
			return offload().Flows >= 2
		})
		if table := u.ok("ls").stdout; !strings.Contains(table, "OFFLOADED") || !strings.Contains(table, "2 flows now") {
			t.Errorf("ls does not say so:\n%s", table)
		}

		dropped := u.status().Packets.Dropped
		u.ok("apply", closed)
		before := offload()
		conn.send("too late\n")
		u.eventually("the network ACL drops", func() bool { return u.status().Packets.Dropped > dropped })
		if after := offload(); after.Flows != 0 || after.Packets != before.Packets {
			t.Errorf("the kernel still forwards: %+v, before %+v", after, before)
		}
		u.ok("apply", open)
		conn.expect("too late")
		u.eventually("the kernel forwards it again", func() bool {
			exchange()
			return offload().Flows >= 2
		})
		conn.end(syscall.SIGTERM)
		u.eventually("it ends with the connection", func() bool { return offload().Flows == 0 })
	}
	if o := offload(); o.Unjudged > 0 {
		t.Errorf("not all of it was counted: %+v", o)
	}
	u.ok("down")
}

// TestOffloadWithoutRoot: who asks for it and cannot have it is told so.
func TestOffloadWithoutRoot(t *testing.T) {
	asEveryUser(t, func(t *testing.T, u *user) {
		doctor := u.run("doctor").stdout
		if u.credential == nil && os.Geteuid() == 0 {
			requireOffload(t)
			if !strings.Contains(doctor, "the kernel can forward established connections") {
				t.Errorf("doctor says\n%s", doctor)
			}
			return
		}
		r := u.run("up", "-d", "--offload", "quickstart")
		if r.code != exitFailed || !strings.Contains(r.stderr, "root") || !strings.Contains(r.stderr, "--offload") {
			t.Errorf("it does not say why, and what to do: %s", r)
		}
		if !strings.Contains(doctor, "no lab needs it (vpcsim up --offload)") {
			t.Errorf("doctor says\n%s", doctor)
		}
	})
}
