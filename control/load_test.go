package control

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Each case is a file and the exact lines that its author reads.
func TestLoadReportsWhatCannotBeRead(t *testing.T) {
	allKeys := shorten("the keys here are " + strings.Join(fieldNames(reflect.TypeFor[World]()), ", "))
	head := "name: lab\n"
	for name, tc := range map[string]struct {
		src  string
		want []string
	}{
		"empty file":      {"", []string{`lab.yaml:1:1: the file is empty (begin with: name: my-lab)`}},
		"only a comment":  {"# nothing\n", []string{`lab.yaml:1:1: the file is empty (begin with: name: my-lab)`}},
		"only null":       {"~\n", []string{`lab.yaml:1:1: the file is empty (begin with: name: my-lab)`}},
		"a list":          {"- a\n", []string{`lab.yaml:1:1: a list where a map with keys such as name, description, region, account, quotas, vpcs, … is wanted`}},
		"a word":          {"hello\n", []string{`lab.yaml:1:1: "hello" where a map with keys such as name, description, region, account, quotas, vpcs, … is wanted`}},
		"binary":          {"\x7fELF\x00\x01", []string{`lab.yaml:1:1: control character 0x7f (is this a text file?)`}},
		"NUL later":       {head + "description: a\x00b\n", []string{`lab.yaml:2:15: control character 0x00 (is this a text file?)`}},
		"not UTF-8":       {head + "description: é\xff\n", []string{`lab.yaml:2:15: byte 0xff is not UTF-8 (save the file as UTF-8 text)`}},
		"two documents":   {head + "---\nname: other\n", []string{`lab.yaml:3:1: a second document begins here (one file is one lab: split the file at ---)`}},
		"tabs":            {head + "vpcs:\n\ta: {}\n", []string{`lab.yaml:3:2: not valid YAML: found character that cannot start any token (YAML is indented with spaces, not tabs)`}},
		"unknown anchor":  {head + "vpcs: *nothing\n", []string{`lab.yaml:1:1: not valid YAML: unknown anchor 'nothing' referenced (check indentation, brackets and quotes in this line and the one before)`}},
		"unknown key":     {head + "vpc: {}\n", []string{`lab.yaml:2:1: vpc: unknown key "vpc" (did you mean "vpcs"?)`}},
		"unknown far key": {head + "kubernetes: {}\n", []string{`lab.yaml:2:1: kubernetes: unknown key "kubernetes" (` + allKeys + `)`}},
		"later kind":      {head + "virtualInterfaces: {vif: {}}\n", []string{`lab.yaml:2:1: virtualInterfaces: not supported by this version of vpcsim`}},
		"typo of a later kind": {head + "virtualInterface: {}\n", []string{
			`lab.yaml:2:1: virtualInterface: unknown key "virtualInterface" (did you mean "virtualInterfaces"?)`}},
		"unknown key inside": {head + "vpcs:\n  a: {cidr: 10.0.0.0/16, ipv5: true}\n", []string{
			`lab.yaml:3:26: vpcs.a.ipv5: unknown key "ipv5" (did you mean "ipv6"?)`}},
		"computed kind": {head + "networkInterfaces: {}\n", []string{
			`lab.yaml:2:1: networkInterfaces: unknown key "networkInterfaces" (` + allKeys + `)`}},
		"duplicate key":         {head + "region: us-east-1\nregion: us-west-2\n", []string{`lab.yaml:3:1: region: the key "region" is here twice (remove one)`}},
		"duplicate name":        {head + "internetGateways:\n  igw: {}\n  igw: {}\n", []string{`lab.yaml:4:3: internetGateways.igw: "igw" is here twice (remove or rename one)`}},
		"duplicate in flow map": {head + "internetGateways: {igw: {}, igw: {}}\n", []string{`lab.yaml:2:29: internetGateways.igw: "igw" is here twice (remove or rename one)`}},
		"bad CIDR (QV2)": {head + "vpcs: {a: {cidr: 10.0.0.0}}\n", []string{
			`lab.yaml:2:18: vpcs.a.cidr: Value (10.0.0.0) for parameter cidrBlock is invalid. This is not a valid CIDR block. [InvalidParameterValue] (for this one address write 10.0.0.0/32)`}},
		"bad CIDR and nothing about its absence": {head + "vpcs: {a: {cidr: ten}}\n", []string{
			`lab.yaml:2:18: vpcs.a.cidr: Value (ten) for parameter cidrBlock is invalid. This is not a valid CIDR block. [InvalidParameterValue] (write a block such as 10.0.0.0/16 or 2001:db8::/56)`}},
		"block for an address": {head + "internetHosts: {h: {ip: 203.0.113.1/32}}\n", []string{
			`lab.yaml:2:25: internetHosts.h.ip: Value (203.0.113.1/32) is not a valid IP address. [InvalidParameterValue] (write the address alone: 203.0.113.1)`}},
		"port out of range": {head + "checks:\n  - {from: a, to: b, tcp: 70000}\ninternetHosts: {a: {ip: 203.0.113.1}, b: {ip: 203.0.113.2}}\n", []string{
			`lab.yaml:3:27: checks[0].tcp: "70000" is not a port (write a number from 1 to 65535)`}},
		"port range out of range": {head + "vpcs: {a: {cidr: 10.0.0.0/16}}\nsecurityGroups: {g: {vpc: a, ingress: [{protocol: tcp, ports: 1-70000, from: g}]}}\n", []string{
			`lab.yaml:3:63: securityGroups.g.ingress[0].ports: Invalid value '1-70000' for portRange. [InvalidParameterValue] (write one port from 0 to 65535, a range such as 1024-65535, or all)`}},
		"unknown protocol": {head + "vpcs: {a: {cidr: 10.0.0.0/16}}\nsecurityGroups: {g: {vpc: a, ingress: [{protocol: 256, from: g}]}}\n", []string{
			`lab.yaml:3:51: securityGroups.g.ingress[0].protocol: Invalid value '256' for IP protocol. Unknown protocol. [InvalidParameterValue] (write tcp, udp, icmp, icmpv6, all, or a number from 0 to 255)`}},
		"number wanted": {head + "prefixLists: {p: {maxEntries: many, entries: []}}\n", []string{
			`lab.yaml:2:31: prefixLists.p.maxEntries: "many" is not a whole number`}},
		"huge number": {head + "prefixLists: {p: {maxEntries: 99999999999999999999, entries: []}}\n", []string{
			`lab.yaml:2:31: prefixLists.p.maxEntries: 99999999999999999999 is out of range`}},
		"boolean wanted": {head + "vpcs: {a: {cidr: 10.0.0.0/16, enableDnsSupport: yes}}\n", []string{
			`lab.yaml:2:49: vpcs.a.enableDnsSupport: "yes" is neither true nor false (write true or false)`}},
		"list wanted": {head + "internetHosts: {h: {ip: 203.0.113.1, serve: http/80}}\n", []string{
			`lab.yaml:2:45: internetHosts.h.serve: "http/80" where a list is wanted (write [http/80])`}},
		"empty list value": {head + "internetHosts:\n  h:\n    ip: 203.0.113.1\n    serve:\n", []string{
			`lab.yaml:5:5: internetHosts.h.serve: has no value (write a list, or [] for none)`}},
		"scalar wanted": {head + "region: [us-east-1]\n", []string{`lab.yaml:2:9: region: a list where text is wanted`}},
		"no value":      {head + "region:\n", []string{`lab.yaml:2:8: region: has no value (write one or remove the key)`}},
		"map wanted":    {head + "vpcs: [a]\n", []string{`lab.yaml:2:7: vpcs: a list where a map is wanted (write name: {…} for each)`}},
		"resource is a word": {head + "vpcs:\n  a: 10.0.0.0/16\n", []string{
			`lab.yaml:3:6: vpcs.a: "10.0.0.0/16" where a map with keys such as cidr, secondaryCidrs, ipv6, enableDnsSupport, enableDnsHostnames, dhcpOptions, … is wanted`}},
		"key is a list": {head + "vpcs: {[a]: {}}\n", []string{`lab.yaml:2:8: vpcs: a list cannot be a key (write a name)`}},
		"odd tag":       {head + "region: !secret us-east-1\n", []string{`lab.yaml:2:9: region: the tag !secret means nothing here (remove it)`}},
		"anchor that contains itself": {head + "vpcs: &v\n  a: *v\n", []string{
			`lab.yaml:3:3: vpcs.a.a: unknown key "a" (the keys here are cidr, secondaryCidrs, ipv6, enableDnsSupport, enableDnsHostnames, dhcpOptions, region, account)`,
			`lab.yaml:3:3: vpcs.a.cidr: The request must contain the parameter cidr [MissingParameter] (write the VPC's IPv4 block, such as 10.0.0.0/16)`}},
		"list anchor that contains itself": {head + "checks: &c\n  - *c\n", []string{
			`lab.yaml:2:9: checks[0]: a list where a map with keys such as name, description, from, to, tcp, udp, … is wanted`}},
		"merge that contains itself": {head + "vpcs:\n  a: &a\n    cidr: 10.0.0.0/16\n    <<: *a\n", []string{
			`lab.yaml:5:9: vpcs.a: the anchor "a" contains itself (write the values out)`}},
		"merge of a word": {head + "vpcs:\n  a: {<<: word, cidr: 10.0.0.0/16}\n", []string{
			`lab.yaml:3:11: vpcs.a: << merges maps only (write <<: *anchor)`}},
		"too deep": {head + "vpcs: " + strings.Repeat("{a: ", 5) + "1" + strings.Repeat("}", 5) + "\n", []string{
			`lab.yaml:2:8: vpcs.a.cidr: The request must contain the parameter cidr [MissingParameter] (write the VPC's IPv4 block, such as 10.0.0.0/16)`,
			`lab.yaml:2:12: vpcs.a.a: unknown key "a" (the keys here are cidr, secondaryCidrs, ipv6, enableDnsSupport, enableDnsHostnames, dhcpOptions, region, account)`}},
		"several at once, in order": {"name: Lab\nregion: mars\nvpcs:\n  a: {cidr: 10.0.0.0/8, ipv7: true}\nsubnets:\n  s: {vpc: b, cidr: 10.0.0.0/24}\n", []string{
			`lab.yaml:1:7: name: "Lab" is not a lab name (use lower-case letters, digits and hyphens, at most 63, and begin with a letter or digit)`,
			`lab.yaml:2:9: region: "mars" is not an AWS Region [InvalidParameterValue] (write a Region such as us-east-1)`,
			`lab.yaml:4:13: vpcs.a.cidr: The CIDR '10.0.0.0/8' is invalid. [InvalidVpc.Range] (a VPC's block is /16 to /28)`,
			`lab.yaml:4:25: vpcs.a.ipv7: unknown key "ipv7" (did you mean "ipv6"?)`,
			`lab.yaml:6:12: subnets.s.vpc: no VPC named "b" [InvalidVpcID.NotFound] (did you mean "a"?)`,
		}},
		"no name at all":          {"vpcs: {}\n", []string{`lab.yaml:1:1: name: the lab has no name (add: name: my-lab)`}},
		"resource without fields": {head + "vpcs:\n  a:\n", []string{`lab.yaml:3:3: vpcs.a.cidr: The request must contain the parameter cidr [MissingParameter] (write the VPC's IPv4 block, such as 10.0.0.0/16)`}},
		"route written twice (QG10, Q-C11)": {head + "vpcs: {a: {cidr: 10.0.0.0/16}}\ninternetGateways: {igw: {vpc: a}}\nrouteTables:\n  t: {vpc: a, routes: {192.0.2.0/24: igw, 192.0.2.9/24: igw}}\n", []string{
			`lab.yaml:5:43: routeTables.t.routes["192.0.2.0/24"]: The route identified by 192.0.2.0/24 already exists. [RouteAlreadyExists] (a route table holds one route per destination; remove one)`}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, p := range problems(t, tc.src) {
				got = append(got, p.String())
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLoadBoundsWhatItReads(t *testing.T) {
	wide := func(levels int) string { // each level has ten of the one before
		var b strings.Builder
		b.WriteString("name: lab\nx0: &x0 {a: {cidr: 10.0.0.0/16}}\n")
		for i := 1; i <= levels; i++ {
			fmt.Fprintf(&b, "x%d: &x%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*x%d, ", i-1), 10), ", "))
		}
		return b.String()
	}
	billionChecks := wide(9) + "checks: *x9\n"
	manyMerges := "name: lab\nb: &b {" + strings.Repeat("k, ", 0) + manyKeys(20000) + "}\nvpcs: {a: {<<: [" + strings.Repeat("*b, ", 1000) + "*b]}}\n"
	for name, tc := range map[string]struct{ src, want string }{
		"5 MiB":                           {strings.Repeat("#", 5<<20), "larger than 4 MiB"},
		"aliases of aliases":              {billionChecks, "where a map with keys"},
		"aliases in merges":               {manyMerges, "aliases expand to more than"},
		"deep brackets":                   {"name: lab\nvpcs: " + strings.Repeat("[", 100_000), "not valid YAML"},
		"deep but closed":                 {"name: lab\nvpcs: {a: {cidr: " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + "}}", "a list where one value is wanted"},
		"a million unknown keys":          {"name: lab\n" + manyKeysBlock(300_000), "more than 1000 problems"},
		"a very long value":               {"name: lab\nregion: " + strings.Repeat("x", 1<<20), "…"},
		"an IPv6 block of half the world": {"name: lab\nvpcs: {a: {cidr: 10.0.0.0/16, ipv6: \"2000::/6\"}, b: {cidr: 10.0.0.0/16, ipv6: true}}\nsubnets: {s: {vpc: a, cidr: 10.0.0.0/24, ipv6: \"2000::/6\"}, t: {vpc: a, cidr: 10.0.1.0/24, ipv6: true}}", "The CIDR '2000::/6' is invalid."},
		"one line of two million":         {strings.Repeat("a", 2<<20) + "\x00", "1:2097153: control character"},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			_, err := Open("lab.yaml", []byte(tc.src))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error = %.300v, want one with %q", err, tc.want)
			}
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "k%d: 1, ", i)
	}
	return b.String()
}

