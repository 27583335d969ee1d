package bench

import (
	"math"
	"time"
)

// measurement is one kind of figure that every row is asked for.
type measurement struct {
	id    string // in JSON: "tcp-1-1500"
	title string
	unit  string
	// lower: less is better, and rows are compared by difference as well.
	lower    bool
	kind     string // of load
	parallel int
	mtu      int
	// long: a run takes a second at least, too long for a quick benchmark.
	long bool
	// missing, if not nil, says what this machine lacks for it, or "".
	missing func() string
	// value of one run, and what else is told about it.
	value func(*pairResult) float64
	extra func(*pairResult) extras
}

// extras are what is told beside the figure itself; NaN is "does not apply".
type extras struct {
	cpuPerGB      float64 // seconds of all CPUs per 10⁹ bytes received
	retransmitted float64 // TCP segments
	lost          float64 // part of the datagrams sent, 0 to 1
	p99           float64 // in the unit of the measurement
	failed        float64 // connections
}

func noExtras() extras {
	nan := math.NaN()
	return extras{nan, nan, nan, nan, nan}
}

const (
	ethernetMTU = 1500
	jumboMTU    = 9001 // AWS's inside a VPC
)

// measurements in the order in which they are made and shown.
func measurements() []measurement {
	return []measurement{
		stream("tcp-1-1500", "TCP, 1 stream, MTU 1500", 1, ethernetMTU),
		stream("tcp-1-9001", "TCP, 1 stream, MTU 9001", 1, jumboMTU),
		stream("tcp-8-1500", "TCP, 8 streams, MTU 1500", 8, ethernetMTU),
		stream("tcp-8-9001", "TCP, 8 streams, MTU 9001", 8, jumboMTU),
		iperf("tcp-iperf3", "TCP, 1 stream by iperf3, MTU 9001"),
		{
			id: "udp-64", title: "UDP, 64-byte frames, one flow", unit: "kpackets/s", kind: loadDatagram, mtu: ethernetMTU,
			// The longer of the two times: what is sent while the receiver has
			// no CPU is lost, not sent in no time.
			value: func(r *pairResult) float64 {
				return float64(r.Receiver.Count) / max(r.Receiver.Seconds, r.Sender.Took) / 1e3
			},
			extra: func(r *pairResult) extras {
				x := noExtras()
				x.lost = max(0, 1-float64(r.Receiver.Count)/float64(r.Sender.Sent))
				return x
			},
		},
		{
			id: "tcp-request", title: "TCP request and response, 1 byte each, one at a time: p50", unit: "µs", lower: true, kind: loadRequest, mtu: ethernetMTU,
			value: func(r *pairResult) float64 { return r.Sender.P50 * 1e6 },
			extra: func(r *pairResult) extras {
				x := noExtras()
				x.p99 = r.Sender.P99 * 1e6
				return x
			},
		},
		{
			id: "tcp-connect", title: "TCP connections made and closed, 8 at a time", unit: "1/s", kind: loadConnect, parallel: 8, mtu: ethernetMTU,
			value: func(r *pairResult) float64 { return float64(r.Sender.Sent) / r.Sender.Took },
			extra: func(r *pairResult) extras {
				x := noExtras()
				x.failed = float64(r.Sender.Failed)
				return x
			},
		},
	}
}

func stream(id, title string, parallel, mtu int) measurement {
	return measurement{
		id: id, title: title, unit: "Gbit/s", kind: loadStream, parallel: parallel, mtu: mtu,
		value: func(r *pairResult) float64 { return float64(r.Receiver.Bytes) * 8 / r.Receiver.Seconds / 1e9 },
		extra: func(r *pairResult) extras {
			x := noExtras()
			if r.Receiver.Bytes > 0 {
				x.cpuPerGB = r.Receiver.CPU / (float64(r.Receiver.Bytes) / 1e9)
			}
			x.retransmitted = float64(r.Sender.Retransmitted)
			return x
		},
	}
}

// iperf is a stream that takes whole seconds, and a program that may be missing.
func iperf(id, title string) measurement {
	m := stream(id, title, 1, jumboMTU)
	m.kind, m.long = loadIperf, true
	m.missing = func() string {
		if _, err := findProgram(iperf3); err != nil {
			return "iperf3 is not installed (Debian: apt install iperf3)"
		}
		return ""
	}
	return m
}

// spec is the run of m that takes d, on a port of its own: what a flood has left
// on its way must not count for the next run.
func (m *measurement) spec(d time.Duration, run int) loadSpec {
	return loadSpec{Kind: m.kind, Parallel: m.parallel, MTU: m.mtu, Duration: d, Congestion: congestionControl, Port: firstPort + uint16(run%openPorts)}
}
