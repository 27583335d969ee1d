package port

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// offload lets the kernel forward packets of flows that the engine has shown it, from
// one instance's interface straight to another's.
//
// Two programs share the work, because a packet socket for all protocols sees a frame
// before a tcx program does. The socket's own filter decides: it finds the flow, and
// takes the frame from the socket if it is a plain packet of it. What it has decided
// stands in a value of the CPU's own, and the tcx program, which the kernel runs next
// on the same CPU for the same frame, does it. So each frame is either the socket's or
// the kernel's, never both nor neither, whatever changes in between; and there
// remains one socket, for frames of every type. (Sockets bound to ETH_P_IP, ETH_P_IPV6
// and ETH_P_ARP stand behind tcx and would need no filter. But then three would have to
// be waited for, and frames of other types would come to nobody.)
//
// The kernel decides nothing: every entry is what the engine's walk did to a packet of
// this very flow, on this very interface. All entries are good in one generation only,
// so that one word ends them all.
type offload struct {
	flows    *ebpf.Map // shortcutKey to place + 1
	slots    *ebpf.Map // shortcutSlots by place + 1, mapped below
	control  *ebpf.Map // the generation, mapped below
	decision *ebpf.Map // of the socket's filter, for the tcx program
	filter   *ebpf.Program
	redirect *ebpf.Program

	namespace int // a descriptor of the port's network namespace

	mu         sync.Mutex // guards what follows
	memory     []byte     // the slots
	generation []byte     // 4 bytes
	now        uint32     // generation
	keys       [packet.MaxShortcuts]shortcutKey
	attached   map[uint32]link.Link // tcx programs by link
	closed     bool
	last       []packet.ShortcutCount // of each place, once closed
}

// shortcutKey names a flow as the filter finds it in a frame.
type shortcutKey struct {
	ifindex  uint32 // and keyIPv6
	ports    [4]byte
	src, dst [16]byte // IPv4: the first four bytes
}

// keyIPv6 keeps apart what has the same bytes in both families.
const keyIPv6 = 1 << 31

// shortcutSlot is a value of the map slots. Its offsets are the programs' (slot…): they
// read it while it may be written to, which is why generation is written last.
type shortcutSlot struct {
	generation uint32
	target     uint32 // interface index
	maxLength  uint16
	match      [14]byte // the Ethernet header as it comes
	hops       uint32
	_          uint32
	rewrite    [12]byte // the Ethernet addresses as they go
	_          uint32
	// What only the kernel writes.
	frames, packets, bytes, pushed, seen uint64
	_                                    [40]byte // two lines of the cache
}

const (
	slotGeneration = unsafe.Offsetof(shortcutSlot{}.generation)
	slotTarget     = unsafe.Offsetof(shortcutSlot{}.target)
	slotMaxLength  = unsafe.Offsetof(shortcutSlot{}.maxLength)
	slotMatch      = unsafe.Offsetof(shortcutSlot{}.match)
	slotHops       = unsafe.Offsetof(shortcutSlot{}.hops)
	slotRewrite    = unsafe.Offsetof(shortcutSlot{}.rewrite)
	slotFrames     = unsafe.Offsetof(shortcutSlot{}.frames)
	slotPackets    = unsafe.Offsetof(shortcutSlot{}.packets)
	slotBytes      = unsafe.Offsetof(shortcutSlot{}.bytes)
	slotPushed     = unsafe.Offsetof(shortcutSlot{}.pushed)
	slotSeen       = unsafe.Offsetof(shortcutSlot{}.seen)

	shortcutSlotSize = unsafe.Sizeof(shortcutSlot{})
	shortcutKeySize  = unsafe.Sizeof(shortcutKey{})
)

// openOffload loads the programs, in the network namespace of the calling thread. They do
// nothing until they are attached.
func openOffload() (*offload, error) {
	o := &offload{namespace: -1, attached: map[uint32]link.Link{}}
	if err := o.open(); err != nil {
		o.release()
		return nil, explainOffload(err)
	}
	return o, nil
}

