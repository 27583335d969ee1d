package control

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vpcsim/vpcsim/control/flowlogs"
	"github.com/vpcsim/vpcsim/dataplane"
)

const flowLogLab = `name: x
vpcs: {v: {cidr: 10.0.0.0/16}, w: {cidr: 10.1.0.0/16}}
subnets:
  one: {vpc: v, cidr: 10.0.1.0/24}
  two: {vpc: v, cidr: 10.0.2.0/24}
  other: {vpc: w, cidr: 10.1.1.0/24}
natGateways: {nat: {subnet: two, connectivity: private}}
transitGateways: {hub: {}, far: {region: us-west-2}}
transitGatewayAttachments:
  hub-v: {transitGateway: hub, vpc: v, subnets: [two]}
  hub-w: {transitGateway: hub, vpc: w, subnets: [other]}
  hub-far: {transitGateway: hub, peer: far}
instances:
  a: {subnet: one, interfaces: [{subnet: two}]}
  b: {subnet: other}
`

func TestFlowLogCoversWhatItNames(t *testing.T) {
	for fields, want := range map[string][]string{ // F1, F6
		"vpc: v":                          {"a/eth0", "a/eth1", "nat", "hub-v/two"},
		"vpc: w":                          {"b/eth0", "hub-w/other"},
		"subnet: two":                     {"a/eth1", "nat", "hub-v/two"},
		"networkInterface: a":             {"a/eth0"},
		"networkInterface: a/eth1":        {"a/eth1"},
		"networkInterface: nat":           {"nat"},
		"transitGateway: hub":             {"hub-far", "hub-v", "hub-w"},
		"transitGateway: far":             {"hub-far"},
		"transitGatewayAttachment: hub-v": {"hub-v"},
	} {
		w := open(t, flowLogLab+"flowLogs: {l: {"+fields+"}}\n")
		s := w.FlowLogs["l"].Status
		if diff := cmp.Diff(want, s.NetworkInterfaces); diff != "" {
			t.Errorf("%s (-want +got):\n%s", fields, diff)
		}
		if s.ResourceID == "" || !strings.HasPrefix(s.ID, "fl-") || s.State != "ACTIVE" {
			t.Errorf("%s: status %+v", fields, s)
		}
	}
}

func TestFlowLogDefaults(t *testing.T) {
	w := open(t, flowLogLab+"flowLogs: {l: {vpc: v}, hub: {transitGateway: hub}, slow: {subnet: one, aggregationInterval: 600s, trafficType: ACCEPT}}\n")
	l, hub, slow := w.FlowLogs["l"].Status, w.FlowLogs["hub"].Status, w.FlowLogs["slow"].Status
	if l.MaxAggregationInterval != 60 || l.TrafficType != TrafficAll || !strings.HasPrefix(l.LogFormat, "${version} ${account-id} ${interface-id} ") || l.LogGroup != defaultLogGroup {
		t.Errorf("of a VPC: %+v", l)
	}
	if hub.TrafficType != TrafficUnset || !strings.HasPrefix(hub.LogFormat, "${version} ${resource-type} ") {
		t.Errorf("of a transit gateway: %+v", hub)
	}
	if slow.MaxAggregationInterval != 600 || slow.TrafficType != TrafficAccept {
		t.Errorf("slow: %+v", slow)
	}
}

