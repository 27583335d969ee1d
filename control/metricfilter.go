package control

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/vpcsim/vpcsim/control/cloudwatch"
)

// MetricFilter makes a metric of the events of a log group that match a pattern. AWS's
// list of metric transformations, which has exactly one, is the filter's own fields.
type MetricFilter struct {
	// Log group whose events are looked at; /aws/vpc/flowlogs unless written.
	LogGroup string `json:"logGroup,omitempty"`
	// AWS's filter pattern, such as [..., action=REJECT, status]; every event
	// matches unless written.
	FilterPattern string `json:"filterPattern,omitempty"`
	// Name of the metric.
	MetricName string `json:"metricName"`
	// Namespace of the metric.
	MetricNamespace string `json:"metricNamespace"`
	// What a matching event counts for: a number, or a field such as $bytes.
	MetricValue string `json:"metricValue"`
	// Value for the time in which there are events and none matches; none unless
	// written. Not together with dimensions.
	DefaultValue *Number `json:"defaultValue,omitempty"`
	// Up to three names and fields such as Source: $source, whose values make a
	// metric each.
	Dimensions map[string]string `json:"dimensions,omitempty"`
	// Unit of the values, such as Bytes; None unless written.
	Unit string `json:"unit,omitempty"`

	Status MetricFilterStatus `json:"status" yaml:"-"`
}

// MetricFilterStatus is what is in force.
type MetricFilterStatus struct {
	Identity
	LogGroup string `json:"logGroupName"`
}

func (f *MetricFilter) identity() *Identity { return &f.Status.Identity }

func (f *MetricFilter) references(*World, string) []reference { return nil }

func (f *MetricFilter) computeStatus() {
	f.Status.LogGroup = cmp.Or(f.LogGroup, defaultLogGroup)
}

// Limits of CloudWatch Logs.
const (
	filtersPerGroup     = 100
	dimensionsPerFilter = 3
)

// metricWord is what CloudWatch takes in the names of metrics and namespaces, beside
// what validateMetricWord says.
var metricWord = regexp.MustCompile(`^[^:*$]{1,255}$`)

func (f *MetricFilter) validate(v *validation, name string) {
	path := field("metricFilters", name)
	groups := v.w.logGroups()
	if group := f.Status.LogGroup; !slices.Contains(groups, group) {
		hint := "no flow log goes to CloudWatch Logs: write one under flowLogs"
		if len(groups) > 0 {
			hint = "the flow logs have " + orList(groups)
		}
		v.reportf(field(path, "logGroup"), "ResourceNotFoundException", hint, "The specified log group does not exist: %s", shorten(group))
	}
	before := 0
	for _, other := range sorted(v.w.MetricFilters) {
		if other == name {
			break
		}
		if v.w.MetricFilters[other].Status.LogGroup == f.Status.LogGroup {
			before++
		}
	}
	if before == filtersPerGroup {
		v.reportKey(path, "LimitExceededException", "Resource limit exceeded.", fmt.Sprintf("a log group has at most %d metric filters", filtersPerGroup))
	}
	validateMetricWord(v, field(path, "metricName"), f.MetricName)
	validateMetricWord(v, field(path, "metricNamespace"), f.MetricNamespace)
	f.validatePattern(v, path)
}

// validateMetricWord checks the name of a metric or a namespace.
func validateMetricWord(v *validation, path, text string) {
	switch {
	case text == "":
		v.missing(path, "write a name")
	case !metricWord.MatchString(text):
		v.reportf(path, "InvalidParameterException", "1 to 255 characters, and none of : * $", "Value '%s' at '%s' failed to satisfy constraint", shorten(text), lastKey(path))
	case strings.HasPrefix(text, "AWS/") && lastKey(path) == "metricNamespace":
		v.reportf(path, "InvalidParameterException", "write another", "namespaces that begin with AWS/ are AWS's own: %s", shorten(text))
	}
}

// validatePattern checks the pattern, and what is said about its fields.
func (f *MetricFilter) validatePattern(v *validation, path string) {
	pattern, err := cloudwatch.ParsePattern(f.FilterPattern)
	var bad *cloudwatch.PatternError
	if errors.As(err, &bad) {
		v.reportf(field(path, "filterPattern"), "InvalidParameterException", "AWS's user guide has the syntax under \"Filter pattern syntax\"",
			"Invalid filter pattern: %s", bad)
		return
	}
	selects := func(at, selector string) {
		if cloudwatch.IsSelector(selector) && !pattern.Selects(selector) {
			v.reportf(at, "InvalidParameterException", "write a name that stands in the pattern, with $ before it", "the filter pattern has no field %s", shorten(selector))
		}
	}
	var number Number
	switch at := field(path, "metricValue"); {
	case f.MetricValue == "":
		v.missing(at, "write 1 to count events, or a field such as $bytes")
	case cloudwatch.IsSelector(f.MetricValue):
		selects(at, f.MetricValue)
	case number.parse(f.MetricValue) != nil:
		v.reportf(at, "InvalidParameterException", "write 1 to count events, or a field such as $bytes", "%q is neither a number nor a field", shorten(f.MetricValue))
	}
	if len(f.Dimensions) > dimensionsPerFilter {
		v.reportf(field(path, "dimensions"), "InvalidParameterException", fmt.Sprintf("at most %d", dimensionsPerFilter), "Invalid metric transformation: %d dimensions", len(f.Dimensions))
	}
	if len(f.Dimensions) > 0 && f.DefaultValue != nil {
		v.report(field(path, "defaultValue"), "InvalidParameterException", "Invalid metric transformation: dimensions and default value are mutually exclusive properties.", "remove one of them")
	}
	for _, name := range slices.Sorted(maps.Keys(f.Dimensions)) {
		at := field(field(path, "dimensions"), name)
		if selector := f.Dimensions[name]; !cloudwatch.IsSelector(selector) {
			v.reportf(at, "InvalidParameterException", "write a field such as $source", "%q is no field of the filter pattern", shorten(selector))
		} else {
			selects(at, selector)
		}
	}
}

// logGroups are those that flow logs have.
func (w *World) logGroups() []string {
	var groups []string
	for _, name := range sorted(w.FlowLogs) {
		if group := w.FlowLogs[name].Status.LogGroup; group != "" && !slices.Contains(groups, group) {
			groups = append(groups, group)
		}
	}
	return groups
}
