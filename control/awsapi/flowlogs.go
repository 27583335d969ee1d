package awsapi

import (
	"encoding/xml"
	"slices"
	"time"
)

// FlowLog is a flow log as EC2 describes it.
type FlowLog struct {
	ID, Name, ResourceID, TrafficType string
	Group, Format                     string
	Bucket                            string // ARN; "": the records go to Group
	Interval                          int    // seconds
	Created                           time.Time
}

type describeFlowLogsInput struct {
	IDs     []string `json:"FlowLogId"`
	Filters []struct {
		Name   string   `json:"Name"`
		Values []string `json:"Value"`
	} `json:"Filter"`
}

// describeFlowLogsOutput is EC2's own XML, which has other names than CloudWatch's.
type describeFlowLogsOutput struct {
	XMLName xml.Name     `xml:"http://ec2.amazonaws.com/doc/2016-11-15/ DescribeFlowLogsResponse"`
	ID      string       `xml:"requestId"`
	Logs    []ec2FlowLog `xml:"flowLogSet>item"`
}

type ec2FlowLog struct {
	Created     string   `xml:"creationTime"`
	Delivery    string   `xml:"deliverLogsStatus"`
	ID          string   `xml:"flowLogId"`
	Status      string   `xml:"flowLogStatus"`
	Group       string   `xml:"logGroupName,omitempty"`
	ResourceID  string   `xml:"resourceId"`
	TrafficType string   `xml:"trafficType,omitempty"`
	Destination string   `xml:"logDestinationType"`
	Bucket      string   `xml:"logDestination,omitempty"`
	Format      string   `xml:"logFormat"`
	Interval    int      `xml:"maxAggregationInterval"`
	Tags        []ec2Tag `xml:"tagSet>item"`
}

type ec2Tag struct {
	Key   string `xml:"key"`
	Value string `xml:"value"`
}

func (h *Handler) describeFlowLogs(in *describeFlowLogsInput) (any, *Error) {
	out := describeFlowLogsOutput{ID: requestID()}
	all := h.config.FlowLogs()
	for _, id := range in.IDs {
		if !slices.ContainsFunc(all, func(l FlowLog) bool { return l.ID == id }) {
			return nil, refuse("InvalidFlowLogId.NotFound", "The flow log ID '%s' does not exist", id)
		}
	}
	for _, l := range all {
		destination := "cloud-watch-logs"
		if l.Bucket != "" {
			destination = "s3"
		}
		wanted := len(in.IDs) == 0 || slices.Contains(in.IDs, l.ID)
		for _, f := range in.Filters {
			value, known := map[string]string{
				"deliver-log-status": "SUCCESS", "flow-log-id": l.ID, "log-destination-type": destination,
				"log-group-name": l.Group, "resource-id": l.ResourceID, "traffic-type": l.TrafficType, "tag:Name": l.Name,
			}[f.Name]
			if !known {
				return nil, refuse("InvalidParameterValue", "The filter '%s' is invalid", f.Name)
			}
			wanted = wanted && slices.Contains(f.Values, value)
		}
		if wanted {
			out.Logs = append(out.Logs, ec2FlowLog{
				Created: l.Created.UTC().Format("2006-01-02T15:04:05.000Z"), Delivery: "SUCCESS", ID: l.ID, Status: "ACTIVE",
				Group: l.Group, ResourceID: l.ResourceID, TrafficType: l.TrafficType, Destination: destination, Bucket: l.Bucket,
				Format: l.Format, Interval: l.Interval, Tags: []ec2Tag{{"Name", l.Name}},
			})
		}
	}
	return out, nil
}
