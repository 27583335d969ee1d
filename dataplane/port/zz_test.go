package port

import (
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestZZMemory(t *testing.T) {
	x := newCrossing(t, false)
	rss := func() string {
		b, _ := os.ReadFile("/proc/self/status")
		for l := range strings.Lines(string(b)) {
			if strings.HasPrefix(l, "VmRSS") {
				return strings.TrimSpace(l)
			}
		}
		return ""
	}
	runtime.GC()
	t.Log(rss(), runtime.NumGoroutine())
	start := time.Now()
	for i := range 100 {
		config := x.config(1)
		config.PrivateKey = NewWireGuardKey()
		config.Inside.Link, config.Outside.Link = uint32(1000+2*i), uint32(1001+2*i)
		if _, err := x.port.OpenWireGuard(config); err != nil {
			t.Fatal(err)
		}
	}
	t.Log(time.Since(start), rss(), runtime.NumGoroutine())
	runtime.GC()
	time.Sleep(3 * time.Second)
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	t.Log(rss(), m.HeapInuse>>20, m.Sys>>20)
	start = time.Now()
	x.port.Close()
	t.Log("close", time.Since(start))
}
