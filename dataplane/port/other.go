//go:build !linux

package port

import (
	"errors"
	"syscall"
	"time"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// Packet sockets are Linux's. Elsewhere the program can be built, for what needs no
// lab: validating, planning, tracing in a file, checks in memory.

var errNeedsLinux = errors.New("packet sockets need Linux")

// AFPacket cannot be opened here.
type AFPacket struct{}

func OpenAFPacket(AFPacketConfig) (*AFPacket, error)              { return nil, errNeedsLinux }
func CheckOffload() error                                         { return errNeedsLinux }
func (*AFPacket) Attach(uint32, int) error                        { return errNeedsLinux }
func (*AFPacket) Detach(uint32)                                   {}
func (*AFPacket) Recv([]packet.Frame, time.Duration) (int, error) { return 0, errNeedsLinux }
func (*AFPacket) Send([]packet.Frame) error                       { return errNeedsLinux }
func (*AFPacket) Interrupt()                                      {}
func (*AFPacket) Stats() AFPacketStats                            { return AFPacketStats{} }
func (*AFPacket) Offload(int, *packet.Shortcut) bool              { return false }
func (*AFPacket) Withdraw(int)                                    {}
func (*AFPacket) WithdrawAll()                                    {}
func (*AFPacket) Shortcut(int) packet.ShortcutCount               { return packet.ShortcutCount{} }
func (*AFPacket) Close() error                                    { return nil }

// GrowReceiveBuffer changes nothing: what a socket has here is enough for what runs.
func GrowReceiveBuffer(syscall.Conn, int) {}
