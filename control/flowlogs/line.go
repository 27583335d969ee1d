package flowlogs

import (
	"strings"
	"time"
)

// Entry is a published record: one event of a stream.
type Entry struct {
	// Log and LogID are the flow log's name and ID.
	Log   string `json:"log"`
	LogID string `json:"logId"`
	// Group and Stream are CloudWatch's words for where it goes (F11).
	Group  string `json:"logGroup"`
	Stream string `json:"logStream"`
	// Timestamp is the record's start.
	Timestamp time.Time `json:"timestamp"`
	// End of the record, by which files in S3 are told apart (F14).
	End     time.Time `json:"end"`
	Message string    `json:"message"`
	// Destination of the log, never nil.
	Destination *Destination `json:"-"`
}

// line writes a record.
func (f *Format) line(r *record) string {
	r.version = f.version
	var b strings.Builder
	for i := range f.fields {
		if i > 0 {
			b.WriteByte(' ')
		}
		text := f.fields[i].text(r)
		if text == "" {
			text = "-"
		}
		b.WriteString(text)
	}
	return b.String()
}

// The values of log-status.
const (
	statusOK       = "OK"
	statusNoData   = "NODATA"
	statusSkipData = "SKIPDATA"
)
