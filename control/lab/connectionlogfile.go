package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// connectionLogFile appends lines to a file that outlives the lab, and that its owner
// alone may read. One that is full makes room: what was in it becomes NAME.log.1. Not
// safe for concurrent use.
type connectionLogFile struct {
	path string
	most int64 // bytes
	file *os.File
	size int64
}

// mostConnectionLogBytes bounds a file: the state directory may be in memory.
const mostConnectionLogBytes = 16 << 20

func newConnectionLogFile(dir, endpoint string) *connectionLogFile {
	return &connectionLogFile{path: filepath.Join(dir, endpoint+".log"), most: mostConnectionLogBytes}
}

// append writes a line whole, or nothing of it.
func (f *connectionLogFile) append(line []byte) error {
	if err := f.ready(); err != nil {
		return fmt.Errorf("connection log: %w", err)
	}
	n, err := f.file.Write(append(line, '\n'))
	if err != nil {
		return fmt.Errorf("connection log: an entry is in memory only: %w; free space on the disk", errors.Join(err, f.file.Truncate(f.size)))
	}
	f.size += int64(n)
	return nil
}

// ready opens the file, with room in it.
func (f *connectionLogFile) ready() error {
	if f.file != nil && f.size >= f.most {
		_ = f.file.Close() // every write has been seen to succeed
		f.file = nil
		if err := os.Rename(f.path, f.path+".1"); err != nil {
			return err
		}
	}
	if f.file != nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(f.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		_ = file.Close()
		return err
	}
	f.file, f.size = file, info.Size()
	return nil
}

func (f *connectionLogFile) close() {
	if f.file != nil {
		_ = f.file.Close() // every write has been seen to succeed
		f.file = nil
	}
}
