package control

import (
	"errors"
	"fmt"

	"github.com/vpcsim/vpcsim/control/cloudwatch"
)

// Observes reports whether the check looks at what the lab says instead of sending a
// probe: an alarm's state, or a flow log's records.
func (c *Check) Observes() bool { return c.Alarm != "" || c.FlowLog != "" }

// fact is such a check in a line.
func (c *Check) fact() string {
	if c.Alarm != "" {
		return fmt.Sprintf("alarm %s is %s", c.Alarm, c.State)
	}
	return fmt.Sprintf("flowLog %s has %s", c.FlowLog, c.Record)
}

// validateFact checks what is looked at. A probe says what is beside it, so that both
// in one check would leave open what was meant.
func (c *Check) validateFact(v *validation, path string) {
	for key, written := range map[string]bool{
		"from": c.From != "", "to": c.To != "", "tcp": c.TCP != 0, "udp": c.UDP != 0, "ping": c.Ping, "family": c.Family != FamilyUnset,
		"expect": c.Expect != ExpectPass, "mirrored": c.Mirrored != "", "at": c.At != Decider{}, "source": c.Source != "", "alarm": c.Alarm != "" && c.FlowLog != "",
		"state": c.State != "" && c.Alarm == "", "record": c.Record != "" && c.FlowLog == "",
	} {
		if written {
			v.reportf(field(path, key), "", "make two checks", "a check of an alarm or a flow log sends nothing, and is about one of them")
		}
	}
	if c.Alarm != "" {
		v.reference(reference{path: field(path, "alarm"), value: c.Alarm, kinds: []string{"alarms"}})
		if c.State == "" && !v.w.Source.unreadable(field(path, "state")) {
			v.missing(field(path, "state"), "write OK, ALARM or INSUFFICIENT_DATA")
		}
		return
	}
	v.reference(reference{path: field(path, "flowLog"), value: c.FlowLog, kinds: []string{"flowLogs"}})
	if l := v.w.FlowLogs[c.FlowLog]; l != nil && l.Status.LogGroup == "" {
		v.reportf(field(path, "flowLog"), "", "only the records of CloudWatch Logs are looked at", "flow log %s goes to S3", c.FlowLog)
	}
	_, err := cloudwatch.ParsePattern(c.Record)
	var bad *cloudwatch.PatternError
	switch {
	case c.Record == "":
		v.missing(field(path, "record"), "write a filter pattern such as [..., action=REJECT, status]")
	case errors.As(err, &bad):
		v.reportf(field(path, "record"), "InvalidParameterException", "it is a filter pattern, as a metric filter has it", "Invalid filter pattern: %s", bad)
	}
}
