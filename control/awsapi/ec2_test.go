package awsapi

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// ec2 asks EC2, and returns the answer without its number.
func ec2(h *Handler, form string) string {
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:4566/", strings.NewReader("Version=2016-11-15&Action="+form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	_, answer, _ := strings.Cut(w.Body.String(), "</requestId>")
	if answer == "" {
		return w.Body.String()
	}
	return answer
}

func TestFlowLogsAreDescribedAsEC2Does(t *testing.T) {
	h, _ := fixture(t)
	const (
		created = "<item><creationTime>2025-06-20T15:00:00.000Z</creationTime>"
		first   = created + "<deliverLogsStatus>SUCCESS</deliverLogsStatus><flowLogId>fl-1</flowLogId><flowLogStatus>ACTIVE</flowLogStatus><logGroupName>logs</logGroupName>" +
			"<resourceId>vpc-1</resourceId><trafficType>ALL</trafficType><logDestinationType>cloud-watch-logs</logDestinationType><logFormat>${version}</logFormat>" +
			"<tagSet><item><key>Name</key><value>all</value></item></tagSet><maxAggregationInterval>60</maxAggregationInterval></item>"
		second = created + "<deliverLogsErrorMessage>Access error</deliverLogsErrorMessage><deliverLogsStatus>FAILED</deliverLogsStatus><flowLogId>fl-2</flowLogId><flowLogStatus>ACTIVE</flowLogStatus>" +
			"<resourceId>vpc-2</resourceId><logDestinationType>s3</logDestinationType><logDestination>arn:aws:s3:::b/p/</logDestination><logFormat></logFormat>" +
			"<tagSet><item><key>Name</key><value>kept</value></item></tagSet><maxAggregationInterval>60</maxAggregationInterval>" +
			"<destinationOptions><fileFormat>parquet</fileFormat><hiveCompatiblePartitions>false</hiveCompatiblePartitions><perHourPartition>true</perHourPartition></destinationOptions></item>"
		nothing = "<flowLogSet></flowLogSet>"
		end     = "</DescribeFlowLogsResponse>"
	)
	cases := []struct{ name, form, want string }{
		{"all", "", "<flowLogSet>" + first + second + "</flowLogSet>" + end},
		{"what fails", "&Filter.1.Name=deliver-log-status&Filter.1.Value.1=FAILED", "<flowLogSet>" + second + "</flowLogSet>" + end},
		{"what goes to S3", "&Filter.1.Name=log-destination-type&Filter.1.Value.1=s3", "<flowLogSet>" + second + "</flowLogSet>" + end},
		{"either value", "&Filter.1.Name=resource-id&Filter.1.Value.1=x&Filter.1.Value.2=vpc-1", "<flowLogSet>" + first + "</flowLogSet>" + end},
		{"both filters", "&Filter.1.Name=resource-id&Filter.1.Value.1=vpc-1&Filter.2.Name=traffic-type&Filter.2.Value.1=REJECT", nothing + end},
		{"a wildcard", "&Filter.1.Name=tag:Name&Filter.1.Value.1=k%3Fp*", "<flowLogSet>" + second + "</flowLogSet>" + end},
		{"a tag that nothing has", "&Filter.1.Name=tag:Owner&Filter.1.Value.1=*", nothing + end},
		{"a tag's key", "&Filter.1.Name=tag-key&Filter.1.Value.1=Name&FlowLogId.1=fl-1", "<flowLogSet>" + first + "</flowLogSet>" + end},
		{"a page", "&MaxResults=1", "<flowLogSet>" + first + "</flowLogSet><nextToken>1</nextToken>" + end},
		{"the next page", "&MaxResults=1&NextToken=1", "<flowLogSet>" + second + "</flowLogSet>" + end},
	}
	for _, c := range cases {
		if got := ec2(h, "DescribeFlowLogs"+c.form); got != c.want {
			t.Errorf("%s:\n%s, want\n%s", c.name, got, c.want)
		}
	}
}

func TestClientVPNConnectionsAreDescribedAsEC2Does(t *testing.T) {
	h, _ := fixture(t)
	const of = "DescribeClientVpnConnections&ClientVpnEndpointId=cvpn-endpoint-1"
	cases := []struct{ name, form, want string }{
		{"all", of, "<connectionId>cvpn-connection-1</connectionId>"},
		{"its traffic", of, "<ingressBytes>84</ingressBytes>"},
		{"one that lasts", of, "<status><code>active</code></status><postureComplianceStatusSet></postureComplianceStatusSet></item>"},
		{"why one has ended", of, "<status><code>terminated</code><message>The connection was terminated.</message></status><connectionEndTime>2025-06-20 15:00:00</connectionEndTime>"},
		{"by user", of + "&Filter.1.Name=username&Filter.1.Value.1=ben", "<connections><item><clientVpnEndpointId>cvpn-endpoint-1</clientVpnEndpointId><timestamp></timestamp><connectionId>cvpn-connection-2<"},
		{"nobody", of + "&Filter.1.Name=connection-id&Filter.1.Value.1=x", "<connections></connections></DescribeClientVpnConnectionsResponse>"},
	}
	for _, c := range cases {
		if got := ec2(h, c.form); !strings.Contains(got, c.want) {
			t.Errorf("%s:\n%s, want\n%s", c.name, got, c.want)
		}
	}
}

func TestEC2RefusesInItsOwnWords(t *testing.T) {
	h, _ := fixture(t)
	cases := []struct{ form, want string }{
		{"DescribeFlowLogs&FlowLogId.1=fl-9", "<Code>InvalidFlowLogId.NotFound</Code>"},
		{"DescribeFlowLogs&Filter.1.Name=colour&Filter.1.Value.1=x", "<Code>InvalidParameterValue</Code><Message>The filter &#39;colour&#39; is invalid</Message>"},
		{"DescribeFlowLogs&NextToken=x", "<Code>InvalidNextToken</Code>"},
		{"DescribeFlowLogs&DryRun=true", "<Code>DryRunOperation</Code>"},
		{"DescribeClientVpnConnections", "<Code>MissingParameter</Code>"},
		{"DescribeClientVpnConnections&ClientVpnEndpointId=cvpn-endpoint-9", "<Code>InvalidClientVpnEndpointId.NotFound</Code>"},
		{"TerminateClientVpnConnections", "<Code>UnsupportedOperation</Code>"},
	}
	for _, c := range cases {
		if got := ec2(h, c.form); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s, want %s", c.form, got, c.want)
		}
	}
}

func TestFilterValuesHaveWildcards(t *testing.T) {
	cases := []struct {
		wildcard, value string
		want            bool
	}{
		{"", "", true}, {"", "a", false}, {"a", "", false}, {"*", "", true}, {"*", "abc", true}, {"?", "", false},
		{"vpc-*", "vpc-1", true}, {"vpc-?", "vpc-12", false}, {"*-1", "a-1-1", true}, {"a*b*c", "axbxbxc", true}, {"a*b*c", "axbxbx", false},
		{"[a]", "a", false}, {"a.c", "abc", false},
	}
	for _, c := range cases {
		if got := matches(c.wildcard, c.value); got != c.want {
			t.Errorf("%q matches %q: %t, want %t", c.wildcard, c.value, got, c.want)
		}
	}
}
