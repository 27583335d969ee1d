package gre

import "testing"

func TestHeaderOfThisTunnelOnly(t *testing.T) {
	for name, c := range map[string]struct {
		header []byte
		want   int
	}{
		"IPv4":            {[]byte{0, 0, 8, 0, 0x45}, 4},
		"IPv6":            {[]byte{0, 0, 0x86, 0xdd, 0x60}, 4},
		"checksum":        {[]byte{0x80, 0, 8, 0, 1, 2, 0, 0, 0x45}, 8},
		"sequence":        {[]byte{0x10, 0, 8, 0, 0, 0, 0, 1, 0x45}, 8},
		"both":            {[]byte{0x90, 0, 8, 0, 1, 2, 0, 0, 0, 0, 0, 1, 0x45}, 12},
		"both, cut off":   {[]byte{0x90, 0, 8, 0, 1, 2, 0, 0, 0}, 0},
		"a key":           {[]byte{0x20, 0, 8, 0, 0, 0, 0, 1}, 0},
		"PPTP":            {[]byte{0, 1, 0x88, 0x0b}, 0},
		"routing":         {[]byte{0x40, 0, 8, 0}, 0},
		"a keepalive":     {[]byte{0, 0, 0, 0}, 0},
		"shorter than it": {[]byte{0, 0, 8}, 0},
	} {
		if got := readHeader(c.header); got != c.want {
			t.Errorf("%s: %d bytes, want %d", name, got, c.want)
		}
	}
	b := []byte{9, 9, 9, 9, 0x60}
	if putHeader(b); readHeader(b) != 4 || b[2] != 0x86 {
		t.Errorf("wrote %x", b)
	}
}
