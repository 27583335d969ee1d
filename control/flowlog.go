package control

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/vpcsim/vpcsim/control/flowlogs"
	"github.com/vpcsim/vpcsim/dataplane"
)

// FlowLog records what flows to and from the network interfaces of a VPC, a
// subnet or a machine, or through a transit gateway (F1). It names one of these.
type FlowLog struct {
	// VPC whose network interfaces are logged, present and future ones.
	VPC string `json:"vpc,omitempty"`
	// Subnet whose network interfaces are logged, present and future ones.
	Subnet string `json:"subnet,omitempty"`
	// Network interface: an instance, which means its first, one such as web/eth1,
	// or a NAT gateway.
	NetworkInterface string `json:"networkInterface,omitempty"`
	// Transit gateway of which every attachment is logged.
	TransitGateway string `json:"transitGateway,omitempty"`
	// Transit gateway attachment that is logged, on its own gateway's side.
	TransitGatewayAttachment string `json:"transitGatewayAttachment,omitempty"`
	// ALL, ACCEPT or REJECT; ALL unless written. A transit gateway's log has no
	// such choice.
	TrafficType TrafficType `json:"trafficType,omitempty"`
	// Longest time that a record covers: 60s or 600s, and for labs also less; 60s
	// unless written (AWS: 600s, but never more than 60s on Nitro instances).
	AggregationInterval Seconds `json:"aggregationInterval,omitempty"`
	// Fields of a record, such as "${version} ${srcaddr} ${tcp-flags}"; AWS's
	// default format unless written.
	Format string `json:"format,omitempty"`
	// CloudWatch log group that the records go to; /aws/vpc/flowlogs unless
	// written.
	LogGroup string `json:"logGroup,omitempty"`
	// Service that the records go to: cloud-watch-logs or s3; cloud-watch-logs
	// unless written.
	LogDestinationType LogDestinationType `json:"logDestinationType,omitempty"`
	// ARN of a bucket and a prefix in it, such as arn:aws:s3:::my-logs/vpc/, or of a
	// log group in place of logGroup. Buckets are directories of the lab.
	LogDestination string `json:"logDestination,omitempty"`
	// What the files in a bucket look like, and where they are.
	DestinationOptions DestinationOptions `json:"destinationOptions,omitzero"`

	Status FlowLogStatus `json:"status" yaml:"-"`
}

// FlowLogStatus is what AWS makes of a flow log.
type FlowLogStatus struct {
	Identity
	State string `json:"state"` // "ACTIVE"
	// ResourceKind and Resource are what is logged, by singular and name, and
	// ResourceID is AWS's ID of it.
	ResourceKind string      `json:"resourceKind"`
	Resource     string      `json:"resource"`
	ResourceID   string      `json:"resourceId"`
	TrafficType  TrafficType `json:"trafficType"` // unset for a transit gateway's
	// MaxAggregationInterval is in force.
	MaxAggregationInterval Seconds `json:"maxAggregationInterval"`
	LogFormat              string  `json:"logFormat"`
	// LogDestination as it was written; LogGroup of CloudWatch Logs, or Bucket and
	// Prefix of S3, with the options in force.
	LogDestinationType LogDestinationType  `json:"logDestinationType"`
	LogDestination     string              `json:"logDestination,omitempty"`
	LogGroup           string              `json:"logGroupName,omitempty"`
	Bucket             string              `json:"bucket,omitempty"`
	Prefix             string              `json:"prefix,omitempty"`
	DestinationOptions *DestinationOptions `json:"destinationOptions,omitempty"`
	// DeliverLogsStatus is SUCCESS or FAILED, and DeliverLogsErrorMessage AWS's
	// word for why (F16). DeliverLogsProblem, which AWS does not have, says what,
	// where and what to do; Directory is where the files are. Only a running lab
	// knows them.
	DeliverLogsStatus       string `json:"deliverLogsStatus"`
	DeliverLogsErrorMessage string `json:"deliverLogsErrorMessage,omitempty"`
	DeliverLogsProblem      string `json:"deliverLogsProblem,omitempty"`
	Directory               string `json:"directory,omitempty"`
	// NetworkInterfaces that are logged now, by name; of a transit gateway's log
	// its attachments.
	NetworkInterfaces []string `json:"networkInterfaces"`
}

// TrafficType says which records an interface's flow log has (F3). The zero
// TrafficType leaves it to the default, all.
type TrafficType uint8

// The types of traffic.
const (
	TrafficUnset TrafficType = iota
	TrafficAll
	TrafficAccept
	TrafficReject
)

