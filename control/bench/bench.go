package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/vpcsim/vpcsim/control/lab"
)

// logLevel is what the labs and daemons of a benchmark write to the standard
// error: nothing that is not wrong.
const logLevel = slog.LevelWarn

// Config says what [Run] measures. The zero Config is a full benchmark of a few
// minutes.
type Config struct {
	// Repetitions of every run, 5 when 0.
	Repetitions int
	// Duration of one run, a second when 0.
	Duration time.Duration
	// Limit is when no new repetition is begun, 0: never. What has been
	// measured by then is the result.
	Limit time.Duration
	// IPv6 instead of IPv4.
	IPv6 bool
	// Rows and Measurements to make, by name; empty: all.
	Rows, Measurements []string
	// NoLong leaves out measurements that take a second at least, unless they
	// are named.
	NoLong bool
	// Progress, if not nil, is told what is being done.
	Progress func(text string)
}

// Quick is a benchmark of less than a minute: enough to see where things stand,
// not to compare a change with another.
func (c Config) Quick() Config {
	if c.Repetitions == 0 {
		c.Repetitions = 3
	}
	if c.Duration == 0 {
		c.Duration = 200 * time.Millisecond
	}
	if c.Limit == 0 {
		c.Limit = 50 * time.Second // what is under way then still ends
	}
	c.NoLong = true
	return c
}

func (c Config) withDefaults() Config {
	if c.Repetitions == 0 {
		c.Repetitions = 5
	}
	if c.Duration == 0 {
		c.Duration = time.Second
	}
	if c.Progress == nil {
		c.Progress = func(string) {}
	}
	return c
}

// RowNames and MeasurementNames are what a Config can choose from.
func RowNames() []string {
	var list []string
	for _, r := range rows() {
		list = append(list, r.name)
	}
	return list
}

// MeasurementNames: see RowNames.
func MeasurementNames() []string {
	var list []string
	for _, m := range measurements() {
		list = append(list, m.id)
	}
	return list
}

// runner is a benchmark on its way.
type runner struct {
	config       Config
	start        time.Time
	rows         []*runningRow
	measurements []measurement
	runs         int // counts, to give each its port
}

// runningRow is a row with what was measured on it.
type runningRow struct {
	row
	contender contender
	missing   string
	failed    bool   // it is missing, and should not be
	cells     []cell // by measurement
}

// cell is what one row came to in one measurement, repetition by repetition. NaN
// stands for a run that failed, so that repetitions of two rows stay pairs.
type cell struct {
	values []float64
	extras []extras
	reason string // of what failed last, or why nothing was tried
}

// Run measures and returns what it found. When ctx ends before, everything that
// it started ends with it.
func Run(ctx context.Context, config Config) (*Report, error) {
	r := &runner{config: config.withDefaults(), start: time.Now()}
	if err := r.choose(); err != nil {
		return nil, err
	}
	machine := readMachine()
	defer r.close()
	if err := r.up(ctx); err != nil {
		return nil, err
	}
	for repetition := range r.config.Repetitions {
		if err := r.repeat(ctx, repetition); err != nil {
			return nil, err
		}
		if r.late() {
			break
		}
	}
	return r.report(ctx, machine), nil
}

// choose takes the rows and measurements that were asked for.
func (r *runner) choose() error {
	wanted := func(name string, list []string) bool { return len(list) == 0 || slices.Contains(list, name) }
	for _, m := range measurements() {
		if m.long && r.config.NoLong && len(r.config.Measurements) == 0 {
			continue
		}
		if wanted(m.id, r.config.Measurements) {
			r.measurements = append(r.measurements, m)
		}
	}
	for _, row := range rows() {
		if wanted(row.name, r.config.Rows) {
			r.rows = append(r.rows, &runningRow{row: row, cells: make([]cell, len(r.measurements))})
		}
	}
	for _, c := range []struct {
		what         string
		asked, known []string
	}{{"row", r.config.Rows, RowNames()}, {"measurement", r.config.Measurements, MeasurementNames()}} {
		for _, name := range c.asked {
			if !slices.Contains(c.known, name) {
				return &lab.UsageError{
					What: fmt.Sprintf("there is no %s %q", c.what, name),
					Hint: "there are: " + strings.Join(c.known, ", "),
				}
			}
		}
	}
	return nil
}

// up brings up all rows. They wait idle for their turns. A row that this machine
// cannot have is no error; a machine that allows none is.
func (r *runner) up(ctx context.Context) error {
	var failures []error
	for _, row := range r.rows {
		r.config.Progress("bringing up " + row.name)
		err := r.upRow(ctx, row)
		var missing *missingError
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.As(err, &missing):
			row.missing = missing.reason
		case err != nil:
			row.missing, row.failed = firstLine([]byte(err.Error())), true
			failures = append(failures, err)
		}
	}
	if len(failures) == len(r.rows) {
		return failures[0] // with its explanation: nothing can be measured here
	}
	return nil
}

// upRow brings a row up, waits until packets pass, and has it prove its rules.
func (r *runner) upRow(ctx context.Context, row *runningRow) (err error) {
	if !row.server(r.config.IPv6).IsValid() {
		return &missingError{"its way carries IPv4 only"}
	}
	contender, err := row.up(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			contender.close()
		}
	}()
	first := loadSpec{Kind: loadRequest, Duration: time.Millisecond, Address: row.server(r.config.IPv6), Port: lastPort}
	if _, err := contender.run(ctx, first); err != nil {
		return err
	}
	// On the emulated Internet nobody closes ports; there the client's own
	// group must not let it out.
	if row.rules {
		proof := first
		proof.Kind, proof.Port, proof.Duration = loadClosed, closedPort, 0
		if _, err := contender.run(ctx, proof); err != nil {
			return err
		}
	}
	row.contender = contender
	return nil
}

// repeat has every row make every measurement once: measurement by measurement,
// and within each the rows in turns.
func (r *runner) repeat(ctx context.Context, repetition int) error {
	for i := range r.measurements {
		m := &r.measurements[i]
		for _, row := range r.rows {
			c := &row.cells[i]
			if row.contender == nil {
				continue
			}
			if reason := row.excludes(m); reason != "" {
				c.reason = reason
				continue
			}
			if m.missing != nil {
				if c.reason = m.missing(); c.reason != "" {
					continue
				}
			}
			if r.late() && repetition > 0 {
				continue
			}
			r.config.Progress(fmt.Sprintf("%d of %d: %s: %s", repetition+1, r.config.Repetitions, m.title, row.name))
			r.measure(ctx, row, m, c)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
		}
	}
	return nil
}

func (r *runner) measure(ctx context.Context, row *runningRow, m *measurement, c *cell) {
	spec := m.spec(r.config.Duration, r.runs)
	spec.Address, spec.MTU = row.server(r.config.IPv6), row.mtu(m)
	r.runs++
	result, err := row.contender.run(ctx, spec)
	value := math.NaN()
	extra := noExtras()
	if err == nil {
		value = m.value(result)
		extra = m.extra(result)
	}
	if err == nil && (math.IsNaN(value) || math.IsInf(value, 0)) {
		err, value = errors.New("the run was too short to measure"), math.NaN()
	}
	if err != nil {
		c.reason = firstLine([]byte(err.Error()))
	}
	c.values, c.extras = append(c.values, value), append(c.extras, extra)
}

// late reports whether the time that the benchmark may take is over.
func (r *runner) late() bool {
	return r.config.Limit > 0 && time.Since(r.start) > r.config.Limit
}

func (r *runner) close() {
	for _, row := range r.rows {
		if row.contender != nil {
			row.contender.close()
		}
	}
}
