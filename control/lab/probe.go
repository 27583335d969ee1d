package lab

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/cloudwatch"
	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/packet"
	"github.com/vpcsim/vpcsim/scenarios"
)

// prober drives checks with real sockets in the nodes' namespaces. It is the
// scenarios.Driver of a running lab; one probe at a time.
type prober struct{ lab *lab }

// Time limits of a probe. A drop shows in the journal within a millisecond; the
// long limit is for what nobody in the lab dropped.
const (
	probeLimit   = 2 * time.Second
	journalPause = 2 * time.Millisecond // between looks into the journal
	sightLimit   = 250 * time.Millisecond
)

// Probe sends one request and reports what became of it: answered, or dropped
// by the object that the journal names, or neither within two seconds.
func (d *prober) Probe(ctx context.Context, p scenarios.Probe) (scenarios.Outcome, error) {
	w, _ := d.lab.store.World()
	x, err := d.prepare(w, p)
	if err != nil {
		return scenarios.Outcome{}, err
	}
	defer x.close()
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	engine := d.lab.engine
	mirrors := quietMirrors(ctx, engine)
	ended := func(err error, dropped *dataplane.TraceStep) (scenarios.Outcome, error) {
		outcome := x.outcome(err, dropped)
		outcome.Mirrored = scenarios.MirrorsOf(engine).Since(mirrors, engine.Snapshot())
		return outcome, nil
	}

	answered := make(chan error, 1)
	go func() { answered <- x.exchange(ctx) }() // waited for below: it ends with ctx
	look := time.NewTicker(journalPause)
	defer look.Stop()
	for {
		select {
		case err := <-answered:
			return ended(err, x.dropped())
		case <-look.C:
			// What a link lost is sent again, as ever: only a rule's no is final.
			if step := x.dropped(); step != nil && step.Stage != dataplane.StageLink {
				cancel()
				// What was answered was not dropped, whatever else was.
				return ended(<-answered, step)
			}
		}
	}
}

// CloudWatch is the lab's.
func (d *prober) CloudWatch() *cloudwatch.Service { return d.lab.cloudWatch.service }

// Break injects faults into the lab.
func (d *prober) Break(ctx context.Context, faults control.Faults) (*control.World, func() error, error) {
	return d.lab.breakWorld(ctx, faults)
}

// exchange is one probe under way.
type exchange struct {
	lab   *lab
	probe scenarios.Probe
	node  string // the sender's

	socket   probeSocket
	journal  uint64    // its last entry before the probe
	receiver *receiver // nil: the address is nobody's
	senders  []dataplane.Handle
}

// receiver is who has the probed address, and what was set up there.
type receiver struct {
	node       string
	address    netip.Addr // its own, behind any translation
	interfaces []dataplane.Handle
	sight      *sight
	answerer   *server // nil: a program of the node has the port
}

// prepare opens all sockets before the first packet is sent.
func (d *prober) prepare(w *control.World, p scenarios.Probe) (*exchange, error) {
	from, err := findSender(w, p.From)
	if err != nil {
		return nil, err
	}
	from = from.toward(w, p.To)
	x := &exchange{lab: d.lab, probe: p, node: nodeName(w, from.Node), senders: handlesOf(w, from.Node)}
	if x.node == "" {
		return nil, unknownNode(w, from.Node)
	}
	if err := x.prepareReceiver(w, &from); err != nil {
		x.close()
		return nil, err
	}
	if x.socket, err = d.openSocket(x.node, p); err != nil {
		x.close()
		return nil, err
	}
	if entries := d.lab.engine.Drops(0); len(entries) > 0 {
		x.journal = entries[len(entries)-1].Sequence
	}
	return x, nil
}

