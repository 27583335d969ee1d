package bench

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/vpcsim/vpcsim/control/lab"
)

// WriteTable writes the report for people: what was measured on what, a table for
// each measurement, and what it comes to.
func (r *Report) WriteTable(w io.Writer) {
	m := r.Machine
	fmt.Fprintf(w, "%s, %d × %s, load %.2f at the start, %s, %s\n", m.Kernel, m.CPUs, m.CPU, m.Load, m.Go, m.Time.Format("2006-01-02 15:04 MST"))
	fmt.Fprintln(w, r.method())
	for _, warning := range r.Warnings {
		fmt.Fprintln(w, "WARNING:", warning)
	}
	fmt.Fprintln(w)
	r.writeRows(w)
	for i := range r.Measurements {
		fmt.Fprintln(w)
		r.writeMeasurement(w, &r.Measurements[i])
	}
	r.writeSummary(w)
}

func (r *Report) method() string {
	s := r.Settings
	as := "as root"
	if s.UserNamespace {
		as = "in a user namespace"
	}
	return fmt.Sprintf("%s, TCP with %s, %s; %s of %s s each, rows in turns; took %.0f s",
		familyName(s.Family), s.CongestionControl, as, counted(s.Repetitions, "repetition"), strconv.FormatFloat(s.Duration, 'g', 3, 64), r.Seconds)
}

// familyName is ipv4 as people write it.
func familyName(family string) string { return strings.Replace(family, "ip", "IP", 1) }

// writeRows says what the rows are, and why one is missing.
func (r *Report) writeRows(w io.Writer) {
	var lines [][]string
	for _, row := range r.Rows {
		about := row.About
		if row.Missing != "" {
			about += "\nnot measured: " + row.Missing
		}
		if row.Status != nil {
			if text := losses(row.Status); text != "" {
				about += "\n" + text
			}
		}
		for i, line := range strings.Split(about, "\n") {
			name := row.Name
			if i > 0 {
				name = ""
			}
			lines = append(lines, []string{name, line})
		}
	}
	writeAligned(w, lines, nil)
}

// losses are what a lab did not forward in all the time that it was up, the most
// first: a few are the proof of its rules, and the floods'.
func losses(s *lab.Status) string {
	var parts []string
	if dropped := counts(s.Packets.Drops); dropped != "" {
		parts = append(parts, "dropped: "+dropped)
	}
	lost := map[string]uint64{"on receiving": s.Port.KernelDropped}
	maps.Copy(lost, s.Port.SendErrors)
	if text := counts(lost); text != "" {
		parts = append(parts, "lost by the packet socket: "+text)
	}
	return strings.Join(parts, "; ")
}

func counts(m map[string]uint64) string {
	var names []string
	for name, n := range m {
		if n > 0 {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(m[b], m[a]), cmp.Compare(a, b)) })
	for i, name := range names {
		names[i] = fmt.Sprintf("%d %s", m[name], name)
	}
	return strings.Join(names, ", ")
}

// writeMeasurement is one table. The columns are those that apply.
func (r *Report) writeMeasurement(w io.Writer, m *MeasurementReport) {
	better := "more is better"
	if m.LowerIsBetter {
		better = "less is better"
	}
	fmt.Fprintf(w, "%s (%s, %s)\n", m.Title, m.Unit, better)
	columns := r.columns(m)
	header := []string{"", "median", "min – max"}
	right := []bool{false, true, true}
	for _, c := range columns {
		header, right = append(header, c.title), append(right, true)
	}
	lines := [][]string{header}
	for i := range m.Results {
		result := &m.Results[i]
		if result.Value == nil {
			why := "not measured: " + result.Reason
			if r.missing(result.Row) { // the list of rows has told why
				why = "not measured, see above"
			}
			lines = append(lines, []string{result.Row, "\x00" + why})
			continue
		}
		v := result.Value
		line := []string{result.Row, figure(v.Median), figure(v.Min) + " – " + figure(v.Max)}
		for _, c := range columns {
			line = append(line, c.cell(result))
		}
		lines = append(lines, line)
	}
	writeAligned(w, lines, right)
}

func (r *Report) missing(name string) bool {
	return slices.ContainsFunc(r.Rows, func(row RowInfo) bool { return row.Name == name && row.Missing != "" })
}

