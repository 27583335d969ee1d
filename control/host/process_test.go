//go:build linux

package host

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

func TestCommandPassesOnTheExitCode(t *testing.T) {
	tests := []struct {
		name   string
		args   []string
		code   int
		output string
	}{
		{"success", []string{"true"}, 0, ""},
		{"failure", []string{"sh", "-c", "echo no >&2; exit 3"}, 3, "no\n"},
		{"killed by a signal", []string{"sh", "-c", "kill -TERM $$"}, 128 + 15, ""},
		{"missing program, with a hint", []string{"fping"}, 127, "vpcsim: fping: not found on this machine (Debian: apt install fping)\n"},
		{"missing program", []string{"no-such-program"}, 127, "vpcsim: no-such-program: not found on this machine\n"},
		{"missing path", []string{"/no/such/program"}, 127, "vpcsim: /no/such/program: not found on this machine\n"},
		{"not executable", []string{"/etc/passwd"}, 126, "vpcsim: run /etc/passwd: permission denied\n"},
		{"a directory", []string{"/etc"}, 126, "vpcsim: run /etc: is a directory\n"},
	}
	inLab(t, func(t *testing.T, h *Host) {
		ensure(t, h, testNode(1))
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				out, code := run(t, h, "n10.0.0.1", tt.args...)
				if code != tt.code || out != tt.output {
					t.Errorf("code %d, output %q; want %d, %q", code, out, tt.code, tt.output)
				}
			})
		}
		if _, err := h.Command("n10.0.0.1", ProcessSpec{}); err == nil {
			t.Error("an empty command was started")
		}
	})
}

func TestCommandSeesTheNode(t *testing.T) {
	inLab(t, func(t *testing.T, h *Host) {
		n := testNode(1)
		n.Hostname = "web"
		ensure(t, h, n)
		files := NodeFiles{
			Hosts:      "127.0.0.1 localhost\n10.0.0.1 web\n10.0.0.2 db\n",
			ResolvConf: "nameserver 10.0.0.2\n",
		}
		sh := func(script string) string {
			out, code := runSpec(t, h, n.Name, ProcessSpec{
				Args: []string{"sh", "-c", script}, Files: files, Dir: "/usr",
				Env: []string{"PATH=/usr/bin:/bin", "COLOUR=red"},
			})
			if code != 0 {
				t.Errorf("%s: exit code %d: %s", script, code, out)
			}
			return out
		}
		tests := []struct{ what, script, want string }{
			{"host name", "hostname", "web\n"},
			{"/etc/hosts", "cat /etc/hosts", files.Hosts},
			{"/etc/resolv.conf", "cat /etc/resolv.conf", files.ResolvConf},
			{"look-up of a name", "getent ahostsv4 db | head -1 | tr -s ' '", "10.0.0.2 STREAM db\n"},
			{"name service", "grep ^hosts /etc/nsswitch.conf", "hosts: files dns\n"},
			{"working directory", "pwd", "/usr\n"},
			{"environment", "echo $COLOUR $HOME", "red\n"},
			{"interfaces in /sys", "ls /sys/class/net", "eth0\nlo\n"},
			{"interfaces in /proc", "grep -c : /proc/net/dev", "2\n"},
			{"programs outside of an ordinary PATH", "PATH=/usr/sbin ip -br link | wc -l", "2\n"},
			{"root's programs in a shell", "echo $PATH", "/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin\n"},
			{"descriptors", "ls /proc/self/fd", "0\n1\n2\n3\n"}, // 3 is ls's own
			{"temporary files", "ls -d /tmp/content 2>/dev/null || echo none", "none\n"},
			{"processes of the lab, not the machine", "cat /proc/1/comm", "exe\n"},
		}
		for _, tt := range tests {
			if got := sh(tt.script); got != tt.want {
				t.Errorf("%s: %q, want %q", tt.what, got, tt.want)
			}
		}
		if out, _ := run(t, h, n.Name, "cat", "/etc/hosts"); out == files.Hosts {
			t.Error("a command without files sees those of another")
		}
		if name, _ := os.Hostname(); name == "web" {
			t.Error("the daemon's own host name has changed")
		}
	})
}

// Programs of a node meet in a directory of the node's own, where the machine may
// have none; another node has another.
func TestCommandSharesDirectoriesOfTheNode(t *testing.T) {
	inLab(t, func(t *testing.T, h *Host) {
		n := testNode(1)
		ensure(t, h, n)
		const path = "/var/run/vpcsim-test/wireguard"
		sh := func(source, script string) string {
			out, code := runSpec(t, h, n.Name, ProcessSpec{Args: []string{"sh", "-c", script}, Files: NodeFiles{Directories: map[string]string{path: source}}})
			if code != 0 {
				t.Errorf("%s: exit code %d: %s", script, code, out)
			}
			return out
		}
		one, two := t.TempDir(), t.TempDir()
		sh(one, "echo hello >"+path+"/socket; ls -d /run >/dev/null")
		if got := sh(one, "cat "+path+"/socket"); got != "hello\n" {
			t.Errorf("the next program sees %q", got)
		}
		if got := sh(two, "ls "+path); got != "" {
			t.Errorf("another directory has %q", got)
		}
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s is there for the daemon, too", path)
		}
	})
}

