package lab

import (
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
// has changed.
func (d *routingDaemon) set(kind control.Router, state bgp.State) error {
	write := d.bird
	if kind == control.RouterFRR {
		write = d.frr
	}
	config, script, err := write(state)
	if err != nil {
		return err
	}
	if d.process != nil && d.kind == kind && d.config == config {
		return nil
	}
	d.stop()
	return d.start(kind, config, script)
}

func (d *routingDaemon) start(kind control.Router, config, script string) error {
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
		Args: []string{"/bin/sh", "-c", script}, Stdout: write, Stderr: write, Files: host.NodeFiles{Directories: directories},
	})
	if err != nil {
		_ = read.Close()
		return err
	}
	d.kind, d.config, d.process, d.output = kind, config, process, read
	d.stopping.Store(false)
	log := d.router.log.With("router", kind.String())
	d.done.Go(func() { logLines(read, log) })
	d.done.Go(func() {
		// A customer's router that has died is dead until somebody sees to it.
		if code, _ := process.Wait(); !d.stopping.Load() {
			log.Warn("the site's router ended", "code", code)
		}
	})
	return nil
}

// bird writes bird.conf.
func (d *routingDaemon) bird(state bgp.State) (config, script string, err error) {
	program, err := findDaemon("bird", "bird2")
	if err != nil {
		return "", "", err
	}
	if config, err = bgp.BIRD(state); err != nil {
		return "", "", err
	}
	file, err := d.write("bird.conf", config)
	if err != nil {
		return "", "", err
	}
	return config, fmt.Sprintf("exec %s -f -c %s -s %s/bird.ctl -P %[3]s/bird.pid", program, quote(file), birdDirectory), nil
}

// frrConfig is the directory with FRR's configuration in the site's.
const frrConfig = "etc-frr"

// frr writes frr.conf and starts FRR's two programs by themselves: its own start
// script wants the whole machine.
func (d *routingDaemon) frr(state bgp.State) (config, script string, err error) {
	zebra, err := findDaemon("zebra", "frr")
	if err != nil {
		return "", "", err
	}
	bgpd, err := findDaemon("bgpd", "frr")
	if err != nil {
		return "", "", err
	}
	files, err := bgp.FRR(state)
	if err != nil {
		return "", "", err
	}
	file, err := d.write(filepath.Join(frrConfig, "frr.conf"), files.Config)
	if err != nil {
		return "", "", err
	}
	for name, text := range map[string]string{"daemons": files.Daemons, "vtysh.conf": "service integrated-vtysh-config\n"} {
		if _, err := d.write(filepath.Join(frrConfig, name), text); err != nil {
			return "", "", err
		}
	}
	group, err := d.frrGroups()
	if err != nil {
		return "", "", err
	}
	const (
		zserv  = frrDirectory + "/zserv.api"
		common = "-u root -g root -z " + zserv + " --vty_socket " + frrDirectory
	)
	return files.Config, strings.Join([]string{
		"mount --bind " + quote(group) + " /etc/group",
		"trap : TERM", // which goes to all three; the shell is the last to end
		fmt.Sprintf("%s %s -i %s/zebra.pid & zebra=$!", zebra, common, frrDirectory),
		"n=0; while [ ! -S " + zserv + " ] && [ $n -lt 100 ]; do sleep 0.05; n=$((n+1)); done",
		fmt.Sprintf("%s %s -f %s -i %s/bgpd.pid; code=$?", bgpd, common, quote(file), frrDirectory),
		"kill $zebra 2>/dev/null; wait $zebra; exit $code",
	}, "\n"), nil
}

// frrGroups writes a list of groups in which root is in FRR's own: without that FRR
// does not run as root, and in an ordinary user's lab there is nobody else.
func (d *routingDaemon) frrGroups() (string, error) {
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
	return d.write("group", "frrvty:x:0:root\n"+strings.Join(lines, ""))
}

func (d *routingDaemon) write(name, text string) (string, error) {
	file := filepath.Join(d.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return "", fmt.Errorf("the router's configuration: %w", err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("the router's configuration: %w", err)
	}
	return file, nil
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
	d.stopping.Store(true)
	_ = d.process.Signal(syscall.SIGTERM)
	select {
	case <-d.process.Done():
	case <-time.After(daemonGrace):
		_ = d.process.Kill()
		<-d.process.Done()
	}
	_ = d.output.Close()
	d.done.Wait()
	d.process = nil
}
