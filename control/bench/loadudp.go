package bench

import (
	"errors"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/vpcsim/vpcsim/control/host"
)

// A 64-byte frame as Ethernet counts it: 14 bytes of its own header, 20 of IPv4,
// 8 of UDP, the payload, and 4 of a frame check sequence that veths do not have.
const (
	datagramPayload = 18
	datagramBatch   = 64 // per system call, of sender and receiver
)

// datagramBuffer is asked for as the receiver's socket buffer; the machine's
// limit (net.core.rmem_max) may make it less. Burst, not rate, is what it bounds.
const datagramBuffer = 4 << 20

// The receiver does not wait for each datagram but looks every lookEvery, as a
// network card holds its interrupts back: otherwise each datagram would wake a
// sleeping program, which costs more than to forward it, and the rows would
// differ in how often the receiver falls asleep. Its buffer holds more than can
// come in that time.
const (
	lookEvery = 500 * time.Microsecond
	quiet     = 50 * time.Millisecond // this long without a datagram is the end
)

// receiveDatagrams counts from the first datagram to the last.
func (s *loadSpec) receiveDatagrams() (*loadResult, error) {
	file, err := s.receiver()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	// The first one only opens the way; see openWay.
	if _, err := host.NewDatagrams(file, 1, datagramPayload).Receive(); errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, errors.New("no datagram arrived")
	} else if err != nil {
		return nil, err
	}
	batch := host.NewDatagrams(file, datagramBatch, datagramPayload)
	count, err := batch.Receive()
	if err != nil {
		return nil, err
	}
	result := &loadResult{Count: uint64(count)}
	start := time.Now()
	last := start
	// Looks, not time, say that it is over: a receiver that got no CPU for a
	// while has not looked.
	for idle := 0; idle < int(quiet/lookEvery); {
		n, err := batch.Take()
		switch {
		case err != nil:
			return nil, err
		case n > 0:
			result.Count += uint64(n)
			last, idle = time.Now(), 0
		default:
			idle++
		}
		if n < datagramBatch {
			time.Sleep(lookEvery)
		}
	}
	result.Seconds = last.Sub(start).Seconds()
	return result, nil
}

func (s *loadSpec) receiver() (*os.File, error) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{Port: int(s.Port)})
	if err != nil {
		return nil, err
	}
	_ = conn.SetReadBuffer(datagramBuffer) // less is less
	file, err := host.Blocking(conn)
	if err != nil {
		return nil, err
	}
	if err := host.SetReceiveTimeout(file, patience); err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, announce()
}

// sendDatagrams sends as fast as one thread can. Nothing slows it down: what is
// too much for the forwarder or the receiver is lost, and counted by the
// difference.
func (s *loadSpec) sendDatagrams() (*loadResult, error) {
	file, err := s.datagramSender()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if err := openWay(file); err != nil {
		return nil, err
	}
	batch := host.NewDatagrams(file, datagramBatch, datagramPayload)
	result := &loadResult{}
	start := time.Now()
	for time.Since(start) < s.Duration {
		n, err := batch.Send()
		if err != nil && !isRefused(err) {
			return nil, err
		}
		result.Sent += uint64(n)
	}
	result.Took = time.Since(start).Seconds()
	return result, nil
}

// openWay lets the network learn its neighbors before it is flooded: a kernel
// that still asks for an address keeps a few packets and drops the rest.
func openWay(file *os.File) error {
	if _, err := host.NewDatagrams(file, 1, datagramPayload).Send(); err != nil && !isRefused(err) {
		return err
	}
	time.Sleep(5 * time.Millisecond)
	return nil
}

func (s *loadSpec) datagramSender() (*os.File, error) {
	conn, err := net.Dial("udp", s.address())
	if err != nil {
		return nil, err
	}
	return host.Blocking(conn.(*net.UDPConn))
}

// isRefused: the receiver is not there yet, or no more, or its backlog is full;
// for a sender that floods that is a loss like any other.
func isRefused(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOBUFS)
}

// receiveFirst says when the first datagram arrived.
func (s *loadSpec) receiveFirst() (*loadResult, error) {
	file, err := s.receiver()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if err := host.SetReceiveTimeout(file, s.Duration+patience); err != nil {
		return nil, err
	}
	_, err = host.NewDatagrams(file, 1, datagramPayload).Receive()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, errors.New("no datagram arrived")
	}
	return &loadResult{FirstAt: time.Now().UnixNano(), Count: 1}, err
}

// trickleEvery is the distance of sendTrickle's datagrams, and so the precision
// of what receiveFirst tells.
const trickleEvery = 200 * time.Microsecond

// sendTrickle sends small datagrams until its time is over or it is ended. It
// announces that the way to the first drop is open.
func (s *loadSpec) sendTrickle() (*loadResult, error) {
	file, err := s.datagramSender()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if err := openWay(file); err != nil {
		return nil, err
	}
	if err := announce(); err != nil {
		return nil, err
	}
	single := host.NewDatagrams(file, 1, datagramPayload)
	result := &loadResult{}
	for end := time.Now().Add(s.Duration); time.Now().Before(end); time.Sleep(trickleEvery) {
		if _, err := single.Send(); err != nil && !isRefused(err) {
			return nil, err
		}
		result.Sent++
	}
	return result, nil
}
