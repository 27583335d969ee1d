package bgp

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"
)

// Argument is the hidden subcommand behind which a program calls [Main].
const Argument = "bgp-speaker"

// lastWords is how long Main waits for its last events to be read.
const lastWords = 2 * time.Second

// Main is a Server in a process of its own: it reads States from in and writes
// Events to out, one JSON value to a line, until in ends, out fails or ctx ends.
// Sessions are then closed with a Cease, and what that brought about is written
// before Main returns. A State that cannot be is answered with an Event that
// says so; bytes that are no State end everything with an error.
func Main(ctx context.Context, in io.Reader, out io.Writer, log *slog.Logger) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	events := newQueue()
	server := NewServer(Config{Event: events.put, Log: log})

	written := make(chan struct{})
	go func() {
		defer close(written)
		if err := events.write(out); err != nil {
			fail(fmt.Errorf("bgp: writing events: %w", err))
		}
	}()
	// Reading cannot be interrupted; where it must be left behind, the process
	// ends soon anyway.
	read := make(chan error, 1)
	go func() { read <- readStates(in, server, events) }()

	var err error
	select {
	case err = <-read:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	server.Close()
	events.close()
	select {
	case <-written:
	case <-time.After(lastWords): // nobody reads, though nobody hung up
	}
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// readStates returns nil when in ends between two States.
func readStates(in io.Reader, server *Server, events *queue) error {
	decoder := json.NewDecoder(in)
	for {
		var state State
		switch err := decoder.Decode(&state); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("bgp: reading a state: %w", err)
		}
		if err := server.Set(state); err != nil {
			events.put(Event{Time: time.Now(), Error: err.Error()})
		}
	}
}

// queue holds events until they are written: sessions must not wait for whoever
// reads them, or their peers would hear nothing and hang up.
type queue struct {
	mu     sync.Mutex
	events []Event
	closed bool
	wake   chan struct{} // of length 1
}

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1)} }

func (q *queue) put(e Event) {
	q.mu.Lock()
	q.events = append(q.events, e)
	q.mu.Unlock()
	q.poke()
}

func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.poke()
}

func (q *queue) poke() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// write writes until close, or the first error.
func (q *queue) write(w io.Writer) error {
	buffer := bufio.NewWriter(w)
	encoder := json.NewEncoder(buffer)
	for range q.wake {
		q.mu.Lock()
		events, closed := q.events, q.closed
		q.events = nil
		q.mu.Unlock()
		for _, e := range events {
			if err := encoder.Encode(e); err != nil {
				return err
			}
		}
		if err := buffer.Flush(); err != nil {
			return err
		}
		if closed {
			return nil
		}
	}
	return nil
}
