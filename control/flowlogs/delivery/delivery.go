package delivery

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/vpcsim/vpcsim/control/flowlogs"
)

// Delivery is the files of a lab's flow logs. It may be used from any goroutine.
type Delivery struct {
	dir string // "": there are none
	log *slog.Logger
	// mostText bounds a text file, mostSpool an object's text, mostWaiting the
	// records in memory; all in bytes.
	mostText, mostSpool int64
	mostWaiting         int

	mu      sync.Mutex
	streams map[string]*logFiles // by the flow log's name
	waiting int                  // bytes of records in memory
	// left are complete spools of an earlier process, or of logs that are no more.
	left    []*spool
	retryAt time.Time // zero: nothing failed
	problem error     // of left
	made    map[string]Bucket
}

// logFiles is what one flow log writes to, and what it could not.
type logFiles struct {
	name    string
	text    textFile
	spools  map[string]*spool // by their stem and format
	backlog backlog
	// What keeps records from the files, and spools from their objects; nil if
	// all is well.
	writing, completing error
	told                bool // the log of the lab knows of it
}

func (l *logFiles) problem() error { return errors.Join(l.writing, l.completing) }

const (
	// mostText bounds a text file: the state directory may be in memory.
	mostText = 64 << 20
	// mostSpool is AWS's bound on a log file: a further one is begun.
	mostSpool = 75 << 20
	// mostWaiting is some 50,000 records.
	mostWaiting = 16 << 20
	// retryPause is how often a disk is asked whether it has room again.
	retryPause = time.Second
)

// New returns the delivery to files in a directory, which is made when there is
// something for it; "" keeps nothing. Spools that are there belong to nobody else.
func New(dir string, log *slog.Logger) *Delivery {
	d := &Delivery{
		dir: dir, log: log, mostText: mostText, mostSpool: mostSpool, mostWaiting: mostWaiting, streams: map[string]*logFiles{},
		made: map[string]Bucket{},
	}
	if dir != "" {
		d.left = leftSpools(d.spoolDir(), log)
	}
	return d
}

// Dir is where text files are.
func (d *Delivery) Dir() string { return d.dir }

// BucketDir is the directory that stands for a bucket.
func (d *Delivery) BucketDir(bucket string) string {
	if d.dir == "" {
		return ""
	}
	return filepath.Join(d.dir, "s3", bucket)
}

// spoolDir cannot be a bucket: their names do not begin with a dot.
func (d *Delivery) spoolDir() string { return filepath.Join(d.dir, "s3", ".spool") }

