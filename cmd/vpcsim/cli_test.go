package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/vpcsim/vpcsim/scenarios"
)

// runHere runs a command line in this process, with a state directory in which
// no lab is.
func runHere(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	state := filepath.Join(t.TempDir(), "state")
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("VPCSIM_STATE_DIR", state)
	t.Setenv(labVariable, "")
	var out, err bytes.Buffer
	a := &app{stdin: os.Stdin, stdout: &out, stderr: &err}
	code = a.main(t.Context(), args)
	return code, out.String(), err.String()
}

func TestErrorsSayWhatToDo(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	write := func(name, text string) {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("my-lab.yaml", "name: my-lab\nvpcs:\n  a: {cidr: 10.0.0.0/8}\ninstances:\n  i: {subnet: s}\n")
	embedded := strings.Join(scenarios.Names(), ", ")
	for _, test := range []struct {
		args   string
		code   int
		stderr string
	}{
		{"nonsense", exitUsage, `vpcsim: unknown command "nonsense" for "vpcsim"; see vpcsim --help`},
		{"up --frobnicate", exitUsage, "vpcsim: unknown flag: --frobnicate; see vpcsim up --help"},
		{"trace --live --port 70000", exitUsage, `vpcsim: invalid argument "70000" for "--port" flag: value out of range; see vpcsim trace --help`},
		{"flowlogs --files -f", exitUsage, "vpcsim: --files and --follow; write one of the two: tail -F follows a file"},
		{"trace web", exitUsage, "vpcsim: an argument is missing; write vpcsim trace {FROM TO [tcp/PORT | udp/PORT | icmp] | --live}, or see vpcsim trace --help"},
		{"validate", exitUsage, "vpcsim: an argument is missing; write vpcsim validate FILE..., or see vpcsim validate --help"},
		{"alarms ssh", exitUsage, `vpcsim: "ssh" is one argument too many; write vpcsim alarms, or see vpcsim alarms --help`},
		{"peering acept ab", exitUsage, `vpcsim: unknown command "acept" for "vpcsim peering"; did you mean vpcsim peering accept?`},
		{"ls --log-format xml", exitUsage, `vpcsim: --log-format "xml" is none; write text or json`},
		{"ls -o csv", exitUsage, "vpcsim: -o csv is not a format of ls; use table, json, yaml"},
		{"up nosuch.yaml", exitFailed, `vpcsim: there is no file "nosuch.yaml"; embedded scenarios: ` + embedded},
		{"up my-lba.yaml", exitFailed, `vpcsim: there is no file "my-lba.yaml"; did you mean my-lab.yaml?`},
		{"up quikstart", exitFailed, `vpcsim: there is neither a file nor an embedded scenario "quikstart"; did you mean quickstart?`},
		{"up my-lab.yaml", exitFailed, `my-lab.yaml:3:13: vpcs.a.cidr: The CIDR '10.0.0.0/8' is invalid. [InvalidVpc.Range] (a VPC's block is /16 to /28)
my-lab.yaml:5:15: instances.i.subnet: no subnet named "s" [InvalidSubnetID.NotFound] (the file defines none)
vpcsim: 2 problems; nothing was changed`},
		{"get instances", exitFailed, "vpcsim: no lab is running; start one with: vpcsim up quickstart"},
		{"down quickstart", exitFailed, "vpcsim: lab quickstart is not running, and no other is; start one with: vpcsim up FILE"},
		{"down --all quickstart", exitUsage, "vpcsim: --all and a name; write one of the two"},
		{"apply quickstart", exitFailed, "vpcsim: lab quickstart is not running, and no other is; start one with: vpcsim up FILE"},
		{"exec", exitUsage, "vpcsim: no instance given; write: vpcsim exec INSTANCE -- COMMAND"},
		{"exec web --", exitUsage, "vpcsim: no command given; write: vpcsim exec web -- COMMAND, or: vpcsim shell web"},
		{"trace -f quickstart laptop wbe", exitUsage, `vpcsim: no instance, interface, Internet host, VPN client or host of a site named "wbe"; did you mean web?`},
		{"trace -f quickstart laptop web tcp", exitUsage, `vpcsim: "tcp" is no traffic; write tcp/443, udp/53 or icmp`},
		{"trace -f quickstart laptop web --family ipv5", exitUsage, `vpcsim: --family "ipv5" is none; write ipv4 or ipv6`},
		{"check --driver docker quickstart", exitUsage, `vpcsim: --driver "docker" is none; write netns or mem`},
		{"check --driver mem", exitUsage, "vpcsim: --driver mem needs a file; write a scenario file or an embedded scenario"},
		{"scenarios show quikstart", exitFailed, `vpcsim: there is no embedded scenario "quikstart"; did you mean quickstart?`},
		{"completion tcsh", exitUsage, `vpcsim: no completion for "tcsh"; write bash, zsh or fish`},
	} {
		t.Run(test.args, func(t *testing.T) {
			code, _, stderr := runHere(t, strings.Fields(test.args)...)
			if diff := cmp.Diff(test.stderr+"\n", stderr); diff != "" || code != test.code {
				t.Errorf("exit code %d, want %d; stderr (-want +got):\n%s", code, test.code, diff)
			}
		})
	}
}

func TestTraceOfAFileNeedsNoLab(t *testing.T) {
	code, stdout, stderr := runHere(t, "trace", "--file", "quickstart", "laptop", "web", "tcp/22")
	want := `request from internetHost laptop: 203.0.113.10:49152 → 198.51.100.1:22 tcp
  ok    internetHost laptop     source 203.0.113.10 is its own
  ok    internet                198.51.100.1 is a public address
  ok    internetGateway igw     destination 198.51.100.1 → 10.0.1.4  [now 203.0.113.10:49152 → 10.0.1.4:22 tcp]
  ok    networkAcl app/default  ingress rule 100 allow all traffic from 0.0.0.0/0
  DROP  securityGroup web       no ingress rule allows tcp/22 from 203.0.113.10
DROP at securityGroup web: no ingress rule allows tcp/22 from 203.0.113.10
`
	if diff := cmp.Diff(want, stdout); diff != "" || code != exitFailed || stderr != "" {
		t.Errorf("exit code %d, stderr %q, stdout (-want +got):\n%s", code, stderr, diff)
	}
	if code, stdout, _ := runHere(t, "trace", "--file", "quickstart", "laptop", "web", "tcp/80"); code != exitOK || !strings.HasSuffix(stdout, "\nPASS\n") {
		t.Errorf("tcp/80: exit code %d, stdout %s", code, stdout)
	}
}

func TestValidateReportsToMachines(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(file, []byte("name: bad\nvpcs:\n  a: {cdir: 10.0.0.0/16}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, _ := runHere(t, "validate", "-o", "json", "quickstart", file)
	if code != exitFailed || !strings.Contains(stdout, `"line": 3`) || !strings.Contains(stdout, "cdir") {
		t.Errorf("exit code %d, stdout %s", code, stdout)
	}
	if code, stdout, _ = runHere(t, "validate", "quickstart"); code != exitOK || !strings.HasPrefix(stdout, "quickstart.yaml: valid (1 VPC, 2 subnets, ") {
		t.Errorf("exit code %d, stdout %s", code, stdout)
	}
}

func TestCheckInMemoryHasExitCodes(t *testing.T) {
	for _, name := range scenarios.Names() {
		if code, stdout, stderr := runHere(t, "check", "--driver", "mem", name); code != exitOK {
			t.Errorf("%s: exit code %d\n%s%s", name, code, stdout, stderr)
		}
	}
	_, text, err := scenarios.Read("quickstart")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	before, _, _ := strings.Cut(string(text), "\nchecks:")
	for _, test := range []struct {
		name, checks, stdout string
		code                 int
	}{
		{"none", "", "%s has no checks; write some under checks:\n", exitNothing},
		{"wrong", "\nchecks: [{from: laptop, to: web, tcp: 22}]\n",
			"FAIL  pass  laptop → web tcp/22: dropped at securityGroup web: no ingress rule allows tcp/22 from 203.0.113.10\n%s: 1 of 1 check failed", exitFailed},
	} {
		file := filepath.Join(dir, test.name+".yaml")
		if err := os.WriteFile(file, []byte(before+test.checks), 0o600); err != nil {
			t.Fatal(err)
		}
		code, stdout, _ := runHere(t, "check", "--driver", "mem", file)
		if want := fmt.Sprintf(test.stdout, file); code != test.code || !strings.HasPrefix(stdout, want) {
			t.Errorf("%s: exit code %d, stdout %q, want %d, %q", test.name, code, stdout, test.code, want)
		}
	}
	code, stdout, _ := runHere(t, "check", "--driver", "mem", "-o", "junit", filepath.Join(dir, "wrong.yaml"))
	if code != exitFailed || !strings.Contains(stdout, `tests="1" failures="1"`) {
		t.Errorf("junit: exit code %d, stdout %s", code, stdout)
	}
}

func TestEveryCommandIsExplained(t *testing.T) {
	a := &app{}
	root := a.command()
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		if c.IsAvailableCommand() && c.Name() != "help" {
			if c.Long == "" || c.Example == "" || c.Short == "" || strings.HasSuffix(c.Short, ".") {
				t.Errorf("%s: Short (without a full stop), Long and Example are needed", c.CommandPath())
			}
			for line := range strings.Lines(c.Long + "\n" + c.Example) {
				if len([]rune(line)) > 86 {
					t.Errorf("%s: help is wider than a terminal: %q", c.CommandPath(), line)
				}
			}
		}
		for _, sub := range c.Commands() {
			visit(sub)
		}
	}
	visit(root)
}

func TestReferencesAreCurrent(t *testing.T) {
	dir := t.TempDir()
	root := (&app{}).command()
	root.SetArgs([]string{"docs", dir})
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	for _, page := range []string{"commands.md", "scenario-file.md"} {
		want, err := os.ReadFile(filepath.Join(dir, page))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join("..", "..", "docs", page))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("docs/%s is not what the program says; write it with: go run ./cmd/vpcsim docs docs\n%s", page, diff)
		}
	}
}

