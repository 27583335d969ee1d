package bench

import (
	"errors"
	"fmt"
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

// receiveDatagrams answers the first datagram and counts the others, from the
// first of them to the last.
func (s *loadSpec) receiveDatagrams() (*loadResult, error) {
	conn, err := s.receiver()
	if err != nil {
		return nil, err
	}
	if err := answerOpening(conn); err != nil {
		_ = conn.Close()
		return nil, err
	}
	file, err := host.Blocking(conn)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if err := host.SetReceiveTimeout(file, patience); err != nil {
		return nil, err
	}
	batch := host.NewDatagrams(file, datagramBatch, datagramPayload)
	count, err := batch.Receive()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, errNoDatagram
	}
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

var errNoDatagram = errors.New("no datagram arrived")

func (s *loadSpec) receiver() (*net.UDPConn, error) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{Port: int(s.Port)})
	if err != nil {
		return nil, err
	}
	_ = conn.SetReadBuffer(datagramBuffer) // less is less
	return conn, announce()
}

// answerOpening is the other end of open.
func answerOpening(conn *net.UDPConn) error {
	_ = conn.SetReadDeadline(time.Now().Add(patience)) // fails for closed ones only
	b := make([]byte, datagramPayload)
	_, from, err := conn.ReadFromUDPAddrPort(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errNoDatagram
	}
	if err != nil {
		return err
	}
	_, err = conn.WriteToUDPAddrPort(b, from)
	return err
}

// sendDatagrams sends as fast as one thread can. Nothing slows it down: what is
// too much for the forwarder or the receiver is lost, and counted by the
// difference.
func (s *loadSpec) sendDatagrams() (*loadResult, error) {
	conn, err := s.dialDatagrams()
	if err != nil {
		return nil, err
	}
	if err := open(conn); err != nil {
		_ = conn.Close()
		return nil, err
	}
	file, err := host.Blocking(conn)
	if err != nil {
		return nil, err
	}
	defer file.Close()
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

func (s *loadSpec) dialDatagrams() (*net.UDPConn, error) {
	conn, err := net.Dial("udp", s.address())
	if err != nil {
		return nil, err
	}
	return conn.(*net.UDPConn), nil
}

// open exchanges one datagram in each direction before the flood. A kernel that
// still asks for its neighbor's address keeps a few packets and drops the rest;
// and to Linux's connection tracking a flow is new, and goes through all rules,
// until the other end has answered.
func open(conn *net.UDPConn) error {
	b := make([]byte, datagramPayload)
	for end := time.Now().Add(patience); ; {
		if _, err := conn.Write(b); err != nil && !isRefused(err) {
			return err
		}
		_ = conn.SetReadDeadline(time.Now().Add(250 * time.Millisecond))
		_, err := conn.Read(b)
		if err == nil {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("no answer: %w", err)
		}
	}
}

// isRefused: the receiver is not there yet, or no more, or its backlog is full;
// for a sender that floods that is a loss like any other.
func isRefused(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOBUFS)
}

// receiveFirst says when the first datagram arrived.
func (s *loadSpec) receiveFirst() (*loadResult, error) {
	conn, err := s.receiver()
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(s.Duration + patience))
	_, _, err = conn.ReadFromUDPAddrPort(make([]byte, datagramPayload))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, errNoDatagram
	}
	return &loadResult{FirstAt: time.Now().UnixNano(), Count: 1}, err
}

// trickleEvery is the distance of sendTrickle's datagrams, and so the precision
// of what receiveFirst tells.
const trickleEvery = 200 * time.Microsecond

// trickleBefore datagrams have been sent, and dropped, before anything changes.
const trickleBefore = 25

// sendTrickle sends small datagrams until its time is over or it is ended. It
// announces when the way to the first drop is surely open.
func (s *loadSpec) sendTrickle() (*loadResult, error) {
	conn, err := s.dialDatagrams()
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	b := make([]byte, datagramPayload)
	result := &loadResult{}
	for end := time.Now().Add(s.Duration); time.Now().Before(end); time.Sleep(trickleEvery) {
		if _, err := conn.Write(b); err != nil && !isRefused(err) {
			return nil, err
		}
		if result.Sent++; result.Sent == trickleBefore {
			if err := announce(); err != nil {
				return nil, err
			}
		}
	}
	return result, nil
}
