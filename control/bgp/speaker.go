package bgp

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// Speaker is a Server that runs in another process, by [Main], as seen from here
// through that process's pipes. It has the Server's methods.
type Speaker struct {
	mu     sync.Mutex
	in     io.WriteCloser
	closed bool

	done chan struct{}
	err  error // of the events; to be read once done is closed
}

// NewSpeaker takes the standard input and output of a process that runs Main.
// Event is called for everything that it reports, one call at a time; it must
// not call Close.
func NewSpeaker(stdin io.WriteCloser, stdout io.Reader, event func(Event)) *Speaker {
	s := &Speaker{in: stdin, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		s.err = readEvents(stdout, event)
	}()
	return s
}

// Set makes state the one in force. A state that cannot be is an error here, and
// changes nothing there. It does not wait for sessions.
func (s *Speaker) Set(state State) error {
	if _, err := state.complete(); err != nil {
		return err
	}
	line, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("bgp: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errors.New("bgp: the speaker is closed")
	}
	if _, err := s.in.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("bgp: the speaker's process: %w", err)
	}
	return nil
}

// Done is closed when nothing more is reported: after Close, or when the process
// has ended by itself.
func (s *Speaker) Done() <-chan struct{} { return s.done }

// Close ends the sessions, and returns once the last event was delivered. The
// error says that the events ended in the middle of one.
func (s *Speaker) Close() error {
	s.mu.Lock()
	var err error
	if !s.closed {
		s.closed = true
		err = s.in.Close()
	}
	s.mu.Unlock()
	<-s.done
	return errors.Join(err, s.err)
}

func readEvents(out io.Reader, event func(Event)) error {
	decoder := json.NewDecoder(out)
	for {
		var e Event
		switch err := decoder.Decode(&e); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("bgp: reading the speaker's events: %w", err)
		}
		event(e)
	}
}