// Deliver writes the records, behind those that wait already. What cannot be written
// waits.
func (d *Delivery) Deliver(now time.Time, entries []flowlogs.Entry) {
	if d.dir == "" {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(entries) > 0 {
		n := 1
		for n < len(entries) && entries[n].Log == entries[0].Log {
			n++
		}
		l, rest := d.filesOf(entries[0].Log), entries[:n]
		err := d.drain(l)
		if err == nil {
			rest, err = d.write(l, rest)
		}
		for i := range rest {
			d.keep(l, &rest[i])
		}
		d.settle(l, now, err, l.completing)
		entries = entries[n:]
	}
}

func (d *Delivery) filesOf(name string) *logFiles {
	l := d.streams[name]
	if l == nil {
		l = &logFiles{
			name: name, spools: map[string]*spool{}, backlog: backlog{skipped: map[string]*skipping{}},
			text: textFile{path: filepath.Join(d.dir, name+".log"), most: d.mostText},
		}
		d.streams[name] = l
	}
	return l
}

// Next is when [Delivery.Continue] has something to do, false if never.
func (d *Delivery) Next() (time.Time, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	next := d.retryAt
	sooner := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	if len(d.left) > 0 && d.problem == nil {
		sooner(time.Unix(0, 0))
	}
	for _, l := range d.streams {
		if l.problem() != nil {
			continue // retryAt is when
		}
		for _, s := range l.spools {
			sooner(s.due)
		}
	}
	return next, !next.IsZero()
}

// Continue makes objects of the spools that are due, and tries again what failed.
func (d *Delivery) Continue(now time.Time) { d.advance(now, false) }

// Close is Continue for everything, due or not. What fails now stays in its spool;
// what waits in memory is lost, and told by the error.
func (d *Delivery) Close(now time.Time) error {
	d.advance(now, true)
	d.mu.Lock()
	defer d.mu.Unlock()
	lost := 0
	var problems []error
	for _, l := range d.streams {
		lost += len(l.backlog.entries) + len(l.backlog.skipped)
		l.backlog = backlog{skipped: map[string]*skipping{}}
		problems = append(problems, l.problem(), l.text.close())
		for _, s := range l.spools {
			s.close()
		}
		clear(l.spools)
	}
	d.waiting = 0
	err := errors.Join(append(problems, d.problem)...)
	if lost > 0 {
		return fmt.Errorf("%d flow log records are lost with the lab: %w", lost, err)
	}
	return err
}

// advance does what is due, or everything.
func (d *Delivery) advance(now time.Time, everything bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.retryAt = time.Time{}
	var failed error
	var remain []*spool
	for _, s := range d.left {
		if err := d.complete(s); err != nil {
			failed = err
			remain = append(remain, s)
		}
	}
	d.left = remain
	if failed != nil && d.problem == nil {
		d.log.Error("flow log files of an earlier run cannot be completed", "error", failed)
	}
	if d.problem = failed; failed != nil {
		d.retryAt = now.Add(retryPause)
	}
	for _, l := range d.streams {
		err := d.drain(l)
		d.settle(l, now, err, d.completeDue(l, now, everything))
	}
}

// completeDue makes the objects that are due. If one could not be made before, the
// others are asked whether they could, so that there is an answer before they are due.
func (d *Delivery) completeDue(l *logFiles, now time.Time, everything bool) error {
	var errs []error
	for stem, s := range l.spools {
		if !everything && s.due.After(now) {
			if l.completing != nil {
				errs = append(errs, d.probe(s))
			}
			continue
		}
		if err := d.complete(s); err != nil {
			errs = append(errs, err)
			continue
		}
		delete(l.spools, stem)
	}
	return errors.Join(errs...)
}

// settle notes what became of a log's delivery, and tells the log of the lab when
// that is another thing than before.
func (d *Delivery) settle(l *logFiles, now time.Time, writing, completing error) {
	l.writing, l.completing = writing, completing
	err := l.problem()
	switch {
	case err != nil && !l.told:
		d.log.Error("flow log records cannot be delivered; they are kept, and tried again",
			"flowLog", l.name, "error", err, "waiting", len(l.backlog.entries))
	case err == nil && l.told:
		d.log.Info("flow log records are delivered again", "flowLog", l.name)
	}
	if l.told = err != nil; l.told && d.retryAt.IsZero() { // whoever delivers more often does not put it off
		d.retryAt = now.Add(retryPause)
	}
}

// Status is how the delivery of a flow log goes.
type Status struct {
	// Message is AWS's word for a failure, "" if there is none; Problem says what,
	// where and what to do.
	Message, Problem string
	// Waiting and Skipped are records in memory, and those that there was no room
	// for.
	Waiting, Skipped uint64
}

// Status of a flow log by its name.
func (d *Delivery) Status(name string) Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.streams[name]
	if l == nil {
		return Status{}
	}
	s := Status{Waiting: uint64(len(l.backlog.entries)), Skipped: l.backlog.lost}
	if err := l.problem(); err != nil {
		s.Message, s.Problem = message(err), err.Error()
	}
	return s
}

// Total is the status of all flow logs together.
func (d *Delivery) Total() Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	var s Status
	problems, texts := []error{d.problem}, []string{}
	for _, name := range slices.Sorted(maps.Keys(d.streams)) {
		l := d.streams[name]
		s.Waiting += uint64(len(l.backlog.entries))
		s.Skipped += l.backlog.lost
		problems = append(problems, l.problem())
	}
	for _, err := range problems {
		if err != nil && !slices.Contains(texts, err.Error()) { // logs may share a bucket
			texts = append(texts, err.Error())
		}
	}
	if len(texts) > 0 {
		s.Message, s.Problem = message(errors.Join(problems...)), strings.Join(texts, "; ")
	}
	return s
}

// Bucket is what became of the records for one bucket in this process's lifetime.
type Bucket struct {
	// Objects were made, spools of an earlier process included, with Bytes in all.
	Objects, Bytes uint64
	// Spools are objects under way: their time is not over, or they cannot be made.
	Spools int
}

// Buckets are all that had a record, by name.
func (d *Delivery) Buckets() map[string]Bucket {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := maps.Clone(d.made)
	count := func(s *spool) {
		b := all[s.header.Bucket]
		b.Spools++
		all[s.header.Bucket] = b
	}
	for _, s := range d.left {
		count(s)
	}
	for _, l := range d.streams {
		for _, s := range l.spools {
			count(s)
		}
	}
	return all
}

// message is what DescribeFlowLogs says in DeliverLogsErrorMessage (F16).
func message(err error) string {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.ENOTDIR) {
		return "Access error"
	}
	return "Unknown error"
}

// explain adds to an error of the file system what can be done.
func explain(what string, err error) error {
	hint := "delivery goes on by itself when that is possible again"
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		hint = "free space there: delivery goes on by itself"
	case message(err) == "Access error":
		hint = "let the lab's owner write there: delivery goes on by itself"
	}
	return fmt.Errorf("%s: %w; %s", what, err, hint)
}

func makeDir(dir string) error { return os.MkdirAll(dir, 0o700) }
