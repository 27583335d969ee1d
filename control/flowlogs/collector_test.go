package flowlogs

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// counted is a source of records that a test fills.
type counted struct {
	records []dataplane.FlowRecord
	skipped []dataplane.Handle
}

func (c *counted) FlowRecords(out []dataplane.FlowRecord) ([]dataplane.FlowRecord, []dataplane.Handle) {
	out, skipped := append(out, c.records...), c.skipped
	c.records, c.skipped = nil, nil
	return out, skipped
}

const second = int64(time.Second)

const (
	hENI dataplane.Handle = 10 + iota
	hNAT
	hLog
	hOther
)

// see counts a packet of a flow to a port, at a time in seconds.
func (c *counted) see(port uint16, at int64) *dataplane.FlowRecord {
	c.records = append(c.records, dataplane.FlowRecord{
		Interface: hENI, Action: dataplane.FlowAccept, Packets: 1, Bytes: 40, First: at * second, Last: at * second,
		Tuple: packet.Tuple{Src: addr("203.0.113.12"), Dst: addr("172.31.16.139"), SrcPort: 1, DstPort: port, Proto: packet.ProtoUDP},
	})
	return &c.records[len(c.records)-1]
}

func addr(text string) packet.Addr { return packet.AddrFrom(netip.MustParseAddr(text)) }

