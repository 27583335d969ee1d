package port

import (
	"encoding/binary"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// How a Recv waits for the first frame. What it costs to fall asleep and to be
// woken is most of what a small packet costs, so there are three ways:
//
//   - To spin asks the socket again and again: nothing is faster where a CPU has
//     nothing else to do. In bulk traffic sender and receiver want it.
//   - To doze is to block in recvmmsg itself, behind the Go scheduler's back, for
//     a tick of the kernel's clock. While traffic comes and goes that is one
//     system call for each batch and not three, and no processor changes hands.
//   - To block in ppoll, for as long as it takes, is for when nothing comes. It is
//     exact, and can be ended by Close and Interrupt.
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

// waiting plans a wait. It dozes only if frames have come just before, and nobody
// interrupts.
func (r *receiver) waiting(atMost, spin time.Duration) waiting {
	if r.traffic.bulk {
		spin = 0
	}
	return waiting{atMost: atMost, spin: spin, doze: !r.noDoze && r.traffic.flows && atMost >= dozeFrom && !r.isVigilant()}
}

// isVigilant reports whether there was an interrupt a short while ago: another may
// come, and one who dozes would not hear it, and would hold a processor that the
// goroutines of a tunnel want.
func (r *receiver) isVigilant() bool {
	if r.vigilant.IsZero() {
		return false
	}
	if time.Now().After(r.vigilant) {
		r.vigilant = time.Time{}
		return false
	}
	return true
}

// vigilance is for how long nothing is dozed through after an interrupt.
const vigilance = 2 * time.Second

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

// Interrupt makes the Recv that waits return, or else the next one. One that
// dozes is not disturbed the first time, for a tick of the kernel's clock.
func (p *AFPacket) Interrupt() {
	if p.interrupted.Swap(true) {
		return // another interrupt is on its way
	}
	p.counting.Lock() // Close must not take the descriptor meanwhile
	defer p.counting.Unlock()
	if p.wake >= 0 {
		one := [8]byte{}
		binary.NativeEndian.PutUint64(one[:], 1)
		_, _ = unix.Write(p.wake, one[:]) // cannot fail so soon: the counter has 64 bits
	}
}

// interruption reports whether Recv was interrupted, and takes that back. It is
// to be asked before each return: any return serves who interrupts.
func (p *AFPacket) interruption() bool {
	if !p.interrupted.Load() {
		return false
	}
	p.woken()
	return true
}

// woken takes back what Interrupt does. A wake-up that is still on its way is
// one for nothing, later.
func (p *AFPacket) woken() {
	p.interrupted.Store(false)
	p.receive.vigilant = time.Now().Add(vigilance)
	if p.closed.Load() {
		return // Close's wake-up is for ever
	}
	var count [8]byte
	_, _, _ = unix.RawSyscall(unix.SYS_READ, uintptr(p.wake), uintptr(unsafe.Pointer(&count)), 8)
}
