package control

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Source remembers where in a scenario file each value stood. It is read-only
// once Load has returned.
type Source struct {
	// File is the name that Load was given.
	File string

	values map[string]Position // by path; for a map or list, where its key stands
	keys   map[string]Position // by path of the value: where the key stands
	broken map[string]bool     // paths whose value could not be read
}

// Position is a place in a file, counted from 1.
type Position struct{ Line, Column int }

// Equal makes worlds that differ only in where they were written compare equal.
func (s *Source) Equal(*Source) bool { return true }

// Position is where the value at path stands; for a path that the file does
// not contain, where the nearest enclosing value stands.
func (s *Source) Position(path string) (Position, bool) { return s.nearest(path, false) }

// has reports whether the file contains path itself.
func (s *Source) has(path string) bool {
	if s == nil {
		return false
	}
	_, ok := s.values[path]
	return ok
}

// nearest walks outwards from path until the file has something there; key asks for
// the place of path's key instead of its value.
func (s *Source) nearest(path string, key bool) (Position, bool) {
	if s == nil {
		return Position{}, false
	}
	for ; ; path = parentPath(path) {
		if p, ok := s.keys[path]; ok && key {
			return p, true
		}
		if p, ok := s.values[path]; ok || path == "" {
			return p, ok
		}
		key = false
	}
}

// unreadable reports whether the value at path or one around it could not be
// read, so that what follows from its absence is no news.
func (s *Source) unreadable(path string) bool {
	if s == nil {
		return false
	}
	for ; path != ""; path = parentPath(path) {
		if s.broken[path] {
			return true
		}
	}
	return s.broken[""]
}

// field is the path of a map's entry or a struct's field. A key that would make
// the path ambiguous is quoted.
func field(path, key string) string {
	switch {
	case !plainKey(key):
		return path + "[" + strconv.Quote(key) + "]"
	case path == "":
		return key
	}
	return path + "." + key
}

// plainKey reports whether key can stand in a path without quotes.
func plainKey(key string) bool {
	for _, c := range []byte(key) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && c != '_' && c != '/' && c != '-' {
			return false
		}
	}
	return key != ""
}

// index is the path of a list's item.
func index(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

// parentPath cuts the last component off a path: "a.b[0]" → "a.b" → "a" → "".
func parentPath(path string) string {
	if strings.HasSuffix(path, `"]`) { // a quoted key, which may contain anything
		if i := strings.LastIndex(path, `["`); i >= 0 {
			return path[:i]
		}
	}
	return path[:max(0, strings.LastIndexAny(path, ".["))]
}

// Problem is one thing that is wrong with a world, written for the reader of
// the file.
type Problem struct {
	File         string // as given to Load; "" for a world that has no file
	Line, Column int    // from 1; 0 if unknown
	Path         string // such as securityGroups.web.ingress[0].from
	Code         string // AWS's error code, or ""
	Message      string // what is wrong
	Hint         string // what to do about it, or ""
}

// String is "file:line:column: path: message [code] (hint)", without what is
// unknown.
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File + ":")
	}
	if p.Line > 0 {
		fmt.Fprintf(&b, "%d:%d:", p.Line, p.Column)
	}
	if b.Len() > 0 {
		b.WriteByte(' ')
	}
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Message)
	if p.Code != "" {
		fmt.Fprintf(&b, " [%s]", p.Code)
	}
	if p.Hint != "" {
		fmt.Fprintf(&b, " (%s)", p.Hint)
	}
	return b.String()
}

// Error makes a single Problem an error.
func (p Problem) Error() string { return p.String() }

// Problems are all that is wrong with a world, in the order of the file. As an
// error it prints one per line.
type Problems []Problem

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

// Err is p as an error, nil if there are no problems.
func (p Problems) Err() error {
	if len(p) == 0 {
		return nil
	}
	return p
}

// sorted orders problems by position and drops repetitions.
func (p Problems) sorted() Problems {
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Path, b.Path), cmp.Compare(a.Message, b.Message))
	})
	return slices.Compact(p)
}