// Each case changes the machine's files in a mount namespace of its own.
func TestPlaceFileCopesWithWhatMachinesHave(t *testing.T) {
	tests := []struct{ name, prepare, path, check string }{
		{"a file", "echo old >f", "f", "test ! -L f"},
		{"a symlink", "mkdir d && echo old >d/g && ln -s d/g f", "f", "test -L f && grep -q ^new d/g"},
		{"a symlink with a missing target", "mkdir -p run/other && echo keep >run/x && ln -s x run/y && ln -s run/systemd/stub f", "f",
			"grep -q ^new run/systemd/stub && grep -q keep run/x && test -L run/y && test -d run/other"},
		{"an absolute one", "mkdir run && ln -s $PWD/run/systemd/stub f", "f", "grep -q ^new run/systemd/stub"},
		{"a missing file", "echo keep >x", "f", "grep -q keep x"},
		{"a symlinked directory", "mkdir d && ln -s d e && echo old >d/f", "e/f", "grep -q ^new d/f"},
	}
	inLab(t, func(t *testing.T, h *Host) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				dir, err := os.MkdirTemp("/var/tmp", "vpcsim-place-")
				if err != nil {
					t.Fatal(err)
				}
				defer os.RemoveAll(dir)
				sh := func(script string) {
					t.Helper()
					if out, err := exec.Command("/bin/sh", "-c", "cd "+dir+" && "+script).CombinedOutput(); err != nil {
						t.Errorf("%s: %v: %s", script, err, out)
					}
				}
				sh(tt.prepare)
				err = probeThread(func() error {
					if err := syscall.Unshare(syscall.CLONE_NEWNS); err != nil {
						return err
					}
					if err := placeFile(filepath.Join(dir, tt.path), "new\n"); err != nil {
						return err
					}
					sh("cat " + tt.path + " | grep -q ^new")
					sh(tt.check)
					return nil
				})
				if err != nil {
					t.Error(err)
				}
				sh("! grep -rq ^new .") // nothing of it on the machine
			})
		}
	})
}

func TestOrphansAreCollectedAndOthersLeftAlone(t *testing.T) {
	inLab(t, func(t *testing.T, h *Host) {
		ensure(t, h, testNode(1))
		// Orphans by the dozen, while os/exec runs children of its own.
		p, err := h.Command("n10.0.0.1", ProcessSpec{Args: []string{"sh", "-c",
			"for i in 1 2 3 4 5 6 7 8 9 10 11 12; do (setsid sleep 0.0$i &) ; done; exit 7"}})
		if err != nil {
			t.Fatal(err)
		}
		late := exec.Command("sh", "-c", "exit 5")
		if err := late.Start(); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			if out, err := exec.Command("echo", "x").Output(); err != nil || string(out) != "x\n" {
				t.Errorf("os/exec: %q, %v", out, err)
			}
		}
		if code, err := p.Wait(); code != 7 || err != nil {
			t.Errorf("exit code %d, %v", code, err)
		}
		if code, err := exitCode(late.Wait()); code != 5 || err != nil {
			t.Errorf("a child waited for late: %d, %v", code, err)
		}
		eventually(t, "end of all orphans, and of their remains", func() bool { return len(processes()) == 0 })
	})
}

// living counts the lab's processes, the daemon and the ended excepted.
func living() int {
	n := 0
	for _, shown := range processes() {
		if alive(shown) {
			n++
		}
	}
	return n
}

func TestSignalReachesTheWholeGroup(t *testing.T) {
	inLab(t, func(t *testing.T, h *Host) {
		ensure(t, h, testNode(1))
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		p, err := h.Command("n10.0.0.1", ProcessSpec{Stdout: write, Args: []string{"sh", "-c", "sleep 1000 & sleep 1000 & echo go; wait"}})
		write.Close()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := read.Read(make([]byte, 3)); err != nil {
			t.Fatal(err)
		}
		if err := p.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if code, _ := p.Wait(); code != 128+15 {
			t.Errorf("exit code %d", code)
		}
		if err := p.Kill(); err != nil {
			t.Errorf("killing what has ended: %v", err)
		}
		eventually(t, "end of the group", func() bool { return living() == 0 })
		if n, err := read.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("the output is still open: %v", err)
		}
	})
}

func TestRemovalOfANodeEndsItsProcesses(t *testing.T) {
	inLab(t, func(t *testing.T, h *Host) {
		ensure(t, h, testNode(1), testNode(2))
		for _, name := range []string{"n10.0.0.1", "n10.0.0.2"} {
			if _, err := h.Command(name, ProcessSpec{Args: []string{"sh", "-c", "setsid -f sleep 1000; exec unshare -n sleep 1000"}}); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, "start of all", func() bool { return living() == 4 })
		h.Prune([]Node{testNode(2)})
		eventually(t, "end of one node's", func() bool { return living() == 2 })
		eventually(t, "end of its interface", func() bool { return len(interfacesOf(t, h, "")) == 2 })
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		eventually(t, "end of all", func() bool { return living() == 0 })
	})
}
