package bench

import (
	"time"

	"github.com/vpcsim/vpcsim/control/lab"
)

// Report is everything that a benchmark found out. Its JSON is for machines, and
// keeps its names.
type Report struct {
	Machine  Machine   `json:"machine"`
	Settings Settings  `json:"settings"`
	Rows     []RowInfo `json:"rows"`
	// Measurements in the order made; each has a Result for every row.
	Measurements []MeasurementReport `json:"measurements"`
	Seconds      float64             `json:"seconds"` // that it all took
	// Warnings are what makes the figures worth less than they could be.
	Warnings []string `json:"warnings,omitempty"`
	// Incomplete says that something failed that should not have, besides what
	// this machine lacks; the warnings say what.
	Incomplete bool `json:"incomplete,omitempty"`
}

// Machine is where it was measured.
type Machine struct {
	Kernel string    `json:"kernel"`
	CPU    string    `json:"cpu"`
	CPUs   int       `json:"cpus"`
	Load   float64   `json:"load"` // one-minute average at the start
	Go     string    `json:"go"`
	Time   time.Time `json:"time"`
}

// Settings are how it was measured.
type Settings struct {
	Repetitions       int     `json:"repetitions"` // asked for; a Summary's Samples say how many there were
	Duration          float64 `json:"duration"`    // of one run, in seconds
	CongestionControl string  `json:"congestionControl"`
	Family            string  `json:"family"` // ipv4 or ipv6
	// UserNamespace: the rows ran without privileges on the machine.
	UserNamespace bool `json:"userNamespace"`
}

// RowInfo is a row of the tables.
type RowInfo struct {
	Name  string `json:"name"`
	About string `json:"about"`
	// Missing is why this machine has no such row, or empty.
	Missing string `json:"missing,omitempty"`
	// Rules says that the row has rules and that a port which they do not
	// open was found closed.
	Rules bool `json:"rules,omitempty"`
	// Status of a lab when all was measured: what its core dropped and why,
	// and what its packet socket lost.
	Status *lab.Status `json:"status,omitempty"`
}

// MeasurementReport is one kind of figure, of all rows.
type MeasurementReport struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	Unit  string `json:"unit"`
	// LowerIsBetter for times; otherwise more is.
	LowerIsBetter bool     `json:"lowerIsBetter,omitempty"`
	Results       []Result `json:"results"`
}

// Result is what one row reached in one measurement: figures or a Reason.
type Result struct {
	Row    string   `json:"row"`
	Reason string   `json:"reason,omitempty"`
	Value  *Summary `json:"value,omitempty"`
	// CPUPerGB is what all CPUs of the machine together spent on 10⁹ bytes, in
	// seconds, whoever spent it: sender, receiver, kernel, forwarder, and
	// whatever else ran.
	CPUPerGB *Summary `json:"cpuSecondsPerGB,omitempty"`
	// Retransmitted TCP segments of one run.
	Retransmitted *Summary `json:"retransmitted,omitempty"`
	// Lost is the part of the datagrams sent that the receiver did not get.
	Lost *Summary `json:"lost,omitempty"`
	// Failed are the connections of one run that did not come about within a
	// second.
	Failed *Summary `json:"failed,omitempty"`
	// P99 in the measurement's unit, where Value is the median of one run.
	P99 *Summary `json:"p99,omitempty"`
	// Ratios to other rows, by their names: in each repetition, Value divided
	// by theirs.
	Ratios map[string]Summary `json:"ratios,omitempty"`
	// Differences to other rows in the measurement's unit, where less is better.
	Differences map[string]Summary `json:"differences,omitempty"`
	// CPURatios to other rows: CPUPerGB divided by theirs.
	CPURatios map[string]Summary `json:"cpuRatios,omitempty"`
}

// row finds the result of a row by its name, or nil.
func (m *MeasurementReport) row(name string) *Result {
	for i := range m.Results {
		if m.Results[i].Row == name {
			return &m.Results[i]
		}
	}
	return nil
}

// baseline is the row that stands for the kernel: with rules if it can be had.
func (r *Report) baseline() string {
	for _, row := range r.Rows {
		if row.Name == rowNft && row.Missing == "" {
			return rowNft
		}
	}
	return rowKernel
}
