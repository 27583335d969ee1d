package lab

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/vpcsim/vpcsim/control/site"
)

// siteTunnelsMain is the program that start starts: by the same argument as the
// daemon, so that every program that can be a daemon can be this. It does not
// return. A signal ends the tunnels as the end of the standard input does.
func siteTunnelsMain() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := site.Main(ctx, os.Stdin, os.Stdout, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "vpcsim: the site's tunnels ended:", err)
		os.Exit(1)
	}
	os.Exit(0)
}
