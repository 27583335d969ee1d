package awsapi

import (
	"encoding/xml"
	"net/http"
	"slices"
	"strings"
)

// items is a list as EC2 writes it: each element is an <item>. An empty list is
// written, too. AWS does so, and boto3 otherwise has no key of that name, which
// breaks programs that loop over the answer.
type items[T any] []T

// MarshalXML writes the list below the element that its field names.
func (list items[T]) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	if err := e.EncodeToken(start); err != nil {
		return err
	}
	for i := range list {
		if err := e.EncodeElement(list[i], xml.StartElement{Name: xml.Name{Local: "item"}}); err != nil {
			return err
		}
	}
	return e.EncodeToken(start.End())
}

// ec2Tag is a tag. A lab's resources have one, Name, which is their name in the file:
// what a user recognizes them by, as in AWS's console.
type ec2Tag struct {
	Key   string `xml:"key"`
	Value string `xml:"value"`
}

// ec2Describe is what every Describe operation of EC2 takes. The form calls lists in
// the singular: Filter.1.Name.
type ec2Describe struct {
	DryRun     bool        `json:"DryRun"`
	Filters    []ec2Filter `json:"Filter"`
	MaxResults int         `json:"MaxResults"`
	NextToken  string      `json:"NextToken"`
}

type ec2Filter struct {
	Name   string   `json:"Name"`
	Values []string `json:"Value"`
}

// allowed answers a dry run. Everybody may describe everything here, and AWS tells
// that by a refusal of its own.
func (d *ec2Describe) allowed() *Error {
	if d.DryRun {
		return &Error{Code: "DryRunOperation", Message: "Request would have succeeded, but DryRun flag is set.", Status: http.StatusPreconditionFailed}
	}
	return nil
}

// wants reports whether a resource passes the filters: each of them by any of its
// values. Fields has what may be filtered by; a name outside it is the client's
// mistake, which AWS does not let pass for an empty answer.
func (d *ec2Describe) wants(fields map[string]string, tags []ec2Tag) (bool, *Error) {
	wanted := true
	for _, f := range d.Filters {
		var values []string
		value, known := fields[f.Name]
		key, isTag := strings.CutPrefix(f.Name, "tag:")
		switch {
		case known:
			values = []string{value}
		case isTag || f.Name == "tag-key":
			for _, t := range tags {
				if !isTag {
					values = append(values, t.Key)
				} else if t.Key == key {
					values = append(values, t.Value)
				}
			}
		default:
			return false, refuse("InvalidParameterValue", "The filter '%s' is invalid", f.Name)
		}
		wanted = wanted && slices.ContainsFunc(values, f.takes)
	}
	return wanted, nil
}

// takes reports whether one of the filter's values is this one.
func (f *ec2Filter) takes(value string) bool {
	return slices.ContainsFunc(f.Values, func(wildcard string) bool { return matches(wildcard, value) })
}

// matches holds a value against one with EC2's wildcards: * and ?, and nothing else
// that a shell or path.Match knows. It goes back to the last * only, so that no
// pattern of a client takes longer than its length times the value's.
func matches(wildcard, value string) bool {
	w, v := 0, 0
	star, from := -1, 0 // the last *, and up to where it takes the value
	for v < len(value) {
		switch {
		case w < len(wildcard) && wildcard[w] == '*':
			star, from = w, v
			w++
		case w < len(wildcard) && (wildcard[w] == '?' || wildcard[w] == value[v]):
			w, v = w+1, v+1
		case star >= 0:
			from++
			w, v = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(wildcard[w:], "*") == ""
}

// mostDescribed is the most resources that EC2 puts into one answer, and what a client
// gets that does not ask for fewer.
const mostDescribed = 1000

// cutDescribed is cut, with EC2's word for a token that is none.
func cutDescribed[T any](list []T, d *ec2Describe) ([]T, string, *Error) {
	shown, next, err := cut(list, page{d.NextToken, d.MaxResults}, mostDescribed)
	if err != nil {
		err = refuse("InvalidNextToken", "The next token specified is invalid.")
	}
	return shown, next, err
}
