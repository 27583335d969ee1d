package port

import (
	"time"

	"golang.org/x/sys/unix"
)

// How a Recv waits for the first frame. What it costs to fall asleep and to be
// woken is most of what a small packet costs, so there are three ways:
//
//   - To spin asks the socket again and again. Nothing is faster, where a CPU has
//     nothing else to do. With two CPUs it has: the sleeper whom our packet wakes
//     is then woken on the other one, which halted meanwhile and takes longer to
//     wake than the packet to be forwarded.
//   - To doze is to block in recvmmsg itself, behind the Go scheduler's back, for
//     a tick of the kernel's clock. While traffic comes and goes that is one
//     system call for each batch and not three, and no processor changes hands.
//   - To block in ppoll, for as long as it takes, is for when nothing comes. It is
//     exact, and can be ended by Close.
type waiting struct {
	atMost, spin time.Duration
	doze         bool
	since        time.Time // zero: has not begun
}

// dozeFrom is the shortest wait that may be dozed through: a socket's timeout is
// counted in ticks, of up to 10 ms.
const dozeFrom = 20 * time.Millisecond

// dozeTime is what is asked for; the kernel makes whole ticks of it.
const dozeTime = time.Millisecond

// waiting plans a wait. It dozes only if frames have come just before.
func (r *receiver) waiting(atMost, spin time.Duration) waiting {
	return waiting{atMost: atMost, spin: spin, doze: r.traffic.flows && atMost >= dozeFrom}
}

// flags are those of the next recvmmsg. One that dozes is not told to the Go
// scheduler, whose signals, when it wants something, end it.
func (w *waiting) flags() uintptr {
	if !w.doze || w.spin > 0 {
		return unix.MSG_DONTWAIT
	}
	w.doze = false
	if w.since.IsZero() {
		w.since = time.Now()
	}
	return unix.MSG_WAITFORONE
}

// next is for when recvmmsg returned no frame. It says to ask again, or how long
// to block; neither, if the time is over.
func (w *waiting) next() (again bool, left time.Duration) {
	if w.atMost <= 0 {
		return false, 0
	}
	if w.since.IsZero() {
		w.since = time.Now()
	}
	waited := time.Since(w.since)
	if waited < min(w.spin, w.atMost) {
		return true, 0
	}
	w.spin = 0
	return w.doze, w.atMost - waited
}

// block blocks until a frame is there, Close is called, the time is over or a
// signal came, which the runtime sends for preemption. It must be a system call
// that the Go scheduler knows of, or nobody else could use this processor
// meanwhile.
func (r *receiver) block(fd, wake int, atMost time.Duration) error {
	r.poll = [2]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(wake), Events: unix.POLLIN}}
	r.timeout = unix.NsecToTimespec(int64(atMost)) // the kernel writes to it
	// Linux wakes a thread up to 50 µs late, to save wake-ups, unless told
	// otherwise. Each time, because the goroutine may be on another thread now.
	_, _, _ = unix.RawSyscall(unix.SYS_PRCTL, unix.PR_SET_TIMERSLACK, 1, 0)
	if _, err := unix.Ppoll(r.poll[:], &r.timeout, nil); err != unix.EINTR {
		return err
	}
	return nil
}
