package scenarios

import (
	"testing"
	"time"

	"github.com/vpcsim/vpcsim/control"
)

// Cases S-C1 to S-C23 of semantics/filtering.md.

// sshFromI1 lets i1 connect to i3's port 22, and nobody else.
const sshFromI1 = "ingress: [{protocol: tcp, ports: 22, from: $i1}]"

// Outcomes that recur.
const (
	reached3 = "delivered to i3 | i1 egress ACCEPT, i3 ingress ACCEPT"
	refused3 = "dropped at securityGroup b | i1 egress ACCEPT, i3 ingress REJECT"
	reached1 = "delivered to i1 | i3 egress ACCEPT, i1 ingress ACCEPT"
)

func TestSecurityGroupSemantics(t *testing.T) {
	play(t, []semanticsCase{
		{name: "S-C1 connection and replies pass", world: fixture{a: nothingIn, b: sshFromI1}.String(), steps: []step{
			{from: "i1", to: "i3", msg: tcp(40000, 22, syn), want: reached3},
			{from: "i3", to: "i1", msg: tcp(22, 40000, synAck), want: reached1},
		}},
		{name: "S-C2 replies need no egress rule", world: fixture{a: nothingIn, b: sshFromI1 + ", egress: []"}.String(), steps: []step{
			{from: "i1", to: "i3", msg: tcp(40000, 22, syn), want: reached3},
			{from: "i3", to: "i1", msg: tcp(22, 40000, synAck), want: reached1},
			{from: "i3", to: "i1", msg: tcp(22, 40001, syn), want: "dropped at securityGroup b | i3 egress REJECT"},
		}},
		{name: "S-C3 tracked flow survives the end of its rule", world: fixture{a: nothingIn, b: sshFromI1}.String(), steps: []step{
			{from: "i1", to: "i3", msg: tcp(40000, 22, syn), want: reached3},
			{from: "i3", to: "i1", msg: tcp(22, 40000, synAck), want: reached1},
			{from: "i1", to: "i3", msg: tcp(40000, 22, ack), want: reached3},
			{world: fixture{a: nothingIn, b: nothingIn}.String()},
			{from: "i1", to: "i3", msg: tcp(40000, 22, ack), want: reached3},
			{from: "i1", to: "i3", msg: tcp(40001, 22, syn), want: refused3},
		}},
		{name: "S-C4 untracked flow ends with its rule", world: fixture{b: "ingress: [{protocol: tcp, ports: 80, from: $any}], egress: [{protocol: all, to: $any}]"}.String(), steps: []step{
			{from: "i1", to: "i3", msg: tcp(40000, 80, syn), want: reached3},
			{from: "i3", to: "i1", msg: tcp(80, 40000, synAck), want: reached1},
			{from: "i1", to: "i3", msg: tcp(40000, 80, ack), want: reached3},
			{world: fixture{b: nothingIn}.String()},
			{from: "i1", to: "i3", msg: tcp(40000, 80, ack), want: refused3},
		}},
		{name: "S-C5 narrow egress keeps the flow tracked", world: fixture{b: "ingress: [{protocol: tcp, ports: 80, from: $any}], egress: [{protocol: tcp, ports: 1024-65535, to: $any}]"}.String(), steps: []step{
			{from: "i1", to: "i3", msg: tcp(40000, 80, syn), want: reached3},
			{from: "i3", to: "i1", msg: tcp(80, 40000, synAck), want: reached1},
			{world: fixture{b: "ingress: [], egress: [{protocol: tcp, ports: 1024-65535, to: $any}]"}.String()},
			{from: "i1", to: "i3", msg: tcp(40000, 80, ack), want: reached3},
		}},
		{name: "S-C13 the default group lets its own members in", world: fixture{group1: "default", group2: "default"}.String(), steps: []step{
			{from: "i1", to: "i2", msg: tcp(40000, 22, syn), want: "delivered to i2 | i1 egress ACCEPT, i2 ingress ACCEPT"},
			{from: "i2", to: "i1", msg: ping(), want: "delivered to i1 | i2 egress ACCEPT, i1 ingress ACCEPT"},
			{world: fixture{group1: "default", group2: "default", defaultGroup: nothingIn}.String()},
			{from: "i1", to: "i2", msg: tcp(40001, 22, syn), want: "dropped at securityGroup v/default | i1 egress ACCEPT, i2 ingress REJECT"},
		}},
		{name: "S-C14 a shared group lets nobody in without a self rule", world: fixture{a: nothingIn, group2: "a"}.String(), steps: []step{
			{from: "i1", to: "i2", msg: tcp(40000, 22, syn), want: "dropped at securityGroup a | i1 egress ACCEPT, i2 ingress REJECT"},
		}},
		{name: "S-C15 a group reference means private addresses", only: control.IPv4, world: fixture{
			a: nothingIn, b: "ingress: [{protocol: tcp, ports: 5432, from: a}]",
			i1: "publicIp: true", i3: "publicIp: true",
		}.String(), steps: []step{
			{from: "i1", to: "i3", msg: tcp(40000, 5432, syn), want: reached3},
			{from: "i1", to: "eip:i3", msg: tcp(40001, 5432, syn), want: refused3},
		}},
		{name: "S-C17 one ICMP type", world: fixture{b: "ingress: [{protocol: $icmp, icmpType: $echo, from: $any}]"}.String(), steps: []step{
			{from: "i1", to: "i3", msg: ping(), want: reached3},
			{from: "i3", to: "i1", msg: pong(), want: reached1},
			{from: "i1", to: "i3", msg: message{proto: 1, icmpType: icmpTimestamp, srcPort: 9, payload: make([]byte, 12)}, want: refused3},
		}},
		{name: "S-C18 icmp is not icmpv6", only: control.IPv6, world: fixture{b: `ingress: [{protocol: icmp, from: 0.0.0.0/0}]`}.String(), steps: []step{
			{from: "i1", to: "i3", msg: ping(), want: refused3},
			{world: fixture{b: `ingress: [{protocol: icmpv6, from: "::/0"}]`}.String()},
			{from: "i1", to: "i3", msg: ping(), want: reached3},
		}},
		{name: "S-C19 no egress rule still answers", world: fixture{a: "ingress: [{protocol: tcp, ports: 22, from: $any}], egress: []"}.String(), steps: []step{
			{from: "i3", to: "i1", msg: tcp(40000, 22, syn), want: reached1},
			{from: "i1", to: "i3", msg: tcp(22, 40000, synAck), want: reached3},
			{from: "i1", to: "i3", msg: tcp(40000, 22, syn), want: "dropped at securityGroup a | i1 egress REJECT"},
		}},
		{name: "S-C20 a refusal is silent", world: fixture{b: nothingIn}.String(), steps: []step{
			{from: "i1", to: "i3", msg: tcp(40000, 9, syn), want: refused3},
			{from: "i1", to: "i3", msg: udp(40000, 9), want: refused3},
		}},
		{name: "S-C21 UDP reply before the timeout", world: fixture{a: everythingIn, b: "ingress: [{protocol: udp, ports: 514, from: $i1}], egress: []"}.String(), steps: []step{
			{from: "i1", to: "i3", msg: udp(40000, 514), want: reached3},
			{wait: 29 * time.Second, from: "i3", to: "i1", msg: udp(514, 40000), want: reached1},
		}},
		{name: "S-C21 UDP reply after the timeout", world: fixture{a: everythingIn, b: "ingress: [{protocol: udp, ports: 514, from: $i1}], egress: []"}.String(), steps: []step{
			{from: "i1", to: "i3", msg: udp(40000, 514), want: reached3},
			{wait: 31 * time.Second, from: "i3", to: "i1", msg: udp(514, 40000), want: "dropped at securityGroup b | i3 egress REJECT"},
		}},
		{name: "S-C22 GRE back within 600 s", world: fixture{a: nothingIn}.String(), steps: []step{
			{from: "i1", to: "i3", msg: gre(), want: reached3},
			{wait: 599 * time.Second, from: "i3", to: "i1", msg: gre(), want: reached1},
		}},
		{name: "S-C22 GRE back after 600 s", world: fixture{a: nothingIn}.String(), steps: []step{
			{from: "i1", to: "i3", msg: gre(), want: reached3},
			{wait: 601 * time.Second, from: "i3", to: "i1", msg: gre(), want: "dropped at securityGroup a | i3 egress ACCEPT, i1 ingress REJECT"},
		}},
		{name: "SG-2 a host may answer GRE without a rule", world: fixture{a: nothingIn, i1: "publicIp: true"}.String(), steps: []step{
			{from: "i1", to: "x", msg: gre(), want: "delivered to x | i1 egress ACCEPT"},
			{wait: 599 * time.Second, from: "x", to: "eip:i1", msg: gre(), want: "delivered to i1 | i1 ingress ACCEPT"},
			{wait: 601 * time.Second, from: "x", to: "eip:i1", msg: gre(), want: "dropped at securityGroup a | i1 ingress REJECT"},
		}},
		{name: "SG-3 a reference lends no rules", world: fixture{
			a: "ingress: [{protocol: tcp, ports: 8080, from: $any}]", b: "ingress: [{protocol: tcp, ports: 22, from: a}]",
		}.String(), steps: []step{
			{from: "i1", to: "i3", msg: tcp(40000, 22, syn), want: reached3},
			{from: "i1", to: "i3", msg: tcp(40000, 8080, syn), want: refused3},
			{from: "i2", to: "i3", msg: tcp(40000, 22, syn), want: "dropped at securityGroup b | i2 egress ACCEPT, i3 ingress REJECT"},
		}},
	})
}

