package main

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/vpcsim/vpcsim/control/lab"
)

// Drivers of --driver.
const (
	driverNetns  = "netns"
	driverMemory = "mem"
)

func (a *app) checkCommand() *cobra.Command {
	driver := driverNetns
	c := &cobra.Command{
		Use:   "check [FILE or NAME]",
		Short: "Prove a scenario's checks with real packets",
		Long: `Run the checks of a scenario, a line each: on the lab NAME if it runs, else on a
lab of its own that is brought up from FILE and taken down again. Without an
argument the only lab that runs is checked. The driver mem needs no namespaces:
small hosts in memory exchange packets through the same forwarding core. Exit
code 0: all checks hold; 1: one does not; 2: there is nothing to check.`,
		Example: `  vpcsim check quickstart
  vpcsim check --driver mem my-lab.yaml
  vpcsim check -o junit my-lab.yaml > checks.xml`,
		Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
			words, directive := completeScenarios(cmd, args, toComplete)
			if len(args) == 0 {
				labs, _ := completeLabs(cmd, args, toComplete)
				words = append(words, labs...)
			}
			return words, directive
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if driver != driverNetns && driver != driverMemory {
				return usage(fmt.Sprintf("--driver %q is none", driver), "write netns or mem")
			}
			return a.check(cmd.Context(), args, driver, output(cmd))
		},
	}
	c.Flags().StringVar(&driver, "driver", driverNetns, "netns: real sockets in namespaces; mem: in memory")
	_ = c.RegisterFlagCompletionFunc("driver", cobra.FixedCompletions([]string{driverNetns, driverMemory}, cobra.ShellCompDirectiveNoFileComp))
	outputFlag(c, formatText, formatJSON, formatJUnit)
	return c
}

// checks is a way to run the checks of one scenario.
type checks struct {
	suite string // what is checked: a lab's or a file's name
	run   func(ctx context.Context, report func(lab.CheckResult)) error
	close func()
}

// check reports each result as it comes, for a person; whatever a program reads is
// written at the end, as one document.
func (a *app) check(ctx context.Context, args []string, driver, format string) error {
	how, err := a.chooseChecks(ctx, args, driver)
	if err != nil {
		return err
	}
	defer how.close()
	results := []lab.CheckResult{}
	start := time.Now()
	err = how.run(ctx, func(r lab.CheckResult) {
		results = append(results, r)
		if format == formatText {
			writeCheck(a.stdout, r)
		}
	})
	if err != nil {
		return err
	}
	failed := 0
	for _, r := range results {
		if !r.OK {
			failed++
		}
	}
	switch format {
	case formatJSON:
		err = writeJSON(a.stdout, results)
	case formatJUnit:
		err = writeJUnit(a.stdout, how.suite, results)
	default:
		fmt.Fprintln(a.stdout, checkSummary(how.suite, len(results), failed, time.Since(start)))
	}
	switch {
	case err != nil:
		return err
	case len(results) == 0:
		return exitWith(exitNothing)
	case failed > 0:
		return exitWith(exitFailed)
	}
	return nil
}

func checkSummary(suite string, all, failed int, took time.Duration) string {
	took = took.Round(time.Millisecond)
	switch {
	case all == 0:
		return fmt.Sprintf("%s has no checks; write some under checks:", suite)
	case failed == 0:
		return fmt.Sprintf("%s: all %s hold (%s)", suite, counted(all, "check"), took)
	}
	return fmt.Sprintf("%s: %d of %s failed (%s)", suite, failed, counted(all, "check"), took)
}

// chooseChecks decides where the checks run. A name that is no file's means a
// running lab first.
func (a *app) chooseChecks(ctx context.Context, args []string, driver string) (*checks, error) {
	if driver == driverNetns && (len(args) == 0 || isRunning(args[0])) {
		name := a.lab
		if len(args) > 0 {
			name = args[0]
		}
		client, err := lab.Connect(name)
		if err != nil {
			return nil, err
		}
		return &checks{client.Name(), client.Check, func() {}}, nil
	}
	if len(args) == 0 {
		return nil, usage("--driver mem needs a file", "write a scenario file or an embedded scenario")
	}
	file, err := a.openScenario(args[0])
	if err != nil {
		return nil, err
	}
	if driver == driverMemory {
		run := func(ctx context.Context, report func(lab.CheckResult)) error { return lab.CheckFile(ctx, file, report) }
		return &checks{file.Name, run, func() {}}, nil
	}
	return a.checksOfOwnLab(ctx, file)
}

func isRunning(name string) bool {
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		return false // a file, even if a lab has its name
	}
	_, err := lab.Select(name)
	return err == nil
}

// checksOfOwnLab brings up a lab for the checks alone, under a name that no
// other has.
func (a *app) checksOfOwnLab(ctx context.Context, file lab.File) (*checks, error) {
	running, err := lab.Start(ctx, lab.StartConfig{
		Name: "check-" + strconv.Itoa(os.Getpid()), File: file, Borrower: "vpcsim check",
		Offload: os.Getenv(offloadVariable) != "", Log: a.logConfig(slog.LevelWarn), Stderr: a.errorFile(),
	})
	if err != nil {
		return nil, err
	}
	client, err := lab.Connect(running.Name)
	if err != nil {
		running.Stop()
		return nil, err
	}
	return &checks{file.Name, client.Check, running.Stop}, nil
}

// writeCheck is one result in a line: the verdict, what was expected, the ends
// and what was tried, and what happened and where.
func writeCheck(w io.Writer, r lab.CheckResult) {
	verdict := "ok  "
	if !r.OK {
		verdict = "FAIL"
	}
	fmt.Fprintf(w, "%s  %s  %s: %s\n", verdict, r.Check.Expect, r.Check.String(), r.Got)
}

// The form of JUnit's reports that CI systems read.
type (
	junitSuite struct {
		XMLName  xml.Name    `xml:"testsuite"`
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Time    string        `xml:"time,attr"`
		Failure *junitFailure `xml:"failure,omitempty"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
	}
)

func writeJUnit(w io.Writer, suite string, results []lab.CheckResult) error {
	s := junitSuite{Name: suite, Tests: len(results)}
	for i := range results {
		r := &results[i]
		c := junitCase{Class: suite, Name: fmt.Sprintf("%s (%s)", r.Check.String(), r.Check.Expect), Time: strconv.FormatFloat(r.Seconds, 'f', 3, 64)}
		if !r.OK {
			s.Failures++
			c.Failure = &junitFailure{r.Got}
		}
		s.Cases = append(s.Cases, c)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(s); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
