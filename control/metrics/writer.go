package metrics

import (
	"bytes"
	"math"
	"strconv"
	"strings"
)

// Format is how families are spelled.
type Format int

// The formats. The zero Format is what every version of Prometheus reads.
const (
	Text Format = iota
	OpenMetrics
)

// ContentType is the format's media type.
func (f Format) ContentType() string {
	if f == OpenMetrics {
		return "application/openmetrics-text; version=1.0.0; charset=utf-8"
	}
	return "text/plain; version=0.0.4; charset=utf-8"
}

// Accepted is the format to answer a request with, by its Accept header: who
// reads OpenMetrics names it.
func Accepted(accept string) Format {
	if strings.Contains(accept, "application/openmetrics-text") {
		return OpenMetrics
	}
	return Text
}

// Writer puts families together, one after the other; one without samples is left
// out. The zero Writer is ready, for the format Text.
type Writer struct {
	Format Format

	b      bytes.Buffer
	family string   // of the samples that follow
	labels []string // their names
	header string   // of a family that has no sample yet
}

// Counter begins a family of counters with these labels. The name ends in _total,
// and in the base unit before it.
func (w *Writer) Counter(name, help string, labels ...string) {
	w.begin(name, "counter", help, labels)
}

// Gauge begins a family of values that go up and down.
func (w *Writer) Gauge(name, help string, labels ...string) {
	w.begin(name, "gauge", help, labels)
}

func (w *Writer) begin(name, kind, help string, labels []string) {
	w.family, w.labels = name, labels
	if w.Format == OpenMetrics && kind == "counter" {
		name = strings.TrimSuffix(name, "_total") // only its samples have it there
	}
	help = strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(help)
	w.header = "# HELP " + name + " " + help + "\n# TYPE " + name + " " + kind + "\n"
}

// Sample adds a value of the family that was begun last, with a value for each of
// its labels.
func (w *Writer) Sample(value float64, labels ...string) {
	w.sample(w.family, value, labels, "")
}

// sample writes one line; le is a histogram's bound.
func (w *Writer) sample(name string, value float64, labels []string, le string) {
	w.b.WriteString(w.header)
	w.header = ""
	w.b.WriteString(name)
	separator := byte('{')
	label := func(name, value string) {
		w.b.WriteByte(separator)
		separator = ','
		w.b.WriteString(name)
		w.b.WriteString(`="`)
		w.b.WriteString(labelEscapes.Replace(value))
		w.b.WriteByte('"')
	}
	for i, v := range labels {
		if v != "" { // the same as none
			label(w.labels[i], v)
		}
	}
	if le != "" {
		label("le", le)
	}
	if separator == ',' {
		w.b.WriteByte('}')
	}
	w.b.WriteByte(' ')
	w.b.WriteString(number(value))
	w.b.WriteByte('\n')
}

var labelEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)

func number(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
		return strconv.FormatInt(int64(v), 10) // easier to read than 1e+06
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// Bytes ends the text and returns it. The Writer is done.
func (w *Writer) Bytes() []byte {
	if w.Format == OpenMetrics {
		w.b.WriteString("# EOF\n")
	}
	return w.b.Bytes()
}
