// Package host knows Linux: it gives a lab its namespaces, its veth pairs, its
// addresses and its processes, and takes them away again. It refuses to know
// AWS: a [Node] is a host name with interfaces, and that it stands for an
// instance is the caller's business.
//
// # Nothing is left behind
//
// A lab is one process, started by [Spawn] as process 1 of namespaces of its
// own. Its network namespace is the lab's core; every node is one more network
// namespace that has no name and no mount, only a file descriptor in that
// process:
//
//	the machine                 the lab (user namespace of its own unless root)
//	┌──────────────┐  Spawn     ┌────────────────────────────────────────────┐
//	│ vpcsim up    ├───────────▶│ daemon, process 1, core network namespace  │
//	└──────────────┘ lifeline   │   v1 ══ eth0 node "web"  (fd)              │
//	                            │   v2 ══ eth0 node "db"   (fd) ◀─ Command   │
//	                            └────────────────────────────────────────────┘
//
// When the daemon dies, even by kill -9, the kernel kills every process of the
// lab (their process 1 is gone), closes the descriptors and so removes the
// namespaces and the interfaces in them. No cleaning code has to run, and
// nothing of the machine's own network was ever touched.
//
// # How nodes are made
//
// [Host.Ensure] converges on a list of nodes. One netlink message makes both
// ends of a veth pair, each already in its namespace; one batch sets the node's
// addresses and routes. What the kernel would do on its own (address
// autoconfiguration, duplicate address detection, connected routes) is switched
// off before the interface arrives, so that the state is the one asked for and
// is there at once.
//
// The core's ends of the pairs have no addresses and a MAC of no gateway
// ([CoreMAC]): the core's own network stack drops whatever the forwarding core
// reads from them, first thing.
package host