var trafficWords = []string{"", "ALL", "ACCEPT", "REJECT"}

func (t TrafficType) String() string                { return trafficWords[t] }
func (t *TrafficType) parse(text string) error      { return parseWord(t, text, trafficWords) }
func (t TrafficType) MarshalJSON() ([]byte, error)  { return marshalScalar(t) }
func (t *TrafficType) UnmarshalJSON(b []byte) error { return unmarshalScalar(b, t.parse) }

const (
	defaultLogGroup = "/aws/vpc/flowlogs"
	// defaultAggregation is what Nitro instances have, whatever is asked for (F7).
	defaultAggregation = 60
)

func (l *FlowLog) identity() *Identity { return &l.Status.Identity }

// flowLogResource is one of the fields that say what is logged.
type flowLogResource struct {
	field string
	value *string
	kinds []string
}

func (l *FlowLog) resources() []flowLogResource {
	return []flowLogResource{
		{"vpc", &l.VPC, []string{"vpcs"}},
		{"subnet", &l.Subnet, []string{"subnets"}},
		{"networkInterface", &l.NetworkInterface, []string{"networkInterfaces", "instances", "natGateways"}},
		{"transitGateway", &l.TransitGateway, []string{"transitGateways"}},
		{"transitGatewayAttachment", &l.TransitGatewayAttachment, []string{"transitGatewayAttachments"}},
	}
}

func (l *FlowLog) references(_ *World, name string) []reference {
	var refs []reference
	for _, r := range l.resources() {
		refs = append(refs, reference{
			path: field(field("flowLogs", name), r.field), value: *r.value, set: func(s string) { *r.value = s }, kinds: r.kinds,
		})
	}
	return refs
}

// ofTransitGateway reports whether the log is a gateway's rather than one of
// interfaces.
func (l *FlowLog) ofTransitGateway() bool {
	return l.TransitGateway != "" || l.TransitGatewayAttachment != ""
}

// resource is the singular of the kind that is logged, and the name; what is
// written first of several, which Validate refuses.
func (l *FlowLog) resource(w *World) (kind, name string) {
	for _, r := range l.resources() {
		if *r.value == "" {
			continue
		}
		for _, plural := range r.kinds {
			if k, _ := KindNamed(plural); k.Get(w, *r.value) != nil {
				if plural == "instances" {
					return "networkInterface", NetworkInterfaceName(*r.value, 0)
				}
				return k.Singular, *r.value
			}
		}
	}
	return "", ""
}

// computeStatus settles the defaults, and what is covered.
func (l *FlowLog) computeStatus(w *World) {
	s := &l.Status
	s.State = "ACTIVE"
	l.destinationStatus()
	s.ResourceKind, s.Resource = l.resource(w)
	s.ResourceID = ""
	if k, ok := KindNamed(s.ResourceKind); ok {
		if id := k.Identity(w, s.Resource); id != nil {
			s.ResourceID = id.ID
		}
	}
	if s.ResourceKind == "natGateway" { // AWS knows its interface only
		s.ResourceID = w.NATGateways[s.Resource].Status.NetworkInterfaceID
	}
	s.MaxAggregationInterval = cmp.Or(l.AggregationInterval, defaultAggregation)
	s.LogFormat = cmp.Or(l.Format, flowlogs.DefaultFormat(l.ofTransitGateway()).String())
	s.TrafficType = cmp.Or(l.TrafficType, TrafficAll)
	if l.ofTransitGateway() {
		s.TrafficType = TrafficUnset
	}
	s.NetworkInterfaces = []string{}
	for _, p := range w.flowLogPlaces(l) {
		s.NetworkInterfaces = append(s.NetworkInterfaces, p.name)
	}
}

// validate is AWS's part of a flow log: what it may be of, and what it may say.
func (l *FlowLog) validate(v *validation, name string) {
	path := field("flowLogs", name)
	var given []string
	for _, r := range l.resources() {
		if *r.value != "" {
			given = append(given, r.field)
		}
	}
	switch {
	case len(given) == 0:
		v.report(path, "MissingParameter", "The request must contain the parameter ResourceId", "write one of vpc, subnet, networkInterface, transitGateway and transitGatewayAttachment")
	case len(given) > 1:
		v.reportf(field(path, given[1]), "InvalidParameter", "make a flow log of each", "a flow log has one resource, this has %s and %s", given[0], given[1])
	}
	if l.ofTransitGateway() && l.TrafficType != TrafficUnset { // F3
		v.report(field(path, "trafficType"), "InvalidParameter", "a transit gateway accepts everything: its flow logs have no traffic type", "remove trafficType")
	}
	switch n := l.AggregationInterval; {
	case n > 60 && n != 600:
		v.reportf(field(path, "aggregationInterval"), "InvalidParameter", "write 60s or 600s; for labs also less than 60s, which AWS does not take",
			"Invalid maxAggregationInterval %d", n)
	case n > 60 && l.ofTransitGateway():
		v.reportf(field(path, "aggregationInterval"), "InvalidParameter", "write 60s or less", "the flow log of a transit gateway has an interval of 60 seconds, not %d", n)
	}
	l.validateFormat(v, field(path, "format"))
	l.validateDestination(v, path)
	l.validateNumber(v, path, name)
}

