package cloudwatch

import (
	"encoding/json"
	"strconv"
	"strings"
)

// object is the syntax for events in JSON: { $.port = 443 && $.user NOT EXISTS }.
type object struct{ condition condition }

// match takes an event that is one JSON value and nothing behind it: AWS looks into no
// text around it. Numbers stay as they are written, since a float64 would round the
// account numbers and sequence numbers that patterns compare.
func (o *object) match(message string) (values, bool) {
	decoder := json.NewDecoder(strings.NewReader(message))
	decoder.UseNumber()
	var root any
	if decoder.Decode(&root) != nil || decoder.More() {
		return nil, false
	}
	if !o.condition(func(selector string) (string, bool) { return literal(root, selector) }) {
		return nil, false
	}
	return func(selector string) (string, bool) {
		text, ok := literal(root, selector)
		if !ok || text == "null" {
			return "", false
		}
		return plainText(text), true
	}, true
}

// selects cannot know what events look like: any selector that reads as one may.
func (o *object) selects(selector string) bool {
	s := &scanner{text: selector}
	_, err := s.selector()
	return err == nil && s.at == len(s.text)
}

// literal is the JSON of a scalar that a selector leads to; false if there is none.
// A text keeps its quotation marks, so that "null" and null differ.
func literal(root any, selector string) (string, bool) {
	s := &scanner{text: selector}
	path, err := s.selector()
	if err != nil || s.at != len(s.text) {
		return "", false
	}
	for _, step := range path {
		switch at := root.(type) {
		case map[string]any:
			next, ok := at[step]
			if !ok {
				return "", false
			}
			root = next
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(at) {
				return "", false
			}
			root = at[i]
		default:
			return "", false
		}
	}
	text, err := json.Marshal(root)
	return string(text), err == nil
}

// plainText is a literal without the quotation marks of a text.
func plainText(literal string) string {
	var text string
	if json.Unmarshal([]byte(literal), &text) == nil {
		return text
	}
	return literal
}

// parseJSON reads the braces; in between there are conditions and parentheses, the same
// as in brackets, and each names its own selector.
func parseJSON(s *scanner) (form, error) {
	s.at++ // the brace
	c, err := s.either(s.jsonCondition)
	if err != nil {
		return nil, err
	}
	if s.space(); !s.take("}") {
		return nil, s.errorf(`"&&", "||" or "}" is expected here, but %s`, s.found())
	}
	return &object{c}, s.end()
}

// selector reads $.name.name[0], with ["name"] for names that are no words.
func (s *scanner) selector() (path []string, err error) {
	if s.space(); !s.take("$") {
		return nil, s.errorf("a selector such as $.name is expected here, but %s", s.found())
	}
	for {
		switch dot := s.take("."); {
		case s.take("["):
			step, err := s.bracketed()
			if err != nil {
				return nil, err
			}
			path = append(path, step)
		case dot:
			name := s.fieldName()
			if name == "" {
				return nil, s.errorf("the name of a property is expected here, but %s", s.found())
			}
			path = append(path, name)
		case len(path) == 0:
			return nil, s.errorf(`"." is expected here, but %s`, s.found())
		default:
			return path, nil
		}
	}
}

// bracketed reads an index, or a name in quotation marks.
func (s *scanner) bracketed() (step string, err error) {
	start := s.at
	switch c := s.peek(); {
	case c == '"':
		step, err = s.quoted()
	case c == '\'':
		text, _, closed := strings.Cut(s.text[s.at+1:], "'")
		if !closed {
			return "", s.errorf("the quotation mark is never closed")
		}
		step, s.at = text, s.at+len(text)+2
	default:
		for isDigit(s.peek()) {
			s.at++
		}
		if step = s.text[start:s.at]; step == "" {
			return "", s.errorf("an index is expected here, but %s", s.found())
		}
	}
	if err == nil && !s.take("]") {
		err = s.errorf(`"]" is expected here, but %s`, s.found())
	}
	return step, err
}

// jsonWords are the conditions that are no comparison. A property that is missing is
// not null.
var jsonWords = []struct {
	words []string
	holds func(literal string, exists bool) bool
}{
	{[]string{"IS", "NULL"}, func(literal string, exists bool) bool { return exists && literal == "null" }},
	{[]string{"IS", "TRUE"}, func(literal string, exists bool) bool { return exists && literal == "true" }},
	{[]string{"IS", "FALSE"}, func(literal string, exists bool) bool { return exists && literal == "false" }},
	{[]string{"NOT", "EXISTS"}, func(_ string, exists bool) bool { return !exists }},
	{[]string{"EXISTS"}, func(_ string, exists bool) bool { return exists }},
}

// jsonCondition reads a selector and what must hold for its value.
func (s *scanner) jsonCondition() (condition, error) {
	s.space()
	start := s.at
	if _, err := s.selector(); err != nil {
		return nil, err
	}
	selector := s.text[start:s.at]
	for _, word := range jsonWords {
		if s.takeWords(word.words) {
			return func(get values) bool { return word.holds(get(selector)) }, nil
		}
	}
	// Only a scalar has a value to compare. AWS does not compare objects and lists either,
	// and what is null is neither equal to anything nor different from it.
	c, err := s.comparison(")}")
	if err != nil {
		return nil, err
	}
	return func(get values) bool {
		value, ok := get(selector)
		if !ok || value == "null" || strings.HasPrefix(value, "{") || strings.HasPrefix(value, "[") {
			return false
		}
		return c.holds(plainText(value))
	}, nil
}

// takeWords consumes words with space between them, in capital letters or not.
func (s *scanner) takeWords(words []string) bool {
	start := s.at
	for _, word := range words {
		s.space()
		if !strings.EqualFold(s.fieldName(), word) {
			s.at = start
			return false
		}
	}
	return true
}
