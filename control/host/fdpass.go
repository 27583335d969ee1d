//go:build linux

package host

import (
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// MaxFiles is how many files one [SendFiles] passes at most.
const MaxFiles = 16

// SendFiles passes open files to the process at the other end of conn, which
// must call [ReceiveFiles] at that point of the stream, with nothing of it in a
// buffer. The files stay the caller's.
func SendFiles(conn *net.UnixConn, files ...*os.File) error {
	if len(files) == 0 || len(files) > MaxFiles {
		return fmt.Errorf("passing %d files: 1 to %d can be", len(files), MaxFiles)
	}
	var fds []int
	for _, f := range files {
		// Not f.Fd(), which would make a shared terminal or pipe blocking.
		raw, err := f.SyscallConn()
		if err != nil {
			return fmt.Errorf("passing %s: %w", f.Name(), err)
		}
		if err := raw.Control(func(fd uintptr) { fds = append(fds, int(fd)) }); err != nil {
			return fmt.Errorf("passing %s: %w", f.Name(), err)
		}
	}
	// Descriptors travel with a byte of data; it says how many they are.
	_, _, err := conn.WriteMsgUnix([]byte{byte(len(fds))}, unix.UnixRights(fds...), nil)
	if err != nil {
		return fmt.Errorf("passing files: %w", err)
	}
	return nil
}

// ReceiveFiles takes the files that one [SendFiles] passed. They are the
// caller's to close, and no program that the caller starts inherits them.
func ReceiveFiles(conn *net.UnixConn) ([]*os.File, error) {
	count := make([]byte, 1)
	oob := make([]byte, unix.CmsgSpace(4*MaxFiles))
	// The net package asks for close-on-exec.
	n, oobn, flags, _, err := conn.ReadMsgUnix(count, oob)
	if err != nil {
		return nil, fmt.Errorf("receiving files: %w", err)
	}
	// Taken before anything is judged: descriptors that came are open already.
	files, err := rights(oob[:oobn])
	switch {
	case err != nil:
	case flags&unix.MSG_CTRUNC != 0:
		err = fmt.Errorf("more than %d, or more than this process may have open", MaxFiles)
	case n == 0:
		err = errors.New("the connection was closed")
	case len(files) != int(count[0]):
		err = fmt.Errorf("%d came of %d", len(files), count[0])
	default:
		return files, nil
	}
	for _, f := range files {
		f.Close()
	}
	return nil, fmt.Errorf("receiving files: %w", err)
}

// rights takes every file out of a control message, so that none is leaked even
// if there are more messages than there should be.
func rights(oob []byte) ([]*os.File, error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	var files []*os.File
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			continue // another kind of message
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), fmt.Sprintf("received:%d", fd)))
		}
	}
	return files, nil
}
