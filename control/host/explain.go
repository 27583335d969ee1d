//go:build linux

package host

import (
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// ForbiddenError is an error of the kernel, with the reason that this machine
// has for it and the ways out.
type ForbiddenError struct {
	Err    error
	Detail string
	Fix    string
}

func (e *ForbiddenError) Error() string {
	return e.Err.Error() + ": " + e.Detail + "\n  fix: " + e.Fix + "\n  (vpcsim doctor tries everything that a lab needs)"
}

func (e *ForbiddenError) Unwrap() error { return e.Err }

// Explain adds to an error of the kernel why this machine answers so and what to
// do about it. Errors that are not the machine's policy come back as they are.
func Explain(err error) error {
	var known *ForbiddenError
	var errno unix.Errno
	if err == nil || errors.As(err, &known) || !errors.As(err, &errno) {
		return err
	}
	detail, fix := readMachine().diagnose(errno)
	if detail == "" {
		return err
	}
	return &ForbiddenError{Err: err, Detail: detail, Fix: fix}
}

// machine is what is known about the machine's policy for namespaces.
type machine struct {
	root      bool // with the right to make namespaces
	container bool
	filtered  bool // by seccomp

	// Settings, as text; empty where the kernel has none of that name.
	maxUserNamespaces string // user.max_user_namespaces
	unprivileged      string // kernel.unprivileged_userns_clone, Debian's
	apparmor          string // kernel.apparmor_restrict_unprivileged_userns, Ubuntu's
}

func readMachine() machine {
	read := func(path string) string {
		b, _ := os.ReadFile(path)
		return strings.TrimSpace(string(b))
	}
	exists := func(path string) bool {
		_, err := os.Stat(path)
		return err == nil
	}
	return machine{
		root:              privileged(),
		container:         exists("/.dockerenv") || exists("/run/.containerenv") || os.Getenv("container") != "",
		filtered:          strings.Contains(read("/proc/self/status"), "Seccomp:\t2"),
		maxUserNamespaces: read("/proc/sys/user/max_user_namespaces"),
		unprivileged:      read("/proc/sys/kernel/unprivileged_userns_clone"),
		apparmor:          read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
	}
}

const (
	fixDocker = "start the container with docker run --cap-add SYS_ADMIN --cap-add NET_ADMIN (or --privileged); or without any capability, --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined"
	orSudo    = "; or run vpcsim with sudo"
)

// diagnose says what stands behind errno, surest first; empty when nothing of
// the machine's policy does.
func (m machine) diagnose(errno unix.Errno) (detail, fix string) {
	switch errno {
	case unix.EPERM, unix.EACCES, unix.EROFS:
	case unix.ENOSPC, unix.EUSERS:
		if m.maxUserNamespaces != "0" || m.root {
			return "a limit on the number of namespaces is reached (user.max_user_namespaces, max_net_namespaces and the like)",
				"end other labs or containers, or raise it: sudo sysctl -w user.max_net_namespaces=100000 user.max_user_namespaces=100000"
		}
	case unix.EMFILE, unix.ENFILE:
		return "the limit on open files is reached; a lab needs one for each node",
			"raise it: ulimit -n 65536"
	case unix.ENOSYS, unix.EINVAL:
		// The kernel does not know the flag. Without the setting's file it
		// has no such namespaces; otherwise the call was wrong, not the machine.
		if m.maxUserNamespaces == "" && !m.root {
			return "the kernel is built without user namespaces", "run vpcsim with sudo"
		}
		return "", ""
	default:
		return "", ""
	}
	// A refusal does not say whose it is. The switches that concern ordinary
	// users are read off; a container's rules come before the machine's AppArmor,
	// which containers show but which is not theirs to change.
	switch {
	case m.maxUserNamespaces == "0" && !m.root:
		return "user namespaces are switched off (user.max_user_namespaces is 0)",
			"sudo sysctl -w user.max_user_namespaces=15000" + orSudo
	case m.unprivileged == "0" && !m.root:
		return "ordinary users may not make user namespaces (kernel.unprivileged_userns_clone is 0)",
			"sudo sysctl -w kernel.unprivileged_userns_clone=1" + orSudo
	case m.container:
		return "the container that vpcsim runs in forbids namespaces, mounts or network settings", fixDocker
	case m.apparmor == "1" && !m.root:
		return "AppArmor takes the privileges away that a user namespace gives (kernel.apparmor_restrict_unprivileged_userns is 1)",
			"sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0" + orSudo
	case m.filtered:
		return "a seccomp filter around vpcsim forbids it", fixDocker + "; or run vpcsim outside of the sandbox"
	case m.root:
		return "a security policy of this machine (SELinux, AppArmor, missing capabilities) forbids it even to root",
			"look for the denial with dmesg or ausearch -m avc; vpcsim needs CAP_SYS_ADMIN and CAP_NET_ADMIN"
	}
	return "a security policy of this machine (SELinux, AppArmor) forbids it to ordinary users", "run vpcsim with sudo"
}
