//go:build linux

package host

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/vpcsim/vpcsim/dataplane/port"
)

// Probe tries everything that a lab needs of this machine, each in earnest, in a
// throw-away process like a lab's daemon, and returns what it found. It changes
// nothing that outlasts it. The binary must call [EnterMain] as said at
// [EnterArgument].
func Probe() []Finding {
	findings := []Finding{probeKernel()}
	findings = append(findings, probeNamespaces()...)
	return append(findings, probeOffload(), probeMemory(), probeFiles(), probePrograms())
}

func probeKernel() Finding {
	f := Finding{Name: "kernel", State: OK}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return failed(f, err)
	}
	release := unix.ByteSliceToString(u.Release[:])
	f.Detail = "Linux " + release
	var major, minor int
	if _, err := fmt.Sscanf(release, "%d.%d", &major, &minor); err == nil && (major < 5 || major == 5 && minor < 4) {
		f.State, f.Fix = Warn, "vpcsim is tested with Linux 5.4 and later"
	}
	return f
}

// probeNamespaces starts a process as Spawn does, which then tries the rest.
func probeNamespaces() []Finding {
	output, user, err := probeRun()
	f := Finding{Name: "namespaces", State: OK, Detail: "network, mount, PID, IPC and UTS, as root"}
	if user {
		f.Detail = "user, network, mount, PID, IPC and UTS, without root"
	}
	if err != nil {
		// All at once cannot be had; which of them it is helps to find the rule.
		return append([]Finding{failed(f, err)}, probeEachNamespace()...)
	}
	var rest []Finding
	if err := json.Unmarshal(output, &rest); err != nil {
		return []Finding{failed(f, fmt.Errorf("the trying process said %q: %w", output, err))}
	}
	return append([]Finding{f}, rest...)
}

// probeRun runs the trying process and returns what it printed, and whether it
// needed a user namespace.
func probeRun() ([]byte, bool, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, false, err
	}
	defer read.Close()
	child, err := Spawn(SpawnConfig{Args: []string{EnterArgument, enterProbe}, Stdout: write, Stderr: os.Stderr})
	write.Close()
	if err != nil {
		return nil, !privileged(), err
	}
	defer child.Release()
	var out bytes.Buffer
	_, readErr := out.ReadFrom(read)
	code, err := child.Wait()
	if err == nil && code != 0 {
		err = fmt.Errorf("the trying process ended with code %d", code)
	}
	return out.Bytes(), child.UserNamespace, errors.Join(err, readErr)
}

// probeEachNamespace finds out which kind it is that the machine refuses.
func probeEachNamespace() []Finding {
	kinds := []struct {
		name string
		flag uintptr
	}{
		{"network namespace", unix.CLONE_NEWNET}, {"mount namespace", unix.CLONE_NEWNS},
		{"PID namespace", unix.CLONE_NEWPID}, {"IPC namespace", unix.CLONE_NEWIPC},
		{"UTS namespace", unix.CLONE_NEWUTS},
	}
	base := uintptr(0)
	var out []Finding
	try := func(name string, flags uintptr) bool {
		err := reexec(flags, EnterArgument, enterNothing).Run()
		f := Finding{Name: name, State: OK, Detail: "can be made"}
		if err != nil {
			f = failed(f, err)
		}
		out = append(out, f)
		return err == nil
	}
	if !privileged() {
		base = unix.CLONE_NEWUSER
		if !try("user namespace", base) {
			return out // and with it all others
		}
	}
	for _, k := range kinds {
		try(k.name, base|k.flag)
	}
	return out
}

// probeOffload tries what no lab needs and one may have: that the kernel forwards
// established connections. That it may not is nothing to repair.
func probeOffload() Finding {
	f := Finding{Name: "offload", State: OK, Detail: "the kernel can forward established connections: vpcsim up --offload"}
	if err := port.CheckOffload(); err != nil {
		f.Detail = "not for this user, and no lab needs it (vpcsim up --offload): " + err.Error()
	}
	return f
}

// probeMemory reckons with 0.1 MiB for a node, which is what BenchmarkNodes finds.
func probeMemory() Finding {
	f := Finding{Name: "memory", State: OK}
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return failed(f, err)
	}
	for line := range strings.Lines(string(text)) {
		if v, ok := strings.CutPrefix(line, "MemAvailable:"); ok {
			kib, _ := strconv.Atoi(strings.Fields(v)[0])
			f.Detail = fmt.Sprintf("%d MiB available", kib/1024)
			if kib < 256<<10 {
				f.State, f.Fix = Warn, "a node takes about 0.1 MiB, the lab's process 30 MiB or more, programs in nodes what they take"
			}
		}
	}
	return f
}

func probeFiles() Finding {
	f := Finding{Name: "open files", State: OK}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return failed(f, err)
	}
	f.Detail = fmt.Sprintf("up to %d", limit.Max)
	if limit.Max < 4096 { // the soft limit does not matter: Go raises it
		f.State, f.Fix = Warn, "a lab needs one for each node: raise the hard limit (ulimit -Hn, limits.conf, docker run --ulimit nofile=65536)"
	}
	return f
}

// probePrograms looks for what people run in labs. No lab needs them: vpcsim
// has its own ways to send, serve and capture.
func probePrograms() Finding {
	f := Finding{Name: "programs", State: OK}
	var have, missing, packages []string
	for _, name := range []string{"ping", "curl", "dig", "iperf3", "tcpdump"} {
		if _, err := lookPath(name, os.Environ()); err != nil {
			missing = append(missing, name)
			packages = append(packages, debianPackages[name])
			continue
		}
		have = append(have, name)
	}
	f.Detail = "found: " + strings.Join(have, " ")
	if len(missing) > 0 {
		f.State = Warn
		f.Detail = "missing: " + strings.Join(missing, " ")
		f.Fix = "labs work without them; Debian: apt install " + strings.Join(packages, " ")
	}
	return f
}

// failed turns f into the failure err, with the fix that fits this machine.
func failed(f Finding, err error) Finding {
	f.State, f.Detail, f.Fix = Fail, err.Error(), "see the message"
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		f.Detail = "the process could be started, but not run: " + f.Detail
	}
	var forbidden *ForbiddenError
	if errors.As(Explain(err), &forbidden) {
		f.Detail, f.Fix = forbidden.Err.Error()+": "+forbidden.Detail, forbidden.Fix
	}
	return f
}

// probeThread runs f on a thread that is thrown away, in whatever namespace f
// left it.
func probeThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- f()
	}()
	return <-done
}
