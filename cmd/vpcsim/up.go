package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/vpcsim/vpcsim/control/lab"
)

func (a *app) upCommand() *cobra.Command {
	detach, offload := false, false
	c := &cobra.Command{
		Use:   "up [FILE]",
		Short: "Bring a lab up",
		Long: `Bring up the lab that a scenario describes and keep it until Ctrl-C, or with -d
in the background until "vpcsim down". FILE is a scenario file, the name of an
embedded scenario, or "-" for the standard input; without it, the only *.yaml file
of the current directory is taken. The lab is called as the scenario says, or as
--lab says.

With --offload the kernel forwards established TCP connections between instances by
itself, as the packets before them were forwarded: faster, and with the same rules,
counters and flow logs. It is for root and needs Linux 6.6 (vpcsim doctor says
whether it works). While "vpcsim capture", "vpcsim top" or "vpcsim trace --live"
looks at packets, none is offloaded.`,
		Example: `  vpcsim up quickstart
  vpcsim up -d my-lab.yaml
  vpcsim up -d quickstart --lab blue   a second lab of the same scenario`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeScenarios,
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := a.theScenario(args)
			if err != nil {
				return err
			}
			return a.up(cmd.Context(), file, detach, offload || os.Getenv(offloadVariable) != "")
		},
	}
	c.Flags().BoolVarP(&detach, "detach", "d", false, "return once the lab is up, and leave it running")
	c.Flags().BoolVar(&offload, "offload", false, "let the kernel forward established connections; root only (or $"+offloadVariable+")")
	return c
}

// offloadVariable names the environment variable that stands in for --offload, in all
// commands that bring labs up.
const offloadVariable = "VPCSIM_OFFLOAD"

func (a *app) up(ctx context.Context, file lab.File, detach, offload bool) error {
	running, err := lab.Start(ctx, lab.StartConfig{
		Name: a.lab, File: file, Detached: detach, Offload: offload, Log: a.logConfig(slog.LevelInfo), Stderr: a.errorFile(), Phase: a.progress(),
	})
	if err != nil {
		return explainRunning(err)
	}
	if !detach {
		defer running.Stop() // whatever fails from here on, a lab in the foreground goes with its command
	}
	client, err := lab.Connect(running.Name)
	if err != nil {
		return err
	}
	w, err := client.World(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "Lab %s is up.\n\n", running.Name)
	writeOverview(a.stdout, w)
	fmt.Fprint(a.stdout, "\nTry:\n")
	for _, command := range suggestions(w, a.labFlag(running.Name)) {
		fmt.Fprintf(a.stdout, "  %s\n", command)
	}
	if detach {
		if a.verbose {
			fmt.Fprintf(a.stdout, "\nLog: %s\n", client.LogFile())
		}
		return nil
	}
	fmt.Fprintf(a.stdout, "\nCtrl-C takes it down.\n")
	return a.attend(ctx, running)
}

// attend waits for Ctrl-C, or for the lab to end by itself.
func (a *app) attend(ctx context.Context, running *lab.Running) error {
	ended := make(chan error, 1)
	go func() { ended <- running.Wait() }()
	select {
	case err := <-ended:
		return err // nil: somebody took it down
	case <-ctx.Done():
		running.Stop()
		<-ended
		if isTerminal(a.stdout) { // on a line of its own, behind the terminal's ^C
			fmt.Fprintf(a.stdout, "\nLab %s is down.\n", running.Name)
		}
		return nil
	}
}

// explainRunning adds the three ways on from a lab that is up already.
func explainRunning(err error) error {
	var running *lab.AlreadyRunningError
	if errors.As(err, &running) {
		return &exitError{exitFailed, fmt.Sprintf("%s; change it with: vpcsim apply FILE, take it down with: vpcsim down %s, or start another with: --lab NAME",
			running, running.Name)}
	}
	return err
}

// progress tells a watcher what is being done, and nobody else.
func (a *app) progress() func(string) {
	if !isTerminal(a.stdout) {
		return nil
	}
	return func(text string) { fmt.Fprintf(a.stdout, "· %s\n", text) }
}

// errorFile is where a daemon in the foreground writes its log.
func (a *app) errorFile() *os.File {
	f, _ := a.stderr.(*os.File)
	return f
}

// labFlag is what has to be added to a command to mean this lab: nothing if it
// is the only one.
func (a *app) labFlag(name string) string {
	if names, err := lab.Lasting(); err == nil && len(names) == 1 {
		return ""
	}
	return " --lab " + name
}
