package cloudwatch

import (
	"slices"
	"strings"
)

// fields is the syntax for events that are fields between spaces: a name for each
// field, and conditions.
type fields struct {
	names      []string
	conditions []condition // by field; nil: anything
	// rest is where "..." stands for any number of fields, -1: nowhere.
	rest int
}

// condition is about one field, or an event in JSON.
type condition func(get values) bool

// match counts fields first: a pattern without "..." is about events with exactly as
// many fields as it names (section 8), which is what makes a flow log's pattern blind to
// records of another format.
func (f *fields) match(message string) (values, bool) {
	list := splitFields(message)
	if f.rest < 0 && len(list) != len(f.names) || len(list) < len(f.names) {
		return nil, false
	}
	// Whatever "..." stands for has no name, and so no condition looks at it.
	if f.rest >= 0 { // the unnamed ones go
		list = slices.Delete(list, f.rest, f.rest+len(list)-len(f.names))
	}
	get := func(selector string) (string, bool) {
		name, ok := strings.CutPrefix(selector, "$")
		i := slices.Index(f.names, name)
		if !ok || i < 0 {
			return "", false
		}
		return list[i], true
	}
	for _, holds := range f.conditions {
		if holds != nil && !holds(get) {
			return nil, false
		}
	}
	return get, true
}

// selects is asked when a filter is written, so that a value that no event can have is
// an error in the file and not a metric that stays empty.
func (f *fields) selects(selector string) bool {
	name, ok := strings.CutPrefix(selector, "$")
	return ok && slices.Contains(f.names, name)
}

// splitFields cuts a message at spaces. What is in quotation marks or brackets is
// one field, without them.
func splitFields(message string) []string {
	var list []string
	for at := 0; ; {
		for at < len(message) && isSpace(message[at]) {
			at++
		}
		if at == len(message) {
			return list
		}
		closing := byte(0)
		switch message[at] {
		case '"':
			closing = '"'
		case '[':
			closing = ']'
		}
		if closing != 0 {
			if n := strings.IndexByte(message[at+1:], closing); n >= 0 {
				list = append(list, message[at+1:at+1+n])
				at += n + 2
				continue
			}
		}
		end := at
		for end < len(message) && !isSpace(message[end]) {
			end++
		}
		list = append(list, message[at:end])
		at = end
	}
}

// parseFields reads [name, name = value, ...].
func parseFields(s *scanner) (form, error) {
	f := &fields{rest: -1}
	s.at++ // the bracket
	for {
		s.space()
		if err := f.element(s); err != nil {
			return nil, err
		}
		s.space()
		switch {
		case s.take(","):
		case s.take("]"):
			return f, s.end()
		default:
			return nil, s.errorf(`"," or "]" is expected here, but %s`, s.found())
		}
	}
}

// element reads one field, or "...".
func (f *fields) element(s *scanner) error {
	start := s.at
	if s.take("...") {
		if f.rest >= 0 {
			return s.errorAt(start, "... stands there for the second time: which fields it is would be open")
		}
		f.rest = len(f.names)
		return nil
	}
	for s.peek() == '(' || isSpace(s.peek()) {
		s.at++ // a condition in parentheses has the name behind them
	}
	name := s.fieldName()
	switch {
	case name == "":
		return s.errorf("the name of a field is expected here, but %s", s.found())
	case slices.Contains(f.names, name):
		return s.errorAt(start, "two fields have the name %s", name)
	}
	f.names = append(f.names, name)
	if s.space(); s.peek() == ',' || s.peek() == ']' || s.at == len(s.text) {
		f.conditions = append(f.conditions, nil)
		return nil
	}
	s.at = start
	c, err := s.either(func() (condition, error) { return s.fieldCondition(name) })
	f.conditions = append(f.conditions, c)
	return err
}

// fieldName takes what AWS does, and a hyphen within a name: fields of flow logs have
// some.
func (s *scanner) fieldName() string {
	start := s.at
	for s.at < len(s.text) && (isWord(s.text[s.at]) || s.at > start && s.text[s.at] == '-') {
		s.at++
	}
	return s.text[start:s.at]
}

// fieldCondition reads a comparison of the field itself.
func (s *scanner) fieldCondition(own string) (condition, error) {
	s.space()
	start := s.at
	name := s.fieldName()
	if name != own {
		return nil, s.errorAt(start, "a condition on field %s is expected here: each field has its own", own)
	}
	c, err := s.comparison(",])")
	if err != nil {
		return nil, err
	}
	return func(get values) bool {
		value, ok := get("$" + own)
		return ok && c.holds(value)
	}, nil
}
