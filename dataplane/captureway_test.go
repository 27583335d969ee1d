package dataplane

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// ways is everything that a capture of ways has taken.
func (n *network) ways(c *Capture) (list []Leg) {
	for c.NextWay(func(w *Way) { list = append(list, w.Leg) }) {
	}
	return list
}

// TestWayIsWhatATraceSays: packets that are forwarded show the steps that a trace of
// them foretells, word for word.
func TestWayIsWhatATraceSays(t *testing.T) {
	n := newNAT64Network(t).publish()
	c := n.e.Capture(CaptureConfig{Bytes: 1, Ways: &Ways{}})
	defer c.Close()
	for _, way := range []struct {
		from Handle
		spec packet.Spec
	}{
		{hI1, syn("10.0.2.30", 80)}, {hI1, syn("203.0.113.10", 80)}, {hI3, datagram("64:ff9b::203.0.113.10", 53)},
		{hHost, syn("198.51.100.10", 22)}, {hI1, syn("10.0.77.1", 80)}, {hI3, echo("203.0.113.10", 7)},
	} {
		frame := packet.Frame{Link: uint32(way.from), Data: packet.Append(nil, n.spec(way.from, way.spec))}
		want := n.e.TraceFrame(frame)
		n.e.Forward([]packet.Frame{frame}, nil)
		if diff := cmp.Diff([]Leg{want}, n.ways(c)); diff != "" {
			t.Errorf("%s (-trace +live):\n%s", way.spec.Dst, diff)
		}
	}
}

func TestWaysAreOfWhoIsAskedFor(t *testing.T) {
	n := newNATNetwork(t)
	n.publish()
	host := func(a string) []packet.Prefix { return []packet.Prefix{cidrOf(a)} }
	cases := []struct {
		name   string
		ways   Ways
		filter CaptureFilter
		want   int
	}{
		{"anybody", Ways{}, nil, 3},
		{"from an interface", Ways{From: WayEnd{Interfaces: []Handle{hI3}}}, nil, 1},
		{"from an address that a gateway gave it", Ways{From: WayEnd{Addresses: host("198.51.100.50/32")}}, nil, 1},
		{"to an interface behind a gateway", Ways{To: WayEnd{Interfaces: []Handle{hI3}, Addresses: host("10.0.2.30/32")}}, nil, 1},
		{"from another with the same address", Ways{From: WayEnd{Interfaces: []Handle{hI2}, Addresses: host("10.0.2.30/32")}}, nil, 0},
		{"dropped", Ways{}, CaptureFilter{{Test: FilterDrop}}, 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			capture := n.e.Capture(CaptureConfig{Bytes: 1, Filter: c.filter, Ways: &c.ways})
			defer capture.Close()
			n.send(hI3, datagram("203.0.113.10", 5353))
			n.send(hHost, n.back())
			n.send(hHost, syn("198.51.100.50", 22))
			if got := n.ways(capture); len(got) != c.want {
				t.Errorf("%d ways, want %d: %+v", len(got), c.want, got)
			}
		})
	}
}

func TestWaysAreCountedWhereThereIsNoRoom(t *testing.T) {
	n := newNetwork(t).publish()
	c := n.e.Capture(CaptureConfig{Packets: 2, Bytes: 1, Ways: &Ways{}})
	defer c.Close()
	for range 5 {
		n.send(hI1, syn("10.0.2.30", 80))
	}
	if lost := c.Lost()[CapturePlace{}]; lost != 3 || len(n.ways(c)) != 2 {
		t.Errorf("%d lost, want 3 of 5", lost)
	}
}

func cidrOf(s string) packet.Prefix { return packet.PrefixFrom(cidr(s)) }
