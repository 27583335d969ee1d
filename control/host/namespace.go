//go:build linux

package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// A network namespace belongs to a thread, not to a process. Everything here
// runs on a thread that is locked to its goroutine and comes back to the core's
// namespace, or dies: a thread in the wrong namespace must never run other code.

// openNamespace opens the calling thread's network namespace. The path, unlike
// /proc/PID/task/TID, holds even where /proc shows another PID namespace.
func openNamespace() (*os.File, error) { return os.Open("/proc/thread-self/ns/net") }

// onThread runs f on a thread of its own that f may move to any network
// namespace. core is the namespace to come back to.
func onThread(core *os.File, f func() error) error {
	done := make(chan error, 1)
	go func() {
		err := errors.New("the function left its goroutine")
		runtime.LockOSThread()
		defer func() {
			// A goroutine that ends locked takes its thread along.
			if unix.Setns(int(core.Fd()), unix.CLONE_NEWNET) == nil {
				runtime.UnlockOSThread()
			}
			done <- err
		}()
		err = f()
	}()
	return <-done
}

// newNamespace moves the calling thread to a fresh network namespace, set up
// for a node, and returns it.
func newNamespace(forward bool) (*os.File, error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return nil, Explain(fmt.Errorf("network namespace: %w", err))
	}
	ns, err := openNamespace()
	if err != nil {
		return nil, fmt.Errorf("network namespace: %w", err)
	}
	if err := errors.Join(writeSysctls(nodeSysctls), setForwarding(forward)); err != nil {
		ns.Close()
		return nil, err
	}
	return ns, nil
}

type sysctl struct{ name, value string }

// nodeSysctls are written before a node's first interface arrives, which takes
// them over. Those of IPv4 are written although they are the kernel's defaults,
// since a new namespace copies them from the machine's settings.
var nodeSysctls = []sysctl{
	// Addresses and routes are what the lab says, not what is advertised.
	{"ipv6/conf/default/accept_ra", "0"},
	{"ipv6/conf/default/autoconf", "0"},
	// The link-local address is usable at once, too.
	{"ipv6/conf/default/accept_dad", "0"},
	{"ipv6/conf/default/disable_ipv6", "0"},
	// A node with two interfaces may answer on the other one, as on AWS,
	// where only the source/destination check decides.
	{"ipv4/conf/all/rp_filter", "0"},
	{"ipv4/conf/default/rp_filter", "0"},
	// Removing a subnet's first address must not remove the others.
	{"ipv4/conf/default/promote_secondaries", "1"},
}

// coreSysctls keep the core's own stack from taking part: its veth ends get no
// IPv6 (no link-local address, no multicast listener reports to the nodes) and
// it forwards nothing.
var coreSysctls = []sysctl{
	{"ipv6/conf/default/disable_ipv6", "1"},
	{"ipv6/conf/all/forwarding", "0"},
	{"ipv4/ip_forward", "0"},
}

// setForwarding switches the calling thread's namespace.
func setForwarding(on bool) error {
	value := "0"
	if on {
		value = "1"
	}
	return writeSysctls([]sysctl{{"ipv4/ip_forward", value}, {"ipv6/conf/all/forwarding", value}})
}

// writeSysctls sets values of the calling thread's network namespace. Those of
// IPv6 are passed over on a machine without it.
func writeSysctls(list []sysctl) error {
	for _, s := range list {
		path := "/proc/sys/net/" + s.name
		err := writeExisting(path, s.value)
		if errors.Is(err, fs.ErrNotExist) && s.name[:4] == "ipv6" && !machineHasIPv6() {
			continue
		}
		if err != nil {
			return Explain(err)
		}
	}
	return nil
}

// writeExisting writes value to a file of /proc in one write.
func writeExisting(path, value string) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, []byte(value)); err != nil {
		return &fs.PathError{Op: "write", Path: path, Err: err}
	}
	return nil
}

// machineHasIPv6 reports whether the kernel has IPv6 at all (it can be left out
// of a kernel, and switched off with ipv6.disable=1).
func machineHasIPv6() bool {
	_, err := os.Stat("/proc/sys/net/ipv6")
	return err == nil
}