func mustParse(t *testing.T, text string) Format {
	t.Helper()
	f, err := ParseFormat(text, false)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// configuration has one log of one interface, and as many more as are given.
func configuration(t *testing.T, more ...Log) *Config {
	t.Helper()
	logs := append([]Log{{
		Name: "all", ID: "fl-1", Handle: hLog, Format: mustParse(t, "${interface-id} ${dstport} ${packets} ${start} ${end} ${log-status}"),
		Interval: time.Minute, Group: "g", Interfaces: []dataplane.Handle{hENI}, Accept: true, Reject: true,
	}}, more...)
	return &Config{Logs: logs, Interfaces: map[dataplane.Handle]*Interface{hENI: {
		ID: "eni-1", Account: "123456789010", VPC: "vpc-1", Subnet: "subnet-1", Instance: "i-1", Addresses: []netip.Addr{netip.MustParseAddr("172.31.16.139")},
	}}}
}

func messages(entries []Entry) []string {
	var list []string
	for _, e := range entries {
		list = append(list, e.Log+": "+e.Message)
	}
	return list
}

func want(t *testing.T, what string, entries []Entry, lines ...string) {
	t.Helper()
	if diff := cmp.Diff(lines, messages(entries)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestWindowsFollowEachOther(t *testing.T) {
	source := &counted{}
	c := New(source, time.Unix(1000, 0))
	if _, any := c.Next(); any {
		t.Error("without a log there is a window")
	}
	want(t, "configured", c.Configure(5*second, configuration(t)))
	if end, ok := c.Next(); !ok || end != 65*second {
		t.Errorf("the first window ends at %d", end)
	}
	source.see(22, 6)
	want(t, "too early", c.Collect(30*second))
	source.see(22, 40)
	source.see(23, 41)
	source.see(24, 70) // already in the next
	want(t, "F7 F8 the first window", c.Collect(66*second), "all: eni-1 22 2 1006 1040 OK", "all: eni-1 23 1 1041 1041 OK")
	want(t, "the second", c.Collect(125*second), "all: eni-1 24 1 1070 1070 OK")
	want(t, "F10 two idle ones, fetched late", c.Collect(245*second), "all: eni-1 - - 1125 1185 NODATA", "all: eni-1 - - 1185 1245 NODATA")
	source.see(25, 250)
	want(t, "flushed", c.Flush(251*second), "all: eni-1 25 1 1250 1250 OK")
	want(t, "flushed again", c.Flush(252*second))
}

func TestNoStreamBeforeTheFirstPacket(t *testing.T) {
	source := &counted{}
	c := New(source, time.Unix(0, 0))
	c.Configure(0, configuration(t))
	want(t, "F5 idle from the beginning", c.Collect(600*second))
	source.see(22, 601)
	want(t, "its first packet", c.Collect(660*second), "all: eni-1 22 1 601 601 OK")
	want(t, "then idle", c.Collect(720*second), "all: eni-1 - - 660 720 NODATA")
}

func TestSkipDataWhereTheEngineHadNoRoom(t *testing.T) {
	source := &counted{}
	c := New(source, time.Unix(0, 0))
	c.Configure(0, configuration(t))
	source.skipped = []dataplane.Handle{hENI, hNAT}
	source.see(22, 1)
	want(t, "F10", c.Collect(60*second), "all: eni-1 22 1 1 1 OK", "all: eni-1 - - 0 60 SKIPDATA")
}

func TestLogsOfOneInterfaceAreIndependent(t *testing.T) {
	source := &counted{}
	c := New(source, time.Unix(0, 0))
	slow := Log{
		Name: "slow", ID: "fl-2", Handle: hOther, Format: mustParse(t, "${dstport} ${packets} ${action}"), Interval: 10 * time.Minute,
		Interfaces: []dataplane.Handle{hENI}, Reject: true,
	}
	c.Configure(0, configuration(t, slow))
	for minute := range int64(10) {
		source.see(22, 60*minute+1)
		source.see(23, 60*minute+2).Action = dataplane.FlowReject
		lines := messages(c.Collect(60 * (minute + 1) * second))
		if n := map[bool]int{false: 2, true: 3}[minute == 9]; len(lines) != n {
			t.Errorf("minute %d: %q", minute, lines)
		} else if n == 3 && lines[2] != "slow: 23 10 REJECT" {
			t.Errorf("the slow log: %q", lines[2])
		}
	}
	// One that ends publishes what it has; one that begins has what comes then.
	source.see(22, 601)
	late := slow
	late.Name, late.Handle, late.Accept = "late", 77, true
	source.see(23, 602).Action = dataplane.FlowReject
	want(t, "changed", c.Configure(630*second, configuration(t, late)), "slow: 23 1 REJECT")
	source.see(24, 640)
	want(t, "afterwards", c.Flush(650*second), "all: eni-1 22 1 601 601 OK", "all: eni-1 23 1 602 602 OK", "all: eni-1 24 1 640 640 OK", "late: 24 1 ACCEPT")
}

func TestAnInterfaceThatGoesIsPublishedOnceMore(t *testing.T) {
	source := &counted{}
	c := New(source, time.Unix(0, 0))
	c.Configure(0, configuration(t))
	source.see(22, 1)
	without := configuration(t)
	without.Logs[0].Interfaces, without.Interfaces = nil, nil
	want(t, "gone", c.Configure(30*second, without))
	want(t, "its last window", c.Collect(60*second), "all: eni-1 22 1 1 1 OK")
	want(t, "nothing more", c.Collect(120*second))
}

func TestStreamsAreNamedAsInCloudWatch(t *testing.T) { // F11
	source := &counted{}
	c := New(source, time.Unix(1000, 0))
	rejects := configuration(t).Logs[0]
	rejects.Name, rejects.Handle, rejects.Accept = "rejects", hOther, false
	c.Configure(0, configuration(t, rejects))
	source.see(22, 1).Action = dataplane.FlowReject
	var got []string
	for _, e := range c.Collect(60 * second) {
		got = append(got, strings.Join([]string{e.Log, e.Group, e.Stream, e.Timestamp.Format(time.RFC3339)}, " "))
	}
	if diff := cmp.Diff([]string{"all g eni-1-all 1970-01-01T00:16:41Z", "rejects g eni-1-reject 1970-01-01T00:16:41Z"}, got); diff != "" {
		t.Errorf("streams (-want +got):\n%s", diff)
	}
}

func TestAFlowOfTooManyIsSkippedHereToo(t *testing.T) {
	source := &counted{}
	c := New(source, time.Unix(0, 0))
	c.Configure(0, configuration(t))
	for i := range dataplane.MaxFlowRecords + 1 {
		r := source.see(1, 1)
		r.Tuple.Src.Lo += uint64(i) << 32
	}
	entries := c.Collect(60 * second)
	if n := len(entries); n != dataplane.MaxFlowRecords+1 || !strings.HasSuffix(entries[n-1].Message, statusSkipData) {
		t.Errorf("%d lines, the last is %q", n, entries[n-1].Message)
	}
}

func TestSkipDataOfTheUserGuide(t *testing.T) { // FL-03, F10
	source := &counted{}
	c := New(source, time.Unix(1431280816, 0))
	config := configuration(t)
	config.Logs[0].Format = DefaultFormat(false)
	c.Configure(0, config)
	source.skipped = []dataplane.Handle{hENI}
	want(t, "records were skipped", c.Collect(60*second), "all: 2 123456789010 eni-1 - - - - - - - 1431280816 1431280876 - SKIPDATA")
	entries := c.Collect(120 * second)
	want(t, "no data", entries, "all: 2 123456789010 eni-1 - - - - - - - 1431280876 1431280936 - NODATA")

	// What there is no room for in memory becomes the same, of a record.
	source.see(22, 130)
	entry := c.Collect(180 * second)[0]
	skip := entry.Skip(entry.Timestamp, time.Unix(1431280996, 0))
	want(t, "no room", []Entry{skip}, "all: 2 123456789010 eni-1 - - - - - - - 1431280946 1431280996 - SKIPDATA")
}
