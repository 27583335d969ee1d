package packet

import "time"

// Shortcut is what becomes of every plain packet of a TCP flow on its way from one
// link to another, where that is so little that a port can do it by itself: another
// Ethernet header, and a lower TTL. It holds for packets without IP options or
// extension headers, whose flags are ACK and perhaps PSH.
type Shortcut struct {
	From uint32 // link
	Tuple
	DstMAC, SrcMAC MAC // as they came

	To                   uint32 // link
	NewDstMAC, NewSrcMAC MAC
	Hops                 uint8 // taken off the TTL, which has to be larger
	// MaxLength of a packet on the wire, or of each segment of a superframe, in
	// bytes of IP: nothing is said of larger ones.
	MaxLength uint16
}

// MaxShortcuts is how many places a port has for shortcuts, from 0 on.
const MaxShortcuts = 4096

// ShortcutCount is what took a shortcut.
type ShortcutCount struct {
	Frames  uint64 // a superframe is one
	Packets uint64 // on the wire: a superframe's segments
	Bytes   uint64 // of IP, the headers of every segment among them
	Pushed  uint64 // frames with PSH
	// Age is how long ago the last one was; without any, it says nothing.
	Age time.Duration
}
