package bench

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// chunk is what bulk senders write and receivers read at a time, in bytes.
const chunk = 256 << 10

// receiveStreams counts what comes from the moment when all streams are
// connected until the last has ended.
func (s *loadSpec) receiveStreams() (*loadResult, error) {
	files, err := s.accept(s.Parallel)
	defer closeAll(files)
	if err != nil {
		return nil, err
	}
	var total atomic.Uint64
	cpu, start := busyCPU(), time.Now()
	err = each(files, func(f *os.File) error {
		buffer := make([]byte, chunk)
		for {
			n, err := f.Read(buffer)
			total.Add(uint64(n))
			if err != nil {
				return notEOF(err)
			}
		}
	})
	took := time.Since(start)
	return &loadResult{Bytes: total.Load(), Seconds: took.Seconds(), CPU: busyCPU() - cpu}, err
}

func (s *loadSpec) sendStreams() (*loadResult, error) {
	before, err := retransmitted()
	if err != nil {
		return nil, err
	}
	var files []*os.File
	defer func() { closeAll(files) }()
	for range s.Parallel {
		f, err := s.dial()
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	start := time.Now()
	end := start.Add(s.Duration)
	err = each(files, func(f *os.File) error {
		buffer := make([]byte, chunk)
		for time.Now().Before(end) {
			if _, err := f.Write(buffer); err != nil {
				return err
			}
		}
		return f.Close() // the receiver's end of counting
	})
	if err != nil {
		return nil, err
	}
	after, err := retransmitted()
	return &loadResult{Took: time.Since(start).Seconds(), Retransmitted: after - before}, err
}

// answerRequests sends every byte back.
func (s *loadSpec) answerRequests() (*loadResult, error) {
	files, err := s.accept(1)
	defer closeAll(files)
	if err != nil {
		return nil, err
	}
	f := files[0].Fd()
	var b [1]byte
	cpu, start := busyCPU(), time.Now()
	for {
		if err := oneByte(syscall.SYS_READ, f, &b); err != nil {
			return &loadResult{Seconds: time.Since(start).Seconds(), CPU: busyCPU() - cpu}, notEOF(err)
		}
		if err := oneByte(syscall.SYS_WRITE, f, &b); err != nil {
			return nil, err
		}
	}
}

// oneByte reads or writes one. The Go scheduler is not told: it would take the
// processor from a call that lasts, wake a thread of its own for that, and so
// measure itself, and the more so the longer the packet's way.
func oneByte(call, fd uintptr, b *[1]byte) error {
	for {
		n, _, errno := syscall.RawSyscall(call, fd, uintptr(unsafe.Pointer(b)), 1)
		switch {
		case errno == syscall.EINTR:
		case errno != 0:
			return errno
		case n == 0:
			return io.EOF
		default:
			return nil
		}
	}
}

// sendRequests measures from before the byte is written until it is back.
func (s *loadSpec) sendRequests() (*loadResult, error) {
	f, err := s.dial()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var b [1]byte
	transact := func() error {
		if err := oneByte(syscall.SYS_WRITE, f.Fd(), &b); err != nil {
			return err
		}
		return oneByte(syscall.SYS_READ, f.Fd(), &b)
	}
	for range 100 { // caches, neighbors, the other end's first wake-up
		if err := transact(); err != nil {
			return nil, err
		}
	}
	took := make([]time.Duration, 0, 1<<20) // enough for any run: nothing is to be allocated on the way
	start := time.Now()
	for now := start; now.Sub(start) < s.Duration; {
		if err := transact(); err != nil {
			return nil, err
		}
		then := now
		now = time.Now()
		took = append(took, now.Sub(then))
	}
	total := time.Since(start)
	slices.Sort(took)
	return &loadResult{
		Sent: uint64(len(took)), Took: total.Seconds(),
		P50: percentile(took, 0.50).Seconds(), P99: percentile(took, 0.99).Seconds(),
	}, nil
}

// acceptConnections sends one byte over each connection and forgets it. It ends
// when none came for a while.
func (s *loadSpec) acceptConnections() (*loadResult, error) {
	listener, err := s.listen()
	if err != nil {
		return nil, err
	}
	defer listener.Close()
	result := &loadResult{}
	wait := patience
	if s.Kind == loadClosed {
		wait = 2 * closedPatience
	}
	for {
		_ = listener.SetDeadline(time.Now().Add(wait))
		conn, err := listener.Accept()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return result, nil
		}
		if err != nil {
			return nil, err
		}
		result.Accepted++
		_, _ = conn.Write([]byte{1}) // the sender may have ended
		_ = conn.Close()
		wait = 100 * time.Millisecond
	}
}

// makeConnections connects, waits for one byte and closes, with Parallel
// connections at a time. It closes with a reset: a port that waited for a minute
// after each would run the ports out.
func (s *loadSpec) makeConnections() (*loadResult, error) {
	f, err := s.dial() // tries until the network is there
	if err != nil {
		return nil, err
	}
	_ = f.Close()
	var made, failed atomic.Uint64
	end := time.Now().Add(s.Duration)
	dialer := net.Dialer{Timeout: time.Second}
	var workers sync.WaitGroup
	for range s.Parallel {
		workers.Go(func() {
			b := make([]byte, 1)
			// At least one: on a busy machine a short run may be over before
			// it has begun.
			for first := true; first || time.Now().Before(end); first = false {
				if err := connectOnce(&dialer, s.address(), b, end.Add(time.Second)); err != nil {
					failed.Add(1)
					continue
				}
				made.Add(1)
			}
		})
	}
	workers.Wait()
	// No connection is begun after the end, and one that fails then must not
	// make the others slower.
	result := &loadResult{Sent: made.Load(), Failed: failed.Load(), Took: s.Duration.Seconds()}
	if made.Load() == 0 {
		return nil, errors.New("no connection was made")
	}
	return result, nil
}

func connectOnce(dialer *net.Dialer, address string, b []byte, deadline time.Time) error {
	conn, err := dialer.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(deadline)
	_, err = io.ReadFull(conn, b)
	_ = conn.(*net.TCPConn).SetLinger(0)
	return err
}

// closedPatience is how long a port may stay silent to count as closed. Packets
// of these networks are back within a millisecond.
const closedPatience = 150 * time.Millisecond

// expectClosed proves that rules are in force: somebody listens, and no
// connection comes about.
func (s *loadSpec) expectClosed() (*loadResult, error) {
	conn, err := net.DialTimeout("tcp", s.address(), closedPatience)
	if err == nil {
		_ = conn.Close()
		return nil, fmt.Errorf("port %d answers, although no rule opens it: the row's rules are not in force", s.Port)
	}
	return &loadResult{}, nil
}

// each runs f for all files at once and returns the first error.
func each(files []*os.File, f func(*os.File) error) error {
	var all sync.WaitGroup
	errs := make([]error, len(files))
	for i, file := range files {
		all.Go(func() { errs[i] = f(file) })
	}
	all.Wait()
	return errors.Join(errs...)
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close() // a second time is harmless
	}
}

func notEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
