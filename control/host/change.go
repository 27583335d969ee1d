//go:build linux

package host

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// change is the work on one node.
type change struct {
	want  Node
	have  Node     // what is certainly applied: need not be done again
	may   []Node   // what may be applied: is removed where want has it not
	ns    *os.File // nil for a new node until it is made
	fresh bool     // a new node

	done  bool // it was begun
	links []attachment
	err   error
}

// attachment is a pair that was made and that the core does not know yet.
type attachment struct {
	link    uint32
	ifindex int
}

// change works out what there is to do for n.
func (h *Host) change(n Node) *change {
	have := h.nodes[n.Name]
	if have == nil {
		return &change{want: n.clone(), fresh: true}
	}
	// After a failed change nothing is certain: everything wanted is set
	// again, and everything either side may have set is a candidate for removal.
	c := &change{want: keepUnnamed(n.clone(), have.spec), have: have.spec, may: []Node{have.spec}, ns: have.ns}
	if have.tried != nil {
		c.have, c.may = Node{}, append(c.may, *have.tried)
	}
	return c
}

// keepUnnamed appends to want the interfaces of was that it does not name: they
// stay, unchanged, until Prune.
func keepUnnamed(want, was Node) Node {
	for _, i := range was.Interfaces {
		if want.interfaceNamed(i.Name) == nil {
			want.Interfaces = append(want.Interfaces, i)
		}
	}
	return want
}

// do makes or changes one node. It runs on a thread that may change its
// namespace; core is a socket in the core's.
func (c *change) do(core *routeSocket) error {
	c.done = true
	switch {
	case c.fresh:
		ns, err := newNamespace(c.want.Forward)
		if err != nil {
			return err
		}
		c.ns = ns
	case sameNode(c.want, c.have):
		return nil // without entering: most nodes of most calls
	default:
		if err := unix.Setns(int(c.ns.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("entering: %w", err)
		}
		if err := setForwarding(c.want.Forward); err != nil {
			return err
		}
	}
	// Opened here, the socket is of the namespace that the thread is in now.
	inside, err := openRouteSocket()
	if err != nil {
		return err
	}
	defer inside.close()
	if c.fresh {
		if err := inside.run(linkUp(1)); err != nil { // lo is number 1 in every namespace
			return fmt.Errorf("interface lo: %w", err)
		}
	}
	for k := range c.want.Interfaces {
		if err := c.oneInterface(core, inside, k); err != nil {
			return fmt.Errorf("interface %s: %w", c.want.Interfaces[k].Name, err)
		}
	}
	return nil
}

// oneInterface makes or changes interface number k. All that is inside the node
// is one batch. Whether the interface is there is asked of the kernel: a program
// of the node may have removed it.
func (c *change) oneInterface(core, inside *routeSocket, k int) error {
	i := &c.want.Interfaces[k]
	if i.usesIPv6() && !machineHasIPv6() {
		return errors.New("it has IPv6 addresses, but this machine's kernel has no IPv6 (ipv6.disable=1 at boot, or built without)")
	}
	want, have := i.facts(k), c.have.factsOf(i)
	var may facts
	for k := range c.may {
		may = may.plus(c.may[k].factsOf(i))
	}
	var batch []request
	index, err := inside.index(i.Name)
	if errors.Is(err, unix.ENODEV) {
		if err := c.makePair(core, i); err != nil {
			return err
		}
		have = facts{mtu: want.mtu, mac: want.mac} // those came with the pair
		index, err = inside.index(i.Name)
		batch = append(batch, linkUp(index))
	}
	if err != nil {
		return err
	}
	return inside.run(append(batch, difference(index, want, have, may)...)...)
}

// difference words the way from have to want, in an order that never takes away
// an address or a route that is still wanted: additions first, and what depends
// on them after them, then removals of what may be there.
func difference(index int, want, have, may facts) []request {
	var batch []request
	if want.mtu != have.mtu {
		batch = append(batch, setMTU(index, want.mtu))
	}
	if want.mac != have.mac {
		batch = append(batch, setMAC(index, want.mac))
	}
	for _, p := range subtract(want.addresses, have.addresses) {
		batch = append(batch, addAddress(index, p))
	}
	kept := map[routeKey]bool{}
	for _, r := range want.routes {
		kept[r.key()] = true
	}
	for _, r := range subtract(want.routes, have.routes) {
		batch = append(batch, addRoute(index, r))
	}
	for _, r := range subtract(may.routes, want.routes) {
		if !kept[r.key()] { // else it was replaced
			batch = append(batch, deleteRoute(index, r))
		}
	}
	for _, p := range subtract(may.addresses, want.addresses) {
		batch = append(batch, deleteAddress(index, p))
	}
	return batch
}

// makePair makes the veth pair of i. A core end of that name can only be one
// whose node is gone and that the kernel has not come round to remove.
func (c *change) makePair(core *routeSocket, i *Interface) error {
	pair := newVeth(i, int(c.ns.Fd()))
	err := core.run(pair)
	if errors.Is(err, syscall.EEXIST) {
		if err = core.run(deleteLink(coreName(i.Link))); err == nil {
			err = core.run(pair)
		}
	}
	if err != nil {
		return err
	}
	ifindex, err := core.index(coreName(i.Link))
	c.links = append(c.links, attachment{i.Link, ifindex})
	return err
}

// facts are what the kernel knows about one interface inside a node.
type facts struct {
	mtu       int
	mac       packet.MAC
	addresses []netip.Prefix
	routes    []route
}

// facts of i as interface number index of its node.
func (i *Interface) facts(index int) facts {
	return facts{i.mtu(), i.MAC, i.Addresses, i.routes(index)}
}

// factsOf returns the facts of n's interface that is the same pair as i.
func (n *Node) factsOf(i *Interface) facts {
	for k := range n.Interfaces {
		if o := &n.Interfaces[k]; o.Name == i.Name && o.Link == i.Link {
			return o.facts(k)
		}
	}
	return facts{}
}

func (f facts) plus(g facts) facts {
	f.addresses = slices.Concat(f.addresses, subtract(g.addresses, f.addresses))
	f.routes = slices.Concat(f.routes, subtract(g.routes, f.routes))
	return f
}

// sameNode compares what the kernel and later commands are told. The order of
// interfaces counts: it decides which default route wins.
func sameNode(a, b Node) bool {
	return a.Forward == b.Forward && a.Hostname == b.Hostname &&
		slices.EqualFunc(a.Interfaces, b.Interfaces, sameInterface)
}

func sameInterface(a, b Interface) bool {
	return a.Link == b.Link && a.Name == b.Name && a.MAC == b.MAC && a.mtu() == b.mtu() &&
		slices.Equal(a.Addresses, b.Addresses) && slices.Equal(a.Gateways, b.Gateways) &&
		slices.Equal(a.OnLink, b.OnLink)
}
