//go:build linux

package host

import (
	"slices"
)

// prune removes what nodes do not name. The caller holds h.converging.
func (h *Host) prune(nodes []Node) {
	keep := map[string]bool{}
	for _, n := range nodes {
		keep[n.Name] = true
	}
	var gone []string
	for _, name := range sortedNames(h.nodes) {
		if !keep[name] {
			gone = append(gone, name)
		}
	}
	h.removeNodes(gone)
	h.pruneInterfaces(nodes)
}

// removeNodes takes whole nodes away. Their interfaces are not deleted one by
// one, each of which would wait for the network stack: with the last process
// and the last descriptor gone the kernel frees all namespaces in one go.
func (h *Host) removeNodes(names []string) {
	var gone []*node
	h.mu.Lock()
	for _, name := range names {
		if n := h.nodes[name]; n != nil {
			gone = append(gone, n)
			delete(h.nodes, name) // from here on no process can be started in it
		}
	}
	h.mu.Unlock()
	// First the core: it must not send to an interface number that the kernel
	// may give to another.
	for _, n := range gone {
		for _, i := range n.links() {
			h.detached(i)
		}
	}
	h.killProcesses(gone)
	for _, n := range gone {
		n.ns.Close()
	}
}

// pruneInterfaces removes from the given nodes the interfaces that they do not
// name, and those that a failed attempt may have left.
func (h *Host) pruneInterfaces(nodes []Node) {
	var gone []uint32
	h.mu.Lock()
	for _, want := range nodes {
		have := h.nodes[want.Name]
		if have == nil {
			continue
		}
		unnamed := func(i Interface) bool {
			w := want.interfaceNamed(i.Name)
			return w == nil || w.Link != i.Link
		}
		for _, link := range have.links() {
			if !slices.ContainsFunc(want.Interfaces, func(i Interface) bool { return i.Link == link }) {
				gone = append(gone, link)
			}
		}
		have.spec.Interfaces = slices.DeleteFunc(slices.Clone(have.spec.Interfaces), unnamed)
	}
	h.mu.Unlock()
	h.deleteLinks(gone)
}

// deleteLinks removes single pairs, of nodes that stay.
func (h *Host) deleteLinks(links []uint32) {
	if len(links) == 0 {
		return
	}
	core, err := openRouteSocket()
	if err != nil {
		h.log.Error("interfaces could not be removed", "error", err)
		return
	}
	defer core.close()
	var batch []request
	for _, link := range links {
		h.detached(link)
		batch = append(batch, deleteLink(coreName(link)))
	}
	if err := core.run(batch...); err != nil {
		h.log.Error("an interface could not be removed", "error", err)
	}
}

// detached tells the forwarding core that link is gone, if it knew it.
func (h *Host) detached(link uint32) {
	if h.attached[link] {
		delete(h.attached, link)
		h.detach(link)
	}
}

// links are all links that n has or, after a failed change, may have.
func (n *node) links() []uint32 {
	var out []uint32
	for _, spec := range []*Node{&n.spec, n.tried} {
		if spec == nil {
			continue
		}
		for _, i := range spec.Interfaces {
			if !slices.Contains(out, i.Link) {
				out = append(out, i.Link)
			}
		}
	}
	return out
}
