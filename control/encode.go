package control

import (
	"bytes"
	"cmp"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// Marshal is the world as a scenario file: what was written, without what AWS
// made by itself and without any Status. Load reads it back to the same world.
func (w *World) Marshal() ([]byte, error) {
	document := w.withoutImplicit()
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	if err := encoder.Encode(encodeStruct(reflect.ValueOf(document).Elem())); err != nil {
		return nil, err
	}
	if err := encoder.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// withoutImplicit is a copy without the resources that exist by themselves.
func (w *World) withoutImplicit() *World {
	c := w.Clone()
	for name, t := range c.RouteTables {
		if t == nil || t.implicit(name) {
			delete(c.RouteTables, name)
		}
	}
	for name, g := range c.SecurityGroups {
		if g == nil || g.implicit(name) {
			delete(c.SecurityGroups, name)
		}
	}
	for name, a := range c.TransitGatewayAttachments {
		if a == nil || a.implicit() {
			delete(c.TransitGatewayAttachments, name)
		}
	}
	for name, t := range c.TransitGatewayRouteTables {
		if t == nil || t.implicit(name) {
			delete(c.TransitGatewayRouteTables, name)
		}
	}
	for name, r := range c.Regions {
		if r == nil || r.Status.Derived && r.unwritten() {
			delete(c.Regions, name)
		}
	}
	for name, l := range c.Links {
		if l == nil || l.implicit() {
			delete(c.Links, name)
		}
	}
	for name, l := range c.PrefixLists {
		if l == nil || l.managed() {
			delete(c.PrefixLists, name)
		}
	}
	for name, a := range c.NetworkACLs {
		if a == nil || a.implicit(name) {
			delete(c.NetworkACLs, name)
		}
	}
	return c
}

// encodeStruct writes the fields that a file can contain and that are not at
// their zero value.
func encodeStruct(v reflect.Value) *yaml.Node {
	node := &yaml.Node{Kind: yaml.MappingNode}
	fileFields(v.Type(), func(name string, index []int, _ reflect.StructField) {
		f := v.FieldByIndex(index)
		empty := f.IsZero() || f.Kind() == reflect.Map && f.Len() == 0
		if list, ok := f.Interface().([]Check); ok && len(list) == 0 {
			empty = true
		}
		if !empty {
			node.Content = append(node.Content, textNode(name), encodeValue(f))
		}
	})
	return node
}

// encodeValue writes one value as a file would have it: the types of one scalar by
// their String, which their parse reads back.
func encodeValue(v reflect.Value) *yaml.Node {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
		}
		return encodeValue(v.Elem())
	}
	if _, takesOne := reflect.New(v.Type()).Interface().(oneOrMany); takesOne && v.Len() == 1 {
		return encodeValue(v.Index(0))
	}
	switch x := v.Interface().(type) {
	case SecondaryIP:
		if x.PublicIP == (AddressChoice{}) && x.IP.Choice != Unset {
			return scalarNode(x.IP.String())
		}
	case netip.Prefix:
		return scalarNode(x.String())
	case netip.Addr:
		return scalarNode(x.String())
	case interface{ String() string }:
		if _, ok := reflect.New(v.Type()).Interface().(textValue); ok {
			return scalarNode(x.String())
		}
	}
	switch v.Kind() {
	case reflect.Struct:
		return encodeStruct(v)
	case reflect.Map:
		return encodeMap(v)
	case reflect.Slice:
		node := &yaml.Node{Kind: yaml.SequenceNode}
		if v.Len() == 0 {
			node.Style = yaml.FlowStyle
		}
		for i := range v.Len() {
			node.Content = append(node.Content, encodeValue(v.Index(i)))
		}
		return node
	case reflect.Bool:
		return scalarNode(strconv.FormatBool(v.Bool()))
	case reflect.Int:
		return scalarNode(strconv.FormatInt(v.Int(), 10))
	}
	return textNode(v.String())
}

// encodeMap writes keys in order, so that the same world is the same text.
func encodeMap(v reflect.Value) *yaml.Node {
	node := &yaml.Node{Kind: yaml.MappingNode}
	keys := v.MapKeys()
	text := func(k reflect.Value) string {
		if d, ok := k.Interface().(fmt.Stringer); ok {
			return d.String()
		}
		return k.String()
	}
	slices.SortFunc(keys, func(a, b reflect.Value) int { return cmp.Compare(text(a), text(b)) })
	for _, k := range keys {
		node.Content = append(node.Content, textNode(text(k)), encodeValue(v.MapIndex(k)))
	}
	return node
}

// textNode is a string, quoted where YAML would read something else.
func textNode(text string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(text)
	return n
}

// scalarNode writes numbers and booleans bare, everything else as a string.
func scalarNode(text string) *yaml.Node {
	if bareScalar.MatchString(text) {
		return &yaml.Node{Kind: yaml.ScalarNode, Value: text}
	}
	return textNode(text)
}
