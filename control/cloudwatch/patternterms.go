package cloudwatch

import (
	"regexp"
	"slices"
	"strings"
)

// terms is the syntax for text without structure: terms that must all be in the
// event, ?terms of which one must be, and -terms that must not.
type terms struct {
	all, some, none []term
}

// term is a text, or a regular expression, somewhere in the event.
type term struct {
	text       string
	expression *regexp.Regexp
}

// in looks anywhere in the event, within words as well (our choice: AWS does not say).
func (t term) in(message string) bool {
	if t.expression != nil {
		return t.expression.MatchString(message)
	}
	return strings.Contains(message, t.text)
}

// match asks the cheap question first: most events lack one of the terms.
func (t *terms) match(message string) (values, bool) {
	contains := func(x term) bool { return x.in(message) }
	for _, x := range t.all {
		if !x.in(message) {
			return nil, false
		}
	}
	// AWS: ?terms beside others are ignored.
	if len(t.all)+len(t.none) == 0 && len(t.some) > 0 && !slices.ContainsFunc(t.some, contains) {
		return nil, false
	}
	return noValues, !slices.ContainsFunc(t.none, contains)
}

// selects: text without structure has no values, so that a metric filter on it can only
// count.
func (t *terms) selects(string) bool { return false }

func parseTerms(s *scanner) (form, error) {
	t := &terms{}
	for {
		s.space()
		if s.at >= len(s.text) {
			return t, nil
		}
		list := &t.all
		switch {
		case s.take("?"):
			list = &t.some
		case s.take("-"):
			list = &t.none
			s.space() // AWS's own examples have it with and without
		}
		x, err := s.term()
		if err != nil {
			return nil, err
		}
		*list = append(*list, x)
	}
}

// term reads a word, a phrase in quotation marks, or an expression.
func (s *scanner) term() (x term, err error) {
	switch c := s.peek(); {
	case c == '"':
		x.text, err = s.quoted()
		return x, err
	case c == '%':
		x.expression, err = s.expression()
		return x, err
	}
	start := s.at
	for s.at < len(s.text) && !isSpace(s.text[s.at]) {
		s.at++
	}
	x.text = s.text[start:s.at]
	if x.text == "" {
		return x, s.errorf("a term is missing")
	}
	// AWS refuses these, too: without quotation marks they could be meant as syntax.
	for i := range len(x.text) {
		if !isWord(x.text[i]) {
			return x, s.errorAt(start+i, "Invalid character(s) in term '%s': put it in quotation marks", x.text)
		}
	}
	return x, nil
}
