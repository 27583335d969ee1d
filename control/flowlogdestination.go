package control

import (
	"cmp"
	"regexp"
	"strings"

	"github.com/vpcsim/vpcsim/control/flowlogs"
)

// LogDestinationType says which service takes the records of a flow log. The zero
// LogDestinationType leaves it to AWS's default, CloudWatch Logs.
type LogDestinationType uint8

// The services; Kinesis Data Firehose is not emulated.
const (
	LogDestinationUnset LogDestinationType = iota
	LogDestinationCloudWatchLogs
	LogDestinationS3
)

var logDestinationWords = []string{"", "cloud-watch-logs", "s3"}

func (t LogDestinationType) String() string                { return logDestinationWords[t] }
func (t *LogDestinationType) parse(text string) error      { return parseWord(t, text, logDestinationWords) }
func (t LogDestinationType) MarshalJSON() ([]byte, error)  { return marshalScalar(t) }
func (t *LogDestinationType) UnmarshalJSON(b []byte) error { return unmarshalScalar(b, t.parse) }

// LogFileFormat is what a file in S3 is. The zero LogFileFormat leaves it to AWS's
// default, text.
type LogFileFormat uint8

// The formats of files.
const (
	LogFileUnset LogFileFormat = iota
	LogFilePlainText
	LogFileParquet
)

var logFileWords = []string{"", "plain-text", "parquet"}

func (f LogFileFormat) String() string                { return logFileWords[f] }
func (f *LogFileFormat) parse(text string) error      { return parseWord(f, text, logFileWords) }
func (f LogFileFormat) MarshalJSON() ([]byte, error)  { return marshalScalar(f) }
func (f *LogFileFormat) UnmarshalJSON(b []byte) error { return unmarshalScalar(b, f.parse) }

// DestinationOptions say how the files of a flow log in S3 look (F12 to F14).
type DestinationOptions struct {
	// plain-text, gzipped, or parquet; plain-text unless written.
	FileFormat LogFileFormat `json:"fileFormat,omitempty"`
	// Directories named for Hive, such as year=2025.
	HiveCompatiblePartitions bool `json:"hiveCompatiblePartitions,omitempty"`
	// A directory for each hour rather than each day.
	PerHourPartition bool `json:"perHourPartition,omitempty"`
}

func (o DestinationOptions) orDefault() DestinationOptions {
	o.FileFormat = cmp.Or(o.FileFormat, LogFilePlainText)
	return o
}

var (
	bucketARN   = regexp.MustCompile(`^arn:aws[a-z-]*:s3:::([^/:]+)(?:/(.*))?$`)
	bucketName  = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	logGroupARN = regexp.MustCompile(`^arn:aws[a-z-]*:logs:[a-z0-9-]*:[0-9]*:log-group:([\w./#-]{1,512})(?::\*)?$`)
)

// destinationStatus settles where records go.
func (l *FlowLog) destinationStatus() {
	s := &l.Status
	s.LogDestinationType = cmp.Or(l.LogDestinationType, LogDestinationCloudWatchLogs)
	s.LogDestination, s.Bucket, s.Prefix, s.LogGroup, s.DestinationOptions = l.LogDestination, "", "", "", nil
	s.DeliverLogsStatus, s.DeliverLogsErrorMessage, s.DeliverLogsProblem, s.Directory = "SUCCESS", "", "", ""
	if s.LogDestinationType == LogDestinationS3 {
		if parts := bucketARN.FindStringSubmatch(l.LogDestination); parts != nil {
			s.Bucket, s.Prefix = parts[1], strings.TrimSuffix(parts[2], "/")
		}
		options := l.DestinationOptions.orDefault()
		s.DestinationOptions = &options
		return
	}
	s.LogGroup = cmp.Or(l.LogGroup, defaultLogGroup)
	if parts := logGroupARN.FindStringSubmatch(l.LogDestination); parts != nil {
		s.LogGroup = parts[1]
	}
}