func manyKeysBlock(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "k%d: 1\n", i)
	}
	return b.String()
}

func TestLoadTakesAnchorsMergesAndJSON(t *testing.T) {
	plain := open(t, `
name: lab
vpcs: {a: {cidr: 10.0.0.0/16}}
subnets: {s: {vpc: a, cidr: 10.0.1.0/24}}
instances:
  one: {subnet: s, serve: [http/80], run: ["true"]}
  two: {subnet: s, serve: [http/80], run: ["false"]}
`)
	merged := open(t, `
name: lab
vpcs: {a: {cidr: 10.0.0.0/16}}
subnets: {s: {vpc: a, cidr: 10.0.1.0/24}}
instances:
  one: &one
    subnet: s
    serve: &serve [http/80]
    run: ["true"]
  two:
    <<: *one
    run: ["false"]
`)
	fromJSON := open(t, `{"name": "lab", "vpcs": {"a": {"cidr": "10.0.0.0/16"}},
  "subnets": {"s": {"vpc": "a", "cidr": "10.0.1.0/24"}},
  "instances": {"one": {"subnet": "s", "serve": ["http/80"], "run": ["true"]},
                "two": {"subnet": "s", "serve": ["http/80"], "run": ["false"]}}}`)
	if diff := cmp.Diff(plain, merged, compareAddresses); diff != "" {
		t.Errorf("merge keys (-plain +merged):\n%s", diff)
	}
	if diff := cmp.Diff(plain, fromJSON, compareAddresses); diff != "" {
		t.Errorf("JSON (-YAML +JSON):\n%s", diff)
	}
}

