package delivery

import (
	"errors"
	"os"
	"path/filepath"
)

// textFile is appended to: ordinary programs read it while it grows. One that is full
// makes room: what was in it becomes NAME.log.1.
type textFile struct {
	path string
	most int64
	file *os.File
	size int64
}

// append writes lines: all of them, or none that a reader could see half of.
func (f *textFile) append(text []byte) error {
	if err := f.open(); err != nil {
		return err
	}
	n, err := f.file.Write(text)
	if err != nil {
		return errors.Join(err, f.file.Truncate(f.size))
	}
	f.size += int64(n)
	return nil
}

// open has the file open, with room in it.
func (f *textFile) open() error {
	if f.file == nil {
		if err := f.reopen(); err != nil {
			return err
		}
	}
	if f.size < f.most {
		return nil
	}
	if err := os.Rename(f.path, f.path+".1"); err != nil {
		return err
	}
	_ = f.close() // every write has been seen to succeed
	return f.reopen()
}

func (f *textFile) reopen() error {
	if err := makeDir(filepath.Dir(f.path)); err != nil {
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

func (f *textFile) close() error {
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file, f.size = nil, 0
	return err
}