func (x *exchange) prepareReceiver(w *control.World, from *sender) (err error) {
	to := withoutNAT64(x.probe.To)
	name, address := receiverOf(w, from, to)
	if name == "" {
		name, address = x.elsewhere(w, from, to), to
	}
	arriving := x.probe
	arriving.To = address // behind any translation, which may change the family
	r := &receiver{node: nodeName(w, name), address: address}
	switch {
	case w.AWSServices[name] != nil || atEndpoint(w, to): // who gets it depends on the way
		name, arriving = x.receiveByTrace(w, from, r)
	case r.node != "":
		r.interfaces = handlesOf(w, name)
	}
	if r.node == "" {
		return nil // nobody, or stopped
	}
	x.receiver = r
	if r.sight, err = openSight(x.lab, r.node, arriving); err != nil {
		return fmt.Errorf("watching %s: %w", name, err)
	}
	if r.answerer, err = openAnswerer(x.lab, r, name, arriving); err != nil {
		return fmt.Errorf("listening in %s: %w", name, err)
	}
	return nil
}

func (x *exchange) close() {
	if x.socket != nil {
		x.socket.close()
	}
	if r := x.receiver; r != nil {
		if r.sight != nil {
			r.sight.close()
		}
		if r.answerer != nil {
			r.answerer.stop()
		}
	}
}

func (x *exchange) exchange(ctx context.Context) error { return x.socket.exchange(ctx) }

// outcome puts together what both ends and the journal know.
func (x *exchange) outcome(err error, step *dataplane.TraceStep) scenarios.Outcome {
	o := scenarios.Outcome{Answered: err == nil, Refused: errors.Is(err, syscall.ECONNREFUSED)}
	if x.receiver != nil {
		wait := time.Duration(0)
		if o.Answered || o.Refused {
			wait = sightLimit // it was there: the observer only has to get round to it
		}
		o.SourceSeen = x.receiver.sight.source(wait).Addr()
	}
	o.Delivered = o.Answered || o.Refused || o.SourceSeen.IsValid()
	var timeout net.Error
	switch {
	case o.Answered || o.Refused:
	case step != nil:
		o.Dropped = step
	case errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled):
		o.Detail = fmt.Sprintf("nothing was dropped and nothing came back within %s", probeLimit)
	default:
		o.Detail = plainError(err)
	}
	return o
}

// plainError is what the kernel said, without Go's account of the call.
func plainError(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return err.Error()
}

// dropped finds the probe among the journal's new entries. Other programs may be
// talking at the same time, so only packets with the probe's own port or echo
// identifier count, and questions for a neighbour from its ends.
func (x *exchange) dropped() *dataplane.TraceStep {
	drops := x.lab.engine.Drops(x.journal)
	if len(drops) == 0 {
		return nil
	}
	own := slices.DeleteFunc(drops, func(d dataplane.Drop) bool { return !x.owns(&d) })
	return scenarios.DropOf(x.lab.engine.Snapshot(), own, x.probe)
}

func (x *exchange) owns(d *dataplane.Drop) bool {
	if d.Step.Reason == dataplane.ReasonNoNeighbor {
		return slices.Contains(x.senders, d.From)
	}
	t, local, remote := &d.Original, x.socket.local(), x.probe.Port
	if t.Proto == packet.ProtoGRE {
		return true // in GRE nobody sees the probe; what drops it drops others' too
	}
	if x.probe.Protocol == control.ProtocolICMP {
		remote = local // both ports of an echo are its identifier
	}
	if t.SrcPort == local && t.DstPort == remote && t.Dst.Netip() == x.probe.To {
		return true
	}
	if x.receiver == nil || !slices.Contains(x.receiver.interfaces, d.From) {
		return false
	}
	// The answer goes to the port that the receiver saw: a NAT changes it.
	seen := local
	if from := x.receiver.sight.source(0); from.IsValid() {
		seen = from.Port()
	}
	if x.probe.Protocol == control.ProtocolICMP {
		remote = seen
	}
	return t.SrcPort == remote && t.DstPort == seen
}

// receiverOf is the instance or Internet host that the address leads to from
// the sender, and its own address there.
func receiverOf(w *control.World, from *sender, to netip.Addr) (name string, address netip.Addr) {
	for _, name := range outsideNames(w) {
		if machine, _ := outsideMachine(w, name); machine.known(to, from.Client) {
			return name, to
		}
	}
	for _, n := range w.NetworkInterfaces {
		s := &n.Status
		for _, as := range s.Associations {
			if as.PublicIP == to {
				return n.Instance, as.PrivateIP
			}
		}
		switch {
		case slices.Contains(s.IPv6s, to), n.VPC == from.VPC && slices.Contains(s.PrivateIPs, to):
			return n.Instance, to
		}
	}
	if name := w.ApplianceAt(to); name != "" {
		return name, to
	}
	return "", netip.Addr{}
}

