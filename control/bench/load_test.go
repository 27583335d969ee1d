package bench

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// The generator over the loopback interface, which loses nothing.
func TestLoadMeasuresWhatItMoves(t *testing.T) {
	const d = 50 * time.Millisecond
	for _, address := range []string{"127.0.0.1", "::1"} {
		if !haveAddress(address) {
			t.Logf("no %s on this machine", address)
			continue
		}
		for _, c := range []struct {
			name  string
			spec  loadSpec
			holds func(r *pairResult) bool
		}{
			{"one stream", loadSpec{Kind: loadStream, Parallel: 1}, func(r *pairResult) bool {
				return r.Receiver.Bytes >= chunk && r.Receiver.Bytes%chunk == 0 && r.Receiver.Seconds > 0.8*d.Seconds()
			}},
			{"eight streams", loadSpec{Kind: loadStream, Parallel: 8}, func(r *pairResult) bool {
				return r.Receiver.Bytes >= 8*chunk && r.Receiver.Bytes%chunk == 0
			}},
			{"datagrams", loadSpec{Kind: loadDatagram}, func(r *pairResult) bool {
				return r.Receiver.Count > 0 && r.Receiver.Count <= r.Sender.Sent && r.Sender.Took >= d.Seconds()
			}},
			{"requests", loadSpec{Kind: loadRequest}, func(r *pairResult) bool {
				return r.Sender.Sent > 0 && r.Sender.P50 > 0 && r.Sender.P50 <= r.Sender.P99 && r.Sender.P99 < r.Sender.Took
			}},
			{"connections", loadSpec{Kind: loadConnect, Parallel: 4}, func(r *pairResult) bool {
				return r.Sender.Sent > 0 && r.Sender.Failed == 0 && r.Receiver.Accepted >= r.Sender.Sent
			}},
		} {
			t.Run(address+"/"+c.name, func(t *testing.T) {
				c.spec.Address, c.spec.Port, c.spec.Duration = netip.MustParseAddr(address), freePort(t), d
				result, err := runPair(t.Context(), startHere, c.spec)
				if err != nil {
					t.Fatal(err)
				}
				if !c.holds(result) {
					t.Errorf("sender %+v\nreceiver %+v", result.Sender, result.Receiver)
				}
			})
		}
	}
}

func TestClosedPortIsProvenByNoConnection(t *testing.T) {
	spec := loadSpec{Kind: loadClosed, Address: netip.MustParseAddr("127.0.0.1"), Port: freePort(t)}
	_, err := runPair(t.Context(), startHere, spec)
	if err == nil || !strings.Contains(err.Error(), "not in force") {
		t.Errorf("the port of this machine is open, and the proof said %v", err)
	}
}

func TestRunSaysWhatWentWrongInANode(t *testing.T) {
	for _, c := range []struct {
		name, want string
		spec       loadSpec
	}{
		{"unknown kind", "no load of that kind", loadSpec{Kind: "x"}},
		{"no such interface to set", "MTU", loadSpec{Kind: loadRequest, MTU: 1}},
		{"no such congestion control", "congestion control nonesuch", loadSpec{Kind: loadRequest, Congestion: "nonesuch"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.spec.Address, c.spec.Port = netip.MustParseAddr("127.0.0.1"), freePort(t)
			_, err := runPair(t.Context(), startHere, c.spec)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one about %q", err, c.want)
			}
		})
	}
}

// freePort is one that nobody had a moment ago.
func freePort(t *testing.T) uint16 {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return uint16(l.Addr().(*net.TCPAddr).Port)
}

func haveAddress(address string) bool {
	l, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		return false
	}
	_ = l.Close()
	return true
}
