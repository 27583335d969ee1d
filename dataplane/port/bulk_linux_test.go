package port

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

func TestTrafficIsBulkWhereSuperframesAre(t *testing.T) {
	for _, c := range []struct {
		name                string
		frames, superframes int // of a batch
		want                bool
	}{
		{"a stream and its acknowledgements", 2, 1, true},
		{"requests, with a long answer now and then", 8, 1, false},
		{"small packets", 64, 0, false},
		{"batches that were for nobody", 0, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, before := range []bool{false, true} {
				r := &receiver{messages: make([]message, 64), traffic: traffic{bulk: before}}
				for range decideEvery - 1 {
					r.observe(c.frames, c.superframes)
				}
				if r.traffic.bulk != before {
					t.Fatal("decided too early")
				}
				r.observe(c.frames, c.superframes)
				if r.traffic.bulk != c.want {
					t.Errorf("bulk is %v, and was %v", r.traffic.bulk, before)
				}
				if most := r.most(); (most == bulkBatch) != c.want {
					t.Errorf("takes %d frames at once", most)
				}
				if r.rest(); r.traffic != (traffic{}) {
					t.Errorf("after a rest there is %+v", r.traffic)
				}
			}
		})
	}
}

func TestThreadRunsAheadOfProgramsWhileBulkPasses(t *testing.T) {
	runtime.LockOSThread() // it stays locked, and the thread ends with the test
	r := &receiver{messages: make([]message, 64)}
	ahead := func() bool {
		t.Helper()
		a, err := unix.SchedGetAttr(0, 0)
		if err != nil {
			t.Fatal(err)
		}
		return a.Policy == unix.SCHED_FIFO
	}
	bulk := func() {
		for range decideEvery {
			r.observe(1, 1)
		}
	}
	bulk()
	if r.thread.refused {
		t.Log("this machine refuses: the port must do without")
		if r.rest(); ahead() || r.thread.ahead != 0 {
			t.Errorf("refused, and yet ahead: %+v", r.thread)
		}
		return
	}
	if !ahead() {
		t.Error("it does not run ahead of programs in bulk traffic")
	}
	// The goroutine goes on on another thread.
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if bulk(); !ahead() {
			t.Error("after a change of threads the new one does not run ahead")
		}
	}()
	<-done
	if ahead() {
		t.Error("the former thread still runs ahead of programs")
	}
	if bulk(); !ahead() {
		t.Error("back on the first thread, it does not run ahead")
	}
	if r.rest(); ahead() {
		t.Error("it runs ahead of programs when the traffic is over")
	}
}