func (o *offload) open() (err error) {
	if o.namespace, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		return err
	}
	for _, m := range []struct {
		to   **ebpf.Map
		spec ebpf.MapSpec
	}{
		{&o.flows, ebpf.MapSpec{Name: "vpcsim_flows", Type: ebpf.Hash, KeySize: uint32(shortcutKeySize), ValueSize: 4, MaxEntries: packet.MaxShortcuts}},
		{&o.slots, ebpf.MapSpec{Name: "vpcsim_slots", Type: ebpf.Array, KeySize: 4, ValueSize: uint32(shortcutSlotSize), MaxEntries: packet.MaxShortcuts + 1, Flags: unix.BPF_F_MMAPABLE}},
		{&o.control, ebpf.MapSpec{Name: "vpcsim_control", Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1, Flags: unix.BPF_F_MMAPABLE}},
		{&o.decision, ebpf.MapSpec{Name: "vpcsim_decide", Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: decisionSize, MaxEntries: 1}},
	} {
		if *m.to, err = ebpf.NewMap(&m.spec); err != nil {
			return err
		}
	}
	if o.memory, err = mapMemory(o.slots, (packet.MaxShortcuts+1)*int(shortcutSlotSize)); err != nil {
		return err
	}
	if o.generation, err = mapMemory(o.control, 8); err != nil {
		return err
	}
	o.advance() // 0 is the generation of an empty slot
	o.filter, err = ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "vpcsim_filter", Type: ebpf.SocketFilter, License: "MIT",
		Instructions: filterProgram(o.flows.FD(), o.slots.FD(), o.control.FD(), o.decision.FD()),
	})
	if err != nil {
		return err
	}
	o.redirect, err = ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "vpcsim_redirect", Type: ebpf.SchedCLS, AttachType: ebpf.AttachTCXIngress, License: "MIT",
		Instructions: redirectProgram(o.slots.FD(), o.decision.FD()),
	})
	return err
}

// mapMemory maps a map's values, so that they are read and written without a system
// call.
func mapMemory(m *ebpf.Map, size int) ([]byte, error) {
	return unix.Mmap(m.FD(), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
}

func explainOffload(err error) error {
	switch {
	case errors.Is(err, ErrNoOffload):
		return err
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		var rejected *ebpf.VerifierError
		if errors.As(err, &rejected) && len(rejected.Log) > 0 {
			break
		}
		return fmt.Errorf("%w: the kernel takes programs from the machine's root only (CAP_BPF and CAP_NET_ADMIN, in no user namespace): %w", ErrNoOffload, unix.EPERM)
	case errors.Is(err, ebpf.ErrNotSupported), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EINVAL):
		return fmt.Errorf("%w: it needs Linux 6.6 with CONFIG_BPF_SYSCALL and CONFIG_NET_XGRESS: %w", ErrNoOffload, err)
	}
	return fmt.Errorf("%w: %w", ErrNoOffload, err)
}

// CheckOffload tries in earnest whether ports can be opened with offload here: in a
// network namespace of its own, which nobody else sees. The error says what is missing.
func CheckOffload() error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			result <- explainOffload(err)
			return
		}
		o, err := openOffload()
		if err == nil {
			const loopback = 1 // in every namespace
			err = o.watch(0, loopback)
			o.close()
		}
		result <- err
	}()
	return <-result
}

// slot is the memory of a place.
func (o *offload) slot(place int) *shortcutSlot {
	return (*shortcutSlot)(unsafe.Pointer(&o.memory[(place+1)*int(shortcutSlotSize)]))
}

// advance begins a new generation: what is in the slots is over for every CPU that has
// not begun with a frame yet.
func (o *offload) advance() {
	if o.now++; o.now == 0 {
		o.now++
	}
	atomic.StoreUint32((*uint32)(unsafe.Pointer(&o.generation[0])), o.now)
}

