package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// The nodes of every row. What lies between them is the row.
const (
	clientNode = "client" // sends
	serverNode = "server" // receives
)

// starter starts this binary's load in a node, with the given standard output
// and error, which it closes, and returns how to wait for the load's end. When
// ctx ends, so does the load.
type starter func(ctx context.Context, node string, args []string, stdout, stderr *os.File) (wait func() (int, error), err error)

// pairResult is what both ends of a run measured.
type pairResult struct {
	Sender, Receiver loadResult
}

// runPair does one run: it starts the receiver, waits until that listens, starts
// the sender, and collects both results. The spec is the sender's.
func runPair(ctx context.Context, start starter, spec loadSpec) (*pairResult, error) {
	ctx, cancel := context.WithTimeout(ctx, spec.Duration+4*patience)
	defer cancel()
	spec.Receive = true
	receiver, err := startEnd(ctx, start, serverNode, spec)
	if err != nil {
		return nil, err
	}
	defer receiver.close()
	if line, err := receiver.output.ReadString('\n'); err != nil || strings.TrimSpace(line) != listening {
		return nil, receiver.failed(err)
	}
	spec.Receive = false
	sender, err := startEnd(ctx, start, clientNode, spec)
	if err != nil {
		cancel()
		return nil, err
	}
	defer sender.close()
	result := &pairResult{}
	if err := sender.result(&result.Sender); err != nil {
		cancel() // the receiver would wait for nothing
		return nil, err
	}
	return result, receiver.result(&result.Receiver)
}

// end is one process of a run.
type end struct {
	ctx    context.Context // of the run, which ends with runPair
	node   string
	output *bufio.Reader
	pipe   *os.File
	errors *os.File // where the process complains
	wait   func() (int, error)
}

func startEnd(ctx context.Context, start starter, node string, spec loadSpec) (*end, error) {
	text, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	outRead, outWrite, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	errRead, errWrite, err := os.Pipe()
	if err != nil {
		_, _ = outRead.Close(), outWrite.Close()
		return nil, err
	}
	// /proc/self/exe is this very binary also where its path cannot be seen.
	wait, err := start(ctx, node, []string{"/proc/self/exe", Argument, partLoad, string(text)}, outWrite, errWrite)
	if err != nil {
		_, _ = outRead.Close(), errRead.Close()
		return nil, fmt.Errorf("load in node %s: %w", node, err)
	}
	return &end{ctx: ctx, node: node, output: bufio.NewReader(outRead), pipe: outRead, errors: errRead, wait: wait}, nil
}

func (e *end) close() { _, _ = e.pipe.Close(), e.errors.Close() }

// result reads what the process measured, and waits for its end.
func (e *end) result(into *loadResult) error {
	if err := json.NewDecoder(e.output).Decode(into); err != nil {
		return e.failed(err)
	}
	if code, err := e.wait(); err != nil || code != 0 {
		return e.failed(err)
	}
	return nil
}

// failed says why the process ended without a result: in its own words, if it
// had any.
func (e *end) failed(err error) error {
	if e.ctx.Err() != nil {
		return fmt.Errorf("load in node %s: %w", e.node, context.Cause(e.ctx))
	}
	code, waitErr := e.wait()
	said, _ := io.ReadAll(io.LimitReader(e.errors, 4<<10))
	if text := strings.TrimSpace(string(said)); text != "" {
		return errors.New(strings.TrimPrefix(text, "vpcsim: "))
	}
	return fmt.Errorf("load in node %s ended with code %d: %w", e.node, code, errors.Join(err, waitErr))
}
