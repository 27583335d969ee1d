package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/vpcsim/vpcsim/control/flowlogs"
)

// flowLogFiles appends records to files, one for each flow log: ordinary programs
// read them, and they outlive the lab. A file that is full makes room: what was
// in it becomes NAME.log.1.
type flowLogFiles struct {
	dir  string // "": there are none
	most int64  // bytes of a file

	mu        sync.Mutex
	open      map[string]*flowLogFile
	unwritten uint64
	problem   string
}

type flowLogFile struct {
	*os.File
	size int64
}

// mostFlowLogBytes bounds a file: the state directory may be in memory.
const mostFlowLogBytes = 64 << 20

func newFlowLogFiles(dir string) *flowLogFiles {
	return &flowLogFiles{dir: dir, most: mostFlowLogBytes, open: map[string]*flowLogFile{}}
}

// write appends the records. One that cannot be written is counted, and does not
// keep the others from their files.
func (f *flowLogFiles) write(entries []flowlogs.Entry) error {
	if f.dir == "" {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var errs []error
	for i := 0; i < len(entries); {
		n := 1
		for i+n < len(entries) && entries[i+n].Log == entries[i].Log {
			n++
		}
		if err := f.append(entries[i].Log, entries[i:i+n]); err != nil {
			f.unwritten += uint64(n)
			errs = append(errs, err)
		}
		i += n
	}
	err := errors.Join(errs...)
	if err != nil {
		f.problem = err.Error()
	}
	return err
}

// append writes records of one log at once: all of them, or none that a reader
// could see half of.
func (f *flowLogFiles) append(name string, entries []flowlogs.Entry) error {
	file, err := f.file(name)
	if err != nil {
		return err
	}
	var text []byte
	for _, e := range entries {
		text = append(append(text, e.Message...), '\n')
	}
	n, err := file.Write(text)
	if err != nil {
		err = fmt.Errorf("flow log %s: %d records are in memory only: %w; free space on the disk", name, len(entries), err)
		return errors.Join(err, file.Truncate(file.size))
	}
	file.size += int64(n)
	return nil
}

// file is the open file of a log, with room in it.
func (f *flowLogFiles) file(name string) (*flowLogFile, error) {
	path := filepath.Join(f.dir, name+".log")
	file := f.open[name]
	if file != nil && file.size >= f.most {
		_ = file.Close() // every write has been seen to succeed
		delete(f.open, name)
		file = nil
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, fmt.Errorf("flow log %s: %w", name, err)
		}
	}
	if file != nil {
		return file, nil
	}
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return nil, fmt.Errorf("flow log %s: %w", name, err)
	}
	opened, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("flow log %s: %w", name, err)
	}
	info, err := opened.Stat()
	if err != nil {
		_ = opened.Close()
		return nil, fmt.Errorf("flow log %s: %w", name, err)
	}
	file = &flowLogFile{opened, info.Size()}
	f.open[name] = file
	return file, nil
}

// lost is how many records are missing in the files, and why the last one is.
func (f *flowLogFiles) lost() (uint64, string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.unwritten, f.problem
}

func (f *flowLogFiles) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for name, file := range f.open {
		if err := file.Close(); err != nil {
			f.problem = err.Error()
		}
		delete(f.open, name)
	}
}