// validateDestination holds a destination to CreateFlowLogs' rules. A bucket needs
// not be made: a lab has those that its flow logs name.
func (l *FlowLog) validateDestination(v *validation, path string) {
	at := field(path, "logDestination")
	const arn = "write the ARN of a bucket, such as arn:aws:s3:::my-logs/vpc/"
	if l.Status.LogDestinationType != LogDestinationS3 {
		l.validateLogGroup(v, path)
		return
	}
	if l.LogGroup != "" {
		v.report(field(path, "logGroup"), "InvalidParameter", "LogDestination type must be cloud-watch-logs if LogGroupName is provided.",
			"remove logGroup, or write logDestinationType: cloud-watch-logs")
	}
	if l.LogDestination == "" {
		v.report(field(path, "logDestinationType"), "InvalidParameter", "LogDestination can't be empty if LogGroupName is not provided.",
			"add logDestination: arn:aws:s3:::BUCKET")
		return
	}
	parts := bucketARN.FindStringSubmatch(l.LogDestination)
	if parts == nil {
		v.reportf(at, "InvalidParameter", arn, "LogDestination: %s is not the ARN of a bucket", shorten(l.LogDestination))
		return
	}
	if !bucketName.MatchString(parts[1]) || strings.Contains(parts[1], "..") {
		v.reportf(at, "LogDestinationNotFound", "a name has 3 to 63 lower-case letters, digits, dots and hyphens",
			"LogDestination: %s does not exist: no bucket can be called %q", shorten(l.LogDestination), parts[1])
	}
	validateLogPrefix(v, at, parts[2])
}

// validateLogPrefix refuses what AWS refuses, and what could lead out of the bucket's
// directory.
func validateLogPrefix(v *validation, at, prefix string) {
	prefix = strings.TrimSuffix(prefix, "/")
	if prefix == "" {
		return
	}
	if len(prefix) > 512 {
		v.report(at, "InvalidParameter", "the prefix has more than 512 characters", "write a shorter one")
		return
	}
	for _, part := range strings.Split(prefix, "/") {
		switch {
		case part == "AWSLogs":
			v.report(at, "InvalidParameter", "AWSLogs is a reserved term: no folder of a flow log's destination can have the name", "write another name")
		case part == "", part == ".", part == "..", len(part) > 200, strings.ContainsFunc(part, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' }):
			v.reportf(at, "InvalidParameter", "write folders such as logs/vpc/", "%q is no folder of a bucket", part)
		default:
			continue
		}
		return
	}
}

// validateLogGroup is about CloudWatch Logs.
func (l *FlowLog) validateLogGroup(v *validation, path string) {
	at := field(path, "logDestination")
	switch {
	case l.LogDestination == "":
	case bucketARN.MatchString(l.LogDestination):
		v.reportf(at, "InvalidParameter", "add logDestinationType: s3", "LogDestination: %s is a bucket, and the type cloud-watch-logs", shorten(l.LogDestination))
	case !logGroupARN.MatchString(l.LogDestination):
		v.reportf(at, "InvalidParameter", "write logGroup: NAME, or an ARN such as arn:aws:logs:us-east-1:123456789012:log-group:NAME",
			"LogDestination: %s is not the ARN of a log group", shorten(l.LogDestination))
	case l.LogGroup != "":
		v.report(at, "InvalidParameter", "Please only provide LogGroupName or only provide LogDestination.", "remove logGroup or logDestination")
	}
	if l.DestinationOptions != (DestinationOptions{}) {
		v.report(field(path, "destinationOptions"), "InvalidParameter", "DestinationOptions are for the destination type s3", "remove them, or write logDestinationType: s3")
	}
}

// destination is the flow log's as the records know it.
func (w *World) destination(l *FlowLog, format flowlogs.Format) *flowlogs.Destination {
	s := &l.Status
	out := &flowlogs.Destination{
		Bucket: s.Bucket, Prefix: s.Prefix, Format: format, IntervalSeconds: int64(s.interval().Seconds()),
	}
	if s.DestinationOptions != nil {
		out.Parquet = s.DestinationOptions.FileFormat == LogFileParquet
		out.Hive, out.Hourly = s.DestinationOptions.HiveCompatiblePartitions, s.DestinationOptions.PerHourPartition
	}
	at := w.flowLogOwner(l)
	out.Account, out.Region = string(at.account), at.region
	return out
}

// flowLogOwner is the account and Region that a flow log is in: its resource's.
func (w *World) flowLogOwner(l *FlowLog) place {
	kind, name := l.resource(w)
	subnet := ""
	switch kind {
	case "vpc":
		return w.placeOf(name)
	case "subnet":
		subnet = name
	case "networkInterface":
		if n := w.NetworkInterfaces[name]; n != nil {
			subnet = n.Subnet
		}
	case "natGateway":
		subnet = w.NATGateways[name].Subnet
	}
	if s := w.Subnets[subnet]; s != nil {
		return w.placeOf(s.VPC)
	}
	gateway := l.TransitGateway
	if a := w.TransitGatewayAttachments[l.TransitGatewayAttachment]; a != nil {
		gateway = a.TransitGateway
	}
	if g := w.TransitGateways[gateway]; g != nil {
		return place{g.Status.Account, g.Status.Region}
	}
	return w.home()
}
