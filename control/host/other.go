//go:build !linux

package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime"
	"syscall"
)

// Elsewhere than on Linux there are no network namespaces. The package can be
// built there, for the parts of the program that need none of it, and says so.

// ErrClosed, ErrRunning: see the files for Linux.
var (
	ErrClosed  = errors.New("the lab is being taken down")
	ErrRunning = errors.New("it is running")

	errNeedsLinux = fmt.Errorf("labs need Linux, and this is %s: use a Linux machine, a virtual one, or docker run --privileged", runtime.GOOS)
)

// StateDirVariable and MaxFiles: see the files for Linux.
const (
	StateDirVariable = "VPCSIM_STATE_DIR"
	MaxFiles         = 16
)

// EnterMain never returns.
func EnterMain() {
	fmt.Fprintln(os.Stderr, "vpcsim:", errNeedsLinux)
	os.Exit(1)
}

// InitCore needs Linux.
func InitCore(*slog.Logger) error { return errNeedsLinux }

// Explain returns err.
func Explain(err error) error { return err }

// Probe says that Linux is missing.
func Probe() []Finding {
	return []Finding{{Name: "kernel", State: Fail, Detail: errNeedsLinux.Error(), Fix: "use Linux"}}
}

// ForbiddenError does not occur here.
type ForbiddenError struct {
	Err    error
	Detail string
	Fix    string
}

func (e *ForbiddenError) Error() string { return e.Err.Error() }
func (e *ForbiddenError) Unwrap() error { return e.Err }

// Child cannot be had here.
type Child struct {
	PID           int
	UserNamespace bool
}

// Spawn needs Linux.
func Spawn(SpawnConfig) (*Child, error)   { return nil, errNeedsLinux }
func (c *Child) Wait() (int, error)       { return 0, errNeedsLinux }
func (c *Child) Signal(_ os.Signal) error { return errNeedsLinux }
func (c *Child) Kill() error              { return errNeedsLinux }
func (c *Child) Release()                 {}

// Lifeline returns nil.
func Lifeline() *os.File { return nil }

// Config is not used here.
type Config struct {
	Log    *slog.Logger
	Attach func(link uint32, ifindex int) error
	Detach func(link uint32)
}

// Host cannot be had here.
type Host struct{}

// New needs Linux.
func New(Config) (*Host, error)                               { return nil, errNeedsLinux }
func (h *Host) Ensure(context.Context, []Node) error          { return errNeedsLinux }
func (h *Host) Prune([]Node)                                  {}
func (h *Host) Close() error                                  { return nil }
func (h *Host) In(string, func() error) error                 { return errNeedsLinux }
func (h *Host) Namespace(string) (*os.File, error)            { return nil, errNeedsLinux }
func (h *Host) Node(string) (Node, bool)                      { return Node{}, false }
func (h *Host) Command(string, ProcessSpec) (*Process, error) { return nil, errNeedsLinux }

// Process cannot be had here.
type Process struct{}

func (p *Process) PID() int                    { return 0 }
func (p *Process) Done() <-chan struct{}       { return nil }
func (p *Process) Wait() (int, error)          { return 0, errNeedsLinux }
func (p *Process) Signal(syscall.Signal) error { return errNeedsLinux }
func (p *Process) Kill() error                 { return errNeedsLinux }

// Lab cannot be had here.
type Lab struct{ Name, Dir string }

func (l *Lab) Socket() string                     { return "" }
func (l *Lab) Log() string                        { return "" }
func (l *Lab) FlowLogs() string                   { return "" }
func (l *Lab) KeySecret() (s [32]byte, err error) { return s, errNeedsLinux }
func (l *Lab) ConnectionLogs() string             { return "" }
func (l *Lab) Description() string                { return "" }
func (l *Lab) Borrow(string) error                { return errNeedsLinux }
func (l *Lab) Borrower() string                   { return "" }
func (l *Lab) Close() error                       { return nil }

// The rest needs Linux.
func StateDir() (string, error)                               { return "", errNeedsLinux }
func Lock(string) (*Lab, error)                               { return nil, errNeedsLinux }
func OpenLab(string) (*Lab, error)                            { return nil, errNeedsLinux }
func RunningLabs() ([]string, error)                          { return nil, errNeedsLinux }
func FlowLogDirs() (map[string]string, error)                 { return nil, errNeedsLinux }
func PeerIsOwner(*net.UnixConn) (bool, error)                 { return false, errNeedsLinux }
func PeerPID(*net.UnixConn) (int, error)                      { return 0, errNeedsLinux }
func SendFiles(*net.UnixConn, ...*os.File) error              { return errNeedsLinux }
func ReceiveFiles(*net.UnixConn) ([]*os.File, error)          { return nil, errNeedsLinux }
func AwaitInput(_, _ *os.File) bool                           { return false }
func RunTerminal(_, _ *os.File, _ func(*os.File) error) error { return errNeedsLinux }

// LearnedRoute and NextHop: see the files for Linux.
type LearnedRoute struct {
	Destination netip.Prefix
	Hops        []NextHop
}

// NextHop is not used here.
type NextHop struct {
	Device string
	Via    netip.Addr
}

func (h *Host) Device(string, string, []netip.Prefix, int) error { return errNeedsLinux }
func (h *Host) LearnedRoutes(string, []LearnedRoute) error       { return errNeedsLinux }
func (h *Host) PushedRoutes(string, []LearnedRoute) error        { return errNeedsLinux }

func (h *Host) Pair(string, string, string, int) error { return errNeedsLinux }
func (h *Host) RemovePair(string, string) error        { return errNeedsLinux }

// TUNAllowed says no.
func TUNAllowed() bool { return false }
