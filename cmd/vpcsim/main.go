// Command vpcsim runs AWS networks on one Linux machine. This package knows the
// command line: words, flags, tables and exit codes. What the commands do is in
// control/lab.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/vpcsim/vpcsim/control/host"
	"github.com/vpcsim/vpcsim/control/lab"
)

func main() {
	// The program is also its own helper inside namespaces; those calls come
	// from itself only.
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case host.EnterArgument:
			host.EnterMain()
		case lab.DaemonArgument:
			lab.DaemonMain()
		case benchArgument:
			benchMain()
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	a := &app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
	os.Exit(a.main(ctx, os.Args[1:]))
}
