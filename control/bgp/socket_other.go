//go:build !linux

package bgp

import (
	"errors"
	"net/netip"
	"syscall"
)

func setTTL(syscall.RawConn, Peer) error { return nil }

func setPassword(syscall.RawConn, netip.Addr, string) error {
	return errors.New("TCP MD5 passwords need Linux")
}
