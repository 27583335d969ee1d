package cloudwatch

import (
	"regexp"
	"strconv"
	"strings"
)

// comparison is an operator and what is compared with: a number, a text in which *
// stands for anything, or a regular expression.
type comparison struct {
	operator   string
	text       string
	number     float64
	numeric    bool // not in quotation marks, and reads as a number
	expression *regexp.Regexp
}

// operators of comparisons; the longer of two that begin alike comes first.
var operators = []string{"!=", ">=", "<=", "=", ">", "<"}

// comparison reads an operator and its value. Stop are the bytes that end a value
// without quotation marks, beside space.
func (s *scanner) comparison(stop string) (c comparison, err error) {
	s.space()
	for _, word := range operators {
		if s.take(word) {
			c.operator = word
			break
		}
	}
	if c.operator == "" {
		return c, s.errorf("one of = != > < >= <= is expected here, but %s", s.found())
	}
	s.space()
	start := s.at
	switch s.peek() {
	case '"':
		c.text, err = s.quoted()
	case '%':
		c.expression, err = s.expression()
	default:
		err = s.bare(&c, stop)
	}
	if err == nil && !c.numeric && c.operator != "=" && c.operator != "!=" {
		err = s.errorAt(start, "%s compares numbers", c.operator)
	}
	return c, err
}

// bare reads a value without quotation marks.
func (s *scanner) bare(c *comparison, stop string) error {
	start := s.at
	// A condition may follow without a space: [a=1&&a!=2].
	for s.at < len(s.text) && !isSpace(s.text[s.at]) && strings.IndexByte(stop, s.text[s.at]) < 0 &&
		!strings.HasPrefix(s.text[s.at:], "&&") && !strings.HasPrefix(s.text[s.at:], "||") {
		s.at++
	}
	c.text = s.text[start:s.at]
	if c.text == "" {
		return s.errorf("a value is expected here, but %s", s.found())
	}
	if i := strings.IndexAny(c.text, `"=<>%!`); i >= 0 {
		return s.errorAt(start+i, "%q stands in a value: put the value in quotation marks", c.text[i])
	}
	c.number, c.numeric = number(c.text)
	return nil
}

// number reads what AWS takes for one: digits, a point, an exponent.
func number(text string) (float64, bool) {
	if text == "" || strings.Trim(text, "0123456789.eE+-") != "" {
		return 0, false
	}
	n, err := strconv.ParseFloat(text, 64)
	return n, err == nil
}

// holds compares a value of an event.
func (c *comparison) holds(value string) bool {
	if c.expression != nil {
		return c.expression.MatchString(value) == (c.operator == "=")
	}
	// Numbers compare as numbers only if both sides are one: "443" and "443.0" are equal,
	// and "-", which a flow log writes for what it does not know, is no number.
	if got, ok := number(value); ok && c.numeric {
		switch c.operator {
		case "=":
			return got == c.number
		case "!=":
			return got != c.number
		case ">":
			return got > c.number
		case "<":
			return got < c.number
		case ">=":
			return got >= c.number
		case "<=":
			return got <= c.number
		}
	}
	switch c.operator {
	case "=":
		return like(value, c.text)
	case "!=":
		return !like(value, c.text)
	}
	return false // a text is neither more nor less than a number
}

// like compares with a text in which * stands for anything.
func like(value, pattern string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return value == pattern
	}
	last := len(parts) - 1
	if !strings.HasPrefix(value, parts[0]) {
		return false
	}
	// The first place for each part is as good as any later one, so that no pattern takes
	// more than one pass; the last part has to be at the end.
	value = value[len(parts[0]):]
	for _, part := range parts[1:last] {
		_, rest, found := strings.Cut(value, part)
		if !found {
			return false
		}
		value = rest
	}
	return strings.HasSuffix(value, parts[last])
}
