package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/bgp"
	"github.com/vpcsim/vpcsim/control/host"
)

// routingDaemon is BIRD or FRRouting as a site's router, with the configuration
// that a user could write, and read here: in the lab's directory, under the name of
// the site.
type routingDaemon struct {
	router  *siteRouter
	dir     string
	kind    control.Router
	config  string // that it runs with
	process *host.Process
	output  *os.File
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
	process, err := d.router.host.Command(d.router.node, host.ProcessSpec{Args: []string{"/bin/sh", "-c", script}, Stdout: write, Stderr: write})
	if err != nil {
		_ = read.Close()
		return err
	}
	d.kind, d.config, d.process, d.output = kind, config, process, read
	go logLines(read, d.router.log.With("router", kind.String())) // ends with the process
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
	control := filepath.Join(d.dir, "bird.ctl")
	return config, fmt.Sprintf("exec %s -f -c %s -s %s -P %s", program, quote(file), quote(control), quote(filepath.Join(d.dir, "bird.pid"))), nil
}

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
	file, err := d.write("frr.conf", files.Config)
	if err != nil {
		return "", "", err
	}
	if _, err := d.write("daemons", files.Daemons); err != nil {
		return "", "", err
	}
	group, err := d.frrGroups()
	if err != nil {
		return "", "", err
	}
	common := fmt.Sprintf("-u root -g root -z %s --vty_socket %s", quote(filepath.Join(d.dir, "zserv")), quote(d.dir))
	return files.Config, strings.Join([]string{
		"mount --bind " + quote(group) + " /etc/group",
		fmt.Sprintf("%s %s -i %s &", zebra, common, quote(filepath.Join(d.dir, "zebra.pid"))),
		"n=0; while [ ! -S " + quote(filepath.Join(d.dir, "zserv")) + " ] && [ $n -lt 100 ]; do sleep 0.05; n=$((n+1)); done",
		fmt.Sprintf("exec %s %s -f %s -i %s", bgpd, common, quote(file), quote(filepath.Join(d.dir, "bgpd.pid"))),
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
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return "", fmt.Errorf("the router's configuration: %w", err)
	}
	file := filepath.Join(d.dir, name)
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
	_ = d.process.Signal(syscall.SIGTERM)
	select {
	case <-d.process.Done():
	case <-time.After(daemonGrace):
		_ = d.process.Kill()
		<-d.process.Done()
	}
	_ = d.output.Close()
	d.process = nil
}
