//go:build linux

package host

import (
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func TestFilesPassBetweenProcesses(t *testing.T) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]*net.UnixConn
	for k, fd := range fds {
		f := os.NewFile(uintptr(fd), "socket")
		c, err := net.FileConn(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		ends[k] = c.(*net.UnixConn)
	}
	if owner, err := PeerIsOwner(ends[0]); !owner || err != nil {
		t.Errorf("PeerIsOwner = %v, %v", owner, err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	if err := SendFiles(ends[0], write, read); err != nil {
		t.Fatal(err)
	}
	write.Close()
	files, err := ReceiveFiles(ends[1])
	if err != nil || len(files) != 2 {
		t.Fatalf("received %v, %v", files, err)
	}
	for _, f := range files {
		flags, _, _ := syscall.Syscall(syscall.SYS_FCNTL, f.Fd(), syscall.F_GETFD, 0)
		if flags&syscall.FD_CLOEXEC == 0 {
			t.Errorf("%s: programs would inherit it", f.Name())
		}
	}
	if _, err := files[0].WriteString("through"); err != nil {
		t.Error(err)
	}
	expect(t, files[1], "through")
	files[0].Close()
	files[1].Close()

	many := make([]*os.File, MaxFiles+1)
	for k := range many {
		many[k] = read
	}
	if err := SendFiles(ends[0], many...); err == nil {
		t.Error("too many were sent")
	}
	// A sender that does not keep to the rules leaks nothing.
	before := openFiles(t)
	var fd17 []int
	for range MaxFiles + 1 {
		fd17 = append(fd17, int(read.Fd()))
	}
	if _, _, err := ends[0].WriteMsgUnix([]byte{17}, syscall.UnixRights(fd17...), nil); err != nil {
		t.Fatal(err)
	}
	if files, err := ReceiveFiles(ends[1]); err == nil {
		t.Errorf("%d files were taken", len(files))
	}
	if _, _, err := ends[0].WriteMsgUnix([]byte{2}, nil, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := ReceiveFiles(ends[1]); err == nil || !strings.Contains(err.Error(), "0 came of 2") {
		t.Errorf("none of two: %v", err)
	}
	ends[0].Close()
	if _, err := ReceiveFiles(ends[1]); err == nil {
		t.Error("a closed connection gave files")
	}
	if after := openFiles(t); after > before {
		t.Errorf("%d files are open, %d before", after, before)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/" + strconv.Itoa(os.Getpid()) + "/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