func TestSourceKnowsPositions(t *testing.T) {
	w := open(t, quickstart)
	lines := strings.Split(quickstart, "\n")
	for path, want := range map[string]string{ // what stands there
		"name":                                   "quickstart",
		"vpcs.app":                               "app: {cidr",
		"vpcs.app.cidr":                          "10.0.0.0/16",
		`routeTables.public.routes["0.0.0.0/0"]`: "igw, ",
		"securityGroups.db.ingress[0].from":      "web}  # a group",
		"securityGroups.db.ingress[0].from[0]":   "web}  # a group", // nearest enclosing
		"securityGroups.db.ingress[0].icmpType":  "{protocol: tcp, ports: 5432",
		"instances.db.ip":                        "10.0.2.20",
		"checks[4].at":                           "securityGroup web",
		"nothing":                                "name:",
	} {
		got, ok := w.Source.Position(path)
		if !ok || !strings.HasPrefix(lines[got.Line-1][got.Column-1:], want) {
			t.Errorf("Position(%q) = %v, which is not at %q", path, got, want)
		}
	}
}

func TestParentPath(t *testing.T) {
	for path, want := range map[string]string{
		"a.b[0].c":           "a.b[0]",
		"a.b[0]":             "a.b",
		`a["x.y[0]"].b`:      `a["x.y[0]"]`,
		`a.routes["::/0"]`:   "a.routes",
		"a":                  "",
		"":                   "",
		"groups.app/default": "groups",
	} {
		if got := parentPath(path); got != want {
			t.Errorf("parentPath(%q) = %q, want %q", path, got, want)
		}
	}
}