func TestScenarioFileMayBeLeftOut(t *testing.T) {
	a := &app{}
	t.Chdir(t.TempDir())
	if _, err := a.theScenario(nil); err == nil || !strings.Contains(err.Error(), "no *.yaml file is here") {
		t.Errorf("no file: %v", err)
	}
	for _, name := range []string{"one.yaml", "two.yml"} {
		if err := os.WriteFile(name, []byte("name: x\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := a.theScenario(nil)
		if name == "one.yaml" && (err != nil || file.Name != "./one.yaml" || file.Dir == "") {
			t.Errorf("one file: %+v, %v", file, err)
		}
		if name == "two.yml" && (err == nil || !strings.Contains(err.Error(), "several files are here: one.yaml, two.yml")) {
			t.Errorf("two files: %+v, %v", file, err)
		}
	}
}

func TestYAMLQuotesOnlyWhatNeedsIt(t *testing.T) {
	var b bytes.Buffer
	value := []map[string]any{{"text": "plain", "number": 1, "like a number": "1", "like a bool": "true", "empty": []string{}, "list": []string{"::/0"}}}
	if err := writeYAML(&b, value); err != nil {
		t.Fatal(err)
	}
	want := `- empty: []
  like a bool: "true"
  like a number: "1"
  list:
    - ::/0
  number: 1
  text: plain
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("YAML (-want +got):\n%s", diff)
	}
}

func TestInternalErrorsHaveACodeOfTheirOwn(t *testing.T) {
	var b bytes.Buffer
	if code := report(&b, errors.New("plain")); code != exitFailed || b.String() != "vpcsim: plain\n" {
		t.Errorf("got %d, %q", code, b.String())
	}
	b.Reset()
	a := &app{stdout: panics{}, stderr: &b}
	if code := a.main(t.Context(), []string{"scenarios"}); code != exitInternal || !strings.HasPrefix(b.String(), "vpcsim: internal error: ") {
		t.Errorf("got %d, %q", code, b.String())
	}
}

type panics struct{}

func (panics) Write([]byte) (int, error) { panic("out of paper") }
