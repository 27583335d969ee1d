package wireguard

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
const Argument = "wireguard"

// Main is [Tunnels] in a process of their own: it reads States from in and writes
// Events to out, one JSON value to a line, until in ends, out fails or ctx ends.
// The tunnels end with it. A State that cannot be is answered with an Event that
// says so; bytes that are no State end everything with an error.
func Main(ctx context.Context, in io.Reader, out io.Writer, log *slog.Logger) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var writing sync.Mutex
	buffer := bufio.NewWriter(out)
	encoder := json.NewEncoder(buffer)
	// Nothing waits for who reads the events: what a full pipe holds up is this
	// call, and not the tunnels' packets.
	write := func(e Event) {
		writing.Lock()
		defer writing.Unlock()
		if err := errors.Join(encoder.Encode(e), buffer.Flush()); err != nil {
			fail(fmt.Errorf("wireguard: writing events: %w", err))
		}
	}
	tunnels := New(Config{Event: write, Log: log})
	// Reading cannot be interrupted; where it must be left behind, the process
	// ends soon anyway.
	read := make(chan error, 1)
	go func() { read <- readStates(in, tunnels, write) }()
	var err error
	select {
	case err = <-read:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	tunnels.Close()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// readStates returns nil when in ends between two States.
func readStates(in io.Reader, tunnels *Tunnels, write func(Event)) error {
	decoder := json.NewDecoder(in)
	for {
		var state State
		switch err := decoder.Decode(&state); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("wireguard: reading a state: %w", err)
		}
		if err := tunnels.Set(state); err != nil {
			write(Event{Time: time.Now(), Error: err.Error()})
		}
	}
}
