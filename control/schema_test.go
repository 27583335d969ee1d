package control

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	generator "github.com/invopop/jsonschema"
	validator "github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/vpcsim/vpcsim/control/cloudwatch"
)

var update = flag.Bool("update", false, "write schema.json anew")

func TestSchemaIsCurrent(t *testing.T) {
	want := generateSchema(t)
	if *update {
		if err := os.WriteFile("schema.json", want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("schema.json is out of date: run go test ./control -run TestSchemaIsCurrent -update\n%s", diff)
	}
}

// generateSchema makes the schema from the Go types; descriptions are their
// comments.
func generateSchema(t *testing.T) []byte {
	t.Helper()
	r := &generator.Reflector{
		RequiredFromJSONSchemaTags: true, // none has such a tag; see required
		Mapper:                     scalarSchema,
	}
	if err := r.AddGoComments("github.com/vpcsim/vpcsim/control", "./"); err != nil {
		t.Fatal(err)
	}
	for key, text := range r.CommentMap {
		r.CommentMap[key] = strings.Join(strings.Fields(text), " ")
	}
	s := r.Reflect(&World{})
	s.ID = ""
	s.Title = "vpcsim scenario"
	for name, definition := range s.Definitions {
		definition.Required = required[name]
		if definition.Properties != nil {
			definition.Properties.Delete("status")
		}
	}
	s.Definitions["World"].Properties.Delete("networkInterfaces")
	dropUnused(t, s)
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(text, '\n')
}

// dropUnused removes the definitions that nothing refers to any more: the
// statuses and what only they contain.
func dropUnused(t *testing.T, s *generator.Schema) {
	t.Helper()
	for {
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		before := len(s.Definitions)
		for name := range s.Definitions {
			if !bytes.Contains(text, []byte(`"#/$defs/`+name+`"`)) {
				delete(s.Definitions, name)
			}
		}
		if len(s.Definitions) == before {
			return
		}
	}
}

// required are the keys that a file cannot leave out. A vpc is not among them
// where the name of what AWS makes by itself says it.
var required = map[string][]string{
	"World":                {"name"},
	"VPC":                  {"cidr"},
	"VPCPeering":           {"vpc", "peerVpc"},
	"Subnet":               {"vpc"}, // an IPv6-only one has no cidr
	"NATGateway":           {"subnet"},
	"NetworkACLEntry":      {"rule", "action", "protocol", "cidr"},
	"SecurityGroupRule":    {"protocol"},
	"PrefixList":           {"entries"},
	"NetworkInterfaceSpec": {"subnet"},
	"Instance":             {"subnet"},
	"InternetHost":         {"ip"},
	"MetricFilter":         {"metricName", "metricNamespace", "metricValue"},
	"Alarm":                {"metricName", "namespace", "period", "evaluationPeriods", "threshold", "comparisonOperator"},
	"AlarmAction":          {"on"},
	"SiteHost":             {"site"},
	"CustomerGateway":      {"site"},
	"VPNConnection":        {"customerGateway"},
	"VPNClient":            {"endpoint"},
	"VPCEndpoint":          {"vpc", "service"},
	"VPCEndpointService":   {"loadBalancers"},
	"LoadBalancer":         {"subnets"},
	"Listener":             {"port", "targetGroup"},
	"TargetGroup":          {"vpc", "port"},
	"AuthorizationRule":    {"cidr", "groups"},

	"EgressOnlyInternetGateway": {"vpc"},
	"TransitGatewayAttachment":  {"transitGateway"},
	"TransitGatewayConnectPeer": {"attachment", "peerAddress", "insideCidrs"},
}

// scalarSchema describes the types that a file writes as one scalar, nil for
// all others.
func scalarSchema(t reflect.Type) *generator.Schema {
	text := func(pattern string) *generator.Schema { return &generator.Schema{Type: "string", Pattern: pattern} }
	number := func(low, high string) *generator.Schema {
		return &generator.Schema{Type: "integer", Minimum: json.Number(low), Maximum: json.Number(high)}
	}
	either := func(s ...*generator.Schema) *generator.Schema { return &generator.Schema{AnyOf: s} }
	word := func(words ...any) *generator.Schema { return &generator.Schema{Enum: words} }
	words := func(list []string) *generator.Schema {
		s := &generator.Schema{}
		for _, w := range list {
			s.Enum = append(s.Enum, w)
		}
		return s
	}
	const address, block = `^[0-9a-fA-F.:]+$`, `^[0-9a-fA-F.:]+/[0-9]{1,3}$`
	peer := &generator.Schema{Type: "string", MinLength: ptr(uint64(1))}
	switch t {
	case reflect.TypeFor[netip.Prefix]():
		return text(block)
	case reflect.TypeFor[netip.Addr]():
		return text(address)
	case reflect.TypeFor[AddressChoice]():
		return either(&generator.Schema{Type: "boolean"}, text(address))
	case reflect.TypeFor[PrefixChoice]():
		return either(&generator.Schema{Type: "boolean"}, text(block))
	case reflect.TypeFor[Protocol]():
		return either(word("tcp", "udp", "icmp", "icmpv6", "all"), number("-1", "255"))
	case reflect.TypeFor[PortRange]():
		return either(number("0", "65535"), text(`^(all|[0-9]{1,5}(-[0-9]{1,5})?)$`))
	case reflect.TypeFor[Port]():
		return number("1", "65535")
	case reflect.TypeFor[RuleAction]():
		return word("allow", "deny")
	case reflect.TypeFor[AccountID]():
		return either(number("0", "999999999999"), text(`^[0-9]{12}$`))
	case reflect.TypeFor[PeeringState]():
		return word("active", "pending-acceptance", "rejected", "expired", "deleted", "failed")
	case reflect.TypeFor[Service]():
		return text(`^(http|tcp|udp)/[0-9]{1,5}$`)
	case reflect.TypeFor[Seconds]():
		return either(number("1", "4294967295"), text(`^([0-9.]+(s|m|h))+$`))
	case reflect.TypeFor[Router]():
		return word("builtin", "bird", "frr")
	case reflect.TypeFor[DPDAction]():
		return word("clear", "none", "restart")
	case reflect.TypeFor[StartupAction]():
		return word("add", "start")
	case reflect.TypeFor[OutsideAddressType]():
		return word("publicIpv4", "ipv6")
	case reflect.TypeFor[ASN]():
		return number("1", "4294967295")
	case reflect.TypeFor[AttachmentState]():
		return word("pendingAcceptance", "available", "rejected", "deleted")
	case reflect.TypeFor[Number]():
		return &generator.Schema{Type: "number"}
	case reflect.TypeFor[AlarmStatistic]():
		return words(cloudwatch.StatisticWords())
	case reflect.TypeFor[AlarmComparison]():
		return words(cloudwatch.ComparisonWords())
	case reflect.TypeFor[MissingData]():
		return words(cloudwatch.MissingWords())
	case reflect.TypeFor[AlarmState]():
		return words(cloudwatch.StateWords())
	case reflect.TypeFor[TrafficType]():
		return word("ALL", "ACCEPT", "REJECT")
	case reflect.TypeFor[MirrorAction]():
		return word("accept", "reject")
	case reflect.TypeFor[NetworkService]():
		return word("amazon-dns")
	case reflect.TypeFor[LogDestinationType]():
		return word("cloud-watch-logs", "s3")
	case reflect.TypeFor[LogFileFormat]():
		return word("plain-text", "parquet")
	case reflect.TypeFor[EndpointType]():
		return word("gateway", "interface")
	case reflect.TypeFor[EndpointState]():
		return word("pendingAcceptance", "available", "rejected")
	case reflect.TypeFor[IPAddressType]():
		return word("ipv4", "dualstack", "ipv6")
	case reflect.TypeFor[ClientVPNAddressType]():
		return word("ipv4", "ipv6", "dual-stack")
	case reflect.TypeFor[Connectivity]():
		return word("public", "private")
	case reflect.TypeFor[Toggle]():
		return word("enabled", "disabled")
	case reflect.TypeFor[HTTPTokens]():
		return word("required", "optional")
	case reflect.TypeFor[HostnameType]():
		return word("ip-name", "resource-name")
	case reflect.TypeFor[DomainNameServer]():
		return either(word(amazonProvidedDNS), text(address))
	case reflect.TypeFor[ElasticIPs]():
		eip := either(word("auto"), text(address))
		return either(word("auto"), text(address), &generator.Schema{Type: "array", Items: eip})
	case reflect.TypeFor[SecondaryIP]():
		return either(&generator.Schema{Type: "boolean"}, text(address), secondaryIPSchema(either(&generator.Schema{Type: "boolean"}, text(address))))
	case reflect.TypeFor[Peers]():
		return either(peer, &generator.Schema{Type: "array", Items: peer, MinItems: ptr(uint64(1))})
	case reflect.TypeFor[Family]():
		return word("ipv4", "ipv6")
	case reflect.TypeFor[Expect]():
		return word("pass", "drop")
	case reflect.TypeFor[Decider]():
		return text(`^[a-zA-Z]+( [^ ]+)?$`)
	case reflect.TypeFor[Fraction]():
		return either(text(`^[0-9]+(\.[0-9]{1,7})? *%$`), &generator.Schema{Type: "number", Minimum: "0", Maximum: "1"})
	case reflect.TypeFor[Bandwidth]():
		return text(`^(unlimited|[0-9.]+ *[kKmMgGtT]?[bB][iI][tT](/s)?)$`)
	case reflect.TypeFor[Queue]():
		return text(`^([0-9]+ *(GiB|MiB|KiB|kB|B)|([0-9.]+(ns|us|µs|ms|s|m|h))+)$`)
	case reflect.TypeFor[RoundTrip]():
		return text(`^(typical|([0-9.]+(ns|us|µs|ms|s|m|h))+)$`)
	case reflect.TypeFor[Faults]():
		fault := text(`^[a-zA-Z]+ [^ ]+( (forward|reverse))?$`)
		return either(fault, &generator.Schema{Type: "array", Items: fault})
	case reflect.TypeFor[Duration]():
		return text(`^([0-9.]+(ns|us|µs|ms|s|m|h))+$`)
	case reflect.TypeFor[ListenAddress]():
		return either(text(`^([0-9.]+|\[[0-9a-fA-F:.]+\]):[0-9]+$`), &generator.Schema{Type: "integer", Minimum: "1", Maximum: "65535"})
	case reflect.TypeFor[ClientGroups](), reflect.TypeFor[ClientVPNTargets]():
		return either(peer, &generator.Schema{Type: "array", Items: peer, MinItems: ptr(uint64(1))})
	case reflect.TypeFor[map[ClientVPNDestination]ClientVPNTargets]():
		target := either(peer, &generator.Schema{Type: "array", Items: peer, MinItems: ptr(uint64(1))})
		return &generator.Schema{Type: "object", AdditionalProperties: target}
	case reflect.TypeFor[map[Destination]Target]():
		return &generator.Schema{Type: "object", AdditionalProperties: peer}
	}
	return nil
}

// secondaryIPSchema is the long form of a secondary address, which the generator
// does not look into because there is a short one.
func secondaryIPSchema(address *generator.Schema) *generator.Schema {
	s := &generator.Schema{Type: "object", Properties: generator.NewProperties(), AdditionalProperties: generator.FalseSchema}
	for _, p := range [][2]string{
		{"ip", "Private IPv4 address; true, or nothing: AWS picks it."},
		{"publicIp", "Elastic IP that translates to the address."},
	} {
		s.Properties.Set(p[0], &generator.Schema{AnyOf: address.AnyOf, Description: p[1]})
	}
	return s
}

func ptr[T any](v T) *T { return &v }

// validateBySchema is what an editor would say about a scenario.
func validateBySchema(t *testing.T, src []byte) error {
	t.Helper()
	text, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	document, err := validator.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := validator.NewCompiler()
	if err := c.AddResource("schema.json", document); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("schema.json")
	if err != nil {
		t.Fatalf("the schema itself: %v", err)
	}
	var fromYAML any
	if err := yaml.Unmarshal(src, &fromYAML); err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(fromYAML)
	if err != nil {
		t.Fatal(err)
	}
	instance, err := validator.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		t.Fatal(err)
	}
	return compiled.Validate(instance)
}

