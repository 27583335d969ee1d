package lab

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/vpcsim/vpcsim/control/metrics"
	"github.com/vpcsim/vpcsim/dataplane"
)

// measurePackets counts frames, and not packets: the core does not look into superframes
// to count them. Whoever wants packets adds up interfaces.
func measurePackets(w *metrics.Writer, s *dataplane.Statistics) {
	w.Counter("vpcsim_received_frames_total", "Frames that the forwarding core took; a superframe is one.")
	w.Sample(float64(s.Counters.Received))
	w.Counter("vpcsim_forwarded_frames_total", "Frames that the forwarding core handed on; a superframe is one.")
	w.Sample(float64(s.Counters.Forwarded))
	w.Counter("vpcsim_answered_frames_total", "Frames that the platform answered itself: ARP, neighbour discovery, the router's ping.")
	w.Sample(float64(s.Counters.Answered))
}

// measureInterfaces sees from the interface's side, as its instance does.
func measureInterfaces(w *metrics.Writer, s *dataplane.Statistics) {
	measureTraffic(w, "vpcsim_interface", "an interface, an Internet host or a VPN tunnel", s.Interfaces, []string{"kind", "interface", "id", "side"},
		func(o *dataplane.ObjectTraffic) []string { return []string{o.Kind.String(), o.Name, o.ID, sideOf(o)} })
}

// sideOf tells the two interfaces of a tunnel apart.
func sideOf(o *dataplane.ObjectTraffic) string {
	if o.Outside {
		return "outside"
	}
	return ""
}

// measureTracking has the connections that an interface tracks, and how many it may:
// the difference is conntrack_allowance_available of AWS's network driver.
func measureTracking(w *metrics.Writer, s *dataplane.Statistics) {
	w.Gauge("vpcsim_interface_tracked_connections", "Connections that a network interface tracks now.", "interface", "id")
	for _, o := range s.Interfaces {
		if o.Kind == dataplane.KindNetworkInterface {
			w.Sample(float64(o.Tracked), o.Name, o.ID)
		}
	}
	w.Gauge("vpcsim_interface_tracked_connections_limit", "The most connections that a network interface may track, where its instance's type is known to have a limit.", "interface", "id")
	for _, o := range s.Interfaces {
		if o.Kind == dataplane.KindNetworkInterface && o.Allowance > 0 {
			w.Sample(float64(o.Allowance), o.Name, o.ID)
		}
	}
}

// measureGateways leaves NAT gateways out: they have families of their own.
func measureGateways(w *metrics.Writer, s *dataplane.Statistics) {
	var gateways, attachments []dataplane.ObjectTraffic
	count := map[dataplane.Object]int{}
	for _, g := range s.Gateways {
		switch g.Kind {
		case dataplane.KindNATGateway:
		case dataplane.KindTransitGatewayAttachment:
			attachments = append(attachments, g)
			count[g.Of]++
		default:
			gateways = append(gateways, g)
		}
	}
	measureTraffic(w, "vpcsim_gateway", "a gateway (transmit is out of the VPC) or a peering connection (transmit is to the accepter)", gateways, []string{"kind", "gateway", "id"},
		func(o *dataplane.ObjectTraffic) []string { return []string{o.Kind.String(), o.Name, o.ID} })
	measureTraffic(w, "vpcsim_transit_gateway_attachment", "a transit gateway's attachment (receive is into the gateway)", attachments, []string{"transit_gateway", "attachment", "id"},
		func(o *dataplane.ObjectTraffic) []string { return []string{o.Of.Name, o.Name, o.ID} })
	w.Gauge("vpcsim_transit_gateway_attachments", "Attachments of a transit gateway that are in force.", "transit_gateway", "id")
	byHandle := func(a, b dataplane.Object) int { return cmp.Compare(a.Handle, b.Handle) }
	for _, g := range slices.SortedFunc(maps.Keys(count), byHandle) {
		w.Sample(float64(count[g]), g.Name, g.ID)
	}
}

