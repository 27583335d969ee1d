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
}

// append writes lines: all of them, or none that a reader could see half of.
func (f *textFile) append(text []byte) error {
	size, err := f.open()
	if err != nil {
		return err
	}
	if _, err := f.file.Write(text); err != nil {
		return errors.Join(err, f.file.Truncate(size))
	}
	return nil
}

// open has the file open, with room in it, and says how long it is. Others may have
// shortened or moved it: that is how logs are collected.
func (f *textFile) open() (size int64, err error) {
	size, own := f.look()
	if !own {
		_ = f.close() // every write has been seen to succeed
		if err := f.reopen(); err != nil {
			return 0, err
		}
		size, _ = f.look()
	}
	if size < f.most {
		return size, nil
	}
	if err := os.Rename(f.path, f.path+".1"); err != nil {
		return 0, err
	}
	_ = f.close()
	return 0, f.reopen()
}

// look says how long the open file is, and whether it is still the one of the name.
func (f *textFile) look() (size int64, own bool) {
	if f.file == nil {
		return 0, false
	}
	open, err := f.file.Stat()
	if err != nil {
		return 0, false
	}
	named, err := os.Stat(f.path)
	return open.Size(), err == nil && os.SameFile(open, named)
}

func (f *textFile) reopen() (err error) {
	if err := makeDir(filepath.Dir(f.path)); err != nil {
		return err
	}
	f.file, err = os.OpenFile(f.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	return err
}

func (f *textFile) close() error {
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file = nil
	return err
}