func TestSchemaTakesWhatLoads(t *testing.T) {
	for name, src := range map[string]string{"quickstart": quickstart, "everything": everything} {
		if err := validateBySchema(t, []byte(src)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	files, err := filepath.Glob("../scenarios/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := validateBySchema(t, src); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestSchemaRefusesWhatDoesNotLoad(t *testing.T) {
	for name, src := range map[string]string{
		"unknown kind":      "name: a\nvpc: {}",
		"unknown field":     "name: a\nvpcs: {a: {cidr: 10.0.0.0/16, colour: red}}",
		"no name":           "vpcs: {}",
		"status":            "name: a\nvpcs: {a: {cidr: 10.0.0.0/16, status: {}}}",
		"CIDR is a word":    "name: a\nvpcs: {a: {cidr: ten}}",
		"port out of range": "name: a\nchecks: [{from: a, to: b, tcp: 70000}]",
		"protocol":          "name: a\nsecurityGroups: {g: {vpc: a, ingress: [{protocol: tpc, from: g}]}}",
		"action":            "name: a\nnetworkAcls: {n: {vpc: a, ingress: [{rule: 1, action: permit, protocol: all, cidr: 0.0.0.0/0}]}}",
		"no subnet":         "name: a\ninstances: {i: {}}",
		"service":           "name: a\ninstances: {i: {subnet: s, serve: [ftp/21]}}",
	} {
		if err := validateBySchema(t, []byte(src)); err == nil {
			t.Errorf("%s: the schema accepts %q", name, src)
		}
		if _, err := Open("x.yaml", []byte(src)); err == nil {
			t.Errorf("%s: Open accepts %q", name, src)
		}
	}
}

// TestSchemaDescribesEveryKey keeps comments on the fields that users write.
func TestSchemaDescribesEveryKey(t *testing.T) {
	var document struct {
		Definitions map[string]struct {
			Properties map[string]struct {
				Description string `json:"description"`
			} `json:"properties"`
		} `json:"$defs"`
	}
	text, _ := Schema()
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	if len(document.Definitions) < 10 {
		t.Errorf("only %d definitions", len(document.Definitions))
	}
	for name, d := range document.Definitions {
		for key, p := range d.Properties {
			if p.Description == "" {
				t.Errorf("%s.%s has no description", name, key)
			}
		}
	}
}
