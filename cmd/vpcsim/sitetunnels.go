package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/vpcsim/vpcsim/control/site"
)

// siteTunnelsMain is the program behind site.Argument, which a lab's daemon starts
// inside the network namespace of a site's router. It does not return. A signal
// ends the tunnels as the end of the standard input does.
func siteTunnelsMain() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	err := site.Main(ctx, os.Stdin, os.Stdout, log)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "vpcsim:", err)
		os.Exit(exitInternal)
	}
	os.Exit(0)
}