// put makes the flow with key take the shortcut in a place.
func (o *offload) put(place int, key *shortcutKey, s *packet.Shortcut, target uint32) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return unix.EBADF
	}
	slot := o.slot(place)
	atomic.StoreUint32(&slot.generation, 0)
	slot.target, slot.maxLength, slot.hops = target, s.MaxLength, uint32(s.Hops)
	copy(slot.match[0:], s.DstMAC[:])
	copy(slot.match[6:], s.SrcMAC[:])
	binary.BigEndian.PutUint16(slot.match[12:], packet.EtherTypeIPv4)
	if !s.Src.Is4() {
		binary.BigEndian.PutUint16(slot.match[12:], packet.EtherTypeIPv6)
	}
	copy(slot.rewrite[0:], s.NewDstMAC[:])
	copy(slot.rewrite[6:], s.NewSrcMAC[:])
	if old := &o.keys[place]; *old != *key {
		o.forget(old)
		if err := o.flows.Put(unsafe.Slice((*byte)(unsafe.Pointer(key)), shortcutKeySize), uint32(place+1)); err != nil {
			return err
		}
		*old = *key
	}
	atomic.StoreUint32(&slot.generation, o.now)
	return nil
}

// remove ends the shortcut in a place.
func (o *offload) remove(place int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.closed {
		atomic.StoreUint32(&o.slot(place).generation, 0)
		o.forget(&o.keys[place])
	}
}

func (o *offload) forget(key *shortcutKey) {
	if *key != (shortcutKey{}) {
		// That it is gone already is as good.
		_ = o.flows.Delete(unsafe.Slice((*byte)(unsafe.Pointer(key)), shortcutKeySize))
		*key = shortcutKey{}
	}
}

func (o *offload) removeAll() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.closed {
		o.advance()
	}
}

// count reads what has taken the shortcut in a place, since the port was opened.
func (o *offload) count(place int, clock int64) packet.ShortcutCount {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return o.last[place]
	}
	return o.read(place, clock)
}

func (o *offload) read(place int, clock int64) packet.ShortcutCount {
	slot := o.slot(place)
	return packet.ShortcutCount{
		Frames: atomic.LoadUint64(&slot.frames), Packets: atomic.LoadUint64(&slot.packets), Bytes: atomic.LoadUint64(&slot.bytes),
		Pushed: atomic.LoadUint64(&slot.pushed),
		Age:    time.Duration(max(0, clock-int64(atomic.LoadUint64(&slot.seen)))),
	}
}

// kernelClock is the clock that programs in the kernel read.
func kernelClock() int64 {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) // there always is one
	return now.Nano()
}

// close takes the programs away and keeps the counts, for whoever asks after the end.
func (o *offload) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return
	}
	o.advance()
	for _, l := range o.attached {
		_ = l.Close() // the interface may be gone, and with it the program
	}
	o.attached = nil
	clock := kernelClock()
	o.last = make([]packet.ShortcutCount, packet.MaxShortcuts)
	for place := range o.last {
		o.last[place] = o.read(place, clock)
	}
	o.closed = true
	o.release()
}

// release gives back what the kernel holds for us. Closing what was never opened does
// nothing.
func (o *offload) release() {
	for _, p := range []*ebpf.Program{o.filter, o.redirect} {
		if p != nil {
			_ = p.Close()
		}
	}
	for _, m := range [][]byte{o.memory, o.generation} {
		if m != nil {
			_ = unix.Munmap(m)
		}
	}
	o.memory, o.generation = nil, nil
	for _, m := range []*ebpf.Map{o.flows, o.slots, o.control, o.decision} {
		if m != nil {
			_ = m.Close()
		}
	}
	if o.namespace >= 0 {
		_ = unix.Close(o.namespace)
		o.namespace = -1
	}
}
