package cloudwatch

import (
	"fmt"
	"strings"
)

// Pattern is a filter pattern of CloudWatch Logs. The zero Pattern matches every
// event. It may be used from any goroutine.
type Pattern struct {
	text string
	form form
}

// form is one of the three syntaxes: terms, fields between spaces, JSON.
type form interface {
	// match returns the selected values of an event that matches.
	match(message string) (values, bool)
	// selects reports whether a selector such as $bytes can have a value.
	selects(selector string) bool
}

// values looks up what a selector such as $bytes or $.latency stands for in one
// event.
type values func(selector string) (string, bool)

// maxPattern is AWS's limit, in bytes.
const maxPattern = 1024

// maxExpressions is how many regular expressions AWS takes in one pattern.
const maxExpressions = 2

// PatternError says what is wrong with a filter pattern, and where.
type PatternError struct {
	Position int // of the first byte that is wrong, from 1
	Message  string
}

func (e *PatternError) Error() string {
	return fmt.Sprintf("%s (position %d of the pattern)", e.Message, e.Position)
}

// ParsePattern reads a filter pattern. Its error is a *PatternError.
func ParsePattern(text string) (*Pattern, error) {
	s := &scanner{text: text}
	if len(text) > maxPattern {
		return nil, s.errorAt(maxPattern, "a filter pattern has at most %d characters, this has %d", maxPattern, len(text))
	}
	s.space()
	var f form
	var err error
	switch s.peek() {
	case '[':
		f, err = parseFields(s)
	case '{':
		f, err = parseJSON(s)
	default:
		f, err = parseTerms(s)
	}
	if err != nil {
		return nil, err
	}
	return &Pattern{text: text, form: f}, nil
}

func (p *Pattern) String() string { return p.text }

// Match reports whether an event's message matches. Values then looks up its
// selectors, such as $bytes.
func (p *Pattern) Match(message string) (Values func(selector string) (string, bool), ok bool) {
	if p.form == nil {
		return noValues, true
	}
	return p.form.match(message)
}

// Selects reports whether a selector such as $bytes or $.bytes can have a value in
// events that match.
func (p *Pattern) Selects(selector string) bool {
	return p.form != nil && p.form.selects(selector)
}

func noValues(string) (string, bool) { return "", false }

// scanner walks over the text of a pattern.
type scanner struct {
	text        string
	at          int
	expressions int // regular expressions so far
}

func (s *scanner) errorAt(at int, format string, args ...any) error {
	return &PatternError{Position: at + 1, Message: fmt.Sprintf(format, args...)}
}

func (s *scanner) errorf(format string, args ...any) error { return s.errorAt(s.at, format, args...) }

// peek is the next byte, 0 at the end.
func (s *scanner) peek() byte {
	if s.at < len(s.text) {
		return s.text[s.at]
	}
	return 0
}

func (s *scanner) space() {
	for s.at < len(s.text) && isSpace(s.text[s.at]) {
		s.at++
	}
}

// take consumes a word of the syntax if it is next.
func (s *scanner) take(word string) bool {
	if !strings.HasPrefix(s.text[s.at:], word) {
		return false
	}
	s.at += len(word)
	return true
}

// end is an error unless only white space is left.
func (s *scanner) end() error {
	s.space()
	if s.at < len(s.text) {
		return s.errorf("nothing may follow the closing bracket")
	}
	return nil
}

// found describes the next character for an error.
func (s *scanner) found() string {
	if s.at >= len(s.text) {
		return "the pattern ends"
	}
	for _, r := range s.text[s.at:] {
		return fmt.Sprintf("%q stands there", r)
	}
	return ""
}

// quoted reads a text in double quotes, in which \ takes the next character as it
// is.
func (s *scanner) quoted() (string, error) {
	start := s.at
	s.at++ // the quote
	var b strings.Builder
	for s.at < len(s.text) {
		c := s.text[s.at]
		s.at++
		switch {
		case c == '"':
			return b.String(), nil
		case c == '\\' && s.at < len(s.text):
			c = s.text[s.at]
			s.at++
		}
		b.WriteByte(c)
	}
	return "", s.errorAt(start, "the quotation mark is never closed")
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isWord(c byte) bool {
	return isDigit(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80
}