// column is one of the columns that not all measurements have.
type column struct {
	title string
	cell  func(*Result) string
}

func (r *Report) columns(m *MeasurementReport) []column {
	var list []column
	add := func(title string, cell func(*Result) string) {
		for i := range m.Results {
			if cell(&m.Results[i]) != "" {
				list = append(list, column{title, cell})
				return
			}
		}
	}
	summary := func(field func(*Result) *Summary, show func(float64) string) func(*Result) string {
		return func(result *Result) string {
			if s := field(result); s != nil {
				return show(s.Median)
			}
			return ""
		}
	}
	add("p99", summary(func(x *Result) *Summary { return x.P99 }, figure))
	for _, other := range []string{r.baseline(), rowReflector} {
		add("÷ "+other, func(x *Result) string {
			if s, ok := x.Ratios[other]; ok {
				return ratio(s.Median)
			}
			return ""
		})
		if m.LowerIsBetter {
			add("− "+other, func(x *Result) string {
				if s, ok := x.Differences[other]; ok {
					return fmt.Sprintf("%+.1f", s.Median)
				}
				return ""
			})
		}
	}
	add("CPU s/GB", summary(func(x *Result) *Summary { return x.CPUPerGB }, func(v float64) string { return fmt.Sprintf("%.2f", v) }))
	add("÷ "+r.baseline(), func(x *Result) string {
		if s, ok := x.CPURatios[r.baseline()]; ok {
			return ratio(s.Median)
		}
		return ""
	})
	add("sent again", summary(func(x *Result) *Summary { return x.Retransmitted }, func(v float64) string { return fmt.Sprintf("%.0f", v) }))
	add("lost", summary(func(x *Result) *Summary { return x.Lost }, func(v float64) string { return fmt.Sprintf("%.0f %%", 100*v) }))
	// The most, not the median: that it happened is the news.
	add("failed", func(x *Result) string {
		if x.Failed == nil {
			return ""
		}
		return fmt.Sprintf("%.0f", x.Failed.Max)
	})
	return list
}

// writeSummary says what vpcsim's row came to, in one place, at the end, where
// eyes are after a long output.
func (r *Report) writeSummary(w io.Writer) {
	lines := [][]string{}
	for i := range r.Measurements {
		m := &r.Measurements[i]
		result := m.row(rowVPCSim)
		if result == nil || result.Value == nil {
			continue
		}
		line := []string{m.Title, figure(result.Value.Median) + " " + m.Unit}
		for _, other := range []string{r.baseline(), rowReflector} {
			text := ""
			if s, ok := result.Ratios[other]; ok {
				text = ratio(s.Median) + " of " + other
			}
			line = append(line, text)
		}
		lines = append(lines, line)
	}
	if len(lines) == 0 {
		return
	}
	fmt.Fprintln(w, "\nvpcsim, with groups, ACLs and routes enforced:")
	writeAligned(w, lines, []bool{false, true, true, true})
	fmt.Fprintln(w, "\nRatios are medians of the ratios within a repetition. CPU is what all CPUs of the machine did,")
	fmt.Fprintln(w, "sender and receiver included, whoever did it. nftables has the groups' rules only; the lab also")
	fmt.Fprintln(w, "has the network ACLs. Before measuring, every row with rules was seen to refuse a closed port.")
}

// figure shows three digits that mean something.
func figure(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func ratio(v float64) string { return fmt.Sprintf("%.2f×", v) }

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// writeAligned aligns columns, those of right to the right. A cell that begins
// with a zero byte runs on to the end of its line.
func writeAligned(w io.Writer, lines [][]string, right []bool) {
	var width []int
	for _, line := range lines {
		for i, cell := range line {
			if i == len(width) {
				width = append(width, 0)
			}
			if !strings.HasPrefix(cell, "\x00") {
				width[i] = max(width[i], utf8.RuneCountInString(cell))
			}
		}
	}
	for _, line := range lines {
		var b strings.Builder
		for i, cell := range line {
			b.WriteString("  ")
			text, runs := strings.CutPrefix(cell, "\x00")
			if runs {
				b.WriteString(text)
				break
			}
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if i < len(right) && right[i] {
				b.WriteString(pad + cell)
			} else {
				b.WriteString(cell + pad)
			}
		}
		fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
	}
}
