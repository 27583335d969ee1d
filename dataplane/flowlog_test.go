package dataplane

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// wantRecords compares what the flow logs have seen since the last call, in the
// order in which flows began: "i1/eth0 > ACCEPT 1/28" sent one packet of 28 bytes.
func (n *network) wantRecords(what string, want ...string) []FlowRecord {
	n.t.Helper()
	records, skipped := n.e.FlowRecords(nil)
	var got []string
	for _, r := range records {
		way := "<"
		if r.Egress {
			way = ">"
		}
		got = append(got, fmt.Sprintf("%s %s %s %d/%d", n.e.Snapshot().Object(r.Interface).Name, way, r.Action, r.Packets, r.Bytes))
	}
	for _, h := range skipped {
		got = append(got, n.e.Snapshot().Object(h).Name+" skipped")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		n.t.Errorf("%s: records (-want +got):\n%s%s", what, diff, n.story())
	}
	return records
}

func TestFlowLogTellsWhoStoppedThePacket(t *testing.T) {
	n := newNetwork(t)
	n.logEverything()
	n.b.NetworkACLs[1].Ingress = append([]ACLRule{{Number: 10, Match: udp("0.0.0.0/0", 1, 1)}, {Number: 11, Match: udp("::/0", 1, 1)}}, openACL()...)
	n.b.SecurityGroups[2].Ingress = allow(udp("0.0.0.0/0", 1, 2), udp("::/0", 1, 2))
	n.b.SecurityGroups[1].Egress = nil
	n.publish()
	for _, c := range []struct {
		family, i3, i2, i1 string
		bytes              int
	}{{"IPv4", "10.0.2.30", "10.0.1.20", "10.0.1.10", 28}, {"IPv6", "2001:db8:1:2::30", "2001:db8:1:1::20", "2001:db8:1:1::10", 48}} {
		sent := fmt.Sprintf("i1/eth0 > ACCEPT 1/%d", c.bytes)
		n.send(hI1, datagram(c.i3, 2))
		n.wantRecords(c.family+" delivered", sent, fmt.Sprintf("i3/eth0 < ACCEPT 1/%d", c.bytes))
		n.send(hI1, datagram(c.i3, 1))
		n.wantRecords(c.family+": an ACL before i3", sent, fmt.Sprintf("i3/eth0 < REJECT 1/%d", c.bytes))
		n.send(hI1, datagram(c.i3, 3))
		n.wantRecords(c.family+": the group of i3", sent, fmt.Sprintf("i3/eth0 < REJECT 1/%d", c.bytes))
		n.send(hI2, datagram(c.i1, 3))
		n.wantRecords(c.family+": the sender's own group", fmt.Sprintf("i2/eth0 > REJECT 1/%d", c.bytes))
		spoofed := datagram(c.i3, 2)
		spoofed.Src = addr(c.i2)
		n.send(hI1, spoofed)
		n.wantRecords(c.family + ": A25 the source check")
	}
	n.b.NetworkInterfaces[2].Stopped = true
	n.publish()
	n.send(hI1, datagram("10.0.2.30", 2))
	n.wantRecords("a stopped receiver", "i1/eth0 > ACCEPT 1/28")
	if drops := n.e.Drops(0); drops[len(drops)-1].At != hI3 {
		t.Errorf("the journal says the packet was at %d", drops[len(drops)-1].At)
	}
}

func TestFlowLogCountsSegmentsNotSuperframes(t *testing.T) {
	n := newNetwork(t)
	n.logEverything()
	n.publish()
	for dst, bytes := range map[string]int{"10.0.2.30": 10 * 1040, "2001:db8:1:2::30": 10 * 1060} {
		for range 2 { // as a new connection and as a known one
			n.e.Forward([]packet.Frame{n.superframe(dst, 10, 1000)}, nil)
			n.wantRecords(dst, fmt.Sprintf("i1/eth0 > ACCEPT 10/%d", bytes), fmt.Sprintf("i3/eth0 < ACCEPT 10/%d", bytes))
		}
	}
}

