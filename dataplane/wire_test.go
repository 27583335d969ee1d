package dataplane

import (
	"bytes"
	"testing"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

func TestWireCarriesFramesAsTheyAre(t *testing.T) {
	n := newNetwork(t)
	n.b.Wires = []Wire{{Object: Object{Handle: 500, Kind: KindWire, Name: "desk"}, Other: 501}}
	n.publish()
	for _, frame := range [][]byte{packet.Append(nil, syn("192.0.2.1", 80)), bytes.Repeat([]byte{0xff}, 60), {}} {
		for link, other := range map[uint32]uint32{500: 501, 501: 500} {
			out := n.e.Forward([]packet.Frame{{Data: bytes.Clone(frame), Link: link}}, nil)
			if len(out) != 1 || out[0].Link != other || !bytes.Equal(out[0].Data, frame) {
				t.Errorf("%x over %d: %v", frame, link, out)
			}
		}
	}
}
