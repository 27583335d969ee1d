package bgp

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"syscall"
)

// tcpMD5Signature is TCP_MD5SIG of <linux/tcp.h>.
const tcpMD5Signature = 14

// setTTL limits how far the socket's packets go: one hop, where the other end is
// on the same link (RFC 4271 leaves it open; every router does so).
func setTTL(c syscall.RawConn, p Peer) error {
	level, option := syscall.IPPROTO_IP, syscall.IP_TTL
	if !p.RemoteAddress.Is4() {
		level, option = syscall.IPPROTO_IPV6, syscall.IPV6_UNICAST_HOPS
	}
	return control(c, func(fd uintptr) error {
		return os.NewSyscallError("setting the TTL", syscall.SetsockoptInt(int(fd), level, option, p.MultihopTTL))
	})
}

// setPassword has the kernel sign and check every segment that is exchanged with
// remote (RFC 2385). The empty password ends that; on a listener it is kept per
// remote address.
func setPassword(c syscall.RawConn, remote netip.Addr, password string) error {
	// struct tcp_md5sig: sockaddr_storage, flags, prefix length, key length,
	// interface index, key.
	var signature [128 + 1 + 1 + 2 + 4 + maxPassword]byte
	if remote.Is4() {
		binary.NativeEndian.PutUint16(signature[0:], syscall.AF_INET)
		copy(signature[4:], remote.AsSlice())
	} else {
		binary.NativeEndian.PutUint16(signature[0:], syscall.AF_INET6)
		copy(signature[8:], remote.AsSlice())
	}
	binary.NativeEndian.PutUint16(signature[130:], uint16(len(password)))
	copy(signature[136:], password)
	return control(c, func(fd uintptr) error {
		err := syscall.SetsockoptString(int(fd), syscall.IPPROTO_TCP, tcpMD5Signature, string(signature[:]))
		if err == syscall.ENOENT && password == "" {
			return nil // there was none
		}
		if err == syscall.ENOPROTOOPT {
			return fmt.Errorf("this kernel has no TCP MD5 signatures (CONFIG_TCP_MD5SIG): leave the password out at both ends")
		}
		return os.NewSyscallError("setting the TCP MD5 password", err)
	})
}
