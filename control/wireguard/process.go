package wireguard

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// Process is [Tunnels] that run in another process, by [Main], as seen from here
// through that process's pipes.
type Process struct {
	mu     sync.Mutex
	in     io.WriteCloser
	closed bool

	done chan struct{}
	err  error // of the events; to be read once done is closed
}

// NewProcess takes the standard input and output of a process that runs Main.
// Event is called for everything that it reports, one call at a time; it must not
// call Close.
func NewProcess(stdin io.WriteCloser, stdout io.Reader, event func(Event)) *Process {
	p := &Process{in: stdin, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		p.err = readEvents(stdout, event)
	}()
	return p
}

// Set makes state the one in force. A state that cannot be is an error here, and
// changes nothing there. It does not wait for the devices.
func (p *Process) Set(state State) error {
	if err := state.validate(); err != nil {
		return err
	}
	line, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("wireguard: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return errors.New("wireguard: closed")
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("wireguard: the process: %w", err)
	}
	return nil
}

// Done is closed when nothing more is reported: after Close, or when the process
// has ended by itself.
func (p *Process) Done() <-chan struct{} { return p.done }

// Close ends the tunnels, and returns once the last event was delivered. The error
// says that the events ended in the middle of one.
func (p *Process) Close() error {
	p.mu.Lock()
	var err error
	if !p.closed {
		p.closed = true
		err = p.in.Close()
	}
	p.mu.Unlock()
	<-p.done
	return errors.Join(err, p.err)
}

func readEvents(out io.Reader, event func(Event)) error {
	decoder := json.NewDecoder(out)
	for {
		var e Event
		switch err := decoder.Decode(&e); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("wireguard: reading events: %w", err)
		}
		event(e)
	}
}
