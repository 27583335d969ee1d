package port

import (
	"errors"
	"fmt"
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
	tunnels   map[*WireGuard]bool
	closeOnce sync.Once
	closeErr  error
}

// end is where a link ends in this process.
type end struct {
	link uint32
	in   *ring // from the engine
	out  *ring // to the engine
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
	s := &Switch{base: base, tunnels: map[*WireGuard]bool{}}
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

// attach adds ends. The caller holds opening.
func (s *Switch) attach(added ...end) error {
	now := s.ends.Load()
	next := &ends{list: slices.Clone(now.list), links: now.links}
	for _, e := range added {
		if _, taken := next.links.get(e.link); taken {
			return fmt.Errorf("link %d ends in another tunnel already", e.link)
		}
		next.links = next.links.with(e.link, uint32(len(next.list)))
		next.list = append(next.list, e)
	}
	s.ends.Store(next)
	return nil
}

// detach removes the ends of links. What the engine has taken of them already
// stays valid; what it has not is thrown away. The caller holds opening.
func (s *Switch) detach(links ...uint32) {
	now := s.ends.Load()
	next := &ends{links: &numberTable{}}
	var gone []*ring
	for _, e := range now.list {
		if slices.Contains(links, e.link) {
			e.in.close()
			e.out.close() // before forget: nothing is put after it
			gone = append(gone, e.out)
			continue
		}
		next.links = next.links.with(e.link, uint32(len(next.list)))
		next.list = append(next.list, e)
	}
	s.leaving.Lock()
	s.gone = append(s.gone, gone...)
	s.leaving.Unlock()
	s.ends.Store(next)
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
		var open []*WireGuard
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
