package port

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// thread is the thread that forwards, as long as that matters.
//
// While bulk traffic passes, it runs ahead of the machine's programs
// (SCHED_FIFO), where that is allowed: it needs CAP_SYS_NICE on the machine,
// which a user namespace does not give. A switch does not wait for its hosts to
// finish computing; a forwarder that shares their CPUs does, and worse: each
// packet it sends wakes a receiver, which takes the CPU away from it in the
// middle of a batch. One TCP stream gained 10 to 80 % and eight streams 80 to
// 120 %. Small packets gain nothing and get nothing.
//
// It cannot starve the machine: it only ever reacts to what the instances'
// programs have sent, and the kernel keeps a part of each CPU for the others.
//
// The goroutine is not locked to the thread. A locked one that the Go scheduler
// interrupts, every 10 ms, comes back by way of another thread, often on another
// CPU, and round trips took twice as long. So the thread is looked up again with
// each decision, and the former one is given back.
type thread struct {
	ahead   int // the thread that runs ahead of programs, 0: none
	refused bool
}

// hurry makes the calling thread run ahead of programs, or none.
func (t *thread) hurry(on bool) {
	if t.refused || !on && t.ahead == 0 {
		return
	}
	now := 0
	if on {
		now = unix.Gettid()
	}
	if now == t.ahead {
		return
	}
	if t.ahead != 0 {
		_ = schedule(t.ahead, false) // may have ended
	}
	if now != 0 && schedule(now, true) != nil {
		now, t.refused = 0, true // and will be again
	}
	t.ahead = now
}

// schedule sets how the kernel schedules a thread of ours. Nothing that is
// started from the thread inherits that.
func schedule(thread int, ahead bool) error {
	attributes := unix.SchedAttr{Size: unix.SizeofSchedAttr, Flags: unix.SCHED_FLAG_RESET_ON_FORK}
	if ahead {
		attributes.Policy, attributes.Priority = unix.SCHED_FIFO, 1
	}
	_, _, errno := unix.RawSyscall(unix.SYS_SCHED_SETATTR, uintptr(thread), uintptr(unsafe.Pointer(&attributes)), 0)
	if errno != 0 {
		return errno
	}
	return nil
}
