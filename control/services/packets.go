package services

import (
	"context"
	"errors"
	"net"
	"time"
)

// packetService is a service over UDP: a function from a request to an answer.
type packetService struct {
	name string
	// size is the largest request in bytes; larger ones are dropped.
	size int
	// answerPort is where answers go, 0 for where the request came from.
	answerPort int
	// answer may keep nothing of request; nil is no answer.
	answer func(d *Directory, asker *networkInterface, request []byte, received time.Time) []byte
}

// maxReadErrors is how many reads in a row may fail before the socket counts as
// broken. Single errors are the network's, such as a full buffer.
const maxReadErrors = 16

// servePackets answers one request after the other: each takes microseconds, so
// that nothing has to be queued and a flood costs its sender's share (A43).
func (s *server) servePackets(ctx context.Context, conn net.PacketConn, service packetService) error {
	buffer := make([]byte, service.size+1)
	for failures := 0; ; {
		n, from, err := conn.ReadFrom(buffer)
		received := s.now() // before anything else: NTP is about little else
		if err != nil {
			if failures++; ctx.Err() != nil {
				return nil
			} else if errors.Is(err, net.ErrClosed) || failures == maxReadErrors {
				return err
			}
			continue
		}
		failures = 0
		// A full buffer is one byte more than allowed, and may be a part of
		// something larger.
		d, asker := s.client(from)
		if asker == nil || n > service.size {
			continue
		}
		s.shielded(service.name, asker, func() {
			if answer := service.answer(d, asker, buffer[:n], received); answer != nil {
				s.send(conn, from, service, answer)
			}
		})
	}
}

// send gives up on an answer that cannot leave: the client asks again.
func (s *server) send(conn net.PacketConn, to net.Addr, service packetService, answer []byte) {
	if udp, ok := to.(*net.UDPAddr); ok && service.answerPort != 0 {
		to = &net.UDPAddr{IP: udp.IP, Port: service.answerPort, Zone: udp.Zone}
	}
	if _, err := conn.WriteTo(answer, to); err != nil {
		s.Log.Debug("answer not sent", "service", service.name, "to", to, "error", err)
	}
}

func dnsPacket(d *Directory, asker *networkInterface, request []byte, _ time.Time) []byte {
	return d.answerDNS(asker, request, false)
}

func dhcpv4Packet(_ *Directory, asker *networkInterface, request []byte, _ time.Time) []byte {
	return asker.answerDHCPv4(request)
}

func dhcpv6Packet(_ *Directory, asker *networkInterface, request []byte, _ time.Time) []byte {
	return asker.answerDHCPv6(request)
}
