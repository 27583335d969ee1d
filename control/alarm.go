package control

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/vpcsim/vpcsim/control/cloudwatch"
)

// Alarm watches one metric.
type Alarm struct {
	// What the alarm is about, for people.
	Description string `json:"description,omitempty"`
	// Name of the metric.
	MetricName string `json:"metricName"`
	// Namespace of the metric.
	Namespace string `json:"namespace"`
	// Dimensions of the metric: all that it has, with their values.
	Dimensions map[string]string `json:"dimensions,omitempty"`
	// What is compared: SampleCount, Average, Sum, Minimum or Maximum.
	// One of statistic and extendedStatistic.
	Statistic AlarmStatistic `json:"statistic,omitempty"`
	// A percentile to compare instead, such as p99.
	ExtendedStatistic AlarmPercentile `json:"extendedStatistic,omitempty"`
	// Length of a data point: 10s, 20s, 30s or whole minutes, and for labs anything
	// below a minute.
	Period Seconds `json:"period"`
	// How many of the newest data points are looked at.
	EvaluationPeriods int `json:"evaluationPeriods"`
	// How many of these must be on the wrong side of the threshold; all unless
	// written.
	DatapointsToAlarm int `json:"datapointsToAlarm,omitempty"`
	// What the statistic is compared with.
	Threshold *Number `json:"threshold"`
	// How, such as GreaterThanOrEqualToThreshold.
	ComparisonOperator AlarmComparison `json:"comparisonOperator"`
	// What data points stand for that are missing: missing, ignore, breaching or
	// notBreaching; missing unless written.
	TreatMissingData MissingData `json:"treatMissingData,omitempty"`
	// Whether the actions are done; true unless written.
	ActionsEnabled *bool `json:"actionsEnabled,omitempty"`
	// What to do when the state becomes ALARM.
	AlarmActions []AlarmAction `json:"alarmActions,omitempty"`
	// What to do when the state becomes OK.
	OKActions []AlarmAction `json:"okActions,omitempty"`
	// What to do when the state becomes INSUFFICIENT_DATA.
	InsufficientDataActions []AlarmAction `json:"insufficientDataActions,omitempty"`

	Status AlarmStatus `json:"status" yaml:"-"`
}

// AlarmAction is what an alarm does: one of run and post, by a machine of the lab and
// in its network, never by the machine that the lab is on.
type AlarmAction struct {
	// Instance, Internet host, site, site host or VPN client that acts.
	On string `json:"on"`
	// Shell command to run there. The alarm is in its environment as ALARM_NAME,
	// ALARM_STATE, ALARM_OLD_STATE and ALARM_REASON.
	Run string `json:"run,omitempty"`
	// URL that the machine sends a notification to, as AWS's SNS sends it.
	Post string `json:"post,omitempty"`
}

// AlarmStatus is what is in force, and in a lab that runs where the alarm stands.
type AlarmStatus struct {
	Identity
	DatapointsToAlarm int         `json:"datapointsToAlarm"`
	TreatMissingData  MissingData `json:"treatMissingData"`
	// State, its reason and since when it is so; "" in a world that does not run.
	State  AlarmState `json:"stateValue,omitempty"`
	Reason string     `json:"stateReason,omitempty"`
	Since  time.Time  `json:"stateTransitionedTimestamp,omitzero"`
}

func (a *Alarm) identity() *Identity { return &a.Status.Identity }

// actors are the kinds of machines that can act.
var actors = []string{"instances", "internetHosts", "siteHosts", "sites", "vpnClients"}

func (a *Alarm) references(_ *World, name string) []reference {
	var refs []reference
	for _, list := range a.actionLists() {
		for i := range list.actions {
			action := &list.actions[i]
			refs = append(refs, reference{
				path: field(index(field(field("alarms", name), list.field), i), "on"), value: action.On, set: func(s string) { action.On = s },
				kinds: actors, required: "write the machine of the lab that acts",
			})
		}
	}
	return refs
}

// actionList is what is done on the way into a state.
type actionList struct {
	field   string
	state   cloudwatch.State
	actions []AlarmAction
}

func (a *Alarm) actionLists() []actionList {
	return []actionList{
		{"alarmActions", cloudwatch.StateAlarm, a.AlarmActions},
		{"okActions", cloudwatch.StateOK, a.OKActions},
		{"insufficientDataActions", cloudwatch.StateInsufficientData, a.InsufficientDataActions},
	}
}

// Actions are what is done on the way into a state.
func (a *Alarm) Actions(state cloudwatch.State) []AlarmAction {
	for _, list := range a.actionLists() {
		if list.state == state && onUnlessWritten(a.ActionsEnabled) {
			return list.actions
		}
	}
	return nil
}

// String is the action in place of the ARN that AWS would have.
func (a AlarmAction) String() string {
	if a.Run != "" {
		return "vpcsim:" + a.On + ":run:" + a.Run
	}
	return "vpcsim:" + a.On + ":post:" + a.Post
}

func (a *Alarm) computeStatus() {
	a.Status.DatapointsToAlarm = cmp.Or(a.DatapointsToAlarm, a.EvaluationPeriods)
	a.Status.TreatMissingData = cmp.Or(a.TreatMissingData, MissingData(cloudwatch.MissingMissing))
}

// configuration is the alarm for CloudWatch.
func (a *Alarm) configuration(name string) cloudwatch.Alarm {
	c := cloudwatch.Alarm{
		Name: name, Description: a.Description, Metric: metricID(a.Namespace, a.MetricName, a.Dimensions),
		Statistic: cloudwatch.Statistic(cmp.Or(string(a.Statistic), string(a.ExtendedStatistic))), Period: a.Period.Duration(), EvaluationPeriods: a.EvaluationPeriods,
		DatapointsToAlarm: a.Status.DatapointsToAlarm, Threshold: float64(*a.Threshold), Comparison: cloudwatch.Comparison(a.ComparisonOperator),
		Missing: cloudwatch.Missing(a.Status.TreatMissingData), Actions: map[cloudwatch.State][]string{}, ActionsDisabled: !onUnlessWritten(a.ActionsEnabled),
	}
	for _, list := range a.actionLists() {
		for _, action := range list.actions {
			c.Actions[list.state] = append(c.Actions[list.state], action.String())
		}
	}
	return c
}

func metricID(namespace, name string, dimensions map[string]string) cloudwatch.MetricID {
	id := cloudwatch.MetricID{Namespace: namespace, Name: name}
	for _, d := range slices.Sorted(maps.Keys(dimensions)) {
		id.Dimensions = append(id.Dimensions, cloudwatch.Dimension{Name: d, Value: dimensions[d]})
	}
	return id
}