// validateFormat says what is wrong with the fields of a record, and where.
func (l *FlowLog) validateFormat(v *validation, path string) {
	if l.Format == "" {
		return
	}
	format, err := flowlogs.ParseFormat(l.Format, l.ofTransitGateway())
	var bad *flowlogs.FormatError
	switch {
	case !errors.As(err, &bad):
		// In text a repeated field does no harm. Columns have names, and readers lose one of
		// two that share theirs.
		if twice := format.Repeated(); twice != "" && l.DestinationOptions.FileFormat == LogFileParquet {
			v.reportf(path, "InvalidParameter", "write each field once, or let fileFormat be plain-text", "the field %s is there twice, and Parquet's columns need names of their own", twice)
		}
	case bad.Field == "":
		v.reportf(path, "InvalidParameter", "write fields such as ${srcaddr}, one space between two",
			"Value '%s' at 'logFormat' has an invalid format: %s", shorten(l.Format), bad)
	default:
		hint := "AWS's fields are in its user guide under flow log records"
		if near := closest(bad.Field, bad.Near); near != "" {
			hint = fmt.Sprintf("did you mean ${%s}?", near)
		}
		v.reportf(path, "InvalidParameter", hint, "Unknown fields provided: %s (%s)", bad.Field, bad)
	}
}

// flowLogsPerResource cannot be raised (F4).
const flowLogsPerResource = 250

// validateNumber finds logs that are one too many: the same again (QC13), or more
// than a resource may have.
func (l *FlowLog) validateNumber(v *validation, path, name string) {
	before := 0
	for _, other := range sorted(v.w.FlowLogs) {
		if other == name {
			break
		}
		o := v.w.FlowLogs[other]
		if o.Status.ResourceID != l.Status.ResourceID || l.Status.ResourceID == "" {
			continue
		}
		before++
		if s, t := &o.Status, &l.Status; s.TrafficType == t.TrafficType && s.MaxAggregationInterval == t.MaxAggregationInterval &&
			s.LogFormat == t.LogFormat && s.sameDestination(t) {
			v.reportKey(path, "FlowLogAlreadyExists", "Error. There is an existing Flow Log with the same configuration and log destination.",
				fmt.Sprintf("it is %s: remove one, or write another logGroup or logDestination", other))
			return
		}
	}
	if before == flowLogsPerResource {
		v.reportKey(path, "FlowLogsLimitExceeded", fmt.Sprintf("%s has the maximum number of flow logs, %d", l.Status.ResourceID, flowLogsPerResource), "remove one")
	}
}

// sameDestination reports whether records of both would go to one place as the same
// files.
func (s *FlowLogStatus) sameDestination(t *FlowLogStatus) bool {
	if s.LogDestinationType != t.LogDestinationType || s.LogGroup != t.LogGroup || s.Bucket != t.Bucket || s.Prefix != t.Prefix {
		return false
	}
	return s.DestinationOptions == nil || t.DestinationOptions == nil || *s.DestinationOptions == *t.DestinationOptions
}

// compile asks the data plane for records of what is covered.
func (l *FlowLog) compile(c *compilation, _ string) {
	t := l.Status.TrafficType
	add := func(h uint32) {
		c.b.FlowLogs = append(c.b.FlowLogs, dataplane.FlowLog{Resource: dataplane.Handle(h), Accept: t != TrafficReject, Reject: t != TrafficAccept})
	}
	if l.TransitGateway != "" {
		add(c.w.TransitGateways[l.TransitGateway].Status.Handle)
		return
	}
	for _, p := range c.w.flowLogPlaces(l) {
		add(uint32(p.handle))
	}
}

// interval is the aggregation interval as a duration.
func (s *FlowLogStatus) interval() time.Duration { return s.MaxAggregationInterval.Duration() }
