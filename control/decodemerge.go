package control

import (
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"
)

// alias reads what an alias stands for. An anchor that contains itself would
// never end, and nested anchors multiply, so both are bounded.
func (d *decoder) alias(node *yaml.Node, path string, read func(*yaml.Node)) {
	if slices.Contains(d.expanding, node.Alias) {
		d.fail(node, path, badValue{message: fmt.Sprintf("the anchor %q contains itself", node.Value), hint: "write the values out"})
		return
	}
	d.expanding = append(d.expanding, node.Alias)
	read(node.Alias)
	d.expanding = d.expanding[:len(d.expanding)-1]
}

// countAliased counts one more value that is read through an alias, and reports
// whether to go on. The first one too many is a problem, the others are silent.
func (d *decoder) countAliased(node *yaml.Node, path string) bool {
	if d.aliased++; d.aliased <= maxAliasedNodes {
		return true
	}
	if !d.overrun {
		d.overrun = true
		d.fail(node, path, badValue{message: fmt.Sprintf("aliases expand to more than %d values", maxAliasedNodes), hint: "use fewer aliases"})
	}
	d.source.broken[path] = true
	return false
}

// entry is one key of a map with its value; merged maps are laid flat.
type entry struct{ key, value *yaml.Node }

// entries lists the keys of a map node; own keys before those that "<<" merges
// in, which never override them.
func (d *decoder) entries(node *yaml.Node, path string, depth int) []entry {
	if depth > maxDepth {
		d.fail(node, path, badValue{message: fmt.Sprintf("nested more than %d levels deep", maxDepth)})
		return nil
	}
	var own, merged []entry
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if key.Tag == "!!merge" {
			merged = append(merged, d.merge(value, path, depth)...)
			continue
		}
		own = append(own, entry{key, value})
	}
	if len(merged) == 0 {
		return own
	}
	taken := make(map[string]bool, len(own))
	for _, e := range own {
		taken[e.key.Value] = true
	}
	for _, m := range merged { // the first that brings a key wins
		if !taken[m.key.Value] {
			taken[m.key.Value] = true
			own = append(own, m)
		}
	}
	return own
}

// merge lists what the value of "<<" stands for: a map or a list of maps.
func (d *decoder) merge(node *yaml.Node, path string, depth int) (merged []entry) {
	switch node.Kind {
	case yaml.AliasNode:
		d.alias(node, path, func(target *yaml.Node) { merged = d.merge(target, path, depth+1) })
	case yaml.MappingNode:
		d.aliased += len(node.Content) / 2
		if !d.countAliased(node, path) {
			return nil
		}
		return d.entries(node, path, depth+1)
	case yaml.SequenceNode:
		for _, item := range node.Content {
			merged = append(merged, d.merge(item, path, depth+1)...)
		}
	default:
		d.fail(node, path, badValue{message: "<< merges maps only", hint: "write <<: *anchor"})
	}
	return merged
}
