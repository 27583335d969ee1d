package flowlogs

import (
	"fmt"
	"slices"
	"strings"
)

// Format says which fields a record has, and in which order. The zero Format is
// not one; see [ParseFormat].
type Format struct {
	fields  []field
	version int
	transit bool
}

// DefaultFormat is AWS's, of a VPC's logs or of a transit gateway's.
func DefaultFormat(transitGateway bool) Format {
	f := Format{transit: transitGateway}
	for _, name := range defaultFields(transitGateway) {
		f.add(fieldNamed(name, transitGateway))
	}
	return f
}

func defaultFields(transitGateway bool) []string {
	if !transitGateway {
		return strings.Fields(defaultVPCFields)
	}
	names := make([]string, len(transitFields))
	for i := range transitFields {
		names[i] = transitFields[i].name
	}
	return names
}

// add has the version of a record follow from its fields, as in AWS: nobody writes it.
func (f *Format) add(x *field) {
	f.fields = append(f.fields, *x)
	f.version = max(f.version, x.version)
}

// Version is the highest of any field, which is what the field version says.
func (f Format) Version() int { return f.version }

// String is the format as [ParseFormat] reads it.
func (f Format) String() string {
	names := make([]string, len(f.fields))
	for i := range f.fields {
		names[i] = "${" + f.fields[i].name + "}"
	}
	return strings.Join(names, " ")
}

// Header names the fields, as the first line of a file in S3 does.
func (f Format) Header() string {
	names := make([]string, len(f.fields))
	for i := range f.fields {
		names[i] = f.fields[i].name
	}
	return strings.Join(names, " ")
}

// Repeated is the first field that is there twice, "" if none is.
func (f Format) Repeated() string {
	seen := map[string]bool{}
	for i := range f.fields {
		if name := f.fields[i].name; seen[name] {
			return name
		} else {
			seen[name] = true
		}
	}
	return ""
}

// FormatError says what is wrong with a format, and where.
type FormatError struct {
	Position int    // of the first wrong character, from 1
	Field    string // that AWS does not have, "" if something else is wrong
	Message  string
	Near     []string // fields that the name could have been meant to be
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("character %d: %s", e.Position, e.Message)
}

// ParseFormat reads a format such as "${version} ${srcaddr}": fields of AWS's in any
// order, one space in between. It is as strict as AWS, which refuses two spaces and one
// at the end: a file that is right here has to be right there. Errors are *FormatError.
func ParseFormat(text string, transitGateway bool) (Format, error) {
	f := Format{transit: transitGateway}
	if text == "" {
		return f, &FormatError{Position: 1, Message: "the format has no field"}
	}
	for at := 0; ; {
		name, length, bad := cutField(text[at:])
		if bad != "" {
			return f, &FormatError{Position: at + 1, Message: bad}
		}
		x := fieldNamed(name, transitGateway)
		if x == nil {
			return f, unknownField(name, at+len("${")+1, transitGateway)
		}
		f.add(x)
		at += length
		if at == len(text) {
			return f, nil
		}
		if text[at] != ' ' {
			return f, &FormatError{Position: at + 1, Message: fmt.Sprintf("%q between two fields: AWS takes one space", text[at:at+1])}
		}
		if at++; at == len(text) {
			return f, &FormatError{Position: at, Message: "a space at the end"}
		}
	}
}

// cutField takes a "${name}" off the beginning of text.
func cutField(text string) (name string, length int, bad string) {
	rest, ok := strings.CutPrefix(text, "${")
	if !ok {
		word, _, _ := strings.Cut(text, " ")
		return "", 0, fmt.Sprintf("%q is not a field: write ${name}", word)
	}
	name, _, ok = strings.Cut(rest, "}")
	if !ok || strings.ContainsAny(name, " $") {
		return "", 0, "a field without its closing brace"
	}
	return name, len(name) + len("${}"), ""
}

// unknownField tells a field of the other kind of log from one of none.
func unknownField(name string, position int, transitGateway bool) error {
	e := &FormatError{Position: position, Field: name, Message: fmt.Sprintf("%q is no field of a flow log", name)}
	switch {
	case fieldNamed(name, !transitGateway) == nil:
	case transitGateway:
		e.Message = fmt.Sprintf("%q is a field of VPCs, subnets and network interfaces, not of transit gateways", name)
	default:
		e.Message = fmt.Sprintf("%q is a field of transit gateways (version %d) only", name, fieldNamed(name, true).version)
	}
	e.Near = Fields(transitGateway)
	return e
}

// Fields are the names of all fields, sorted.
func Fields(transitGateway bool) []string {
	list := vpcFields
	if transitGateway {
		list = transitFields
	}
	names := make([]string, len(list))
	for i := range list {
		names[i] = list[i].name
	}
	slices.Sort(names)
	return names
}
