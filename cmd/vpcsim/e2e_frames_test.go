package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// Frames that no well-behaved kernel sends, and the tool that sends them: what a
// program with root's rights inside an instance can do.

// offloadHeaderLen is the size of struct virtio_net_hdr, which stands before each
// frame: with it a program can lie about superframes, too.
const offloadHeaderLen = 10

// framesTool sends the frames that it reads, each with its length before it, and
// prints how many the kernel took and how many it refused.
func framesTool(name string) error {
	link, err := net.InterfaceByName(name)
	if err != nil {
		return err
	}
	const noProtocol = 0 // it receives nothing
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, noProtocol)
	if err != nil {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1); err != nil {
		return err
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: link.Index}); err != nil {
		return err
	}
	in, sent, refused := bufio.NewReaderSize(os.Stdin, 1<<20), 0, 0
	frame := make([]byte, 1<<16)
	for {
		var length [2]byte
		if _, err := io.ReadFull(in, length[:]); errors.Is(err, io.EOF) {
			fmt.Printf("sent %d refused %d\n", sent, refused)
			return nil
		} else if err != nil {
			return err
		}
		n := binary.BigEndian.Uint16(length[:])
		if _, err := io.ReadFull(in, frame[:n]); err != nil {
			return err
		}
		if _, err := unix.Write(fd, frame[:n]); err != nil {
			refused++ // the kernel checks lengths and offloads itself
			continue
		}
		sent++
	}
}

// frameList is what framesTool reads.
type frameList struct{ data []byte }

func (l *frameList) add(frame []byte) { l.addOffload([offloadHeaderLen]byte{}, frame) }

func (l *frameList) addOffload(offload [offloadHeaderLen]byte, frame []byte) {
	l.data = binary.BigEndian.AppendUint16(l.data, uint16(offloadHeaderLen+len(frame)))
	l.data = append(append(l.data, offload[:]...), frame...)
}

// sendFrames sends a list from an instance and returns how many were sent.
func (u *user) sendFrames(instance string, l *frameList) (sent int) {
	u.t.Helper()
	cmd := u.command("exec", instance, "--", shared.tool)
	cmd.Env = append(cmd.Env, toolVariable+"=frames eth0")
	cmd.Stdin = strings.NewReader(string(l.data))
	r := u.finish(cmd)
	var refused int
	if _, err := fmt.Sscanf(r.stdout, "sent %d refused %d\n", &sent, &refused); err != nil || r.code != exitOK {
		u.t.Fatal(r)
	}
	return sent
}

// attacker is an instance whose frames are made by hand.
type attacker struct {
	name        string
	mac, router packet.MAC
	ip4, ip6    packet.Addr
}

func (u *user) attacker(instance string) attacker {
	u.t.Helper()
	eni := u.networkInterface(instance)
	a := attacker{name: instance, mac: packet.MAC(eni.Status.MAC), ip4: packet.AddrFrom(eni.Status.PrivateIPs[0])}
	if len(eni.Status.IPv6s) > 0 {
		a.ip6 = packet.AddrFrom(eni.Status.IPv6s[0])
	}
	a.router = u.neighbor(instance, "$(ip -4 route show default | cut -d' ' -f3)")
	return a
}

// neighbor is the MAC address that an instance resolves an address to.
func (u *user) neighbor(instance, address string) (mac packet.MAC) {
	u.t.Helper()
	r := u.shell(instance, "A="+address+"; ping -c 1 -W 1 $A >/dev/null; ip -j neighbor show $A")
	var entries []struct {
		MAC string `json:"lladdr"`
	}
	if err := json.Unmarshal([]byte(r.stdout), &entries); err != nil || len(entries) != 1 {
		u.t.Fatal(r)
	}
	parsed, err := net.ParseMAC(entries[0].MAC)
	if err != nil {
		u.t.Fatal(err)
	}
	return packet.MAC(parsed)
}

// spec is a packet of the attacker's own to address, by way of the router.
func (a attacker) spec(address string, proto uint8, srcPort, dstPort uint16) packet.Spec {
	s := packet.Spec{
		SrcMAC: a.mac, DstMAC: a.router, TCPFlags: packet.TCPFlagSYN,
		Tuple: packet.Tuple{Src: a.ip4, Dst: addr(address), SrcPort: srcPort, DstPort: dstPort, Proto: proto},
	}
	if !s.Dst.Is4() {
		s.Src = a.ip6
	}
	return s
}

func addr(text string) packet.Addr { return packet.AddrFrom(netip.MustParseAddr(text)) }

const (
	ethernetLen = 14
	ipv4Len     = 20
	ipv6Len     = 40
)

// fragment4 is the part of an IPv4 packet without options from byte start of its
// payload, at offset (a multiple of 8): where the two differ, it lies.
func fragment4(frame []byte, start, length, offset int, more bool) []byte {
	part := slices.Concat(frame[:ethernetLen+ipv4Len], frame[ethernetLen+ipv4Len+start:][:length])
	field := uint16(offset / 8)
	if more {
		field |= 0x2000
	}
	h := part[ethernetLen:][:ipv4Len]
	binary.BigEndian.PutUint16(h[2:], uint16(ipv4Len+length))
	binary.BigEndian.PutUint16(h[6:], field)
	sealHeader4(h)
	return part
}

func sealHeader4(h []byte) {
	h[10], h[11] = 0, 0
	var sum uint32
	for i := 0; i < len(h); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(h[i:]))
	}
	sum = sum>>16 + sum&0xffff
	binary.BigEndian.PutUint16(h[10:], ^uint16(sum+sum>>16))
}

// withExtensions puts extension headers of one kind, each of size bytes, before
// what an IPv6 packet carries.
func withExtensions(frame []byte, kind uint8, count, size int) []byte {
	out := slices.Clone(frame[:ethernetLen+ipv6Len])
	next := out[ethernetLen+6]
	out[ethernetLen+6] = kind
	for i := range count {
		extension := make([]byte, size)
		if extension[0] = kind; i == count-1 {
			extension[0] = next
		}
		extension[1] = uint8(size/8 - 1)
		extension[2], extension[3] = 1, uint8(min(size-4, 255)) // PadN
		out = append(out, extension...)
	}
	out = append(out, frame[ethernetLen+ipv6Len:]...)
	binary.BigEndian.PutUint16(out[ethernetLen+4:], uint16(len(out)-ethernetLen-ipv6Len))
	return out
}

// mutated adds count copies of frames with some bytes changed, or cut short. The
// attacker's MAC address stays, so that they get beyond the first check.
func (l *frameList) mutated(random *rand.Rand, frames [][]byte, count int) {
	for range count {
		frame := slices.Clone(frames[random.IntN(len(frames))])
		for range 1 + random.IntN(4) {
			if i := 12 + random.IntN(len(frame)-12); i < 80 || random.IntN(4) == 0 { // headers, mostly
				frame[i] = byte(random.Uint32())
			}
		}
		if random.IntN(4) == 0 {
			frame = frame[:ethernetLen+random.IntN(len(frame)-ethernetLen+1)]
		}
		var offload [offloadHeaderLen]byte
		if random.IntN(4) == 0 {
			for i := range offload {
				offload[i] = byte(random.Uint32())
			}
			offload[0] &= 1                                         // NEEDS_CSUM or nothing
			offload[1] = []byte{0, 1, 4, 5}[random.IntN(4)]         // none, TCPv4, TCPv6, UDP
			offload[3], offload[5], offload[7] = 0, offload[5]&7, 0 // lengths that a kernel may believe
		}
		l.addOffload(offload, frame)
	}
}
