// Package capture is about captures as packet analyzers know them: it reads filters
// as users of tcpdump write them, writes files that Wireshark and tcpdump open, and
// puts a packet in one line of text.
//
// It refuses to know where in a lab packets are seen (dataplane) and how they get to
// who asked for them (control/lab).
package capture
