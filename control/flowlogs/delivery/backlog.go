package delivery

import (
	"strings"
	"time"

	"github.com/vpcsim/vpcsim/control/flowlogs"
)

// backlog is the records of a flow log that are in no file yet.
type backlog struct {
	entries []flowlogs.Entry
	// skipped is, by stream and format, what there was no room for.
	skipped map[string]*skipping
	lost    uint64 // records, ever
}

// skipping is one SKIPDATA record that grows.
type skipping struct {
	last        flowlogs.Entry
	first, over time.Time
}

// entryBytes is what a record in memory takes beside its line.
const entryBytes = 200

func size(e *flowlogs.Entry) int { return entryBytes + len(e.Message) }

// keep puts a record into memory, or, when that is full, into the SKIPDATA record of
// its stream. There is one for each stream, so they are bounded too (F10).
func (d *Delivery) keep(l *logFiles, e *flowlogs.Entry) {
	if d.waiting+size(e) <= d.mostWaiting {
		d.waiting += size(e)
		l.backlog.entries = append(l.backlog.entries, *e)
		return
	}
	if l.backlog.lost++; l.backlog.lost == 1 {
		d.log.Error("flow log records are skipped: there is no room for them in files nor in memory", "flowLog", l.name)
	}
	key := e.Stream + "\n" + e.Destination.Format.String()
	s := l.backlog.skipped[key]
	if s == nil {
		s = &skipping{first: e.Timestamp, over: e.End}
		l.backlog.skipped[key] = s
	}
	s.last = *e
	if e.Timestamp.Before(s.first) {
		s.first = e.Timestamp
	}
	if e.End.After(s.over) {
		s.over = e.End
	}
}

// drain writes what waits, oldest first, as far as the files take it.
func (d *Delivery) drain(l *logFiles) error {
	for len(l.backlog.entries) > 0 || len(l.backlog.skipped) > 0 {
		for key, s := range l.backlog.skipped {
			if len(l.backlog.entries) > 0 {
				break // they come after what was there before them
			}
			if _, err := d.write(l, []flowlogs.Entry{s.last.Skip(s.first, s.over)}); err != nil {
				return err
			}
			delete(l.backlog.skipped, key)
		}
		rest, err := d.write(l, l.backlog.entries)
		for i := range l.backlog.entries {
			d.waiting -= size(&l.backlog.entries[i])
		}
		for i := range rest {
			d.waiting += size(&rest[i])
		}
		if l.backlog.entries = rest; err != nil {
			return err
		}
	}
	return nil
}

// write appends records to their files and returns those that it could not.
func (d *Delivery) write(l *logFiles, list []flowlogs.Entry) (rest []flowlogs.Entry, err error) {
	for len(list) > 0 {
		to := targetOf(&list[0])
		batch, others := divide(list, to)
		if err := d.writeBatch(l, to, batch); err != nil {
			return list, explain("flow log "+l.name, err)
		}
		list = others
	}
	return nil, nil
}

// target is a file that records go to: the text file, or of an object the slot that
// they end in.
type target struct {
	destination *flowlogs.Destination // nil: the text file
	logID       string
	slot        int64 // Unix time
}

func targetOf(e *flowlogs.Entry) target {
	if e.Destination.Bucket == "" {
		return target{}
	}
	return target{e.Destination, e.LogID, slotOf(e.End)}
}

// mostBatch is how many records are written at once: all of them, or none.
const mostBatch = 4096

// divide takes the first records for a target out of a list.
func divide(list []flowlogs.Entry, to target) (batch, others []flowlogs.Entry) {
	for i := range list {
		if len(batch) == mostBatch && len(others) == 0 {
			return batch, list[i:]
		} else if len(batch) == mostBatch {
			return batch, append(others, list[i:]...)
		}
		if targetOf(&list[i]) == to {
			batch = append(batch, list[i])
		} else {
			others = append(others, list[i])
		}
	}
	return batch, others
}

// writeBatch appends records to one file.
func (d *Delivery) writeBatch(l *logFiles, to target, batch []flowlogs.Entry) error {
	if to.destination == nil {
		return l.text.append(lines(batch))
	}
	s, err := d.spoolFor(l, to)
	if err != nil {
		return err
	}
	if err := s.append(lines(batch)); err != nil {
		return err
	}
	if s.size >= d.mostSpool { // the next record begins another file, as on AWS
		delete(l.spools, s.stem)
		d.left = append(d.left, s)
	}
	return nil
}

func lines(batch []flowlogs.Entry) []byte {
	var b strings.Builder
	for i := range batch {
		b.WriteString(batch[i].Message)
		b.WriteByte('\n')
	}
	return []byte(b.String())
}