func TestFlowLogCountsWhatItWasAskedFor(t *testing.T) {
	n := newNetwork(t)
	n.b.SecurityGroups[2].Ingress = nil
	n.b.FlowLogs = []FlowLog{{Resource: hI1, Reject: true}, {Resource: hI3, Reject: true}, {Resource: 4711, Accept: true}}
	n.publish()
	n.send(hI1, datagram("10.0.2.30", 2))
	n.wantRecords("REJECT", "i3/eth0 < REJECT 1/28")
	n.b.FlowLogs = []FlowLog{{Resource: hVPC, Accept: true}}
	if _, err := n.b.Seal(); err == nil {
		t.Error("a VPC was taken for an interface")
	}
	n.b.FlowLogs = nil
	n.publish()
	n.send(hI1, datagram("10.0.2.30", 2))
	n.wantRecords("none")
}

func TestFlowLogSeesPacketsWhereTheyArrive(t *testing.T) {
	for _, dst := range []string{"10.0.2.30", "2001:db8:1:2::30"} {
		n := newDistantNetwork(t)
		n.logEverything()
		n.setLinks(Link{Forward: Impairment{Delay: 40 * time.Millisecond}})
		size := 20
		if !addr(dst).Is4() {
			size = 40
		}
		began := n.clock
		n.send(hI1, numbered(dst, 1, 20))
		records := n.wantRecords("under way", fmt.Sprintf("i1/eth0 > ACCEPT 1/%d", size+28))
		if records[0].First != began {
			t.Errorf("it left at %d, not %d", records[0].First, began)
		}
		n.send(hI1, numbered(dst, 2, 20))
		n.drain()
		// The window has been turned while the first was under way.
		records = n.wantRecords("arrived", fmt.Sprintf("i3/eth0 < ACCEPT 2/%d", 2*(size+28)), fmt.Sprintf("i1/eth0 > ACCEPT 1/%d", size+28))
		if at := began + 40*int64(time.Millisecond); records[0].First != at {
			t.Errorf("it arrived at %d, not %d", records[0].First, at)
		}
		n.setLinks(Link{Forward: Impairment{Loss: 1}})
		n.send(hI1, numbered(dst, 3, 20))
		n.wantRecords("lost", fmt.Sprintf("i1/eth0 > ACCEPT 1/%d", size+28))
		// What the receiver refuses behind a link, it refuses when it gets it.
		n.b.SecurityGroups[2].Ingress = nil
		n.setLinks(Link{Forward: Impairment{Delay: time.Second}})
		other := numbered(dst, 4, 20)
		other.DstPort = 999
		n.send(hI1, other)
		n.wantRecords("refused, but not yet", fmt.Sprintf("i1/eth0 > ACCEPT 1/%d", size+28))
		n.drain()
		n.wantRecords("refused", fmt.Sprintf("i3/eth0 < REJECT 1/%d", size+28))
	}
}

func TestFlowLogIsBehindAnInterfacesOwnLink(t *testing.T) {
	n := newDistantNetwork(t)
	n.logEverything()
	n.setLinks(Link{Interface: hI3, Reverse: Impairment{Delay: time.Second}})
	n.send(hI1, numbered("10.0.2.30", 1, 20))
	n.wantRecords("under way", "i1/eth0 > ACCEPT 1/48")
	n.drain()
	n.wantRecords("arrived", "i3/eth0 < ACCEPT 1/48")
	n.setLinks(Link{Interface: hI3, Forward: Impairment{Delay: time.Second}})
	n.send(hI3, numbered("10.0.1.10", 1, 20))
	n.wantRecords("sent at once", "i3/eth0 > ACCEPT 1/48")
	n.drain()
	n.wantRecords("later there", "i1/eth0 < ACCEPT 1/48")
	n.setLinks(Link{Interface: hI3, Reverse: Impairment{Loss: 1}})
	n.send(hI1, numbered("10.0.2.30", 1, 20))
	n.wantRecords("lost before the interface", "i1/eth0 > ACCEPT 1/48")
}

