package packet

import (
	"testing"
	"unsafe"
)

// The core zeroes a Packet per frame and hashes a Tuple per lookup: growth is a
// decision, not an accident.
func TestHotStructsKeepTheirSize(t *testing.T) {
	if n := unsafe.Sizeof(Tuple{}); n != 40 {
		t.Errorf("Tuple is %d bytes", n)
	}
	if n := unsafe.Sizeof(Packet{}); n > 256 {
		t.Errorf("Packet is %d bytes", n)
	}
	if n := unsafe.Sizeof(Frame{}); n != 40 {
		t.Errorf("Frame is %d bytes", n)
	}
}
