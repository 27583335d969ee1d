package control

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Bounds on what a file may make the decoder do. No lab comes near them.
const (
	maxDepth        = 32      // maps and lists inside each other
	maxAliasedNodes = 100_000 // values reached through aliases
	maxProblems     = 1000    // more are not listed
)

// decoder fills a World from YAML nodes, and goes on after a mistake so that
// one run reports all of them. The field names are those of the json tags.
type decoder struct {
	source   *Source
	problems Problems

	expanding []*yaml.Node // anchors whose content is being read
	aliased   int          // values read through aliases so far
	overrun   bool         // maxAliasedNodes was reported
}

// document reads the whole file into w.
func (d *decoder) document(node *yaml.Node, w *World) {
	d.source.values[""] = Position{node.Line, node.Column}
	d.value(node, reflect.ValueOf(w).Elem(), "", 0)
}

// fail reports what is wrong at node and remembers that path has no value.
func (d *decoder) fail(node *yaml.Node, path string, bad badValue) {
	d.source.broken[path] = true
	if d.full() {
		bad = badValue{message: fmt.Sprintf("more than %d problems: the rest of the file is not looked at", maxProblems), hint: "is this a scenario file?"}
		path = ""
	}
	if len(d.problems) <= maxProblems {
		d.problems = append(d.problems, Problem{
			File: d.source.File, Line: node.Line, Column: node.Column,
			Path: shorten(path), Code: bad.code, Message: shorten(bad.message), Hint: shorten(bad.hint),
		})
	}
}

// full reports whether enough problems have been found to stop looking.
func (d *decoder) full() bool { return len(d.problems) >= maxProblems }

