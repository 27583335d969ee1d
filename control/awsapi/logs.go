package awsapi

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vpcsim/vpcsim/control/cloudwatch"
)

// page is what every list of CloudWatch Logs takes.
type page struct {
	NextToken string `json:"nextToken"`
	Limit     int    `json:"limit"`
}

// cut returns a page of a list, and the token of the next one, "" at the end. A
// token is where the page begins: lists are sorted, and a client that pages while a
// lab is changed sees the change, as it would on AWS.
func cut[T any](list []T, p page, usual int) ([]T, string, *Error) {
	at := 0
	if p.NextToken != "" {
		n, err := strconv.Atoi(p.NextToken)
		if err != nil || n < 0 {
			return nil, "", refuse("InvalidParameterException", "The specified nextToken is invalid.")
		}
		at = min(n, len(list))
	}
	limit := usual
	if p.Limit > 0 {
		limit = min(p.Limit, usual)
	}
	if end := at + limit; end < len(list) {
		return list[at:end], strconv.Itoa(end), nil
	}
	return list[at:], "", nil
}

// mostListed is how many groups, streams or filters one answer has.
const mostListed = 50

type logGroup struct {
	Name          string `json:"logGroupName"`
	CreationTime  int64  `json:"creationTime"`
	MetricFilters int    `json:"metricFilterCount"`
	ARN           string `json:"arn"`
	GroupARN      string `json:"logGroupArn"`
	StoredBytes   int64  `json:"storedBytes"`
	Class         string `json:"logGroupClass"`
}

type describeLogGroupsInput struct {
	page
	Prefix  string `json:"logGroupNamePrefix"`
	Pattern string `json:"logGroupNamePattern"`
}

type describeLogGroupsOutput struct {
	Groups    []logGroup `json:"logGroups"`
	NextToken string     `json:"nextToken,omitempty"`
}

