package control

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Check is a fact about the lab: a probe and what must become of it.
type Check struct {
	// Short name of the check, for reports.
	Name string `json:"name,omitempty"`
	// What the check shows.
	Description string `json:"description,omitempty"`
	// Instance, Internet host, site host or VPN client that sends.
	From string `json:"from,omitempty"`
	// Instance, interface, Internet host, site host, VPN client, AWS service such as
	// s3.us-east-1, or address that is sent to.
	To string `json:"to,omitempty"`
	// TCP port to connect to.
	TCP Port `json:"tcp,omitempty"`
	// UDP port to send a request to.
	UDP Port `json:"udp,omitempty"`
	// Send an ICMP echo request.
	Ping bool `json:"ping,omitempty"`
	// ipv4 or ipv6; that of the address, else ipv4.
	Family Family `json:"family,omitempty"`
	// pass or drop; pass unless written.
	Expect Expect `json:"expect,omitempty"`
	// Kind and object that must decide a drop, such as securityGroup web.
	At Decider `json:"at,omitzero"`
	// Source address that the receiver must see: an address, or a resource
	// whose address is meant.
	Source string `json:"source,omitempty"`
	// Traffic mirror session whose target must get a copy of the probe's packets, or
	// none.
	Mirrored string `json:"mirrored,omitempty"`
	// How long to retry until the check holds, such as 10s.
	Wait Duration `json:"wait,omitempty"`
	// Alarm to look at, instead of a probe.
	Alarm string `json:"alarm,omitempty"`
	// State that the alarm must be in: OK, ALARM or INSUFFICIENT_DATA.
	State AlarmState `json:"state,omitempty"`
	// Flow log to look at, instead of a probe.
	FlowLog string `json:"flowLog,omitempty"`
	// Filter pattern that a record of the flow log must match, such as
	// [..., action=REJECT, status].
	Record string `json:"record,omitempty"`
	// What is broken during the check, such as az us-east-1a: one thing or a list.
	Fault Faults `json:"fault,omitempty"`
}

// Family is an IP version. The zero Family leaves it open.
type Family uint8

// The families.
const (
	FamilyUnset Family = iota
	IPv4
	IPv6
)

// Expect is the verdict a check waits for. The zero Expect means pass.
type Expect uint8

// The expectations.
const (
	ExpectPass Expect = iota
	ExpectDrop
)

// Decider names what must decide a drop: a kind's singular (or "internet") and
// the object's name, which may be left out.
type Decider struct{ Kind, Name string }

// Duration is a time span that reads and writes as "1m30s".
type Duration time.Duration

// Network is the probe in the words of "vpcsim trace": "tcp/80", "udp/53",
// "icmp".
func (c *Check) Network() string {
	switch {
	case c.TCP != 0:
		return fmt.Sprintf("tcp/%d", c.TCP)
	case c.UDP != 0:
		return fmt.Sprintf("udp/%d", c.UDP)
	}
	return "icmp"
}

// String describes the check in a line, unless the file names it.
func (c *Check) String() string {
	if c.Name != "" {
		return c.Name
	}
	if c.Observes() {
		return c.fact()
	}
	text := fmt.Sprintf("%s → %s %s", c.From, c.To, c.Network())
	if c.Family == IPv6 {
		text += " over IPv6"
	}
	if len(c.Fault) > 0 {
		text += " with a fault of " + c.Fault.String()
	}
	return text
}

// MirroredNone, in place of a session, means that no session may copy the packets.
const MirroredNone = "none"

// longestWait keeps a check from hanging a CI job.
const longestWait = 10 * time.Minute

// Kinds that a check can name beside those with a map of their own: what is no
// resource but decides all the same.
var otherDeciders = []string{"internet", "router", "vpnTunnel"}

// validate checks what can be known without sending a packet. Whether the
// sender runs is not: an instance may be stopped after its checks were written.
func (c *Check) validate(v *validation, path string) {
	c.Fault.validate(v, field(path, "fault"))
	if time.Duration(c.Wait) > longestWait {
		v.reportf(field(path, "wait"), "", fmt.Sprintf("at most %s", longestWait), "%s is too long", c.Wait)
	}
	if c.Observes() {
		c.validateFact(v, path)
		return
	}
	if c.State != "" || c.Record != "" {
		v.report(path, "", "state is of an alarm, and record of a flow log", "add alarm: NAME or flowLog: NAME")
	}
	c.validateFrom(v, field(path, "from"))
	to := c.validateEnd(v, field(path, "to"), c.To, "write an instance, an Internet host or an address")
	c.validateProbe(v, path)
	c.validateFamily(v, path, to)
	if c.Source != "" {
		c.validateEnd(v, field(path, "source"), c.Source, "")
	}
	if c.Mirrored != "" && c.Mirrored != MirroredNone && v.w.TrafficMirrorSessions[c.Mirrored] == nil {
		bad := v.w.dangling(c.Mirrored, []string{"trafficMirrorSessions"})
		bad.code = ""
		v.reportAt(field(path, "mirrored"), false, bad)
	}
	if c.At != (Decider{}) {
		c.validateAt(v, field(path, "at"))
	}
}

