package control

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// MaxFileSize is the largest scenario file that Load reads, in bytes.
const MaxFileSize = 4 << 20

// Load reads a scenario file, YAML or JSON. File is what src was read from, for
// messages only. The error is a Problems with everything that cannot be read;
// the World then holds the rest, so that Validate can report its own problems
// in the same run (see Open). It is nil if the text is not YAML at all.
func Load(file string, src []byte) (*World, error) {
	root, problem := parseYAML(src)
	if problem != nil {
		problem.File = file
		return nil, Problems{*problem}
	}
	w := &World{Source: &Source{
		File:   file,
		values: map[string]Position{},
		keys:   map[string]Position{},
		broken: map[string]bool{},
	}}
	d := &decoder{source: w.Source}
	d.document(root, w)
	return w, d.problems.sorted().Err()
}

// Open is Load and Prepare: it reports what cannot be read and what AWS would
// refuse in one list. The World is nil if there is any problem.
func Open(file string, src []byte) (*World, error) {
	w, err := Load(file, src)
	if w == nil {
		return nil, err
	}
	var problems Problems
	errors.As(err, &problems)
	problems = append(problems, w.Prepare(nil)...).sorted()
	if len(problems) > 0 {
		return nil, problems
	}
	return w, nil
}

// parseYAML returns the top-level node of the only document in src.
func parseYAML(src []byte) (*yaml.Node, *Problem) {
	if problem := checkText(src); problem != nil {
		return nil, problem
	}
	decoder := yaml.NewDecoder(bytes.NewReader(src))
	var doc yaml.Node
	switch err := decoder.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, &Problem{Line: 1, Column: 1, Message: "the file is empty", Hint: "begin with: name: my-lab"}
	case err != nil:
		return nil, syntaxProblem(src, err)
	}
	var second yaml.Node
	switch err := decoder.Decode(&second); {
	case errors.Is(err, io.EOF):
	case err != nil:
		return nil, syntaxProblem(src, err)
	case len(second.Content) > 0 && second.Content[0].Tag != "!!null":
		at := second.Content[0]
		return nil, &Problem{Line: at.Line, Column: at.Column, Message: "a second document begins here", Hint: "one file is one lab: split the file at ---"}
	}
	if len(doc.Content) == 0 || doc.Content[0].Tag == "!!null" {
		return nil, &Problem{Line: 1, Column: 1, Message: "the file is empty", Hint: "begin with: name: my-lab"}
	}
	return doc.Content[0], nil
}

// checkText refuses what cannot be a scenario before a parser sees it.
func checkText(src []byte) *Problem {
	if len(src) > MaxFileSize {
		return &Problem{
			Message: fmt.Sprintf("the file is larger than %d MiB, the most that a scenario has", MaxFileSize>>20),
			Hint:    "is this the right file?",
		}
	}
	for i := 0; i < len(src); {
		r, size := utf8.DecodeRune(src[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			return problemAt(src, i, fmt.Sprintf("byte 0x%02x is not UTF-8", src[i]), "save the file as UTF-8 text")
		case r < ' ' && r != '\n' && r != '\r' && r != '\t', r == 0x7f:
			return problemAt(src, i, fmt.Sprintf("control character 0x%02x", r), "is this a text file?")
		}
		i += size
	}
	return nil
}

// problemAt counts the position only when it is needed: a file is mostly good.
func problemAt(src []byte, offset int, message, hint string) *Problem {
	before := src[:offset]
	return &Problem{
		Line:    1 + bytes.Count(before, []byte("\n")),
		Column:  1 + utf8.RuneCount(before[1+bytes.LastIndexByte(before, '\n'):]),
		Message: message, Hint: hint,
	}
}

var yamlErrorLine = regexp.MustCompile(`line (\d+): `)

// syntaxProblem finds the place in the parser's error. The parser gives lines
// only; the column is that of the line's first character.
func syntaxProblem(src []byte, err error) *Problem {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	p := &Problem{Line: 1, Column: 1}
	if m := yamlErrorLine.FindStringSubmatch(message); m != nil {
		p.Line, _ = strconv.Atoi(m[1])
		message = strings.Replace(message, m[0], "", 1)
	}
	p.Message = "not valid YAML: " + message
	p.Hint = "check indentation, brackets and quotes in this line and the one before"
	lines := bytes.Split(src, []byte("\n"))
	if p.Line < 1 || p.Line > len(lines) {
		p.Line = len(lines)
	}
	text := lines[p.Line-1]
	if indent := len(text) - len(bytes.TrimLeft(text, " \t")); indent < len(text) {
		p.Column = indent + 1
		if text[indent] == '\t' || bytes.Contains(text[:indent], []byte("\t")) {
			p.Hint = "YAML is indented with spaces, not tabs"
		}
	}
	return p
}
