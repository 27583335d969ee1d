//go:build linux

package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// What EnterMain was started for: the second argument.
const (
	enterProcess = "process" // become a program inside a node
	enterProbe   = "probe"   // try what a lab needs, for Probe
	enterNothing = "nothing" // end at once: that it could be started is the answer
)

// The descriptors that a process starts with, after its standard files.
const (
	enterNamespaceFD = 3
	enterOrderFD     = 4
)

// Exit codes of what happens before the program runs, as shells use them.
const (
	exitNotEntered    = 125
	exitNotExecutable = 126
	exitNotFound      = 127
)

// enterOrder is what the daemon tells the process that enters a node.
type enterOrder struct {
	Hostname string
	Args     []string
	Env      []string
	Dir      string
	Files    NodeFiles
}

// EnterMain is the program behind [EnterArgument]. It does not return.
func EnterMain() {
	var code int
	var err error
	switch mode := append(os.Args, "", "")[2]; mode {
	case enterProcess:
		code, err = becomeProcess()
	case enterProbe:
		code, err = probeChild(os.Stdout)
	case enterNothing:
	default:
		code, err = 2, errors.New(EnterArgument+" is how vpcsim starts programs inside a node; use: vpcsim exec NODE -- COMMAND")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "vpcsim:", err)
	}
	os.Exit(code)
}

// becomeProcess moves this process into a node and replaces it with the
// program. It returns only when that failed.
func becomeProcess() (int, error) {
	// Namespaces are the thread's, and exec keeps those of its thread.
	runtime.LockOSThread()
	file := os.NewFile(enterOrderFD, "order")
	var order enterOrder
	if err := json.NewDecoder(file).Decode(&order); err != nil && err != io.EOF {
		return exitNotEntered, fmt.Errorf("entering the node: reading the order: %w", err)
	}
	if len(order.Args) == 0 {
		return exitNotEntered, errors.New("entering the node: no program given")
	}
	if err := enterNode(order); err != nil {
		return exitNotEntered, fmt.Errorf("entering the node: %w", err)
	}
	dir := order.Dir
	if dir == "" {
		dir = "/"
	}
	if err := os.Chdir(dir); err != nil {
		return exitNotExecutable, err
	}
	env := withRootsPath(order.Env)
	path, err := lookPath(order.Args[0], env)
	if errors.Is(err, os.ErrNotExist) {
		return exitNotFound, notFound(order.Args[0])
	}
	if err != nil {
		return exitNotExecutable, err
	}
	// The program gets its standard files and nothing else: a namespace held
	// by a left-over descriptor would outlive its node.
	unix.CloseOnExec(enterNamespaceFD)
	unix.CloseOnExec(enterOrderFD)
	err = syscall.Exec(path, order.Args, env)
	if err == syscall.ENOEXEC { // no "#!" line: the shell's, by custom
		err = syscall.Exec("/bin/sh", append([]string{"sh", path}, order.Args[1:]...), env)
	}
	return exitNotExecutable, fmt.Errorf("%s: %w", path, err)
}

// enterNode gives the thread the node's network, host name and files.
func enterNode(order enterOrder) error {
	if err := unix.Setns(enterNamespaceFD, unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("network namespace: %w", err)
	}
	// Of one's own for each program, not for each node: mounts are then gone
	// with the program, and no thread of the daemon has to hold them.
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_NEWUTS); err != nil {
		return fmt.Errorf("mount and UTS namespaces: %w", err)
	}
	if err := unix.Sethostname([]byte(order.Hostname)); err != nil {
		return fmt.Errorf("host name %s: %w", order.Hostname, err)
	}
	showOwnInterfaces()
	return placeFiles(order.Files)
}

// withRootsPath is env with root's directories behind the caller's own. The
// namespaces of an ordinary user's lab make him root, but his PATH does not reach
// root's programs: dhclient, traceroute and tcpdump live in sbin, and a shell
// inside the node must find them, too.
func withRootsPath(env []string) []string {
	const ownDefault = "/usr/local/bin:/usr/bin:/bin"
	out := make([]string, 0, len(env)+1)
	path := ownDefault
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, "PATH="); ok {
			path = v // the last one counts
			continue
		}
		out = append(out, e)
	}
	dirs := filepath.SplitList(path)
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin"} {
		if !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return append(out, "PATH="+strings.Join(dirs, string(filepath.ListSeparator)))
}

// lookPath finds a program in env's PATH as execvp would.
func lookPath(name string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		return name, executable(name)
	}
	var path string
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, "PATH="); ok {
			path = v
		}
	}
	found := error(&os.PathError{Op: "look up", Path: name, Err: os.ErrNotExist})
	for _, dir := range filepath.SplitList(path) {
		if dir == "" {
			dir = "." // as execvp has it
		}
		full := filepath.Join(dir, name)
		if st, err := os.Stat(full); err != nil || st.IsDir() {
			continue
		}
		err := executable(full)
		if err == nil {
			return full, nil
		}
		found = err // unless a later directory has one that can be run
	}
	return "", found
}

func executable(path string) error {
	st, err := os.Stat(path)
	if err != nil {
		return err
	}
	if st.IsDir() {
		return &os.PathError{Op: "run", Path: path, Err: syscall.EISDIR}
	}
	if err := unix.Faccessat(unix.AT_FDCWD, path, unix.X_OK, unix.AT_EACCESS); err != nil {
		return &os.PathError{Op: "run", Path: path, Err: err}
	}
	return nil
}

// notFound says how to get a program that labs often use.
func notFound(name string) error {
	err := fmt.Errorf("%s: not found on this machine", name)
	if pkg := debianPackages[name]; pkg != "" {
		return fmt.Errorf("%w (Debian: apt install %s)", err, pkg)
	}
	return err
}

// debianPackages names the packages of programs that people want in a lab.
var debianPackages = map[string]string{
	"arping": "arping", "bird": "bird2", "curl": "curl", "dhclient": "isc-dhcp-client",
	"dig": "bind9-dnsutils", "ethtool": "ethtool", "fping": "fping", "hping3": "hping3",
	"host": "bind9-host", "ip": "iproute2", "iperf": "iperf", "iperf3": "iperf3",
	"mtr": "mtr-tiny", "nc": "netcat-openbsd", "ncat": "ncat", "nmap": "nmap",
	"nslookup": "bind9-dnsutils", "nft": "nftables", "ntpdig": "ntpsec-ntpdig", "ping": "iputils-ping",
	"python3": "python3", "socat": "socat", "ss": "iproute2", "ssh": "openssh-client",
	"tcpdump": "tcpdump", "tracepath": "iputils-tracepath", "traceroute": "traceroute",
	"vtysh": "frr", "wg": "wireguard-tools", "wget": "wget",
}
