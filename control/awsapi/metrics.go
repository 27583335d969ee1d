package awsapi

import (
	"slices"
	"time"

	"github.com/vpcsim/vpcsim/control/cloudwatch"
)

// metricName names a metric in a request, and in an answer.
type metricName struct {
	Namespace  string                 `json:"Namespace"`
	Name       string                 `json:"MetricName"`
	Dimensions []cloudwatch.Dimension `json:"Dimensions"`
}

func (m *metricName) id() cloudwatch.MetricID {
	id := cloudwatch.MetricID{Namespace: m.Namespace, Name: m.Name, Dimensions: slices.Clone(m.Dimensions)}
	cloudwatch.SortDimensions(id.Dimensions)
	return id
}

// is compares all of the name: a metric with other dimensions is another metric.
func (m *metricName) is(id cloudwatch.MetricID) bool {
	own := m.id()
	return own.Namespace == id.Namespace && own.Name == id.Name && slices.Equal(own.Dimensions, id.Dimensions)
}

type listMetricsInput struct {
	records
	metricName
}

type listMetricsOutput struct {
	Metrics   []metricName `json:"Metrics"`
	NextToken string       `json:"NextToken,omitempty"`
}

// listMetrics finds by what is given; a dimension without a value is one that the
// metric has.
func (h *Handler) listMetrics(in *listMetricsInput) (any, *Error) {
	list := []metricName{}
	for _, m := range h.config.CloudWatch.Metrics() {
		has := func(d cloudwatch.Dimension) bool {
			return slices.ContainsFunc(m.Dimensions, func(own cloudwatch.Dimension) bool {
				return own.Name == d.Name && (d.Value == "" || d.Value == own.Value)
			})
		}
		if in.Namespace != "" && in.Namespace != m.Namespace || in.Name != "" && in.Name != m.Name ||
			slices.ContainsFunc(in.Dimensions, func(d cloudwatch.Dimension) bool { return !has(d) }) {
			continue
		}
		list = append(list, metricName{m.Namespace, m.Name, dimensions(m.Dimensions)})
	}
	shown, next, err := cutRecords(list, in.records)
	return listMetricsOutput{shown, next}, err
}

type getMetricStatisticsInput struct {
	metricName
	Start      instant  `json:"StartTime"`
	End        instant  `json:"EndTime"`
	Period     int      `json:"Period"`
	Statistics []string `json:"Statistics"`
	Extended   []string `json:"ExtendedStatistics"`
	Unit       string   `json:"Unit"`
}

type datapoint struct {
	Timestamp   instant  `json:"Timestamp"`
	SampleCount *float64 `json:"SampleCount,omitempty"`
	Average     *float64 `json:"Average,omitempty"`
	Sum         *float64 `json:"Sum,omitempty"`
	Minimum     *float64 `json:"Minimum,omitempty"`
	Maximum     *float64 `json:"Maximum,omitempty"`
	Unit        string   `json:"Unit"`
	// Extended are percentiles by their words.
	Extended map[string]float64 `json:"ExtendedStatistics,omitempty"`
}

type getMetricStatisticsOutput struct {
	Label      string      `json:"Label"`
	Datapoints []datapoint `json:"Datapoints"`
}

// mostDatapoints is how many one answer of GetMetricStatistics has.
const mostDatapoints = 1440

// getMetricStatistics leaves out periods without values, as AWS does. A unit that is
// asked for is not looked at: one metric has one unit here.
func (h *Handler) getMetricStatistics(in *getMetricStatisticsInput) (any, *Error) {
	if err := checkSpan(in.Start, in.End, in.Period, mostDatapoints); err != nil {
		return nil, err
	}
	if len(in.Statistics)+len(in.Extended) == 0 {
		return nil, refuse("MissingParameter", "The parameter Statistics or ExtendedStatistics is required.")
	}
	for _, word := range in.Statistics {
		if !slices.Contains(cloudwatch.StatisticWords(), word) {
			return nil, refuse("InvalidParameterValue", "The value %s for parameter Statistics is not supported: they are SampleCount, Average, Sum, Minimum and Maximum; percentiles go into ExtendedStatistics.", word)
		}
	}
	for _, word := range in.Extended {
		if _, ok := cloudwatch.Statistic(word).Percentile(); !ok {
			return nil, refuse("InvalidParameterValue", "The value %s for parameter ExtendedStatistics is not supported: of these vpcsim has percentiles, p0.0 to p100.", word)
		}
	}
	out := getMetricStatisticsOutput{Label: in.Name, Datapoints: []datapoint{}}
	for _, s := range h.statistics(in.id(), in.Start, in.End, in.Period, len(in.Extended) > 0) {
		p := datapoint{Timestamp: instant{s.Start}, Unit: "None"}
		for word, to := range map[cloudwatch.Statistic]**float64{
			cloudwatch.SampleCount: &p.SampleCount, cloudwatch.Average: &p.Average, cloudwatch.Sum: &p.Sum,
			cloudwatch.Minimum: &p.Minimum, cloudwatch.Maximum: &p.Maximum,
		} {
			if slices.Contains(in.Statistics, string(word)) {
				value := word.Of(&s)
				*to = &value
			}
		}
		for _, word := range in.Extended {
			if p.Extended == nil {
				p.Extended = map[string]float64{}
			}
			p.Extended[word] = cloudwatch.Statistic(word).Of(&s)
		}
		out.Datapoints = append(out.Datapoints, p)
	}
	return out, nil
}