// validateFrom checks the sender: a machine of the lab, since an address alone
// cannot send.
func (c *Check) validateFrom(v *validation, path string) {
	senders := []string{"instances", "internetHosts", "siteHosts", "sites", "vpnClients"}
	switch {
	case c.From == "":
		v.missing(path, "write the instance, Internet host or site host that sends")
	case v.w.Instances[c.From] == nil && v.w.InternetHosts[c.From] == nil && v.w.SiteHosts[c.From] == nil && v.w.Sites[c.From] == nil && v.w.VPNClients[c.From] == nil:
		bad := v.w.dangling(c.From, senders)
		bad.code = ""
		v.reportAt(path, false, bad)
	case v.w.VPNClients[c.From] != nil && !v.w.VPNClients[c.From].Status.InLab:
		v.reportf(path, "", "remove inLab: false there", "the machine of VPN client %s is not in the lab", c.From)
	}
}

// validateEnd checks what stands for an address: the address itself, or the
// name of a resource that has one. It returns the address if it is written.
func (c *Check) validateEnd(v *validation, path, value, required string) netip.Addr {
	if value == "" {
		v.missing(path, required)
		return netip.Addr{}
	}
	if a, err := netip.ParseAddr(value); err == nil {
		return a
	}
	if looksLikeAddress(value) {
		if _, err := parseAddr(value); err != nil {
			bad, _ := err.(badValue)
			v.reportAt(path, false, bad)
			return netip.Addr{}
		}
	}
	ends := []string{"instances", "internetHosts", "siteHosts", "sites", "vpnClients", "natGateways", "clientVpnEndpoints", "awsServices", "vpcEndpoints", "loadBalancers", "networkInterfaces"}
	for _, plural := range ends {
		if k, _ := KindNamed(plural); k.Get(v.w, value) != nil {
			return netip.Addr{}
		}
	}
	bad := v.w.dangling(value, ends)
	bad.code = ""
	v.reportAt(path, false, bad)
	return netip.Addr{}
}

// validateProbe checks that there is one probe: a verdict is about one packet.
func (c *Check) validateProbe(v *validation, path string) {
	probes := 0
	for _, given := range []bool{c.TCP != 0, c.UDP != 0, c.Ping} {
		if given {
			probes++
		}
	}
	if probes != 1 && !v.w.Source.unreadable(field(path, "tcp")) && !v.w.Source.unreadable(field(path, "udp")) {
		v.report(path, "", fmt.Sprintf("the check has %d probes", probes), "write exactly one of tcp: PORT, udp: PORT, ping: true")
	}
}

// validateFamily checks a family that is written beside an address.
func (c *Check) validateFamily(v *validation, path string, to netip.Addr) {
	if !to.IsValid() || c.Family == FamilyUnset {
		return
	}
	if to.Is4() != (c.Family == IPv4) {
		v.reportf(field(path, "family"), "", "leave family out: the address says it", "%s is not an %s address", to, c.Family)
	}
}

// validateAt checks the decider: a name that leads nowhere would make the check
// fail for ever, and not say why.
func (c *Check) validateAt(v *validation, path string) {
	if c.Expect != ExpectDrop {
		v.report(path, "", "only a drop has something that decides it", "add expect: drop, or remove at")
	}
	if slices.Contains(otherDeciders, c.At.Kind) {
		if t, _ := v.w.VPNTunnel(c.At.Name); c.At.Kind == "vpnTunnel" && c.At.Name != "" && t == nil {
			v.reportf(path, "", "there is "+cmp.Or(someOf(v.w.vpnTunnelNames()), "none"), "no VPN tunnel named %q", c.At.Name)
		}
		return
	}
	k, known := KindNamed(c.At.Kind)
	if !known || k.Singular != c.At.Kind {
		words := slices.Clone(otherDeciders)
		for _, k := range Kinds() {
			words = append(words, k.Singular)
		}
		hint := "write one of " + orList(words)
		if near := closest(c.At.Kind, words); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		} else if slices.Contains(laterKinds, c.At.Kind+"s") {
			hint = "not supported by this version of vpcsim"
		}
		v.reportf(path, "", hint, "%q is not a kind that can decide", c.At.Kind)
		return
	}
	if c.At.Name != "" && k.Get(v.w, c.At.Name) == nil {
		bad := v.w.dangling(c.At.Name, []string{k.Plural})
		bad.code = ""
		v.reportAt(path, false, bad)
	}
}
