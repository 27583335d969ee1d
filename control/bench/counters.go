package bench

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// ticksPerSecond is the unit of /proc/stat, the same on all machines that Go
// runs on (USER_HZ).
const ticksPerSecond = 100

// busyCPU is how many seconds all CPUs of the machine together have been busy
// since it started, with whatever; 0 where that cannot be read.
func busyCPU() float64 {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	return parseBusyCPU(string(text))
}

func parseBusyCPU(stat string) float64 {
	line, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(line)
	if len(fields) < 8 || fields[0] != "cpu" {
		return 0
	}
	total := 0
	for i, f := range fields[1:8] { // user nice system idle iowait irq softirq
		const idle, iowait = 3, 4
		if i == idle || i == iowait {
			continue
		}
		n, err := strconv.Atoi(f)
		if err != nil {
			return 0
		}
		total += n
	}
	return float64(total) / ticksPerSecond
}

// retransmitted is how many TCP segments this network namespace has sent again.
func retransmitted() (uint64, error) {
	text, err := os.ReadFile("/proc/self/net/snmp")
	if err != nil {
		return 0, err
	}
	return parseRetransmitted(string(text))
}

func parseRetransmitted(snmp string) (uint64, error) {
	var names []string
	for line := range strings.Lines(snmp) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != "Tcp:" {
			continue
		}
		if names == nil {
			names = fields
			continue
		}
		if i := slices.Index(names, "RetransSegs"); i > 0 && i < len(fields) {
			return strconv.ParseUint(fields[i], 10, 64)
		}
	}
	return 0, errors.New("the kernel tells no TCP counters")
}

// processMemory is the resident memory of a process, in bytes.
func processMemory(pid int) (uint64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	return kilobytes(string(text), "VmRSS:")
}

// availableMemory is what the machine could still give to programs, in bytes.
func availableMemory() (uint64, error) {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	return kilobytes(string(text), "MemAvailable:")
}

// kilobytes finds a line like "VmRSS: 1234 kB".
func kilobytes(text, name string) (uint64, error) {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name); ok {
			n, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("%s: not told by this kernel", strings.TrimSuffix(name, ":"))
}

// processCPU is how many seconds of CPU a process has used.
func processCPU(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	return parseProcessCPU(string(text))
}

func parseProcessCPU(stat string) (float64, error) {
	// The program's name may hold anything; it ends with the last bracket.
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	const user, system = 11, 12 // of those behind the name
	if len(fields) <= system {
		return 0, errors.New("/proc: a line of another kind")
	}
	u, err1 := strconv.Atoi(fields[user])
	s, err2 := strconv.Atoi(fields[system])
	return float64(u+s) / ticksPerSecond, errors.Join(err1, err2)
}
