package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket/pcapgo"
)

// sample is a file with two places, two packets and their statistics.
func sample(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	when := time.Unix(1_700_000_000, 123_456_789)
	for _, i := range []Interface{{"web", "network interface web/eth0"}, {"nat:outside", ""}} {
		if _, err := w.AddInterface(i); err != nil {
			t.Fatal(err)
		}
	}
	errs := []error{
		w.Packet(0, when, 2, samples()["web"]),
		w.Packet(1, when.Add(time.Nanosecond), 1, samples()["ping6"], "DROP at routeTable main: no route matches 10.9.0.1", "second"),
		w.Statistics(1, when, when.Add(time.Second), 7, 6),
	}
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestFileIsReadByGopacket(t *testing.T) {
	r, err := pcapgo.NewNgReader(bytes.NewReader(sample(t)), pcapgo.NgReaderOptions{WantMixedLinkType: true})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"web", "ping6"} {
		data, info, err := r.ReadPacketData()
		if err != nil || !bytes.Equal(data, samples()[want]) || info.InterfaceIndex != i || info.Timestamp.Nanosecond() != 123_456_789+i || info.Length != len(data) {
			t.Errorf("packet %d: %v %+v", i, err, info)
		}
	}
	if _, _, err := r.ReadPacketData(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	if got, err := r.Interface(1); err != nil || got.Name != "nat:outside" || got.Statistics.PacketsReceived != 7 || got.Statistics.PacketsDropped != 6 {
		t.Errorf("interface 1: %v %+v", err, got)
	}
	if got, err := r.Interface(0); err != nil || got.Description != "network interface web/eth0" {
		t.Errorf("interface 0: %v %+v", err, got)
	}
}

func TestFileCarriesCommentsAndDirections(t *testing.T) {
	var got []string
	for b := sample(t); len(b) > 0; {
		length := binary.LittleEndian.Uint32(b[4:])
		if length%4 != 0 || binary.LittleEndian.Uint32(b[length-4:]) != length {
			t.Fatalf("a block of %d bytes says %d at its end", length, binary.LittleEndian.Uint32(b[length-4:]))
		}
		if binary.LittleEndian.Uint32(b) == blockPacket {
			size := (binary.LittleEndian.Uint32(b[20:]) + 3) &^ 3
			for o := b[28+size : length-4]; binary.LittleEndian.Uint16(o) != 0; {
				code, n := binary.LittleEndian.Uint16(o), binary.LittleEndian.Uint16(o[2:])
				switch code {
				case optionComment:
					got = append(got, string(o[4:4+n]))
				case optionFlags:
					got = append(got, [...]string{"", "in", "out"}[o[4]])
				}
				o = o[4+(n+3)&^3:]
			}
		}
		b = b[length:]
	}
	if want := "out|DROP at routeTable main: no route matches 10.9.0.1|second|in"; strings.Join(got, "|") != want {
		t.Errorf("options are %s, want %s", strings.Join(got, "|"), want)
	}
}

func TestCopyBlocksWritesWholeBlocksOnly(t *testing.T) {
	file := sample(t)
	var whole []int
	for at := 0; at < len(file); {
		at += int(binary.LittleEndian.Uint32(file[at+4:]))
		whole = append(whole, at)
	}
	for n := range file {
		var out bytes.Buffer
		err := CopyBlocks(&out, bytes.NewReader(file[:n]))
		most := 0
		for _, at := range whole {
			if at <= n {
				most = at
			}
		}
		if out.Len() != most || (err == nil) != (n == most) {
			t.Fatalf("of %d bytes %d were written, want %d: %v", n, out.Len(), most, err)
		}
	}
	if err := CopyBlocks(io.Discard, strings.NewReader("\x06\x00\x00\x00\xff\xff\xff\xff")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a block that lies about its length: %v", err)
	}
}
