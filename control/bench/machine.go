package bench

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// readMachine says where we are; what cannot be read stays empty.
func readMachine() Machine {
	read := func(path string) string {
		text, _ := os.ReadFile(path)
		return strings.TrimSpace(string(text))
	}
	m := Machine{
		Kernel: "Linux " + read("/proc/sys/kernel/osrelease"), CPU: cpuModel(read("/proc/cpuinfo")),
		CPUs: runtime.NumCPU(), Go: runtime.Version(), Time: time.Now().UTC().Truncate(time.Second),
	}
	if fields := strings.Fields(read("/proc/loadavg")); len(fields) > 0 {
		m.Load, _ = strconv.ParseFloat(fields[0], 64)
	}
	return m
}

// cpuModel is empty on architectures that do not tell.
func cpuModel(cpuinfo string) string {
	for line := range strings.Lines(cpuinfo) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}