// shorten cuts what a file quotes at us to what fits a terminal.
func shorten(text string) string {
	const most = 300
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// value reads node into v, which is settable.
func (d *decoder) value(node *yaml.Node, v reflect.Value, path string, depth int) {
	if d.full() {
		d.fail(node, path, badValue{})
		return
	}
	if depth > maxDepth {
		d.fail(node, path, badValue{message: fmt.Sprintf("nested more than %d levels deep", maxDepth)})
		return
	}
	if node.Kind == yaml.AliasNode {
		d.alias(node, path, func(target *yaml.Node) { d.value(target, v, path, depth+1) })
		return
	}
	if len(d.expanding) > 0 && !d.countAliased(node, path) {
		return
	}
	if v.Kind() == reflect.Pointer {
		p := reflect.New(v.Type().Elem())
		d.value(node, p.Elem(), path, depth)
		v.Set(p)
		return
	}
	if handled := d.scalarType(node, v, path); handled {
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.structure(node, v, path, depth)
	case reflect.Map:
		d.mapping(node, v, path, depth)
	case reflect.Slice:
		d.list(node, v, path, depth)
	case reflect.String:
		if text, ok := d.scalar(node, path, "text"); ok {
			v.SetString(text)
		}
	case reflect.Bool:
		d.boolean(node, v, path)
	case reflect.Int:
		d.integer(node, v, path)
	default:
		panic("control: no way to read a " + v.Type().String()) // a bug in a resource struct
	}
}

// list reads a sequence. An empty one is kept apart from none at all: "egress: []"
// allows nothing, no egress key everything.
func (d *decoder) list(node *yaml.Node, v reflect.Value, path string, depth int) {
	if node.Kind != yaml.SequenceNode {
		hint := "write [] for none"
		if node.Kind == yaml.ScalarNode && node.Tag != "!!null" {
			hint = fmt.Sprintf("write [%s]", node.Value)
		}
		d.source.values[path] = Position{node.Line, node.Column}
		d.fail(node, path, badValue{message: fmt.Sprintf("%s where a list is wanted", nodeNoun(node)), hint: hint})
		return
	}
	if _, ok := d.source.values[path]; !ok {
		d.source.values[path] = Position{node.Line, node.Column}
	}
	items := reflect.MakeSlice(v.Type(), len(node.Content), len(node.Content))
	for i, item := range node.Content {
		at := index(path, i)
		d.source.values[at] = Position{item.Line, item.Column}
		d.value(item, items.Index(i), at, depth+1)
	}
	v.Set(items)
}

// mapping reads a map of resources or routes.
func (d *decoder) mapping(node *yaml.Node, v reflect.Value, path string, depth int) {
	if node.Kind == yaml.ScalarNode && node.Tag == "!!null" {
		return // "vpcs:" with nothing behind it
	}
	if node.Kind != yaml.MappingNode {
		d.fail(node, path, badValue{message: fmt.Sprintf("%s where a map is wanted", nodeNoun(node)), hint: "write name: {…} for each"})
		return
	}
	m := reflect.MakeMap(v.Type())
	for _, e := range d.entries(node, path, depth) {
		if d.full() {
			d.fail(e.key, path, badValue{})
			break
		}
		key := reflect.New(v.Type().Key()).Elem()
		text, ok := d.key(e.key, path)
		if !ok {
			continue
		}
		at := field(path, text)
		if !d.mapKey(e.key, key, at, text) {
			continue
		}
		if dest, ok := key.Interface().(fmt.Stringer); ok {
			at = field(path, dest.String()) // as Validate, which sees it without host bits, will call it
		}
		d.place(e, at)
		if m.MapIndex(key).IsValid() {
			bad := badValue{message: fmt.Sprintf("%q is here twice", text), hint: "remove or rename one"}
			if dup, ok := key.Interface().(interface{ duplicate() badValue }); ok {
				bad = dup.duplicate()
			}
			d.fail(e.key, at, bad)
			continue
		}
		value := reflect.New(v.Type().Elem()).Elem()
		d.value(e.value, value, at, depth+1)
		m.SetMapIndex(key, value)
	}
	v.Set(m)
}

// mapKey reads the key of a resource or route.
func (d *decoder) mapKey(node *yaml.Node, key reflect.Value, path, text string) bool {
	if p, ok := key.Addr().Interface().(textValue); ok {
		return d.parse(node, path, text, p.parse)
	}
	key.SetString(text)
	return true
}

// key is the text of a map's key.
func (d *decoder) key(node *yaml.Node, path string) (text string, ok bool) {
	if node.Kind == yaml.AliasNode && node.Alias.Kind == yaml.ScalarNode {
		node = node.Alias
	}
	if node.Kind != yaml.ScalarNode || node.Tag == "!!null" || node.Value == "" {
		d.fail(node, path, badValue{message: fmt.Sprintf("%s cannot be a key", nodeNoun(node)), hint: "write a name"})
		return "", false
	}
	return node.Value, true
}

// place records where an entry stands: a scalar at its value, a map or list at
// its key, which is where a reader looks for it.
func (d *decoder) place(e entry, path string) {
	key := Position{e.key.Line, e.key.Column}
	d.source.keys[path] = key
	d.source.values[path] = key
	if e.value.Kind == yaml.ScalarNode && e.value.Tag != "!!null" {
		d.source.values[path] = Position{e.value.Line, e.value.Column}
	}
}

// structure reads a map with fixed keys.
func (d *decoder) structure(node *yaml.Node, v reflect.Value, path string, depth int) {
	if node.Kind == yaml.ScalarNode && node.Tag == "!!null" && path != "" {
		return // "igw:" alone: all fields at their defaults
	}
	if node.Kind != yaml.MappingNode {
		want := "a map with keys such as " + someOf(fieldNames(v.Type()))
		d.fail(node, path, badValue{message: fmt.Sprintf("%s where %s is wanted", nodeNoun(node), want)})
		return
	}
	seen := map[string]bool{}
	for _, e := range d.entries(node, path, depth) {
		text, ok := d.key(e.key, path)
		if !ok {
			continue
		}
		at := field(path, text)
		target, known := fieldNamed(v, text)
		switch {
		case seen[text]:
			d.fail(e.key, at, badValue{message: fmt.Sprintf("the key %q is here twice", text), hint: "remove one"})
		case d.full():
			d.fail(e.key, at, badValue{})
			return
		case !known:
			bad, meant := unknownKey(v.Type(), text, path == "")
			d.fail(e.key, at, bad)
			if meant != "" {
				d.source.broken[field(path, meant)] = true // so that it is not reported as missing
			}
		default:
			d.place(e, at)
			if _, takesOne := target.Addr().Interface().(oneOrMany); !takesOne && e.value.Kind == yaml.ScalarNode && e.value.Tag == "!!null" && target.Kind() == reflect.Slice {
				d.fail(e.key, at, badValue{message: "has no value", hint: "write a list, or [] for none"})
				break
			}
			d.value(e.value, target, at, depth+1)
		}
		seen[text] = true
	}
}

// unknownKey words the error for a key that the struct does not have, and
// guesses which one was meant.
func unknownKey(t reflect.Type, key string, top bool) (bad badValue, meant string) {
	if top && slices.Contains(laterKinds, key) {
		return badValue{message: "not supported by this version of vpcsim"}, ""
	}
	names := fieldNames(t)
	bad = badValue{message: fmt.Sprintf("unknown key %q", key)}
	candidates := names
	if top {
		candidates = append(slices.Clone(names), laterKinds...)
	}
	if meant = closest(key, candidates); meant != "" {
		bad.hint = fmt.Sprintf("did you mean %q?", meant)
	} else {
		bad.hint = "the keys here are " + strings.Join(names, ", ")
	}
	return bad, meant
}
