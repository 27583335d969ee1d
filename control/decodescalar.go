package control

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// scalarType reads the types that a file writes as one scalar.
func (d *decoder) scalarType(node *yaml.Node, v reflect.Value, path string) bool {
	var parse func(string) error
	switch p := v.Addr().Interface().(type) {
	case textValue:
		parse = p.parse
	case *netip.Prefix:
		parse = func(text string) (err error) { *p, err = parsePrefix(text); return err }
	case *netip.Addr:
		parse = func(text string) (err error) { *p, err = parseAddr(text); return err }
	case oneOrMany:
		if node.Kind != yaml.ScalarNode {
			return false
		}
		if text, ok := d.scalar(node, path, "one value or a list"); ok {
			d.parse(node, path, text, p.parseOne)
		}
		return true
	case shortForm:
		if node.Kind != yaml.ScalarNode {
			return false
		}
		parse = p.parseShort
	default:
		return false
	}
	if text, ok := d.scalar(node, path, "one value"); ok && !d.parse(node, path, text, parse) {
		v.SetZero()
	}
	return true
}

// parse runs a type's own parser and words its error at node.
func (d *decoder) parse(node *yaml.Node, path, text string, parse func(string) error) bool {
	err := parse(text)
	if err == nil {
		return true
	}
	var bad badValue
	if !errors.As(err, &bad) {
		bad.message = err.Error()
	}
	d.fail(node, path, bad)
	return false
}

// scalar is the text of a scalar node.
func (d *decoder) scalar(node *yaml.Node, path, want string) (string, bool) {
	d.source.values[path] = Position{node.Line, node.Column}
	switch {
	case node.Kind != yaml.ScalarNode:
		d.fail(node, path, badValue{message: fmt.Sprintf("%s where %s is wanted", nodeNoun(node), want)})
	case node.Tag == "!!null" || node.Value == "":
		d.fail(node, path, badValue{message: "has no value", hint: "write one or remove the key"})
	case node.Tag == "!!binary" || strings.HasPrefix(node.Tag, "!") && !strings.HasPrefix(node.Tag, "!!"):
		d.fail(node, path, badValue{message: fmt.Sprintf("the tag %s means nothing here", node.Tag), hint: "remove it"})
	default:
		return node.Value, true
	}
	return "", false
}

// nodeNoun says what stands at node, for messages.
func nodeNoun(node *yaml.Node) string {
	switch {
	case node.Kind == yaml.MappingNode:
		return "a map"
	case node.Kind == yaml.SequenceNode:
		return "a list"
	case node.Tag == "!!null":
		return "nothing"
	}
	return fmt.Sprintf("%q", node.Value)
}

// boolean takes true and false only. YAML 1.1's yes, on and y are refused rather
// than guessed at: a later YAML reads them as text.
func (d *decoder) boolean(node *yaml.Node, v reflect.Value, path string) {
	text, ok := d.scalar(node, path, "true or false")
	switch {
	case !ok:
	case text == "true" || text == "false":
		v.SetBool(text == "true")
	default:
		d.fail(node, path, badValue{message: fmt.Sprintf("%q is neither true nor false", text), hint: "write true or false"})
	}
}

// integer takes decimal numbers only: 010 and 0x10 mean different things to
// different readers.
func (d *decoder) integer(node *yaml.Node, v reflect.Value, path string) {
	text, ok := d.scalar(node, path, "a number")
	if !ok {
		return
	}
	// 32 bits are more than any number in a lab needs.
	n, err := strconv.ParseInt(text, 10, 32)
	switch {
	case errors.Is(err, strconv.ErrRange):
		d.fail(node, path, badValue{message: fmt.Sprintf("%s is out of range", text)})
	case err != nil:
		d.fail(node, path, badValue{message: fmt.Sprintf("%q is not a whole number", text)})
	default:
		v.SetInt(n)
	}
}
