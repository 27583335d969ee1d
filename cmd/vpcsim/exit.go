package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/host"
	"github.com/vpcsim/vpcsim/control/lab"
)

// Exit codes. 64 and up are those of sysexits(3).
const (
	exitOK          = 0
	exitFailed      = 1  // what was asked for does not hold, or cannot be done
	exitNothing     = 2  // there was nothing to check
	exitUsage       = 64 // the command line is wrong
	exitEnvironment = 69 // the machine does not allow it: see vpcsim doctor
	exitInternal    = 70 // a bug
	exitInterrupted = 130
)

// exitError ends the program with a code. Its message, if any, is printed.
type exitError struct {
	code    int
	message string
}

func (e *exitError) Error() string { return e.message }

// exitWith ends the program with a code and without a word: what there was to
// say has been said.
func exitWith(code int) error { return &exitError{code: code} }

func usage(what, hint string) error { return &lab.UsageError{What: what, Hint: hint} }

// report prints an error, once, and returns the exit code that goes with it.
func report(w io.Writer, err error) int {
	var exit *exitError
	var problems control.Problems
	var wrong *lab.UsageError
	var forbidden *host.ForbiddenError
	var remote *lab.RemoteError
	code := exitFailed
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &exit):
		if exit.message == "" {
			return exit.code
		}
		code = exit.code
	case errors.As(err, &problems):
		// Positions first in the line, as editors and CI systems want them.
		fmt.Fprintln(w, problems.Error())
		fmt.Fprintf(w, "vpcsim: %s; nothing was changed\n", counted(len(problems), "problem"))
		return exitFailed
	case errors.As(err, &wrong):
		code = exitUsage
	case errors.As(err, &forbidden), errors.As(err, &remote) && remote.Environment:
		code = exitEnvironment
	case errors.Is(err, context.Canceled):
		return exitInterrupted // by Ctrl-C, which needs no comment
	}
	fmt.Fprintln(w, "vpcsim:", err)
	return code
}

// counted is "1 problem", "3 problems".
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