func TestFlowLogOfASuperframeThatALinkThinsOut(t *testing.T) {
	n := newDistantNetwork(t)
	n.logEverything()
	n.setLinks(Link{Forward: Impairment{Loss: 0.5, Delay: time.Millisecond}})
	n.e.Forward([]packet.Frame{n.superframe("10.0.2.30", 40, 1000)}, nil)
	arrived := len(n.drain())
	if arrived == 0 || arrived == 40 {
		t.Fatalf("%d segments arrived", arrived)
	}
	n.wantRecords("thinned out", "i1/eth0 > ACCEPT 40/41600", fmt.Sprintf("i3/eth0 < ACCEPT %d/%d", arrived, arrived*1040))
}

func TestFlowLogSkipsWhatDoesNotFit(t *testing.T) {
	n := newNetwork(t)
	n.b.FlowLogs = []FlowLog{{Resource: hI1, Accept: true, Reject: true}}
	n.publish()
	table := newFlowRecordTable(1)
	for i := range uint64(MaxFlowRecords) {
		if ref, isNew := table.find(&packet.Tuple{Src: packet.Addr{Lo: i}, Dst: packet.Addr{Hi: i}}, uint32(i), placeOf(hI2, 0, 6, egress, FlowAccept)); ref != uint32(i+1) || !isNew {
			t.Fatalf("record %d: %d, new %v", i, ref, isNew)
		}
	}
	for i := range uint64(MaxFlowRecords) {
		if ref, isNew := table.find(&packet.Tuple{Src: packet.Addr{Lo: i}, Dst: packet.Addr{Hi: i}}, uint32(i), placeOf(hI2, 0, 6, egress, FlowAccept)); ref != uint32(i+1) || isNew {
			t.Fatalf("record %d again: %d, new %v", i, ref, isNew)
		}
	}
	n.e.state.records = table
	n.want("a flow too many", hI1, datagram("10.0.2.30", 1), VerdictPass, ReasonDelivered)
	if _, skipped := n.e.FlowRecords(nil); !slices.Equal(skipped, []Handle{hI1}) {
		t.Errorf("skipped %v", skipped)
	}
	n.send(hI1, datagram("10.0.2.30", 1))
	n.wantRecords("the next window", "i1/eth0 > ACCEPT 1/28")
	if table.reset(); table.chunks[2] != nil {
		t.Error("memory is kept for nothing")
	}
}

func TestFlowLogFieldsOfAPacket(t *testing.T) {
	n := newNetwork(t)
	n.logEverything()
	n.publish()
	for _, flags := range []uint8{0x02, 0x12, 0x10, 0x18, 0x38, 0x14, 0x11, 0x01} { // SYN … FIN
		s := syn("10.0.2.30", 80)
		s.TCPFlags = flags
		n.send(hI1, s)
		records, _ := n.e.FlowRecords(nil)
		want := map[uint8]uint8{0x02: 2, 0x12: 18, 0x10: 0, 0x18: 0, 0x38: 0, 0x14: 4, 0x11: 1, 0x01: 1}[flags]
		if got := records[0].TCPFlags; got != want {
			t.Errorf("TCP flags %#x are %d, want %d", flags, got, want)
		}
	}
	n.clock += int64(5 * time.Hour) // nobody sends, and nobody asks for long
	n.e.FlowRecords(nil)
	n.clock += int64(10 * time.Minute)
	first := n.clock
	n.send(hI1, echo("10.0.2.30", 7))
	n.clock += int64(time.Minute)
	n.send(hI1, echo("10.0.2.30", 8))
	records := n.wantRecords("two pings are one flow", "i1/eth0 > ACCEPT 2/56", "i3/eth0 < ACCEPT 2/56")
	if r := records[0]; r.Tuple.SrcPort != 0 || r.Tuple.DstPort != 0 || r.TrafficPath != pathSameVPC || r.NextHop != hI3 {
		t.Errorf("the record of a ping: %+v", r)
	}
	if r := records[0]; r.First != first || r.Last > n.clock || r.Last < n.clock-1<<flowTimeShift {
		t.Errorf("from %d to %d, not from %d to %d", r.First, r.Last, first, n.clock)
	}
}