func TestValidateFlowLogs(t *testing.T) {
	for _, c := range []struct{ name, logs, code, message, hint string }{
		{"nothing is logged", "l: {}", "MissingParameter", "ResourceId", "write one of vpc"},
		{"two things are logged", "l: {vpc: v, subnet: one}", "InvalidParameter", "one resource, this has vpc and subnet", ""},
		{"unknown VPC", "l: {vpc: u}", "InvalidVpcID.NotFound", "no VPC named", ""},
		{"unknown interface", "l: {networkInterface: c}", "InvalidNetworkInterfaceID.NotFound", "", ""},
		{"unknown field", `l: {vpc: v, format: "${version} ${srcadr}"}`, "InvalidParameter", `Unknown fields provided: srcadr (character 14: "srcadr" is no field of a flow log)`, "did you mean ${srcaddr}?"},
		{"a transit gateway's field", `l: {vpc: v, format: "${tgw-id}"}`, "InvalidParameter", "of transit gateways (version 6) only", ""},
		{"a VPC's field", `l: {transitGateway: hub, format: "${action}"}`, "InvalidParameter", "not of transit gateways", ""},
		{"a space too much", `l: {vpc: v, format: "${version} ${srcaddr} "}`, "InvalidParameter", "has an invalid format: character 22: a space at the end", ""},
		{"two columns of one name", `l: {vpc: v, format: "${srcaddr} ${bytes} ${srcaddr}", logDestinationType: s3, logDestination: "arn:aws:s3:::my-logs", destinationOptions: {fileFormat: parquet}}`, "InvalidParameter", "the field srcaddr is there twice", "once"},
		{"no field", `l: {vpc: v, format: "version"}`, "InvalidParameter", `character 1: "version" is not a field`, ""},
		{"interval", "l: {vpc: v, aggregationInterval: 120s}", "InvalidParameter", "maxAggregationInterval 120", "60s or 600s"},
		{"interval of a transit gateway", "l: {transitGateway: hub, aggregationInterval: 600}", "InvalidParameter", "", "write 60s or less"},
		{"traffic type of a transit gateway", "l: {transitGateway: hub, trafficType: REJECT}", "InvalidParameter", "", "remove trafficType"},
		{"traffic type", "l: {vpc: v, trafficType: DROP}", "InvalidParameterValue", `"DROP" is none of ALL, ACCEPT or REJECT`, ""},
		{"no bucket", "l: {vpc: v, logDestinationType: s3}", "InvalidParameter", "LogDestination can't be empty if LogGroupName is not provided.", "arn:aws:s3:::BUCKET"},
		{"a bucket and a group", `l: {vpc: v, logDestinationType: s3, logDestination: "arn:aws:s3:::my-logs", logGroup: g}`, "InvalidParameter", "LogDestination type must be cloud-watch-logs if LogGroupName is provided.", ""},
		{"a bucket without the type", `l: {vpc: v, logDestination: "arn:aws:s3:::my-logs"}`, "InvalidParameter", "is a bucket", "logDestinationType: s3"},
		{"a group twice", `l: {vpc: v, logGroup: g, logDestination: "arn:aws:logs:us-east-1:123456789012:log-group:h"}`, "InvalidParameter", "Please only provide LogGroupName or only provide LogDestination.", ""},
		{"no ARN", "l: {vpc: v, logDestinationType: s3, logDestination: my-logs}", "InvalidParameter", "my-logs is not the ARN of a bucket", ""},
		{"QC14 no such bucket", `l: {vpc: v, logDestinationType: s3, logDestination: "arn:aws:s3:::My_Logs"}`, "LogDestinationNotFound", "does not exist", "lower-case"},
		{"a reserved folder", `l: {vpc: v, logDestinationType: s3, logDestination: "arn:aws:s3:::my-logs/a/AWSLogs/"}`, "InvalidParameter", "AWSLogs is a reserved term", ""},
		{"a way out of the bucket", `l: {vpc: v, logDestinationType: s3, logDestination: "arn:aws:s3:::my-logs/../../x"}`, "InvalidParameter", `".." is no folder of a bucket`, ""},
		{"options of a group", "l: {vpc: v, destinationOptions: {fileFormat: parquet}}", "InvalidParameter", "for the destination type s3", ""},
		{"Firehose", "l: {vpc: v, logDestinationType: kinesis-data-firehose}", "InvalidParameterValue", "none of cloud-watch-logs or s3", ""},
		{"file format", `l: {vpc: v, logDestinationType: s3, logDestination: "arn:aws:s3:::my-logs", destinationOptions: {fileFormat: csv}}`, "InvalidParameterValue", `"csv" is none of plain-text or parquet`, ""},
		{"QC13 the same bucket again", `l: {vpc: v, logDestinationType: s3, logDestination: "arn:aws:s3:::my-logs"}, m: {vpc: v, logDestinationType: s3, logDestination: "arn:aws:s3:::my-logs/"}`, "FlowLogAlreadyExists", "", "it is l"},
		{"QC13 the same again", "l: {vpc: v}, m: {vpc: v, trafficType: ALL}", "FlowLogAlreadyExists", "Error. There is an existing Flow Log with the same configuration and log destination.", "it is l"},
	} {
		w, err := Open("x.yaml", []byte(flowLogLab+"flowLogs: {"+c.logs+"}\n"))
		problems, _ := err.(Problems)
		if w != nil && err == nil || len(problems) != 1 {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		p := problems[0]
		if p.Code != c.code || !strings.Contains(p.Message, c.message) || !strings.Contains(p.Hint, c.hint) || p.Line == 0 {
			t.Errorf("%s: %+v", c.name, p)
		}
	}
	open(t, flowLogLab+"flowLogs: {l: {vpc: v}, m: {vpc: v, trafficType: REJECT}, n: {vpc: v, logGroup: other}, o: {subnet: one}}\n")
	var many strings.Builder
	for i := range flowLogsPerResource + 1 { // F4
		fmt.Fprintf(&many, "l%03d: {vpc: v, logGroup: g%d}, ", i, i)
	}
	_, err := Open("x.yaml", []byte(flowLogLab+"flowLogs: {"+many.String()+"}\n"))
	if problems, _ := err.(Problems); len(problems) != 1 || problems[0].Code != "FlowLogsLimitExceeded" {
		t.Errorf("251 of one VPC: %v", err)
	}
}

func TestFlowLogDestinations(t *testing.T) {
	w := open(t, flowLogLab+`flowLogs:
  group: {vpc: v, logDestination: "arn:aws:logs:us-east-1:123456789012:log-group:/mine:*"}
  bucket: {vpc: v, logDestinationType: s3, logDestination: "arn:aws:s3:::my-logs/net/prod/"}
  parquet: {transitGateway: far, logDestinationType: s3, logDestination: "arn:aws:s3:::my-logs", destinationOptions: {fileFormat: parquet, hiveCompatiblePartitions: true, perHourPartition: true}}
`)
	if s := w.FlowLogs["group"].Status; s.LogGroup != "/mine" || s.Bucket != "" || s.DestinationOptions != nil || s.DeliverLogsStatus != "SUCCESS" {
		t.Errorf("a group: %+v", s)
	}
	got := map[string]flowlogs.Destination{}
	for _, l := range w.FlowLogConfig().Logs {
		d := *l.Destination
		d.Format = flowlogs.Format{}
		got[l.Name] = d
	}
	account := string(DefaultAccount)
	want := map[string]flowlogs.Destination{
		"group":   {Account: account, Region: "us-east-1", IntervalSeconds: 60},
		"bucket":  {Account: account, Region: "us-east-1", IntervalSeconds: 60, Bucket: "my-logs", Prefix: "net/prod"},
		"parquet": {Account: account, Region: "us-west-2", IntervalSeconds: 60, Bucket: "my-logs", Parquet: true, Hive: true, Hourly: true},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(flowlogs.Format{})); diff != "" {
		t.Errorf("destinations (-want +got):\n%s", diff)
	}
}

func TestFlowLogCannotBeChanged(t *testing.T) { // F4
	old := open(t, flowLogLab+"flowLogs: {l: {vpc: v}}\n")
	for fields, action := range map[string]Action{
		"vpc: v, trafficType: REJECT":                  ActionReplace,
		"vpc: v, aggregationInterval: 10":              ActionReplace,
		"vpc: w":                                       ActionReplace,
		"vpc: v, trafficType: ALL":                     "",
		"vpc: v, aggregationInterval: 60s":             "",
		"vpc: v, logDestinationType: cloud-watch-logs": "",
		`vpc: v, logDestinationType: s3, logDestination: "arn:aws:s3:::my-logs"`: ActionReplace,
	} {
		changes := Plan(old, open(t, flowLogLab+"flowLogs: {l: {"+fields+"}}\n"))
		switch {
		case action == "" && len(changes) > 0, action != "" && (len(changes) != 1 || changes[0].Action != action):
			t.Errorf("%s: %+v", fields, changes)
		}
	}
	changes := Plan(old, open(t, flowLogLab))
	if len(changes) != 1 || changes[0].Action != ActionDelete {
		t.Errorf("taken away: %+v", changes)
	}
}

func TestFlowLogCompiles(t *testing.T) {
	w := open(t, flowLogLab+"flowLogs: {l: {networkInterface: a, trafficType: REJECT}, hub: {transitGateway: hub}}\n")
	for i, k := range []string{"networkInterfaces", "transitGateways", "flowLogs"} {
		kind, _ := KindNamed(k)
		for j, name := range kind.Names(w) {
			kind.Identity(w, name).Handle = uint32(100*(i+1) + j)
		}
	}
	got := build(w, 1).FlowLogs
	want := []dataplane.FlowLog{
		{Resource: dataplane.Handle(w.TransitGateways["hub"].Status.Handle), Accept: true, Reject: true},
		{Resource: dataplane.Handle(w.NetworkInterfaces["a/eth0"].Status.Handle), Reject: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("flow logs (-want +got):\n%s", diff)
	}
	config := w.FlowLogConfig()
	if len(config.Logs) != 2 || config.Interfaces[want[1].Resource].ZoneID != "use1-az1" {
		t.Errorf("configuration %+v", config)
	}
}
