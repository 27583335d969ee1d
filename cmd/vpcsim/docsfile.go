package main

import (
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/vpcsim/vpcsim/control"
)

const scenarioFileIntroduction = `# The scenario file

<!-- Written by ` + "`vpcsim docs docs`" + ` from the Go types of package control; change their comments instead. -->

One YAML file is one lab: one map per kind of resource, keyed by name, with AWS's nouns; resources refer to each other by name, or by ID.
What AWS creates by itself exists by itself: a VPC's main route table (` + "`VPC/main`" + `) with its local routes, its default security group and
default network ACL (` + "`VPC/default`" + `), the router at each subnet's first address. To change the rules of a default group or ACL, write that key.

` + "`vpcsim scenarios show quickstart`" + ` prints a complete example; ` + "`vpcsim validate FILE`" + ` reports all that is wrong, with line and column;
` + "`vpcsim schema > vpcsim.schema.json`" + ` gives your editor completion (put
` + "`# yaml-language-server: $schema=vpcsim.schema.json`" + ` on the first line).

An instance's interfaces are resources too, named ` + "`INSTANCE/eth0`" + `, ` + "`INSTANCE/eth1`" + ` …; an instance with only one may stand for it as a route's
target. A lab's order does not matter anywhere but in ` + "`secondaryCidrs`, `interfaces` and `checks`" + `.

`

// writeScenarioFile renders the schema of scenario files as a page: the top
// level first, then every type in the order in which it is first used.
func writeScenarioFile(w io.Writer) error {
	schema, err := control.Schema()
	if err != nil {
		return err
	}
	var document yaml.Node // JSON is YAML, and a Node keeps the order of keys
	if err := yaml.Unmarshal(schema, &document); err != nil {
		return fmt.Errorf("the schema: %w", err)
	}
	definitions := member(document.Content[0], "$defs")
	fmt.Fprint(w, scenarioFileIntroduction)
	todo, done := []string{"World"}, map[string]bool{"World": true}
	for len(todo) > 0 {
		name := todo[0]
		todo = todo[1:]
		title := "`" + name + "`"
		if name == "World" {
			title = "The file"
		}
		fmt.Fprintf(w, "## %s\n\n| key | value | meaning |\n|---|---|---|\n", title)
		properties := member(member(definitions, name), "properties")
		if properties == nil {
			return fmt.Errorf("the schema has no properties of %s", name)
		}
		required := map[string]bool{}
		if list := member(member(definitions, name), "required"); list != nil {
			for _, r := range list.Content {
				required[r.Value] = true
			}
		}
		for i := 0; i < len(properties.Content); i += 2 {
			key, value := properties.Content[i].Value, properties.Content[i+1]
			kind, refs := schemaType(value)
			for _, ref := range refs {
				if !done[ref] {
					done[ref] = true
					todo = append(todo, ref)
				}
			}
			meaning := ""
			if d := member(value, "description"); d != nil {
				meaning = strings.ReplaceAll(d.Value, "|", `\|`)
			}
			if required[key] {
				meaning += " Required."
			}
			fmt.Fprintf(w, "| `%s` | %s | %s |\n", key, kind, strings.TrimSpace(meaning))
		}
		fmt.Fprintln(w)
	}
	return nil
}

// schemaType puts a property's type in words, and lists the types it names.
func schemaType(n *yaml.Node) (text string, refs []string) {
	if ref := member(n, "$ref"); ref != nil {
		name := ref.Value[strings.LastIndex(ref.Value, "/")+1:]
		return fmt.Sprintf("[%s](#%s)", name, strings.ToLower(name)), []string{name}
	}
	if any := member(n, "anyOf"); any != nil {
		var texts []string
		for _, option := range any.Content {
			t, r := schemaType(option)
			refs = append(refs, r...)
			if len(texts) == 0 || texts[len(texts)-1] != t {
				texts = append(texts, t)
			}
		}
		return strings.Join(texts, " or "), refs
	}
	if enum := member(n, "enum"); enum != nil {
		var texts []string
		for _, v := range enum.Content {
			texts = append(texts, "`"+v.Value+"`")
		}
		return strings.Join(texts, ", "), nil
	}
	kind := "any"
	if t := member(n, "type"); t != nil {
		kind = t.Value
	}
	switch kind {
	case "array":
		t, r := schemaType(member(n, "items"))
		return "list of " + t, r
	case "object":
		if values := member(n, "additionalProperties"); values != nil && values.Kind == yaml.MappingNode {
			t, r := schemaType(values)
			return "map of name to " + t, r
		}
	case "string":
		return "text", nil
	case "boolean":
		return "true, false", nil
	case "integer":
		return "number", nil
	}
	return kind, nil
}

// member is the value of a key of a mapping, or nil.
func member(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}
