package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vpcsim/vpcsim/control/lab"
)

func (a *app) demoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "See it work, in a few seconds",
		Long: `Bring up the embedded quickstart, send real requests through it, show one that
works and one that does not and why, and take it down again. It needs nothing but
Linux: no root, no installed tools, no network.`,
		Example:           `  vpcsim demo`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return a.demo(cmd.Context()) },
	}
}

// demo ends with the lab taken down, whatever happens.
func (a *app) demo(ctx context.Context) error {
	file, err := a.openScenario("quickstart")
	if err != nil {
		return err
	}
	start := time.Now()
	running, err := lab.Start(ctx, lab.StartConfig{
		Offload: os.Getenv(offloadVariable) != "", Name: "demo-" + strconv.Itoa(os.Getpid()), File: file, Log: a.logConfig(slog.LevelWarn), Stderr: a.errorFile(),
	})
	if err != nil {
		return err
	}
	defer running.Stop()
	client, err := lab.Connect(running.Name)
	if err != nil {
		return err
	}
	w, err := client.World(ctx)
	if err != nil {
		return err
	}
	as := "as root"
	if running.UserNamespace {
		as = "without root"
	}
	a.say("An AWS network on this machine: a public web server, a private database,")
	a.say("and a laptop on the Internet. Up in %d ms, %s; every instance is a", time.Since(start).Milliseconds(), as)
	a.say("network namespace with real sockets.\n")
	writeOverview(a.stdout, w)
	for _, step := range []func(context.Context, *lab.Client) error{a.demoWorks, a.demoDropped, a.demoDatabase} {
		a.say("")
		if err := step(ctx, client); err != nil {
			return err
		}
	}
	running.Stop()
	a.say("\nThat was all; the lab is gone, and this machine is as it was. Try next:")
	a.say("  vpcsim up -d quickstart              the same lab, to play with")
	a.say("  vpcsim shell laptop                  then: curl http://web, ping web")
	a.say("  vpcsim trace laptop web tcp/22       every hop, and what decided")
	a.say("  vpcsim scenarios show quickstart     the file that describes it all")
	return nil
}

func (a *app) say(format string, args ...any) { fmt.Fprintf(a.stdout, format+"\n", args...) }

// demoWorks gets a page from the public address, across the internet gateway.
func (a *app) demoWorks(ctx context.Context, client *lab.Client) error {
	w, err := client.World(ctx)
	if err != nil {
		return err
	}
	public := w.Instances["web"].Status.PublicIP
	a.say("1. The laptop asks the web server: GET http://%s/", public)
	page, err := client.Fetch(ctx, lab.FetchQuery{From: "laptop", URL: "http://" + net.JoinHostPort(public.String(), "80") + "/"})
	if err != nil {
		return err
	}
	a.say("   %s", strings.TrimSpace(page.Body))
	a.say("   The internet gateway turned %s into %s on the way.", public, w.Instances["web"].Status.PrivateIP)
	return nil
}

// demoDropped shows what a security group does, and that it can be told.
func (a *app) demoDropped(ctx context.Context, client *lab.Client) error {
	query := lab.TraceQuery{From: "laptop", To: "web", Traffic: "tcp/22"}
	a.say("2. The laptop tries SSH, tcp/22, on the same server. No answer; why?")
	result, err := client.Probe(ctx, query)
	if err != nil {
		return err
	}
	if result.Answered || result.Dropped == nil {
		return errors.New("demo: the packet was not dropped as it should have been; please report it")
	}
	t, err := client.Trace(ctx, query)
	if err != nil {
		return err
	}
	a.say("   DROP at %s", t.Decision)
	return nil
}

// demoDatabase shows the same destination from two places.
func (a *app) demoDatabase(ctx context.Context, client *lab.Client) error {
	a.say("3. The database, tcp/5432, from two places:")
	for _, from := range []string{"web", "laptop"} {
		result, err := client.Probe(ctx, lab.TraceQuery{From: from, To: "db", Traffic: "tcp/5432"})
		if err != nil {
			return err
		}
		a.say("   from %-7s %s", from+":", demoOutcome(result))
	}
	return nil
}

func demoOutcome(r *lab.ProbeResult) string {
	switch {
	case r.Answered:
		return fmt.Sprintf("connected; the database saw %s", r.Source)
	case r.Dropped != nil:
		return fmt.Sprintf("dropped at %s: %s", r.Dropped.Object(), r.Dropped.Text)
	case r.Refused:
		return "refused"
	}
	return "no answer: " + r.Detail
}
