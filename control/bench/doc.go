// Package bench measures how fast vpcsim forwards, beside what else could
// forward on the same machine in the same minutes. It builds every network it
// needs in namespaces of its own, brings its own load generator, and says what
// it could not measure and why.
//
//	runner (bench.go)          in turns: measurement by measurement, row by row
//	  │
//	  ├─ rows of labs          lab.Start: the very daemon that vpcsim up starts
//	  └─ rows to compare with  a daemon of this package (daemon.go): direct veth,
//	       │                   the kernel, nftables, Open vSwitch, a reflector
//	       ▼
//	     one run (run.go)      a receiver and a sender, two processes in two nodes
//	       ▼
//	     load (load*.go)       what they do: streams, datagrams, requests
//
// The rules that make figures comparable: the same nodes, MTUs, congestion
// control and generator for every row; rows take turns within each repetition,
// so that a slow minute of the machine hits all of them; ratios are taken within
// a repetition, then the median; every row with rules first proves that a port
// which the rules do not open is closed.
//
// scale.go is the other half: labs of many instances.
//
// The package refuses to know what a packet's way is (dataplane) and how Linux
// is asked (host). Its results are data (report.go); table.go and svg.go are
// their two looks.
package bench