// elsewhere is the instance of another VPC, behind a peering or a transit gateway,
// that has the private address. Where VPCs overlap only the way there tells which.
func (x *exchange) elsewhere(w *control.World, from *sender, to netip.Addr) string {
	owners := map[dataplane.Handle]string{}
	for _, n := range w.NetworkInterfaces {
		if slices.Contains(n.Status.PrivateIPs, to) {
			owners[dataplane.Handle(n.Status.Handle)] = n.Instance
		}
	}
	if len(owners) > 1 {
		if leg := x.way(w, from); leg != nil {
			return owners[leg.To.Handle]
		}
		return ""
	}
	for _, name := range owners {
		return name
	}
	return ""
}

// nat64 is the prefix under which NAT gateways show IPv4 to IPv6 (R54).
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// withoutNAT64 is the IPv4 address that such an address stands for.
func withoutNAT64(a netip.Addr) netip.Addr {
	if !nat64.Contains(a) {
		return a
	}
	b := a.As16()
	return netip.AddrFrom4([4]byte(b[12:]))
}

// handlesOf are the interfaces of an instance or Internet host.
func handlesOf(w *control.World, name string) []dataplane.Handle {
	if machine, ok := outsideMachine(w, name); ok {
		switch {
		case machine.site != "":
			return tunnelHandles(w, machine.site)
		case machine.client != "":
			return []dataplane.Handle{dataplane.Handle(w.VPNClients[name].Status.Handle), dataplane.Handle(machine.handle)}
		}
		return []dataplane.Handle{dataplane.Handle(machine.handle)}
	}
	var list []dataplane.Handle
	for _, eni := range w.Instances[name].Status.NetworkInterfaces {
		list = append(list, dataplane.Handle(w.NetworkInterfaces[eni].Status.Handle))
	}
	if a := w.Instances[name].Status.Appliance; a != nil {
		for _, peer := range a.ConnectPeers {
			list = append(list, dataplane.Handle(w.TransitGatewayConnectPeers[peer].Status.Handle))
		}
	}
	return list
}

// openAnswerer makes the receiver answer, unless a program of its own has the
// port: then that is what is probed. Echo requests the kernel answers.
func openAnswerer(l *lab, r *receiver, name string, p scenarios.Probe) (*server, error) {
	var answerer *server
	err := l.host.In(r.node, func() error {
		local := net.JoinHostPort(r.address.String(), fmt.Sprint(p.Port))
		switch p.Protocol {
		case control.ProtocolTCP:
			listener, err := net.Listen("tcp", fmt.Sprintf(":%d", p.Port))
			if err == nil {
				answerer = serveTCP(listener, name, quiet)
			}
			return err
		case control.ProtocolUDP:
			conn, err := net.ListenPacket("udp", local)
			if err == nil {
				answerer = serveUDP(conn.(*net.UDPConn), name, quiet)
			}
			return err
		}
		return nil
	})
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, nil
	}
	return answerer, err
}

// network is Go's name for a protocol in the family of the probe: "tcp4".
func network(protocol string, a netip.Addr) string {
	if a.Is4() {
		return protocol + "4"
	}
	return protocol + "6"
}

// wireProtocol is the probe's protocol number.
func wireProtocol(p scenarios.Probe) uint8 {
	switch p.Protocol {
	case control.ProtocolTCP:
		return packet.ProtoTCP
	case control.ProtocolUDP:
		return packet.ProtoUDP
	}
	if p.To.Is4() {
		return packet.ProtoICMP
	}
	return packet.ProtoICMPv6
}

// freshPort is a port for one probe: outside the kernel's own choice for
// programs (from 32768), so that hardly anybody has it.
func freshPort() uint16 { return uint16(20000 + rand.IntN(12000)) }
