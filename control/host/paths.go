//go:build linux

package host

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// StateDirVariable names the environment variable that says where labs keep
// their state.
const StateDirVariable = "VPCSIM_STATE_DIR"

// maxSocketPath is what a Unix socket's address holds, without the final zero.
const maxSocketPath = 107

// ErrRunning says that a lab of that name is up.
var ErrRunning = errors.New("it is running")

var labName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$`)

// Lab is the directory of one lab and the lock that says that its daemon lives.
// The kernel drops the lock when its last holder dies, however that came about:
// what a dead daemon left never blocks the next.
type Lab struct {
	Name string
	Dir  string
	lock *os.File
}

// Socket is the path of the daemon's Unix socket.
func (l *Lab) Socket() string { return filepath.Join(l.Dir, "sock") }

// Log is the path of the daemon's log.
func (l *Lab) Log() string { return filepath.Join(l.Dir, "log") }

// FlowLogs is where the lab's flow logs go. It is no part of the lab's directory,
// which ends with the lab, and no lab can have its name.
func (l *Lab) FlowLogs() string {
	return filepath.Join(filepath.Dir(l.Dir), ".flowlogs", l.Name)
}

// ConnectionLogs is where the connection logs of Client VPN endpoints go, as FlowLogs
// for flow logs.
func (l *Lab) ConnectionLogs() string {
	return filepath.Join(filepath.Dir(l.Dir), ".connectionlogs", l.Name)
}

// Description is the path of lab.json.
func (l *Lab) Description() string { return filepath.Join(l.Dir, "lab.json") }

// StateDir returns the directory in which labs keep their state, and makes it if
// it is missing: $VPCSIM_STATE_DIR, else /run/vpcsim for root, else
// $XDG_RUNTIME_DIR/vpcsim, else vpcsim-UID among the temporary files. It must be
// the caller's alone: whoever can write there can talk to the daemon.
func StateDir() (string, error) {
	dir, err := statePath()
	if err != nil {
		return "", err
	}
	// Mkdir, not MkdirAll, for the last part: it does not follow a symlink that
	// somebody has put there beforehand.
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return "", fmt.Errorf("state directory %s: %w", dir, err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("state directory %s: %w (set %s to a directory of your own)", dir, err, StateDirVariable)
	}
	return dir, checkPrivate(dir)
}

func statePath() (string, error) {
	if dir := os.Getenv(StateDirVariable); dir != "" {
		return filepath.Abs(dir)
	}
	if os.Geteuid() == 0 {
		return "/run/vpcsim", nil
	}
	// After su the variable is often still the other user's.
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) && checkPrivate(dir) == nil {
		return filepath.Join(dir, "vpcsim"), nil
	}
	return filepath.Join(os.TempDir(), "vpcsim-"+strconv.Itoa(os.Geteuid())), nil
}

// checkPrivate returns an error unless path is a directory, no symlink, of the
// caller's that nobody else can enter.
func checkPrivate(path string) error {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return fmt.Errorf("state directory %s: %w", path, err)
	}
	problem := ""
	switch {
	case st.Mode&unix.S_IFMT == unix.S_IFLNK:
		problem = "it is a symlink"
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		problem = "it is not a directory"
	case int(st.Uid) != os.Geteuid():
		problem = fmt.Sprintf("it belongs to user %d, not to you (%d)", st.Uid, os.Geteuid())
	// Not repaired by chmod: what others have put there would stay.
	case st.Mode&0o077 != 0:
		problem = fmt.Sprintf("others can get in (mode %04o; chmod 700 it)", st.Mode&0o777)
	default:
		return nil
	}
	return fmt.Errorf("state directory %s: refused, %s; remove it or set %s to another", path, problem, StateDirVariable)
}

// Lock takes the lab of that name for the caller, until [Lab.Close] or the
// caller's death, and clears what an earlier daemon left. It fails with
// [ErrRunning] while another process holds it.
func Lock(name string) (*Lab, error) {
	l, err := lab(name)
	if err != nil {
		return nil, err
	}
	for {
		if err := os.Mkdir(l.Dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return nil, fmt.Errorf("lab %s: %w", name, err)
		}
		if err := checkPrivate(l.Dir); err != nil {
			return nil, fmt.Errorf("lab %s: %w", name, err)
		}
		l.lock, err = os.OpenFile(l.lockPath(), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
		if errors.Is(err, os.ErrNotExist) {
			continue // its last holder is just removing the directory
		}
		if err != nil {
			return nil, fmt.Errorf("lab %s: lock: %w", name, err)
		}
		if err := flock(l.lock); err != nil {
			l.lock.Close()
			if err == unix.EWOULDBLOCK {
				return nil, fmt.Errorf("lab %s: %w", name, ErrRunning)
			}
			return nil, fmt.Errorf("lab %s: lock: %w", name, err)
		}
		if l.isCurrent() {
			break
		}
		l.lock.Close() // locked, but no longer the file of that name
	}
	for _, stale := range l.leftovers() {
		if err := os.RemoveAll(stale); err != nil {
			l.lock.Close()
			return nil, fmt.Errorf("lab %s: clearing what is left of it: %w", name, err)
		}
	}
	return l, nil
}

// flock takes the lock, or finds it taken. A moment's patience tells a daemon
// from a look by Running, which holds the lock for an instant.
func flock(f *os.File) error {
	var err error
	for range 5 {
		if err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != unix.EWOULDBLOCK {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
	return err
}

// Borrow notes the command that the lab is up for, for as long as that runs. Such a lab
// leaves nothing: nobody would look for the logs of a name that was made up.
func (l *Lab) Borrow(command string) error {
	return os.WriteFile(l.borrowerPath(), []byte(command), 0o600)
}

// Borrower is the command of [Lab.Borrow], "" for a lab of its user's.
func (l *Lab) Borrower() string {
	command, _ := os.ReadFile(l.borrowerPath())
	return string(command)
}

func (l *Lab) borrowerPath() string { return filepath.Join(l.Dir, "borrower") }

// Close removes the lab's directory and gives its name free.
func (l *Lab) Close() error {
	if l.lock == nil {
		return nil
	}
	var errs []error
	if l.Borrower() != "" {
		for _, dir := range []string{l.FlowLogs(), l.ConnectionLogs()} {
			errs = append(errs, os.RemoveAll(dir))
			_ = os.Remove(filepath.Dir(dir)) // unless other labs have something there
		}
	}
	// The lock goes before the directory and while it is held: who opened it
	// meanwhile finds in isCurrent that it is not the file of that name any more.
	for _, path := range append(l.leftovers(), l.lockPath(), l.Dir) {
		if err := os.RemoveAll(path); err != nil {
			errs = append(errs, err)
		}
	}
	errs = append(errs, l.lock.Close())
	l.lock = nil
	return errors.Join(errs...)
}

// OpenLab returns the lab of that name for talking to its daemon, without its
// lock. It fails with an error that is [os.ErrNotExist] when none is up.
func OpenLab(name string) (*Lab, error) {
	l, err := lab(name)
	if err != nil {
		return nil, err
	}
	if !l.running() {
		return nil, fmt.Errorf("lab %s: no such lab is up: %w", name, os.ErrNotExist)
	}
	return l, nil
}

// FlowLogDirs are what labs have left under [Lab.FlowLogs], by the labs' names. They
// need not be up.
func FlowLogDirs() (map[string]string, error) {
	dir, err := StateDir()
	if err != nil {
		return nil, err
	}
	all := filepath.Join(dir, ".flowlogs")
	entries, err := os.ReadDir(all)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	dirs := map[string]string{}
	for _, e := range entries {
		if e.IsDir() {
			dirs[e.Name()] = filepath.Join(all, e.Name())
		}
	}
	return dirs, err
}

// RunningLabs returns the names of the caller's labs that are up, sorted.
func RunningLabs() ([]string, error) {
	dir, err := StateDir()
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if l := (&Lab{Name: e.Name(), Dir: filepath.Join(dir, e.Name())}); e.IsDir() && l.running() {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// running reports whether somebody holds the lab's lock.
func (l *Lab) running() bool {
	f, err := os.Open(l.lockPath())
	if err != nil {
		return false
	}
	defer f.Close()
	return unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) == unix.EWOULDBLOCK
}

func lab(name string) (*Lab, error) {
	if !labName.MatchString(name) {
		return nil, fmt.Errorf("lab %q: a name has up to 63 letters, digits, dots, dashes and underscores, and begins with a letter or digit", name)
	}
	dir, err := StateDir()
	if err != nil {
		return nil, err
	}
	l := &Lab{Name: name, Dir: filepath.Join(dir, name)}
	if n := len(l.Socket()); n > maxSocketPath {
		return nil, fmt.Errorf("lab %s: the path of its socket, %s, has %d bytes, and Linux allows %d: use a shorter name, or set %s to a shorter path", name, l.Socket(), n, maxSocketPath, StateDirVariable)
	}
	return l, nil
}

func (l *Lab) lockPath() string { return filepath.Join(l.Dir, "lock") }

// leftovers are what the lab's directory holds besides the lock.
func (l *Lab) leftovers() []string {
	entries, _ := os.ReadDir(l.Dir)
	var out []string
	for _, e := range entries {
		if e.Name() != "lock" {
			out = append(out, filepath.Join(l.Dir, e.Name()))
		}
	}
	return out
}

// isCurrent reports whether the locked file is still the one that others will
// open: its holder may have removed it between our open and our lock.
func (l *Lab) isCurrent() bool {
	held, err1 := l.lock.Stat()
	there, err2 := os.Stat(l.lockPath())
	return err1 == nil && err2 == nil && os.SameFile(held, there)
}

// PeerIsOwner reports whether the process at the other end of a Unix socket runs
// as the same user as this one. It is a second guard beside the socket's mode.
func PeerIsOwner(conn *net.UnixConn) (bool, error) {
	cred, err := peerCredentials(conn)
	if err != nil {
		return false, err
	}
	return int(cred.Uid) == os.Geteuid(), nil
}

// PeerPID is the process at the other end of a Unix socket, as this one sees it.
func PeerPID(conn *net.UnixConn) (int, error) {
	cred, err := peerCredentials(conn)
	if err != nil {
		return 0, err
	}
	return int(cred.Pid), nil
}

func peerCredentials(conn *net.UnixConn) (*unix.Ucred, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	var cred *unix.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err := errors.Join(err, credErr); err != nil {
		return nil, fmt.Errorf("who is at the other end of the socket: %w", err)
	}
	return cred, nil
}
