package flowlogs

import (
	"strconv"
	"strings"
	"time"
)

// Skip makes an entry of the SKIPDATA record that stands for this one and others of
// its stream that cannot be kept (F10): the same interface, all of the time from the
// first's start to the last's end, and nothing about flows.
func (e *Entry) Skip(first, last time.Time) Entry {
	out := *e
	out.Timestamp, out.End = first, last
	words := strings.Split(e.Message, " ")
	for i, x := range e.Destination.Format.fields {
		switch {
		case i >= len(words):
		case x.name == "log-status":
			words[i] = statusSkipData
		case x.name == "start":
			words[i] = strconv.FormatInt(first.Unix(), 10)
		case x.name == "end":
			words[i] = strconv.FormatInt(last.Unix(), 10)
		case !x.knownWithoutFlow():
			words[i] = "-"
		}
	}
	out.Message = strings.Join(words, " ")
	return out
}

// knownWithoutFlow reports whether a field says something of the place alone.
func (x *field) knownWithoutFlow() bool {
	place := record{
		config: &Config{}, gateway: &Gateway{ID: "-", Account: "-", Region: "-"}, attachment: &Attachment{ID: "-", VPC: "-", VPCAccount: "-"},
		at: &Interface{
			ID: "-", Account: "-", VPC: "-", Subnet: "-", Instance: "-", Region: "-", ZoneID: "-", SublocationType: "-", SublocationID: "-", Type: "-",
		},
	}
	return x.text(&place) != ""
}
