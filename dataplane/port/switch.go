package port

import (
	"errors"

	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// Interruptible is a port that another goroutine can wake. [AFPacket] and
// [Memory] are.
type Interruptible interface {
	Recv(frames []packet.Frame, wait time.Duration) (n int, err error)
	Send(frames []packet.Frame) error
	// Interrupt makes the Recv that waits return, or if none does, the next
	// one. It may be called at any time, also after Close.
	Interrupt()
	Close() error
}

// Switch is a port in front of another one that adds links which end in this
// process: a tunnel's two ends, see [Switch.OpenWireGuard]. The engine stays one
// goroutine with one port: it takes frames of tunnels as it takes those of veths,
// and its Send leaves those for a tunnel in a ring, from which the tunnel's own
// goroutines take them.
//
// A tunnel that has frames for an engine that is awake costs it no wake-up.
// Frames that are not a tunnel's pay 40 to 50 ns a batch for that (BenchmarkSwitch).
type Switch struct {
	base Interruptible
	ends atomic.Pointer[ends]

	pending atomic.Int64 // frames in the rings towards the engine
	asleep  atomic.Bool  // the engine is about to wait, or waits, for base
	yields  atomic.Int32 // how many more Recvs are to yield before they wait

	receiving sync.Mutex // held by Recv; guards lent and next
	lent      []*ring    // by the last Recv
	next      int        // the end to be asked first: each in its turn

	leaving sync.Mutex // guards gone
	gone    []*ring    // of ends detached, which may have frames left

	sending sync.Mutex     // held by Send; guards rest and touched
	rest    []packet.Frame // scratch: what goes to base
	touched []touched      // scratch: rings that Send has put frames into

	opening   sync.Mutex // serialises what opens and closes tunnels
	closed    bool
	tunnels   map[io.Closer]bool
	closeOnce sync.Once
	closeErr  error
}

// end is where links end in this process: one, or those of all who share it.
type end struct {
	links []uint32
	in    *ring // from the engine
	out   *ring // to the engine
}

// ends is immutable.
type ends struct {
	list  []end
	links *numberTable // link to place in list
}

type touched struct {
	ring   *ring
	frames int
}

// NewSwitch makes a port of base, which it owns from then on.
func NewSwitch(base Interruptible) *Switch {
	s := &Switch{base: base, tunnels: map[io.Closer]bool{}}
	s.ends.Store(&ends{links: &numberTable{}})
	return s
}

// Recv fills frames with what has come from base and from tunnels. The bytes are
// valid until the next Recv. It waits for the first frame at most for wait, and
// may return none before.
func (s *Switch) Recv(frames []packet.Frame, wait time.Duration) (int, error) {
	s.receiving.Lock()
	defer s.receiving.Unlock()
	s.release()
	if len(frames) == 0 {
		return 0, nil
	}
	if wait > 0 && s.yields.Load() > 0 {
		s.yield()
	}
	first := frames
	if wait > 0 {
		s.asleep.Store(true) // before the look: whoever puts a frame later sees it
	}
	if s.pending.Load() > 0 {
		s.asleep.Store(false)
		wait = 0
		first = frames[:(len(frames)+1)/2] // bulk of one side must not starve the other
	}
	n, err := s.base.Recv(first, wait)
	s.asleep.Store(false)
	if err != nil {
		return 0, err
	}
	if s.pending.Load() > 0 {
		taken := s.take(frames[n:])
		if n += taken; n == 0 { // then they are nobody's
			s.forget()
		}
	}
	return n, nil
}

// While tunnels carry packets, Recv lets their goroutines run before it waits. They
// then take turns with the engine on one thread, and what they have made is there
// when it comes back; otherwise each hand-over would put one thread to sleep and
// wake another, three times a superframe. One TCP stream gained 10 to 50 %, the
// more the busier the machine. (A wait by way of Go's network poller, which parks no
// thread, gained less.) Four turns are as many as a packet takes to
// be encrypted and sent: cutting, encryption, sending, and one to spare.
const (
	yieldTurns = 4
	yieldRecvs = 4 // after the last frame to or from a tunnel
)

// yield lets goroutines of tunnels run until there is a frame of theirs. Where none
// has anything to do, it costs less than a microsecond.
func (s *Switch) yield() {
	s.yields.Add(-1)
	for range yieldTurns {
		if s.pending.Load() > 0 {
			return
		}
		runtime.Gosched()
	}
}

// take asks the ends, each time beginning with another one.
func (s *Switch) take(frames []packet.Frame) (n int) {
	list := s.ends.Load().list
	for i := range list {
		if n == len(frames) {
			break
		}
		out := list[(s.next+i)%len(list)].out
		if got := out.take(frames[n:]); got > 0 {
			s.lent = append(s.lent, out)
			n += got
		}
	}
	s.next++
	s.pending.Add(int64(-n))
	if n > 0 {
		s.yields.Store(yieldRecvs)
	}
	return n
}

// release gives back what the last Recv lent.
func (s *Switch) release() {
	for i, r := range s.lent {
		r.release()
		s.lent[i] = nil
	}
	s.lent = s.lent[:0]
}

// wake is the ring.wake of what goes to the engine.
func (s *Switch) wake(n int) {
	s.pending.Add(int64(n))
	if s.asleep.Load() && s.asleep.CompareAndSwap(true, false) {
		s.base.Interrupt()
	}
}

// Send takes frames by their Link, in order; the bytes are not needed once it has
// returned.
func (s *Switch) Send(frames []packet.Frame) error {
	s.sending.Lock()
	defer s.sending.Unlock()
	ends := s.ends.Load()
	if len(ends.list) == 0 {
		return s.base.Send(frames)
	}
	s.rest = s.rest[:0]
	for i := range frames {
		f := &frames[i]
		if at, ok := ends.links.get(f.Link); ok {
			s.put(ends.list[at].in, f)
		} else {
			s.rest = append(s.rest, *f)
		}
	}
	// Once for all of them: a consumer that is woken for the first would take
	// that one only, and find the others when it has done its work.
	for _, t := range s.touched {
		t.ring.announce(t.frames)
	}
	if len(s.touched) > 0 {
		s.touched = s.touched[:0]
		s.yields.Store(yieldRecvs)
	}
	if len(s.rest) == 0 {
		return nil
	}
	err := s.base.Send(s.rest)
	clear(s.rest) // borrowed
	return err
}

func (s *Switch) put(r *ring, f *packet.Frame) {
	if !r.put(f) {
		return // counted there
	}
	for i := range s.touched {
		if s.touched[i].ring == r {
			s.touched[i].frames++
			return
		}
	}
	s.touched = append(s.touched, touched{r, 1})
}

// datagramsTogether is how many datagrams one frame may have on its way through base.
func (s *Switch) datagramsTogether() int {
	if base, ok := s.base.(interface{ carriesUDPSuperframes() bool }); ok && !base.carriesUDPSuperframes() {
		return 1
	}
	return maxDatagrams
}

// attach adds ends. The caller holds opening.
func (s *Switch) attach(added ...end) error {
	return s.publish(append(slices.Clone(s.ends.Load().list), added...))
}

// relink makes the end whose ring from the engine is in that of other links. What
// waits in its rings stays. The caller holds opening.
func (s *Switch) relink(in *ring, links []uint32) error {
	list := slices.Clone(s.ends.Load().list)
	for i := range list {
		if list[i].in == in {
			list[i].links = slices.Clone(links)
		}
	}
	return s.publish(list)
}

// publish makes list the ends that there are.
func (s *Switch) publish(list []end) error {
	next, err := newEnds(list)
	if err == nil {
		s.ends.Store(next)
	}
	return err
}

func newEnds(list []end) (*ends, error) {
	count := 0
	for _, e := range list {
		count += len(e.links)
	}
	next := &ends{list: list, links: numberTableFor(count)}
	for i, e := range list {
		for _, link := range e.links {
			if _, taken := next.links.get(link); taken {
				return nil, fmt.Errorf("link %d ends in another tunnel already", link)
			}
			next.links.set(link, uint32(i))
		}
	}
	return next, nil
}

// detach removes ends, each named by its ring from the engine. What the engine has
// taken of them already stays valid; what it has not is thrown away. The caller
// holds opening.
func (s *Switch) detach(rings ...*ring) {
	var stay []end
	var gone []*ring
	for _, e := range s.ends.Load().list {
		if !slices.Contains(rings, e.in) {
			stay = append(stay, e)
			continue
		}
		e.in.close()
		e.out.close() // before forget: nothing is put after it
		gone = append(gone, e.out)
	}
	s.leaving.Lock()
	s.gone = append(s.gone, gone...)
	s.leaving.Unlock()
	_ = s.publish(stay) // fewer than there were: none is taken
}

// forget throws away what was left of ends that are gone. Only Recv may take from
// their rings.
func (s *Switch) forget() {
	s.leaving.Lock()
	defer s.leaving.Unlock()
	var frames [64]packet.Frame
	for _, r := range s.gone {
		for n := r.take(frames[:]); n > 0; n = r.take(frames[:]) {
			s.pending.Add(int64(-n))
		}
	}
	s.gone = nil
}

// Close closes the tunnels and then base. It is idempotent.
func (s *Switch) Close() error {
	s.closeOnce.Do(func() {
		s.opening.Lock()
		s.closed = true
		var open []io.Closer
		for t := range s.tunnels {
			open = append(open, t)
		}
		s.opening.Unlock()
		var errs []error
		for _, t := range open {
			errs = append(errs, t.Close())
		}
		s.closeErr = errors.Join(append(errs, s.base.Close())...)
	})
	return s.closeErr
}

// errClosed says that a port was closed before an operation.
func errClosed(operation string) error { return fmt.Errorf("port: %s: %w", operation, net.ErrClosed) }
