// Package dataplane knows what an AWS network does to a packet, and nothing
// else: no configuration files, no names beyond what it must say about a
// verdict, no operating system. Control compiles the desired world into an
// immutable [Snapshot]; the [Engine] walks every packet through it.
//
// # A packet's way
//
//	port.Recv(batch, wait)
//	 └ Engine.Forward            engine.go            snapshot and clock, once per batch
//	    └ packet.Parse           packet/parse.go
//	    └ Walk.local             local.go             ARP, ND, the router's own ping: answered here
//	    └ Walk.run               walk.go              for hop := …; ; hop = next
//	       │ leaveInterface      networkinterface.go  whose packet is it? source check
//	       │ securityGroups out  securitygroup.go     tracked? else the first rule that allows
//	       │ leaveSubnet         networkacl.go        only through the router, never inside the subnet
//	       │ route               routetable.go        longest prefix → the next hop
//	       │ vpc | internetGateway | internet | …     one file per AWS noun
//	       │ enterSubnet         networkacl.go
//	       │ securityGroups in   securitygroup.go
//	       └ enterInterface      networkinterface.go  destination check, delivery
//	    └ Walk.commit            commit.go            tracking, bytes, counters: the only writer
//	    └ Engine.ship            delayqueue.go        over links: what takes time waits, and goes out later
//	 └ port.Send
//
// # Glossary
//
//   - snapshot: the compiled network, never changed after Seal.
//   - handle: a resource's number, never reused; state and counters hang on it.
//   - hop: where a packet goes next, resolved when the snapshot was built.
//   - walk: one packet's way; its verdict, reason, steps and effects.
//   - zone, link: where a packet is, and the distance that it crosses to another zone.
//   - flight: a frame that is under way on a link, after its walk.
//   - step: what one object said about the packet. Written always, rendered on demand.
//   - verdict, reason: what becomes of the packet, and why.
//   - track: AWS-visible connection state of an interface. It outlives snapshots.
//   - port: where frames come from and go to.
//
// # Five invariants
//
//  1. A Snapshot never changes after Seal.
//  2. A Walk writes nothing but itself; commit is the only writer.
//  3. Whatever a walk reads is in the packet, the snapshot or a flow table.
//  4. No allocation, log, clock read, channel or interface call between Recv
//     and Send, the port apart.
//  5. Every drop has exactly one Reason and one Step that names the object.
package dataplane