// F-C15: path 3.
func TestFlowLogPathToAVPNGateway(t *testing.T) {
	h := newVPN(t)
	h.b.FlowLogs = []FlowLog{{Resource: at(1, hubInstanceA), Accept: true}}
	h.publish()
	h.want("to a site", at(1, hubInstanceA), syn("10.50.0.5", 80), VerdictPass, ReasonDelivered)
	if records, _ := h.e.FlowRecords(nil); len(records) != 1 || records[0].TrafficPath != pathVPNGateway {
		t.Errorf("records %+v", records)
	}
}

func TestFlowLogWritesWithoutAllocating(t *testing.T) {
	n := newDistantNetwork(t)
	n.logEverything()
	n.setLinks()
	frame := packet.Append(nil, n.spec(hI1, datagram("10.0.2.30", 5353)))
	in := make([]packet.Frame, 8)
	var out []packet.Frame
	forward := func() {
		for i := range in {
			in[i] = packet.Frame{Data: frame, Link: hI1}
		}
		out = n.e.Forward(in, out[:0])
	}
	forward()
	if allocs := testing.AllocsPerRun(100, forward); allocs != 0 {
		t.Errorf("%v allocations per batch", allocs)
	}
	records := make([]FlowRecord, 0, 16)
	n.e.FlowRecords(records) // the other table, once
	forward()
	if allocs := testing.AllocsPerRun(100, func() { forward(); records, _ = n.e.FlowRecords(records[:0]) }); allocs != 0 {
		t.Errorf("%v allocations per window", allocs)
	}
}

func TestFlowRecordsAreFetchedWhilePacketsPass(t *testing.T) {
	n := newNetwork(t)
	n.logEverything()
	n.publish()
	const batches, batch = 200, 16
	total := uint64(0)
	count := func() {
		records, _ := n.e.FlowRecords(nil)
		for _, r := range records {
			if r.Egress {
				total += r.Packets
			}
		}
	}
	var group sync.WaitGroup
	done := make(chan struct{})
	group.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				count()
			}
		}
	})
	for i := range batches {
		var in []packet.Frame
		for j := range batch {
			s := datagram("10.0.2.30", uint16(1+i*batch+j%4))
			in = append(in, packet.Frame{Data: packet.Append(nil, n.spec(hI1, s)), Link: hI1})
		}
		n.e.Forward(in, nil)
	}
	close(done)
	group.Wait()
	count()
	if total != batches*batch {
		t.Errorf("%d of %d packets were counted", total, batches*batch)
	}
}

// A VPN attachment has no interface and no VPC.
func TestFlowLogOfATransitGatewaysTunnel(t *testing.T) {
	h := newVPN(t).viaHub()
	h.b.TransitGatewayTunnelAttachments = []TransitGatewayTunnelAttachment{{
		Object: Object{Handle: hVPNAttachment, Kind: KindTransitGatewayAttachment, Name: "vpn"}, TransitGateway: h.b.TransitGateways[0].Handle,
		RouteTable: h.b.TransitGatewayRouteTables[0].Handle,
	}}
	const tunnel Handle = 190
	h.b.VPNTunnels = append(h.b.VPNTunnels, VPNTunnel{
		Object: Object{Handle: tunnel, Kind: KindVPNTunnel, Name: "tgw-tunnel"}, MAC: InterfaceMAC(tunnel),
		Attachment: hVPNAttachment, Addresses: []netip.Addr{netip.MustParseAddr("169.254.7.1")},
	})
	h.b.FlowLogs = []FlowLog{{Resource: hVPNAttachment}}
	h.publish()
	h.want("from the site", tunnel, from("10.70.0.5", datagram("10.2.1.10", 1)), VerdictPass, ReasonDelivered)
	records, _ := h.e.FlowRecords(nil)
	if len(records) != 1 {
		t.Fatalf("records %+v", records)
	}
	if r := records[0]; r.Interface != hVPNAttachment || r.Egress || r.Source != 0 || r.Destination == 0 || r.PairAttachment == 0 {
		t.Errorf("record %+v", r)
	}
}
