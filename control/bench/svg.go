package bench

import (
	"fmt"
	"html"
	"io"
	"strings"
)

// The chart's measures, in pixels.
const (
	svgWidth   = 760
	svgMargin  = 24
	svgLabel   = 110 // the rows' names, left of the bars
	svgFigure  = 176 // the figures, right of the bars
	svgBar     = 14
	svgLine    = 22 // from bar to bar
	svgHead    = 66 // of the page
	svgSection = 34 // the heading of a measurement
)

// WriteSVG draws the report: for each measurement a bar for each row, as long as
// its median, with a line from the least to the most that was measured. The
// chart is dark where the reader's system is.
func (r *Report) WriteSVG(w io.Writer) error {
	var b strings.Builder
	y := svgHead
	for i := range r.Measurements {
		y = r.drawMeasurement(&b, &r.Measurements[i], y)
	}
	height := y + svgMargin
	head := fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img" aria-label="vpcsim bench">
<style>
  text { font: 12px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2328; }
  .page { fill: #ffffff; }
  .title { font-size: 17px; font-weight: 600; }
  .heading { font-size: 13px; font-weight: 600; }
  .quiet { fill: #59636e; }
  .bar { fill: #a8b3c0; }
  .ours { fill: #2f6fde; }
  .range { stroke: #1f2328; stroke-width: 1.5; fill: none; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .page { fill: #0d1117; }
    .quiet { fill: #9198a1; }
    .bar { fill: #4d5a6a; }
    .ours { fill: #5b9bff; }
    .range { stroke: #e6edf3; }
  }
</style>
<rect class="page" width="%d" height="%d"/>
`, svgWidth, height, svgWidth, height, svgWidth, height)
	m := r.Machine
	svgText(&b, svgMargin, 32, "title", "start", "vpcsim bench")
	svgText(&b, svgMargin, 52, "quiet", "start", fmt.Sprintf("%s, %d × %s, load %.2f, %s · %s, TCP with %s",
		m.Kernel, m.CPUs, m.CPU, m.Load, m.Time.Format("2006-01-02"), familyName(r.Settings.Family), r.Settings.CongestionControl))
	_, err := io.WriteString(w, head+b.String()+"</svg>\n")
	return err
}

// drawMeasurement draws one group of bars from y on and returns where it ends.
func (r *Report) drawMeasurement(b *strings.Builder, m *MeasurementReport, y int) int {
	better := "more is better"
	if m.LowerIsBetter {
		better = "less is better"
	}
	svgText(b, svgMargin, y+20, "heading", "start", m.Title)
	svgText(b, svgWidth-svgMargin, y+20, "quiet", "end", m.Unit+", "+better)
	y += svgSection
	most := 0.0
	for _, result := range m.Results {
		if result.Value != nil {
			most = max(most, result.Value.Max)
		}
	}
	left, room := svgMargin+svgLabel, float64(svgWidth-2*svgMargin-svgLabel-svgFigure)
	for i := range m.Results {
		result := &m.Results[i]
		baseline := y + svgBar - 3
		svgText(b, left-8, baseline, "", "end", result.Row)
		if result.Value == nil {
			svgText(b, left, baseline, "quiet", "start", "not measured: "+clip(result.Reason, 80))
			y += svgLine
			continue
		}
		class := "bar"
		if strings.HasPrefix(result.Row, rowVPCSim) {
			class = "ours"
		}
		v := result.Value
		scale := func(x float64) float64 { return room * x / most }
		fmt.Fprintf(b, `<rect class="%s" x="%d" y="%d" width="%.1f" height="%d" rx="2"/>`+"\n", class, left, y, max(scale(v.Median), 1), svgBar)
		middle := float64(y) + svgBar/2
		from, to := float64(left)+scale(v.Min), float64(left)+scale(v.Max)
		fmt.Fprintf(b, `<path class="range" d="M%.1f %.1fH%.1fM%.1f %.1fv6M%.1f %.1fv6"/>`+"\n", from, middle, to, from, middle-3, to, middle-3)
		text := figure(v.Median)
		if s, ok := result.Ratios[r.baseline()]; ok && result.Row != r.baseline() {
			text += " (" + ratio(s.Median) + " " + r.baseline() + ")"
		}
		svgText(b, int(to)+8, baseline, "", "start", text)
		y += svgLine
	}
	return y + 4
}

func svgText(b *strings.Builder, x, y int, class, anchor, text string) {
	attributes := ""
	if class != "" {
		attributes += fmt.Sprintf(` class="%s"`, class)
	}
	if anchor != "start" {
		attributes += fmt.Sprintf(` text-anchor="%s"`, anchor)
	}
	fmt.Fprintf(b, `<text x="%d" y="%d"%s>%s</text>`+"\n", x, y, attributes, html.EscapeString(text))
}

// clip shortens what has no room.
func clip(text string, n int) string {
	runes := []rune(text)
	if len(runes) <= n {
		return text
	}
	return string(runes[:n-1]) + "…"
}