// Whatever loads can be written and read back to the same world, and nothing
// panics.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(quickstart))
	f.Add([]byte(everything))
	f.Add([]byte("name: a\nvpcs: &v {a: *v}"))
	f.Add([]byte("name: a\nchecks: [{from: a, to: b, wait: 1s}]\nvpcs: {~: {}}"))
	f.Add([]byte("{\"name\": \"x\", \"routeTables\": {\"t\": {\"routes\": {\"::/0\": \"local\"}}}}"))
	f.Fuzz(func(t *testing.T, src []byte) {
		w, err := Load("fuzz.yaml", src)
		if w == nil {
			if err == nil {
				t.Fatal("no world and no error")
			}
			return
		}
		loaded := w.Clone()
		w.Prepare(nil) // valid or not, it must not panic
		w.Prepare(w.Clone())
		Plan(&World{}, w)
		if err != nil {
			return
		}
		text, err := loaded.Marshal()
		if err != nil {
			t.Fatalf("Marshal: %v", err)
		}
		back, err := Load("again.yaml", text)
		if err != nil {
			t.Fatalf("does not read back: %v\n%s", err, text)
		}
		if diff := cmp.Diff(loaded.withoutImplicit(), back, compareAddresses, emptyMapsAreNone); diff != "" {
			t.Fatalf("(-loaded +again):\n%s\n%s", diff, text)
		}
	})
}

// emptyMapsAreNone equates nil and empty maps, but not lists: an empty list of
// rules allows nothing, none allows everything.
var emptyMapsAreNone = cmp.FilterPath(func(p cmp.Path) bool {
	return p.Last().Type().Kind().String() == "map"
}, cmp.FilterValues(func(a, b any) bool { return mapLen(a) == 0 && mapLen(b) == 0 }, cmp.Ignore()))

func mapLen(m any) int {
	if v := reflect.ValueOf(m); v.Kind() == reflect.Map {
		return v.Len()
	}
	return -1
}