// measureTraffic writes the four families of a kind of thing.
func measureTraffic(w *metrics.Writer, prefix, of string, list []dataplane.ObjectTraffic, names []string, labels func(*dataplane.ObjectTraffic) []string) {
	for _, family := range []struct {
		name, help string
		value      func(*dataplane.Traffic) uint64
	}{
		{"_receive_packets_total", "Packets received by ", func(t *dataplane.Traffic) uint64 { return t.ReceivedPackets }},
		{"_receive_bytes_total", "Bytes of IP received by ", func(t *dataplane.Traffic) uint64 { return t.ReceivedBytes }},
		{"_transmit_packets_total", "Packets sent by ", func(t *dataplane.Traffic) uint64 { return t.SentPackets }},
		{"_transmit_bytes_total", "Bytes of IP sent by ", func(t *dataplane.Traffic) uint64 { return t.SentBytes }},
	} {
		w.Counter(prefix+family.name, family.help+of+", segments and not superframes.", names...)
		// What has the same labels is one thing to Prometheus, which would refuse
		// everything for a series that is there twice.
		sums, order := map[string]uint64{}, []int{}
		for i := range list {
			key := strings.Join(labels(&list[i]), "\x00")
			if _, seen := sums[key]; !seen {
				order = append(order, i)
			}
			sums[key] += family.value(&list[i].Traffic)
		}
		for _, i := range order {
			own := labels(&list[i])
			w.Sample(float64(sums[strings.Join(own, "\x00")]), own...)
		}
	}
}

// measureDrops adds up over rules: who wants those asks top, or the journal. With rules
// there would be as many series as rules, and each change of a file would end some.
func measureDrops(w *metrics.Writer, snapshot *dataplane.Snapshot, drops []dataplane.DropCount, others map[dataplane.Reason]uint64) {
	type key struct{ reason, stage, kind, object, id string }
	sums := map[key]uint64{}
	for i := range drops {
		step := &drops[i].Last.Step
		object := snapshot.Object(step.Object)
		k := key{reason: step.Reason.String(), stage: step.Stage.String()}
		if object.Kind != dataplane.KindNone {
			k.kind, k.object, k.id = object.Kind.String(), object.Name, object.ID
		}
		sums[k] += drops[i].Packets
	}
	for reason, n := range others {
		sums[key{reason: reason.String()}] += n
	}
	w.Counter("vpcsim_dropped_packets_total", "Packets dropped, by reason, the part of the network, and the object that decided; a superframe is one. Objects that are gone have no name.", "reason", "stage", "kind", "object", "id")
	order := func(a, b key) int {
		return cmp.Or(cmp.Compare(a.reason, b.reason), cmp.Compare(a.stage, b.stage), cmp.Compare(a.kind, b.kind), cmp.Compare(a.object, b.object), cmp.Compare(a.id, b.id))
	}
	for _, k := range slices.SortedFunc(maps.Keys(sums), order) {
		w.Sample(float64(sums[k]), k.reason, k.stage, k.kind, k.object, k.id)
	}
}

// measureNATGateways uses the words of AWS's metrics of NAT gateways. What AWS counts as
// dropped is what the core dropped in the gateway's name, so that both come from the
// same counters and cannot differ.
func measureNATGateways(w *metrics.Writer, s *dataplane.Statistics, drops []dataplane.DropCount) {
	var list []dataplane.ObjectTraffic
	for _, g := range s.Gateways {
		if g.Kind == dataplane.KindNATGateway {
			list = append(list, g)
		}
	}
	dropped, noPort := map[dataplane.Handle]uint64{}, map[dataplane.Handle]uint64{}
	for i := range drops {
		step := &drops[i].Last.Step
		dropped[step.Object] += drops[i].Packets
		if step.Reason == dataplane.ReasonNATPortAllocation {
			noPort[step.Object] += drops[i].Packets
		}
	}
	each := func(value func(g *dataplane.ObjectTraffic, n *dataplane.NATStatistics) uint64) {
		for i := range list {
			n := s.NATGateways[list[i].Handle]
			w.Sample(float64(value(&list[i], &n)), list[i].Name, list[i].ID)
		}
	}
	type gateway = dataplane.ObjectTraffic
	type statistics = dataplane.NATStatistics
	w.Gauge("vpcsim_nat_gateway_active_connections", "ActiveConnectionCount: connections that a NAT gateway translates now, of all protocols.", "nat_gateway", "id")
	each(func(_ *gateway, n *statistics) uint64 { return n.ActiveConnections })
	w.Counter("vpcsim_nat_gateway_connection_attempts_total", "ConnectionAttemptCount: TCP connections begun through a NAT gateway.", "nat_gateway", "id")
	each(func(_ *gateway, n *statistics) uint64 { return n.ConnectionAttempts })
	w.Counter("vpcsim_nat_gateway_connections_established_total", "ConnectionEstablishedCount: TCP connections that both sides have taken part in.", "nat_gateway", "id")
	each(func(_ *gateway, n *statistics) uint64 { return n.ConnectionsEstablished })
	w.Counter("vpcsim_nat_gateway_idle_timeouts_total", "IdleTimeoutCount: connections that a NAT gateway forgot without their being closed.", "nat_gateway", "id")
	each(func(_ *gateway, n *statistics) uint64 { return n.IdleTimeouts })
	w.Counter("vpcsim_nat_gateway_port_allocation_errors_total", "ErrorPortAllocation: packets for which a NAT gateway had no port left.", "nat_gateway", "id")
	each(func(g *gateway, _ *statistics) uint64 { return noPort[g.Handle] })
	w.Counter("vpcsim_nat_gateway_dropped_packets_total", "PacketsDropCount: packets that a NAT gateway dropped.", "nat_gateway", "id")
	each(func(g *gateway, _ *statistics) uint64 { return dropped[g.Handle] })
	measureNATTraffic(w, s, list)
}

