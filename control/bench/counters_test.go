package bench

import "testing"

func TestCountersAreReadFromProc(t *testing.T) {
	const stat = "cpu  100 20 300 4000 500 6 70 8 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n"
	if got := parseBusyCPU(stat); got != 4.96 { // all but idle and iowait
		t.Errorf("busy CPU = %v, want 4.96", got)
	}
	if got := parseBusyCPU("nonsense"); got != 0 {
		t.Errorf("busy CPU of nonsense = %v", got)
	}
	const snmp = "Ip: Forwarding DefaultTTL\nIp: 1 64\nTcp: RtoAlgorithm OutSegs RetransSegs InErrs\nTcp: 1 2000 17 0\nUdp: InDatagrams\nUdp: 5\n"
	if got, err := parseRetransmitted(snmp); got != 17 || err != nil {
		t.Errorf("retransmitted = %d, %v", got, err)
	}
	if _, err := parseRetransmitted("Ip: a\nIp: 1\n"); err == nil {
		t.Error("no error without TCP counters")
	}
	if got, err := kilobytes("Name: x\nVmRSS:\t  1234 kB\n", "VmRSS:"); got != 1234<<10 || err != nil {
		t.Errorf("memory = %d, %v", got, err)
	}
	const process = "42 (a ) name) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 8 0 100 0 0"
	if got, err := parseProcessCPU(process); got != 3 || err != nil {
		t.Errorf("process CPU = %v, %v, want 3", got, err)
	}
	if _, err := parseProcessCPU("42 (x) S"); err == nil {
		t.Error("no error for a short line")
	}
	if got := cpuModel("processor : 0\nmodel name\t: Some CPU\n"); got != "Some CPU" {
		t.Errorf("CPU model %q", got)
	}
}
