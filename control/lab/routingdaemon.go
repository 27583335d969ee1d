package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/bgp"
	"github.com/vpcsim/vpcsim/control/host"
)

// routingDaemon is BIRD or FRRouting as a site's router, with the configuration
// that a user could write, and read here: in the lab's directory, under the name of
// the site. Its control sockets are in a directory of the site's own, at the place
// where birdc and vtysh look for them.
type routingDaemon struct {
	router   *siteRouter
	dir      string
	kind     control.Router
	config   string // that it runs with
	process  *host.Process
	output   *os.File
	stopping atomic.Bool // the process is to end
	done     sync.WaitGroup
}

// set starts the daemon with a configuration for state, or starts it anew if that
// has changed. Otherwise it leaves everything alone: the site's owner may have
// configured the router since.
func (d *routingDaemon) set(kind control.Router, state bgp.State) error {
	prepare := d.bird
	if kind == control.RouterFRR {
		prepare = d.frr
	}
	launch, err := prepare(state)
	if err != nil {
		return err
	}
	if d.process != nil && d.kind == kind && d.config == launch.files[launch.config] {
		return nil
	}
	d.stop()
	for name, text := range launch.files {
		if err := d.write(name, text); err != nil {
			return err
		}
	}
	return d.start(kind, launch)
}

// launch is how a daemon is started: by a shell's script, after files were written.
type launch struct {
	script string
	files  map[string]string // by name in the site's directory
	config string            // the name of the one that says how to route
}

func (d *routingDaemon) start(kind control.Router, l launch) error {
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer write.Close()
	directories, err := siteDirectories(d.dir)
	if err != nil {
		_ = read.Close()
		return err
	}
	process, err := d.router.host.Command(d.router.node, host.ProcessSpec{
		Args: []string{"/bin/sh", "-c", l.script}, Stdout: write, Stderr: write, Files: host.NodeFiles{Directories: directories},
	})
	if err != nil {
		_ = read.Close()
		return err
	}
	d.kind, d.config, d.process, d.output = kind, l.files[l.config], process, read
	d.stopping.Store(false)
	log := d.router.log.With("router", kind.String())
	d.done.Go(func() { logLines(read, log) })
	d.done.Go(func() {
		// A customer's router that has died is dead until somebody sees to it.
		if code, _ := process.Wait(); !d.stopping.Load() {
			log.Warn("the routing daemon ended", "code", code)
		}
	})
	return nil
}

func (d *routingDaemon) bird(state bgp.State) (launch, error) {
	program, err := findDaemon("bird", "bird2")
	if err != nil {
		return launch{}, err
	}
	config, err := bgp.BIRD(state)
	if err != nil {
		return launch{}, err
	}
	const name = "bird.conf"
	return launch{
		config: name, files: map[string]string{name: config},
		script: fmt.Sprintf("exec %s -f -c %s -s %s/bird.ctl -P %[3]s/bird.pid", program, quote(filepath.Join(d.dir, name)), birdDirectory),
	}, nil
}

// frrConfig is the directory with FRR's configuration in the site's.
const frrConfig = "etc-frr"

// frr starts FRR's two programs by themselves: its own start script wants the whole
// machine.
func (d *routingDaemon) frr(state bgp.State) (launch, error) {
	zebra, err := findDaemon("zebra", "frr")
	if err != nil {
		return launch{}, err
	}
	bgpd, err := findDaemon("bgpd", "frr")
	if err != nil {
		return launch{}, err
	}
	files, err := bgp.FRR(state)
	if err != nil {
		return launch{}, err
	}
	groups, err := frrGroups()
	if err != nil {
		return launch{}, err
	}
	const (
		name   = frrConfig + "/frr.conf"
		zserv  = frrDirectory + "/zserv.api"
		common = "-u root -g root -z " + zserv + " --vty_socket " + frrDirectory
	)
	l := launch{config: name, files: map[string]string{
		name: files.Config, frrConfig + "/daemons": files.Daemons, frrConfig + "/vtysh.conf": "service integrated-vtysh-config\n", "group": groups,
	}}
	l.script = strings.Join([]string{
		"mount --bind " + quote(filepath.Join(d.dir, "group")) + " /etc/group",
		"trap : TERM", // which goes to all three; the shell is the last to end
		fmt.Sprintf("%s %s -i %s/zebra.pid & zebra=$!", zebra, common, frrDirectory),
		"n=0; while [ ! -S " + zserv + " ] && [ $n -lt 100 ]; do sleep 0.05; n=$((n+1)); done",
		fmt.Sprintf("%s %s -f %s -i %s/bgpd.pid; code=$?", bgpd, common, quote(filepath.Join(d.dir, name)), frrDirectory),
		"kill $zebra 2>/dev/null; wait $zebra; exit $code",
	}, "\n")
	return l, nil
}

// frrGroups is a list of groups in which root is in FRR's own: without that FRR does
// not run as root, and in an ordinary user's lab there is nobody else.
func frrGroups() (string, error) {
	groups, err := os.ReadFile("/etc/group")
	if err != nil {
		return "", err
	}
	var lines []string
	for line := range strings.Lines(string(groups)) {
		if !strings.HasPrefix(line, "frrvty:") {
			lines = append(lines, line)
		}
	}
	return "frrvty:x:0:root\n" + strings.Join(lines, ""), nil
}

// write replaces a file rather than what is in it: the site's owner may have made a
// link of it, or taken our right to write.
func (d *routingDaemon) write(name, text string) error {
	file := filepath.Join(d.dir, name)
	err := os.MkdirAll(filepath.Dir(file), 0o700)
	if err == nil {
		if err = os.Remove(file); errors.Is(err, os.ErrNotExist) {
			err = nil
		}
	}
	if err == nil {
		err = os.WriteFile(file, []byte(text), 0o600)
	}
	if err != nil {
		return fmt.Errorf("the router's configuration: %w", err)
	}
	return nil
}

// findDaemon finds a daemon, which is rarely in an ordinary user's PATH.
func findDaemon(name, pkg string) (string, error) {
	for _, dir := range []string{"/usr/sbin", "/usr/lib/frr", "/usr/local/sbin", "/sbin"} {
		if file, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return file, nil
		}
	}
	if file, err := exec.LookPath(name); err == nil {
		return file, nil
	}
	return "", fmt.Errorf("the router wants the program %s, which this machine does not have: install %s, or write router: builtin", name, pkg)
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// daemonGrace is how long a daemon may take to say goodbye to its peers.
const daemonGrace = 500 * time.Millisecond

func (d *routingDaemon) stop() {
	if d.process == nil {
		return
	}
	d.stopping.Store(true) // before the signal: an end that is wanted is no news
	_ = d.process.Signal(syscall.SIGTERM)
	select {
	case <-d.process.Done():
	case <-time.After(daemonGrace):
		_ = d.process.Kill()
		<-d.process.Done()
	}
	// What the daemon left running may hold the pipe's other end open, so that its
	// reader is ended here; then both goroutines are waited for.
	_ = d.output.Close()
	d.done.Wait()
	d.process = nil
}
