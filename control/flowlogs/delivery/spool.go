package delivery

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/vpcsim/vpcsim/control/flowlogs"
)

// spool is the records of an object that is not made yet: a line of JSON that says
// which object, then the records. Whoever finds it can complete it.
type spool struct {
	header spoolHeader
	path   string
	stem   string    // by which the log finds it
	due    time.Time // when no further record can come
	file   *os.File  // nil once it is closed
	size   int64     // of what is whole
}

// spoolHeader is the first line of a spool.
type spoolHeader struct {
	Bucket         string `json:"bucket"`
	Key            string `json:"key"`
	Format         string `json:"format"`
	TransitGateway bool   `json:"transitGateway,omitempty"`
	Parquet        bool   `json:"parquet,omitempty"`
}

// spoolFor is the spool of a target, begun if there is none.
func (d *Delivery) spoolFor(l *logFiles, to target) (*spool, error) {
	format := to.destination.Format.String()
	where := stem(to.destination, to.logID, to.slot)
	id := to.destination.Bucket + "/" + where + ending(to.destination) + " " + format
	if s := l.spools[id]; s != nil {
		return s, nil
	}
	hash := newHash()
	s := &spool{
		stem: id,
		path: filepath.Join(d.spoolDir(), hash+".spool"),
		due:  time.Unix(to.slot+slotSeconds+to.destination.IntervalSeconds, 0),
		header: spoolHeader{
			Bucket: to.destination.Bucket, Key: where + "_" + hash + ending(to.destination),
			Format: format, TransitGateway: to.destination.Format.TransitGateway(), Parquet: to.destination.Parquet,
		},
	}
	if err := makeDir(d.spoolDir()); err != nil {
		return nil, err
	}
	if err := s.create(); err != nil {
		return nil, err
	}
	l.spools[id] = s
	if l.completing == nil { // who cannot write there learns it now
		l.completing = d.probe(s)
	}
	return s, nil
}

// create begins the file; there is none afterwards if that fails.
func (s *spool) create() error {
	header, err := json.Marshal(s.header)
	if err != nil {
		return err
	}
	if s.file, err = os.OpenFile(s.path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600); err != nil {
		return err
	}
	if err := s.append(append(header, '\n')); err != nil {
		s.close()
		return errors.Join(err, os.Remove(s.path))
	}
	return nil
}

// append writes lines behind what is whole: all of them, or none that count. What a
// full disk took of them is overwritten by the next.
func (s *spool) append(text []byte) error {
	n, err := s.file.WriteAt(text, s.size)
	if err != nil {
		_ = s.file.Truncate(s.size)
		return err
	}
	s.size += int64(n)
	return nil
}

func (s *spool) close() {
	if s.file != nil {
		_ = s.file.Close() // every write has been seen to succeed
		s.file = nil
	}
}

// records is a reader of the lines, and their format.
func (s *spool) records() (io.Reader, flowlogs.Format, error) {
	if s.file == nil {
		file, err := os.Open(s.path)
		if err != nil {
			return nil, flowlogs.Format{}, err
		}
		s.file = file
	}
	format, err := flowlogs.ParseFormat(s.header.Format, s.header.TransitGateway)
	if err != nil {
		return nil, format, fmt.Errorf("%s: %w", s.path, err)
	}
	header, err := json.Marshal(s.header)
	begin := int64(len(header)) + 1
	return io.NewSectionReader(s.file, begin, s.size-begin), format, err
}

// leftSpools are those that a process left which could not end in order. What it had
// begun to make of them is removed.
func leftSpools(dir string, log *slog.Logger) []*spool {
	unfinished, _ := filepath.Glob(filepath.Join(dir, "*.making"))
	for _, path := range unfinished {
		_ = os.Remove(path)
	}
	paths, _ := filepath.Glob(filepath.Join(dir, "*.spool"))
	var list []*spool
	for _, path := range paths {
		s, err := openSpool(path)
		if err != nil { // killed before its first line was whole: it has no records
			log.Warn("a flow log spool cannot be read", "path", path, "error", err)
			continue
		}
		list = append(list, s)
	}
	return list
}

// openSpool finds the whole lines of a spool: a killed process may have left half a
// batch, which had not been published.
func openSpool(path string) (*spool, error) {
	text, err := os.ReadFile(path) // bounded by mostSpool
	if err != nil {
		return nil, err
	}
	first, _, ok := bytes.Cut(text, []byte("\n"))
	s := &spool{path: path, size: int64(bytes.LastIndexByte(text, '\n') + 1)}
	if !ok {
		return nil, errors.Join(fmt.Errorf("it is empty"), os.Remove(path))
	}
	if err := json.Unmarshal(first, &s.header); err != nil {
		return nil, err
	}
	return s, nil
}
