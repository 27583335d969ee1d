package cloudwatch

import (
	"regexp"
	"strings"
)

// expression reads a regular expression between percent signs. AWS's are a small
// language: no groups, and of other characters only a few.
func (s *scanner) expression() (*regexp.Regexp, error) {
	start := s.at
	s.at++ // the percent sign
	for escaped := false; ; s.at++ {
		c := s.peek()
		switch {
		case s.at >= len(s.text):
			return nil, s.errorAt(start, "the regular expression is never closed: write another %% behind it")
		case escaped:
			escaped = false
		case c == '\\':
			escaped = true
		case c == '%':
			return s.compile(start)
		case c == '(' || c == ')':
			return nil, s.errorf("a regular expression of a filter pattern has no groups: ( and ) are not supported")
		case !expressionTakes(c):
			return nil, s.errorf("%q is not supported in a regular expression of a filter pattern; write \\ before it", rune(c))
		}
	}
}

func expressionTakes(c byte) bool {
	return c < 0x80 && isWord(c) || strings.IndexByte(`:#=@/;,-^$?[]{}|*+.`, c) >= 0
}

// compile ends an expression at the percent sign.
func (s *scanner) compile(start int) (*regexp.Regexp, error) {
	text := s.text[start+1 : s.at]
	s.at++
	if s.expressions++; s.expressions > maxExpressions {
		return nil, s.errorAt(start, "a filter pattern has at most %d regular expressions", maxExpressions)
	}
	if text == "" {
		return nil, s.errorAt(start, "the regular expression is empty")
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, s.errorAt(start, "%s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	return re, nil
}
