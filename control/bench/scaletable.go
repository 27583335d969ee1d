package bench

import (
	"fmt"
	"io"
	"strconv"
)

// WriteTable writes the report for people.
func (r *ScaleReport) WriteTable(w io.Writer) {
	m := r.Machine
	fmt.Fprintf(w, "%s, %d × %s, load %.2f at the start, %s, %s\n", m.Kernel, m.CPUs, m.CPU, m.Load, m.Go, m.Time.Format("2006-01-02 15:04 MST"))
	as := "as root"
	if r.Settings.UserNamespace {
		as = "in a user namespace"
	}
	fmt.Fprintf(w, "labs as vpcsim up starts them, %s; TCP with %s, MTU %d; %s; took %.0f s\n",
		as, r.Settings.CongestionControl, jumboMTU, counted(r.Settings.Repetitions, "repetition"), r.Seconds)
	for _, warning := range r.Warnings {
		fmt.Fprintln(w, "WARNING:", warning)
	}
	fmt.Fprintln(w)
	lines := [][]string{{"instances", "up", "down", "memory each", "daemon", "idle CPU", "2 of them", "÷ lab of 2", "rule enforced", "min – max"}}
	for _, x := range r.Results {
		lines = append(lines, []string{
			strconv.Itoa(x.Instances), fmt.Sprintf("%.2f s", x.Up), fmt.Sprintf("%.2f s", x.Down),
			fmt.Sprintf("%.0f KiB", x.MemoryPerInstance/1024), fmt.Sprintf("%.1f MiB", float64(x.DaemonMemory)/(1<<20)),
			fmt.Sprintf("%.1f %%", 100*x.IdleCPU), figure(x.Throughput.Median) + " Gbit/s", ratio(x.ThroughputRatio.Median),
			milliseconds(x.Enforced.Median), milliseconds(x.Enforced.Min) + " – " + milliseconds(x.Enforced.Max),
		})
	}
	right := make([]bool, len(lines[0]))
	for i := range right {
		right[i] = true
	}
	writeAligned(w, lines, right)
	fmt.Fprintln(w, "\nmemory each: what the machine's available memory fell by, kernel and daemon included, divided.")
	fmt.Fprintln(w, "2 of them: one TCP stream between two instances, the rest idle; beside a lab of two, in turns.")
	fmt.Fprintln(w, "rule enforced: from before the whole file is applied with one more rule until its first packet passes.")
	fmt.Fprintln(w, "down: until the lab's processes are gone; the kernel then still removes interfaces for a moment.")
}

func milliseconds(seconds float64) string { return figure(seconds*1e3) + " ms" }