// describeLogGroups knows no account but the lab's: all VPCs log there.
func (h *Handler) describeLogGroups(in *describeLogGroupsInput) (any, *Error) {
	if in.Prefix != "" && in.Pattern != "" {
		return nil, refuse("InvalidParameterException", "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
	}
	list := []logGroup{}
	for _, g := range h.config.CloudWatch.Groups() {
		if !strings.HasPrefix(g.Name, in.Prefix) || !strings.Contains(g.Name, in.Pattern) {
			continue
		}
		arn := h.groupARN(g.Name)
		list = append(list, logGroup{g.Name, g.Created.UnixMilli(), g.Filters, arn + ":*", arn, g.Stored, "STANDARD"})
	}
	shown, next, err := cut(list, in.page, mostListed)
	return describeLogGroupsOutput{shown, next}, err
}

// groupARN is the ARN without ":*", which AWS has behind it in some fields and not in
// others; groupNamed takes both.
func (h *Handler) groupARN(name string) string {
	p := h.config.Place()
	return "arn:aws:logs:" + p.Region + ":" + p.Account + ":log-group:" + name
}

// groupNamed finds the group of a request, which names it or has its ARN.
func (h *Handler) groupNamed(name, identifier string) (cloudwatch.Group, *Error) {
	if name != "" && identifier != "" {
		return cloudwatch.Group{}, refuse("InvalidParameterException", "LogGroup name and LogGroup identifier are mutually exclusive parameters.")
	}
	if name == "" {
		name = identifier
		if _, after, isARN := strings.Cut(identifier, ":log-group:"); isARN {
			name = strings.TrimSuffix(after, ":*")
		}
	}
	if name == "" {
		return cloudwatch.Group{}, refuse("InvalidParameterException", "1 validation error detected: Value null at 'logGroupName' failed to satisfy constraint: Member must not be null")
	}
	g, ok := h.config.CloudWatch.Group(name)
	if !ok {
		return g, refuse("ResourceNotFoundException", "The specified log group does not exist.")
	}
	return g, nil
}

type logStream struct {
	Name           string `json:"logStreamName"`
	CreationTime   int64  `json:"creationTime"`
	FirstEvent     int64  `json:"firstEventTimestamp"`
	LastEvent      int64  `json:"lastEventTimestamp"`
	LastIngestion  int64  `json:"lastIngestionTime"`
	UploadSequence string `json:"uploadSequenceToken,omitempty"`
	ARN            string `json:"arn"`
	StoredBytes    int64  `json:"storedBytes"`
}

type describeLogStreamsInput struct {
	page
	Group      string `json:"logGroupName"`
	Identifier string `json:"logGroupIdentifier"`
	Prefix     string `json:"logStreamNamePrefix"`
	OrderBy    string `json:"orderBy"`
	Descending bool   `json:"descending"`
}

type describeLogStreamsOutput struct {
	Streams   []logStream `json:"logStreams"`
	NextToken string      `json:"nextToken,omitempty"`
}

// describeLogStreams has streams of which no event is in memory any more, too: their
// times tell that there were some.
func (h *Handler) describeLogStreams(in *describeLogStreamsInput) (any, *Error) {
	g, err := h.groupNamed(in.Group, in.Identifier)
	if err != nil {
		return nil, err
	}
	byTime := in.OrderBy == "LastEventTime"
	if byTime && in.Prefix != "" {
		return nil, refuse("InvalidParameterException", "Cannot order by LastEventTime with a logStreamNamePrefix.")
	}
	streams := slices.DeleteFunc(g.Streams, func(s cloudwatch.Stream) bool { return !strings.HasPrefix(s.Name, in.Prefix) })
	if byTime {
		slices.SortStableFunc(streams, func(a, b cloudwatch.Stream) int { return a.Last.Compare(b.Last) })
	}
	if in.Descending {
		slices.Reverse(streams)
	}
	list := []logStream{}
	for _, s := range streams {
		list = append(list, logStream{
			Name: s.Name, CreationTime: s.Created.UnixMilli(), FirstEvent: s.First.UnixMilli(), LastEvent: s.Last.UnixMilli(),
			LastIngestion: s.LastIngestion.UnixMilli(), ARN: h.groupARN(g.Name) + ":log-stream:" + s.Name, StoredBytes: s.Stored,
		})
	}
	shown, next, err := cut(list, in.page, mostListed)
	return describeLogStreamsOutput{shown, next}, err
}

type metricTransformation struct {
	Name       string            `json:"metricName"`
	Namespace  string            `json:"metricNamespace"`
	Value      string            `json:"metricValue"`
	Default    *float64          `json:"defaultValue,omitempty"`
	Dimensions map[string]string `json:"dimensions,omitempty"`
	Unit       string            `json:"unit,omitempty"`
}

type metricFilter struct {
	Name            string                 `json:"filterName"`
	Pattern         string                 `json:"filterPattern"`
	Transformations []metricTransformation `json:"metricTransformations"`
	CreationTime    int64                  `json:"creationTime"`
	Group           string                 `json:"logGroupName"`
}

type describeMetricFiltersInput struct {
	page
	Group     string `json:"logGroupName"`
	Prefix    string `json:"filterNamePrefix"`
	Metric    string `json:"metricName"`
	Namespace string `json:"metricNamespace"`
}

type describeMetricFiltersOutput struct {
	Filters   []metricFilter `json:"metricFilters"`
	NextToken string         `json:"nextToken,omitempty"`
}

func (h *Handler) describeMetricFilters(in *describeMetricFiltersInput) (any, *Error) {
	if in.Group != "" {
		if _, err := h.groupNamed(in.Group, ""); err != nil {
			return nil, err
		}
	}
	list := []metricFilter{}
	for _, f := range h.config.CloudWatch.Filters() {
		if in.Group != "" && in.Group != f.Group || !strings.HasPrefix(f.Name, in.Prefix) ||
			in.Metric != "" && in.Metric != f.Metric.Name || in.Namespace != "" && in.Namespace != f.Metric.Namespace {
			continue
		}
		t := metricTransformation{Name: f.Metric.Name, Namespace: f.Metric.Namespace, Value: f.Value, Default: f.Default, Unit: f.Unit}
		for _, d := range f.Metric.Dimensions {
			if t.Dimensions == nil {
				t.Dimensions = map[string]string{}
			}
			t.Dimensions[d.Name] = d.Value
		}
		list = append(list, metricFilter{f.Name, f.Pattern.String(), []metricTransformation{t}, f.Created.UnixMilli(), f.Group})
	}
	shown, next, err := cut(list, in.page, mostListed)
	return describeMetricFiltersOutput{shown, next}, err
}

type testMetricFilterInput struct {
	Pattern  string   `json:"filterPattern"`
	Messages []string `json:"logEventMessages"`
}

type testMatch struct {
	Number  int    `json:"eventNumber"`
	Message string `json:"eventMessage"`
}

type testMetricFilterOutput struct {
	Matches []testMatch `json:"matches"`
}

// testMetricFilter shows nothing of values: which fields a pattern extracts is AWS's to
// name, and patterns here are tested for what they match.
func (h *Handler) testMetricFilter(in *testMetricFilterInput) (any, *Error) {
	p, err := parsePattern(in.Pattern)
	if err != nil {
		return nil, err
	}
	out := testMetricFilterOutput{Matches: []testMatch{}}
	for i, message := range in.Messages {
		if _, ok := p.Match(message); ok {
			out.Matches = append(out.Matches, testMatch{i + 1, message})
		}
	}
	return out, nil
}

func parsePattern(text string) (*cloudwatch.Pattern, *Error) {
	p, err := cloudwatch.ParsePattern(text)
	var bad *cloudwatch.PatternError
	if errors.As(err, &bad) {
		return nil, refuse("InvalidParameterException", "Invalid filter pattern: %s", bad)
	}
	return p, nil
}

// milliseconds is a time of CloudWatch Logs; nil leaves it open.
func milliseconds(n *int64) time.Time {
	if n == nil {
		return time.Time{}
	}
	return time.UnixMilli(*n)
}
