package awsapi

import (
	"encoding/xml"
	"slices"
	"time"
)

// FlowLog is a flow log as EC2 describes it. Whoever hands it in has asked the files
// how delivery goes: this room would not know.
type FlowLog struct {
	ID, Name, ResourceID string
	State                string // ACTIVE
	TrafficType          string // ACCEPT, REJECT or ALL; "" of a transit gateway's
	Format               string
	Interval             int // seconds
	Created              time.Time

	// DestinationType is cloud-watch-logs, with a Group, or s3. Destination is the
	// ARN if the file has one, as AWS hands back what CreateFlowLogs was given.
	DestinationType, Destination, Group string
	Options                             *DestinationOptions // of s3; nil: none

	// DeliverStatus is SUCCESS or FAILED, and DeliverError AWS's word for why (F16).
	DeliverStatus, DeliverError string
}

// DestinationOptions are how the objects in a bucket look (F12 to F14).
type DestinationOptions struct {
	FileFormat string `xml:"fileFormat"` // plain-text or parquet
	Hive       bool   `xml:"hiveCompatiblePartitions"`
	PerHour    bool   `xml:"perHourPartition"`
}

type describeFlowLogsInput struct {
	ec2Describe
	IDs []string `json:"FlowLogId"`
}

// describeFlowLogsOutput is EC2's own XML, which has other names than CloudWatch's.
type describeFlowLogsOutput struct {
	XMLName   xml.Name          `xml:"http://ec2.amazonaws.com/doc/2016-11-15/ DescribeFlowLogsResponse"`
	ID        string            `xml:"requestId"`
	Logs      items[ec2FlowLog] `xml:"flowLogSet"`
	NextToken string            `xml:"nextToken,omitempty"`
}

type ec2FlowLog struct {
	Created         string              `xml:"creationTime"`
	DeliverError    string              `xml:"deliverLogsErrorMessage,omitempty"`
	DeliverStatus   string              `xml:"deliverLogsStatus"`
	ID              string              `xml:"flowLogId"`
	State           string              `xml:"flowLogStatus"`
	Group           string              `xml:"logGroupName,omitempty"`
	ResourceID      string              `xml:"resourceId"`
	TrafficType     string              `xml:"trafficType,omitempty"`
	DestinationType string              `xml:"logDestinationType"`
	Destination     string              `xml:"logDestination,omitempty"`
	Format          string              `xml:"logFormat"`
	Tags            items[ec2Tag]       `xml:"tagSet"`
	Interval        int                 `xml:"maxAggregationInterval"`
	Options         *DestinationOptions `xml:"destinationOptions"`
}

func (h *Handler) describeFlowLogs(in *describeFlowLogsInput) (any, *Error) {
	if err := in.allowed(); err != nil {
		return nil, err
	}
	all := h.config.FlowLogs()
	// An ID that is not there is an error, a filter that matches nothing is none.
	for _, id := range in.IDs {
		if !slices.ContainsFunc(all, func(l FlowLog) bool { return l.ID == id }) {
			return nil, refuse("InvalidFlowLogId.NotFound", "The flow log ID '%s' does not exist", id)
		}
	}
	var found []ec2FlowLog
	for i := range all {
		l := all[i].described()
		wanted, err := in.wants(map[string]string{
			"deliver-log-status": l.DeliverStatus, "flow-log-id": l.ID, "log-destination-type": l.DestinationType,
			"log-group-name": l.Group, "resource-id": l.ResourceID, "traffic-type": l.TrafficType,
		}, l.Tags)
		if err != nil {
			return nil, err
		}
		if wanted && (len(in.IDs) == 0 || slices.Contains(in.IDs, l.ID)) {
			found = append(found, l)
		}
	}
	shown, next, err := cutDescribed(found, &in.ec2Describe)
	if err != nil {
		return nil, err
	}
	return describeFlowLogsOutput{ID: requestID(), Logs: shown, NextToken: next}, nil
}

// described is the flow log in EC2's words.
func (l *FlowLog) described() ec2FlowLog {
	return ec2FlowLog{
		Created: l.Created.UTC().Format("2006-01-02T15:04:05.000Z"), DeliverError: l.DeliverError, DeliverStatus: l.DeliverStatus,
		ID: l.ID, State: l.State, Group: l.Group, ResourceID: l.ResourceID, TrafficType: l.TrafficType,
		DestinationType: l.DestinationType, Destination: l.Destination, Format: l.Format, Tags: items[ec2Tag]{{"Name", l.Name}},
		Interval: l.Interval, Options: l.Options,
	}
}
