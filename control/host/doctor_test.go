//go:build linux

package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestDiagnoseNamesTheObstacle(t *testing.T) {
	tests := []struct {
		name        string
		m           machine
		errno       unix.Errno
		detail, fix string
	}{
		{"user namespaces off", machine{maxUserNamespaces: "0"}, unix.ENOSPC, "user.max_user_namespaces is 0", "sysctl -w user.max_user_namespaces="},
		{"Debian's switch", machine{maxUserNamespaces: "1000", unprivileged: "0"}, unix.EPERM, "kernel.unprivileged_userns_clone is 0", "sysctl -w kernel.unprivileged_userns_clone=1"},
		{"Ubuntu's switch", machine{maxUserNamespaces: "1000", apparmor: "1"}, unix.EACCES, "kernel.apparmor_restrict_unprivileged_userns is 1", "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"},
		{"Ubuntu's switch does not concern root", machine{root: true, apparmor: "1"}, unix.EPERM, "even to root", "CAP_SYS_ADMIN"},
		{"container", machine{maxUserNamespaces: "1000", container: true, filtered: true, apparmor: "1"}, unix.EPERM, "container", "docker run --cap-add SYS_ADMIN --cap-add NET_ADMIN"},
		{"container, read-only settings", machine{root: true, container: true}, unix.EROFS, "container", "systempaths=unconfined"},
		{"sandbox", machine{maxUserNamespaces: "1000", filtered: true}, unix.EPERM, "seccomp", "outside of the sandbox"},
		{"limit reached", machine{maxUserNamespaces: "1000"}, unix.ENOSPC, "limit on the number of namespaces", "user.max_net_namespaces"},
		{"open files", machine{}, unix.EMFILE, "open files", "ulimit -n"},
		{"old kernel", machine{}, unix.EINVAL, "built without user namespaces", "sudo"},
		{"unknown policy", machine{maxUserNamespaces: "1000"}, unix.EPERM, "security policy", "sudo"},
		{"no policy", machine{maxUserNamespaces: "1000"}, unix.ENOENT, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			detail, fix := tt.m.diagnose(tt.errno)
			if !strings.Contains(detail, tt.detail) || !strings.Contains(fix, tt.fix) || (tt.detail == "") != (detail == "") {
				t.Errorf("%q, fix %q; want %q and %q", detail, fix, tt.detail, tt.fix)
			}
		})
	}
}

func TestExplainKeepsTheError(t *testing.T) {
	plain := errors.New("plain")
	if err := Explain(plain); err != plain {
		t.Errorf("an error that is not the kernel's became %v", err)
	}
	if err := Explain(nil); err != nil {
		t.Errorf("no error became %v", err)
	}
	err := Explain(fmt.Errorf("veth: %w", unix.EPERM))
	if !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), "\n  fix: ") {
		t.Errorf("%v", err)
	}
	if twice := Explain(fmt.Errorf("outer: %w", err)); strings.Count(twice.Error(), "fix:") != 1 {
		t.Errorf("explained twice: %v", twice)
	}
}

// What Spawn says where the machine forbids it; the machine here is the inside
// of a lab that allows no further namespaces.
func TestSpawnSaysWhatIsForbidden(t *testing.T) {
	inLab(t, func(t *testing.T, h *Host) {
		if ids, _ := os.ReadFile("/proc/self/uid_map"); strings.Contains(string(ids), "4294967295") {
			return // root's lab: the limit would be the machine's own
		}
		if err := os.WriteFile("/proc/sys/user/max_net_namespaces", []byte("0"), 0); err != nil {
			t.Fatal(err)
		}
		_, err := Spawn(SpawnConfig{Args: []string{EnterArgument, enterNothing}})
		var forbidden *ForbiddenError
		if !errors.As(err, &forbidden) || !strings.Contains(err.Error(), "limit on the number of namespaces") {
			t.Errorf("%v", err)
		}
		for _, f := range Probe() {
			if f.Name == "network namespace" {
				if f.State != Fail || !strings.Contains(f.Fix, "max_net_namespaces") {
					t.Errorf("%+v", f)
				}
				return
			}
		}
		t.Error("Probe does not say which namespace it is")
	})
}

func TestProbeFindsThisMachineFit(t *testing.T) {
	requireNamespaces(t)
	check := func(t *testing.T, findings []Finding) {
		t.Helper()
		var names []string
		for _, f := range findings {
			names = append(names, f.Name)
			if f.State == Fail || f.State == 0 || f.Detail == "" || (f.State == OK) != (f.Fix == "") {
				t.Errorf("%+v", f)
			}
		}
		for _, want := range []string{"kernel", "namespaces", "mounts", "own /proc", "files of a node", "node", "IPv6", "packet socket", "TUN device", "memory", "open files", "programs"} {
			if !slices.Contains(names, want) {
				t.Errorf("nothing about %s; only %v", want, names)
			}
		}
	}
	if os.Getenv("VPCSIM_TEST_PRINT") != "" {
		if err := json.NewEncoder(os.Stdout).Encode(Probe()); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Run("this user", func(t *testing.T) { check(t, Probe()) })
	t.Run("ordinary user", func(t *testing.T) {
		if !privileged() {
			t.Skip("this user is one")
		}
		cmd := userCommand(t, "-test.run=^TestProbeFindsThisMachineFit$")
		cmd.Env = append(cmd.Env, "VPCSIM_TEST_PRINT=1")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		var findings []Finding
		if err := json.NewDecoder(strings.NewReader(string(out))).Decode(&findings); err != nil {
			t.Fatal(err)
		}
		check(t, findings)
	})
}

func TestInitCoreRefusesAnotherProcess(t *testing.T) {
	if err := InitCore(slog.Default()); err == nil || !strings.Contains(err.Error(), "only what Spawn started") {
		t.Errorf("%v", err)
	}
}

// As in a container that hides parts of /proc: the kernel then allows no fresh
// one in a user namespace.
func TestLabLivesWithoutAFreshProc(t *testing.T) {
	requireNamespaces(t)
	if !privileged() {
		t.Skip("hiding a part of /proc needs root")
	}
	if os.Getenv("VPCSIM_TEST_HIDDEN") == "" {
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestLabLivesWithoutAFreshProc$", "-test.v")
		cmd.Env = append(os.Environ(), "VPCSIM_TEST_HIDDEN=1")
		cmd.SysProcAttr = &unix.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, indent(string(out)))
		}
		return
	}
	if err := unix.Mount("tmpfs", "/proc/bus", "tmpfs", unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	name := "TestRemovalOfANodeEndsItsProcesses"
	cmd := userCommand(t, "-test.run=^("+name+"|TestCommandPassesOnTheExitCode)$", "-test.v")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+name) {
		t.Errorf("a lab there: %v\n%s", err, indent(string(out)))
	}
	probe := userCommand(t, "-test.run=^TestProbeFindsThisMachineFit$")
	probe.Env = append(probe.Env, "VPCSIM_TEST_PRINT=1")
	out, err = probe.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var findings []Finding
	if err := json.NewDecoder(strings.NewReader(string(out))).Decode(&findings); err != nil {
		t.Fatal(err)
	}
	states := map[string]State{}
	for _, f := range findings {
		states[f.Name] = f.State
	}
	if diff := cmp.Diff(map[string]State{"mounts": OK, "own /proc": Warn, "node": OK},
		map[string]State{"mounts": states["mounts"], "own /proc": states["own /proc"], "node": states["node"]}); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}
