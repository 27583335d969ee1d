package bench

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// report puts what was measured into words and ratios.
func (r *runner) report(ctx context.Context, machine Machine) *Report {
	family := "ipv4"
	if r.config.IPv6 {
		family = "ipv6"
	}
	report := &Report{
		Machine: machine,
		Settings: Settings{
			Repetitions: r.config.Repetitions, Duration: r.config.Duration.Seconds(),
			CongestionControl: congestionControl, Family: family, UserNamespace: r.userNamespace(),
		},
		Seconds: time.Since(r.start).Seconds(),
	}
	for _, row := range r.rows {
		info := RowInfo{Name: row.name, About: row.about, Missing: row.missing, Rules: row.rules && row.missing == ""}
		if l, ok := row.contender.(*labRow); ok {
			if status, err := l.client.Status(ctx); err == nil { // else the failures say so
				info.Status = status
			}
		}
		report.Rows = append(report.Rows, info)
	}
	for i := range r.measurements {
		report.Measurements = append(report.Measurements, r.measurementReport(i))
	}
	if m := machine; m.Load > busyLoad*float64(m.CPUs) {
		report.Warnings = append(report.Warnings, fmt.Sprintf("the machine was busy when this began (load %.2f on %d CPUs): ratios say something, absolute figures little", m.Load, m.CPUs))
	}
	if r.late() {
		report.Warnings = append(report.Warnings, fmt.Sprintf("the time limit of %s came first: not every figure has %d repetitions", r.config.Limit, r.config.Repetitions))
	}
	failures := r.failures()
	report.Warnings = append(report.Warnings, failures...)
	report.Incomplete = len(failures) > 0
	return report
}

func (r *runner) measurementReport(i int) MeasurementReport {
	m := &r.measurements[i]
	report := MeasurementReport{ID: m.id, Title: m.title, Unit: m.unit, LowerIsBetter: m.lower}
	for _, row := range r.rows {
		c := &row.cells[i]
		result := Result{Row: row.name, Value: summaryOf(c.values)}
		if result.Value == nil {
			result.Reason = c.why(row)
			report.Results = append(report.Results, result)
			continue
		}
		result.CPUPerGB = summaryOf(c.extra(func(x extras) float64 { return x.cpuPerGB }))
		result.Retransmitted = summaryOf(c.extra(func(x extras) float64 { return x.retransmitted }))
		result.Lost = summaryOf(c.extra(func(x extras) float64 { return x.lost }))
		result.Failed = summaryOf(c.extra(func(x extras) float64 { return x.failed }))
		result.P99 = summaryOf(c.extra(func(x extras) float64 { return x.p99 }))
		r.compare(&result, c, i)
		report.Results = append(report.Results, result)
	}
	return report
}

// compare adds the ratios to the rows that others are held against.
func (r *runner) compare(result *Result, c *cell, i int) {
	result.Ratios = map[string]Summary{}
	add := func(to *map[string]Summary, name string, samples []float64) {
		if s := summaryOf(samples); s != nil {
			if *to == nil {
				*to = map[string]Summary{}
			}
			(*to)[name] = *s
		}
	}
	for _, other := range r.rows {
		if !slices.Contains([]string{rowKernel, rowNft, rowReflector}, other.name) {
			continue
		}
		o := &other.cells[i]
		add(&result.Ratios, other.name, ratios(c.values, o.values))
		if r.measurements[i].lower {
			add(&result.Differences, other.name, differences(c.values, o.values))
		}
		cpu := func(x extras) float64 { return x.cpuPerGB }
		add(&result.CPURatios, other.name, ratios(c.extra(cpu), o.extra(cpu)))
	}
}

// why a cell has no figures. There always is a reason.
func (c *cell) why(row *runningRow) string {
	switch {
	case row.missing != "":
		return row.missing
	case c.reason != "":
		return c.reason
	}
	return "the time was over before"
}

func (c *cell) extra(field func(extras) float64) []float64 {
	var list []float64
	for _, x := range c.extras {
		list = append(list, field(x))
	}
	return list
}

// summaryOf returns nil where nothing was measured.
func summaryOf(samples []float64) *Summary {
	samples = present(samples)
	if len(samples) == 0 {
		return nil
	}
	s := summarize(samples)
	return &s
}

func (r *runner) userNamespace() bool {
	for _, row := range r.rows {
		switch c := row.contender.(type) {
		case *labRow:
			return c.running.UserNamespace
		case *daemonRow:
			return c.child.UserNamespace
		}
	}
	return false
}

// failures are what did not work and should have.
func (r *runner) failures() []string {
	var list []string
	for _, row := range r.rows {
		if row.failed {
			list = append(list, row.name+" did not come up: "+row.missing)
		}
		for i := range row.cells {
			c := &row.cells[i]
			if failed := len(c.values) - len(present(c.values)); failed > 0 {
				list = append(list, fmt.Sprintf("%s: %s: %d of %d runs failed: %s", row.name, r.measurements[i].title, failed, len(c.values), c.reason))
			}
		}
	}
	return list
}

// busyLoad is the load per CPU from which on somebody else's work shows.
const busyLoad = 0.25