func TestNetworkACLSemantics(t *testing.T) {
	play(t, []semanticsCase{
		{name: "S-C6 an ACL judges replies", world: fixture{acl2: "ingress: [" + allowAll + "], egress: [{rule: 90, action: deny, protocol: $icmp, cidr: $any}, " + allowAll + "]"}.String(), steps: []step{
			{from: "i1", to: "i3", msg: ping(), want: reached3},
			{from: "i3", to: "i1", msg: pong(), want: "dropped at networkAcl s2 rule 90 | i3 egress REJECT"},
		}},
		{name: "S-C7 an ACL is not asked inside its subnet", world: fixture{acl1: denyACL}.String(), steps: []step{
			{from: "i1", to: "i2", msg: tcp(40000, 22, syn), want: "delivered to i2 | i1 egress ACCEPT, i2 ingress ACCEPT"},
		}},
		{name: "S-C8 an ACL is asked where the subnet ends", world: fixture{acl1: denyACL}.String(), steps: []step{
			{from: "i1", to: "i3", msg: tcp(40000, 22, syn), want: "dropped at networkAcl s1 rule * | i1 egress REJECT"},
		}},
		{name: "S-C9 NA-02 the lowest number decides", world: fixture{i3: "publicIp: true", acl2: "ingress: [{rule: 90, action: deny, protocol: tcp, ports: 22, cidr: $any}, " + allowAll + "], egress: [" + allowAll + "]"}.String(), steps: []step{
			{from: "x", to: "eip:i3", msg: tcp(40000, 22, syn), want: "dropped at networkAcl s2 rule 90 | i3 ingress REJECT"},
			{world: fixture{i3: "publicIp: true", acl2: "ingress: [{rule: 110, action: deny, protocol: tcp, ports: 22, cidr: $any}, " + allowAll + "], egress: [" + allowAll + "]"}.String()},
			{from: "x", to: "eip:i3", msg: tcp(40000, 22, syn), want: "delivered to i3 | i3 ingress ACCEPT"},
		}},
		{name: "S-C10 a custom ACL denies by itself", world: fixture{acl2: denyACL}.String(), steps: []step{
			{from: "i1", to: "i3", msg: ping(), want: "dropped at networkAcl s2 rule * | i1 egress ACCEPT, i3 ingress REJECT"},
			{from: "i3", to: "i1", msg: ping(), want: "dropped at networkAcl s2 rule * | i3 egress REJECT"},
		}},
		{name: "S-C11 an ACL without the clients' ports", world: fixture{acl2: "ingress: [{rule: 100, action: allow, protocol: tcp, ports: 80, cidr: $any}], egress: [{rule: 100, action: allow, protocol: tcp, ports: 80, cidr: $any}]"}.String(), steps: []step{
			{from: "i1", to: "i3", msg: tcp(40000, 80, syn), want: reached3},
			{from: "i3", to: "i1", msg: tcp(80, 40000, synAck), want: "dropped at networkAcl s2 rule * | i3 egress REJECT"},
		}},
		{name: "S-C12 rules for IPv4 say nothing about IPv6", only: control.IPv6, world: fixture{acl2: "ingress: [{rule: 100, action: allow, protocol: all, cidr: 0.0.0.0/0}], egress: [{rule: 100, action: allow, protocol: all, cidr: 0.0.0.0/0}]"}.String(), steps: []step{
			{from: "i1", to: "i3", msg: ping(), want: "dropped at networkAcl s2 rule * | i1 egress ACCEPT, i3 ingress REJECT"},
			{from: "i1", to: "10.0.2.30", msg: ping(), want: reached3},
		}},
		{name: "S-C23 an ACL cuts a tracked flow", world: fixture{b: sshFromI1, acl2: openACL}.String(), steps: []step{
			{from: "i1", to: "i3", msg: tcp(40000, 22, syn), want: reached3},
			{from: "i3", to: "i1", msg: tcp(22, 40000, synAck), want: reached1},
			{world: fixture{b: sshFromI1, acl2: "ingress: [{rule: 90, action: deny, protocol: tcp, ports: 22, cidr: $any}, " + allowAll + "], egress: [" + allowAll + "]"}.String()},
			{from: "i1", to: "i3", msg: tcp(40000, 22, ack), want: "dropped at networkAcl s2 rule 90 | i1 egress ACCEPT, i3 ingress REJECT"},
		}},
	})
}