// statistics are the data points of a metric; as in AWS the periods begin at whole
// multiples of their length.
func (h *Handler) statistics(id cloudwatch.MetricID, start, end instant, period int, percentiles bool) []cloudwatch.Statistics {
	seconds := int64(period)
	from := time.Unix(start.Unix()/seconds*seconds, 0).UTC()
	return h.config.CloudWatch.Statistics(id, from, end.Time, time.Duration(period)*time.Second, percentiles)
}

// longestPeriod is a period of metrics at most, in seconds.
const longestPeriod = 30 * 86400

// checkSpan bounds the work of an answer before it begins: every period of the span is
// looked at, whether or not it has a value.
func checkSpan(start, end instant, period, most int) *Error {
	switch {
	case start.IsZero() || end.IsZero():
		return refuse("MissingParameter", "The parameters StartTime and EndTime are required.")
	case !start.Before(end.Time):
		return refuse("InvalidParameterCombination", "The parameter StartTime must be less than the parameter EndTime.")
	case period < 1 || period > longestPeriod:
		return refuse("InvalidParameterValue", "The parameter Period must be between 1 and %d seconds, not %d.", longestPeriod, period)
	}
	if n := int64(end.Sub(start.Time)/time.Second) / int64(period); n > int64(most) {
		return refuse("InvalidParameterCombination", "You have requested up to %d datapoints, which exceeds the limit of %d. You may reduce the datapoints requested by increasing Period, or decreasing the time range.", n, most)
	}
	return nil
}

type metricStat struct {
	Metric metricName `json:"Metric"`
	Period int        `json:"Period"`
	Stat   string     `json:"Stat"`
	Unit   string     `json:"Unit"`
}

type metricDataQuery struct {
	ID         string      `json:"Id"`
	Stat       *metricStat `json:"MetricStat"`
	Expression string      `json:"Expression"`
	Label      string      `json:"Label"`
	Return     *bool       `json:"ReturnData"`
}

type getMetricDataInput struct {
	Queries []metricDataQuery `json:"MetricDataQueries"`
	Start   instant           `json:"StartTime"`
	End     instant           `json:"EndTime"`
	ScanBy  string            `json:"ScanBy"`
}

type metricDataResult struct {
	ID         string    `json:"Id"`
	Label      string    `json:"Label"`
	Timestamps []instant `json:"Timestamps"`
	Values     []float64 `json:"Values"`
	Status     string    `json:"StatusCode"`
}

type getMetricDataOutput struct {
	Results []metricDataResult `json:"MetricDataResults"`
}

// Limits of GetMetricData.
const (
	mostQueries = 500
	mostValues  = 100_800
)

// getMetricData shares its limit among the queries. Without metric math a query that
// returns nothing is for nobody, and is answered by leaving it out. The newest value
// comes first unless asked otherwise, as in AWS.
func (h *Handler) getMetricData(in *getMetricDataInput) (any, *Error) {
	if len(in.Queries) == 0 || len(in.Queries) > mostQueries {
		return nil, refuse("ValidationError", "The parameter MetricDataQueries must have 1 to %d members, not %d.", mostQueries, len(in.Queries))
	}
	out := getMetricDataOutput{Results: []metricDataResult{}}
	for i, q := range in.Queries {
		if q.Stat == nil {
			return nil, refuse("ValidationError", "The query %s has no MetricStat: vpcsim does not emulate metric math.", q.ID)
		}
		if err := checkSpan(in.Start, in.End, q.Stat.Period, mostValues/len(in.Queries)); err != nil {
			return nil, err
		}
		_, percentile := cloudwatch.Statistic(q.Stat.Stat).Percentile()
		if !percentile && !slices.Contains(cloudwatch.StatisticWords(), q.Stat.Stat) {
			return nil, refuse("ValidationError", "The value %s for parameter MetricDataQueries.member.%d.MetricStat.Stat is not supported: vpcsim has SampleCount, Average, Sum, Minimum, Maximum and percentiles such as p99.", q.Stat.Stat, i+1)
		}
		r := metricDataResult{ID: q.ID, Label: q.Label, Timestamps: []instant{}, Values: []float64{}, Status: "Complete"}
		if r.Label == "" {
			r.Label = q.Stat.Metric.Name
		}
		for _, s := range h.statistics(q.Stat.Metric.id(), in.Start, in.End, q.Stat.Period, percentile) {
			r.Timestamps = append(r.Timestamps, instant{s.Start})
			r.Values = append(r.Values, cloudwatch.Statistic(q.Stat.Stat).Of(&s))
		}
		if in.ScanBy != "TimestampAscending" {
			slices.Reverse(r.Timestamps)
			slices.Reverse(r.Values)
		}
		if q.Return == nil || *q.Return {
			out.Results = append(out.Results, r)
		}
	}
	return out, nil
}
