package port

import (
	"encoding/binary"
	"fmt"
	"runtime"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// What an engine asks of a port that was opened with [AFPacketConfig.Offload]. A port
// without takes no shortcut.

// Offload makes the kernel take a shortcut with the packets of a flow from now on, in one
// of [packet.MaxShortcuts] places, until Withdraw or WithdrawAll. What stood there is
// replaced. Other packets come to Recv as before. It reports false if that cannot be: a
// link is not attached, or ends in this process.
func (p *AFPacket) Offload(place int, s *packet.Shortcut) bool {
	if p.offload == nil || place < 0 || place >= packet.MaxShortcuts {
		return false
	}
	attached := p.attachments.Load().interfaces
	from, ok := attached.get(s.From)
	to, also := attached.get(s.To)
	if !ok || !also {
		return false
	}
	key := keyOf(s, from)
	return p.offload.put(place, &key, s, to) == nil
}

// keyOf is the key of a shortcut's flow as the filter makes it of a frame from an
// interface.
func keyOf(s *packet.Shortcut, ifindex uint32) shortcutKey {
	key := shortcutKey{ifindex: ifindex}
	binary.BigEndian.PutUint16(key.ports[0:], s.SrcPort)
	binary.BigEndian.PutUint16(key.ports[2:], s.DstPort)
	for _, end := range []struct {
		bytes *[16]byte
		a     packet.Addr
	}{{&key.src, s.Src}, {&key.dst, s.Dst}} {
		if end.a.Is4() {
			binary.BigEndian.PutUint32(end.bytes[:], uint32(end.a.Lo))
			continue
		}
		key.ifindex = ifindex | keyIPv6
		binary.BigEndian.PutUint64(end.bytes[:8], end.a.Hi)
		binary.BigEndian.PutUint64(end.bytes[8:], end.a.Lo)
	}
	return key
}

// Withdraw ends the shortcut in a place. What it has counted stays, and is added to by
// the next one there. A frame that is in the kernel's hands at this moment may still take
// it: do not give its place to another flow at once.
func (p *AFPacket) Withdraw(place int) {
	if p.offload != nil && place >= 0 && place < packet.MaxShortcuts {
		p.offload.remove(place)
	}
}

// WithdrawAll ends all shortcuts, with one write to memory: the next frame of each flow
// comes to Recv.
func (p *AFPacket) WithdrawAll() {
	if p.offload != nil {
		p.offload.removeAll()
	}
}

// Shortcut reads what has taken the shortcuts of a place since the port was opened. It may
// be asked after Close, for the last time.
func (p *AFPacket) Shortcut(place int) packet.ShortcutCount {
	if p.offload == nil || place < 0 || place >= packet.MaxShortcuts {
		return packet.ShortcutCount{}
	}
	return p.offload.count(place, kernelClock())
}

// watch attaches the program that takes the shortcuts to a link's interface.
func (o *offload) watch(number uint32, ifindex int) error {
	var attached link.Link
	err := inNamespace(o.namespace, func() (err error) {
		attached, err = link.AttachTCX(link.TCXOptions{Interface: ifindex, Program: o.redirect, Attach: ebpf.AttachTCXIngress})
		return err
	})
	if err != nil {
		return explainOffload(err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		_ = attached.Close()
		return unix.EBADF
	}
	o.attached[number] = attached
	return nil
}

// unwatch undoes watch. Shortcuts to and from the interface end with all others: an
// interface index may be given out again.
func (o *offload) unwatch(number uint32) {
	o.mu.Lock()
	attached, ok := o.attached[number]
	if ok {
		o.advance()
		delete(o.attached, number)
	}
	o.mu.Unlock()
	if ok {
		// Not under the lock that packets may wait for: the kernel changes no interface while
		// it changes another. This one may be gone already.
		_ = attached.Close()
	}
}

// inNamespace calls f in a network namespace: the kernel looks for an interface in that
// of the calling thread.
func inNamespace(fd int, f func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
			result <- fmt.Errorf("the port's network namespace: %w", err)
			return
		}
		result <- f()
	}()
	return <-result
}
