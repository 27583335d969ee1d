package flowlogs

import (
	"runtime"
	"testing"
	"time"

	"github.com/vpcsim/vpcsim/dataplane"
)

// heap is the memory in use, in bytes.
func heap() uint64 {
	runtime.GC()
	runtime.GC() // what finalizers held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestHundredThousandFlowsTakeBoundedMemory: as many flows as the engine keeps, live in
// one interval and seen again and again, take 50 MB at most until they are published,
// however long it is, and nothing afterwards.
func TestHundredThousandFlowsTakeBoundedMemory(t *testing.T) {
	const flows, bound = dataplane.MaxFlowRecords, 50 << 20
	source := &counted{}
	c := New(source, time.Unix(1000, 0))
	c.Configure(0, configuration(t))
	before := heap()
	for round := int64(1); round <= 5; round++ {
		for i := range flows {
			source.see(uint16(i), round).Tuple.SrcPort = uint16(i >> 16)
		}
		if entries := c.Collect(round * second); len(entries) != 0 {
			t.Fatalf("%d entries before the window ends", len(entries))
		}
	}
	if used := heap() - before; used > bound {
		t.Errorf("%d bytes for %d flows, %d each", used, flows, used/flows)
	} else {
		t.Logf("%d bytes for %d flows, %d each", used, flows, used/flows)
	}
	one := source.see(1, 6) // one more than there is room for
	one.Tuple.SrcPort = 9999
	entries := c.Collect(60 * second)
	if n := len(entries); n != flows+1 || entries[n-1].Message != "eni-1 - - 1000 1060 SKIPDATA" {
		t.Fatalf("%d entries, the last %q", n, entries[n-1].Message)
	}
	if want := "eni-1 0 5 1001 1005 OK"; entries[0].Message != want {
		t.Errorf("%q, not %q", entries[0].Message, want)
	}
	entries = nil
	if left := int64(heap()) - int64(before); left > 20<<20 { // the list that the next window's records come in
		t.Errorf("%d bytes are kept after the window", left)
	} else {
		t.Logf("%d bytes are kept after the window", left)
	}
	runtime.KeepAlive(c)
}
