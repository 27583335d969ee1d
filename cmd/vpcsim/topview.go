package main

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// unlimited is a screen without an edge: a file.
const unlimited = math.MaxInt

// lines are the view for a screen of that size. The last line of a screen says what
// keys do.
func (v *topView) lines(width, height int) []string {
	live := height != unlimited
	title := "vpcsim top: lab " + v.lab
	if v.top == nil {
		return []string{title + ": measuring"}
	}
	t := v.top
	title += fmt.Sprintf("  %s  %s packets/s  %sbit/s  %s drops/s  %s tracked",
		t.Time.Local().Format("15:04:05"), rate(t.PacketsPerSecond), scaled(t.BitsPerSecond), rate(t.DropsPerSecond), counted(t.Tracked, "connection"))
	if v.paused {
		title += "  PAUSED"
	}
	flows, drops, interfaces := v.flowRows(), v.dropRows(), v.interfaceRows()
	most := func(rows [][]string, n int) [][]string { return rows[:max(min(len(rows), n), 0)] }
	if live {
		// What is not flows gets a quarter each at most: title, three headers, two
		// empty lines and the keys are there besides.
		room := height - 7
		drops, interfaces = most(drops, max(room/4, 1)), most(interfaces, max(room/4, 1))
		flows = most(flows, room-len(drops)-len(interfaces))
	}
	out := []string{title}
	out = append(out, tableLines([]string{"FROM", "TO", "PACKETS/S", "BIT/S", "ADDRESSES", "VERDICT"}, flows)...)
	if t.OtherPacketsPerSecond > 0 && !live {
		out = append(out, fmt.Sprintf("and %s packets/s of other flows", rate(t.OtherPacketsPerSecond)))
	}
	out = append(append(out, ""), tableLines([]string{"DROPS/S", "DROPPED", "REASON", "BY", "WHY"}, drops)...)
	out = append(append(out, ""), tableLines([]string{"INTERFACE", "RECEIVED PACKETS/S", "BIT/S", "SENT PACKETS/S", "BIT/S"}, interfaces)...)
	if !live {
		return out
	}
	for len(out) < height-1 {
		out = append(out, "")
	}
	keys := "b bits  p packets  d drops  space pause  q quit      flows by " + v.sort
	return append(out[:min(len(out), max(height-1, 0))], keys)
}

func (v *topView) flowRows() (rows [][]string) {
	for _, f := range v.flows() {
		verdict := f.Verdict
		if f.Drop != nil {
			verdict = "DROP " + f.Drop.Object() + ": " + f.Drop.Text
		} else if f.DropsPerSecond > 0 {
			verdict = fmt.Sprintf("%s, %s/s dropped", verdict, rate(f.DropsPerSecond))
		}
		rows = append(rows, []string{f.From, f.To, rate(f.PacketsPerSecond), scaled(f.BitsPerSecond), f.Addresses.String(), verdict})
	}
	return rows
}

func (v *topView) dropRows() (rows [][]string) {
	for _, d := range v.top.Drops {
		rows = append(rows, []string{rate(d.PacketsPerSecond), strconv.FormatUint(d.Packets, 10), d.Reason, d.Object, d.Text})
	}
	return rows
}

// interfaceRows leaves out what is silent.
func (v *topView) interfaceRows() (rows [][]string) {
	for _, i := range v.top.Interfaces {
		if i.ReceivePacketsPerSecond+i.TransmitPacketsPerSecond > 0 {
			rows = append(rows, []string{
				i.Name, rate(i.ReceivePacketsPerSecond), scaled(i.ReceiveBitsPerSecond), rate(i.TransmitPacketsPerSecond), scaled(i.TransmitBitsPerSecond),
			})
		}
	}
	return rows
}

func tableLines(header []string, rows [][]string) []string {
	var b bytes.Buffer
	writeTable(&b, header, rows)
	return strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
}

// rate is a number of packets per second, as exact as its size makes useful.
func rate(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v < 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strings.TrimSuffix(scaled(v), " ")
}

// scaled is a number with three digits and a prefix of the SI: "1.25 M".
func scaled(v float64) string {
	prefixes := []string{"", "k", "M", "G", "T"}
	i := 0
	for v >= 999.5 && i < len(prefixes)-1 {
		v /= 1000
		i++
	}
	digits := 0
	if i > 0 {
		digits = max(2-len(strconv.Itoa(int(v)))+1, 0)
	}
	return strconv.FormatFloat(v, 'f', digits, 64) + " " + prefixes[i]
}