// measureNATTraffic says in AWS's words which side of the gateway packets were on.
func measureNATTraffic(w *metrics.Writer, s *dataplane.Statistics, list []dataplane.ObjectTraffic) {
	directions := []struct {
		name           string
		packets, bytes func(source, destination *dataplane.Traffic) uint64
	}{
		{"InFromSource", func(a, _ *dataplane.Traffic) uint64 { return a.ReceivedPackets }, func(a, _ *dataplane.Traffic) uint64 { return a.ReceivedBytes }},
		{"OutToDestination", func(_, b *dataplane.Traffic) uint64 { return b.SentPackets }, func(_, b *dataplane.Traffic) uint64 { return b.SentBytes }},
		{"InFromDestination", func(_, b *dataplane.Traffic) uint64 { return b.ReceivedPackets }, func(_, b *dataplane.Traffic) uint64 { return b.ReceivedBytes }},
		{"OutToSource", func(a, _ *dataplane.Traffic) uint64 { return a.SentPackets }, func(a, _ *dataplane.Traffic) uint64 { return a.SentBytes }},
	}
	for _, bytes := range []bool{false, true} {
		if bytes {
			w.Counter("vpcsim_nat_gateway_bytes_total", "BytesInFromSource and so on: bytes of IP at a NAT gateway, by AWS's directions.", "nat_gateway", "id", "direction")
		} else {
			w.Counter("vpcsim_nat_gateway_packets_total", "PacketsInFromSource and so on: packets at a NAT gateway, by AWS's directions.", "nat_gateway", "id", "direction")
		}
		for i := range list {
			g := &list[i]
			n := s.NATGateways[g.Handle]
			for _, d := range directions {
				value := d.packets
				if bytes {
					value = d.bytes
				}
				w.Sample(float64(value(&g.Traffic, &n.Destinations)), g.Name, g.ID, d.name)
			}
		}
	}
}

// measureLinks names directions as the file does: forward is from from to to, or
// what a place with a link of its own sends.
func measureLinks(w *metrics.Writer, links []dataplane.LinkStatus) {
	for _, family := range []struct {
		name, help string
		counter    bool
		value      func(*dataplane.LinkStatistics) uint64
	}{
		{"vpcsim_link_packets_total", "Packets that a direction of a link carried.", true, func(s *dataplane.LinkStatistics) uint64 { return s.Packets }},
		{"vpcsim_link_bytes_total", "Bytes of IP that a direction of a link carried.", true, func(s *dataplane.LinkStatistics) uint64 { return s.Bytes }},
		{"vpcsim_link_lost_packets_total", "Packets that a direction of a link lost, as it was told to.", true, func(s *dataplane.LinkStatistics) uint64 { return s.Lost }},
		{"vpcsim_link_queue_dropped_packets_total", "Packets that found no room in the queue of a direction of a link.", true, func(s *dataplane.LinkStatistics) uint64 { return s.QueueDrops }},
		{"vpcsim_link_duplicated_packets_total", "Packets that a direction of a link delivered twice.", true, func(s *dataplane.LinkStatistics) uint64 { return s.Duplicated }},
		{"vpcsim_link_reordered_packets_total", "Packets that overtook others on a direction of a link.", true, func(s *dataplane.LinkStatistics) uint64 { return s.Reordered }},
		{"vpcsim_link_queued_packets", "Packets that are under way on a direction of a link now.", false, func(s *dataplane.LinkStatistics) uint64 { return s.Queued }},
	} {
		if family.counter {
			w.Counter(family.name, family.help, "link", "direction")
		} else {
			w.Gauge(family.name, family.help, "link", "direction")
		}
		for i := range links {
			w.Sample(float64(family.value(&links[i].Forward)), links[i].Link.Name, "forward")
			w.Sample(float64(family.value(&links[i].Reverse)), links[i].Link.Name, "reverse")
		}
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
