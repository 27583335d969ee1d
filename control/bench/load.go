package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/vpcsim/vpcsim/control/host"
)

// Argument is the first argument by which the binary knows that it was started
// as a part of this package: main calls [Main] when os.Args[1] is it.
const Argument = "__bench"

// What Main was started for: the second argument.
const (
	partDaemon = "daemon" // hold the namespaces of one row
	partLoad   = "load"   // be one end of a run
)

// Main is the program behind [Argument]. It does not return.
func Main() {
	var err error
	switch words := append(os.Args, "", ""); words[2] {
	case partDaemon:
		err = daemonMain()
	case partLoad:
		err = loadMain(words[3])
	default:
		err = errors.New(Argument + " is how vpcsim starts the parts of a benchmark; use: vpcsim bench")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "vpcsim:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// The kinds of load.
const (
	loadStream   = "stream"   // TCP, as many bytes as go
	loadDatagram = "datagram" // UDP, as many small datagrams as go
	loadRequest  = "request"  // TCP, one byte there and one back, over and over
	loadConnect  = "connect"  // TCP connections, one byte back, closed again
	loadClosed   = "closed"   // a proof, not a load: the port must not be reachable
	loadIperf    = "iperf"    // TCP, as many bytes as go, by iperf3
	loadAwait    = "await"    // when does the first datagram of a steady trickle pass
)

// congestionControl is every row's. The machine's default may pace by timers.
const congestionControl = "cubic"

// loadSpec says what the two ends of a run do.
type loadSpec struct {
	Kind    string
	Receive bool       // this end listens
	Address netip.Addr // of the receiver, for the sender
	Port    uint16
	// Parallel is the number of streams or of connections at a time.
	Parallel int
	Duration time.Duration
	// MTU that both ends set on their interface before; 0 leaves it.
	MTU int
	// Congestion control of both ends' TCP; empty leaves the machine's.
	Congestion string
}

// loadResult is what one end measured. The other end leaves its fields zero.
type loadResult struct {
	// The receiver's.
	Bytes    uint64
	Count    uint64  // datagrams
	Seconds  float64 // from the first to the last
	CPU      float64 // seconds of all CPUs of the machine, busy, in that time
	FirstAt  int64   // loadAwait: wall-clock nanoseconds
	Accepted uint64

	// The sender's.
	Sent          uint64 // datagrams, requests or connections
	Took          float64
	P50, P99      float64 // seconds
	Retransmitted uint64  // TCP segments
	Failed        uint64  // connections that did not come about
}

// listening is what a receiver prints when a sender may start.
const listening = "listening"

// loadMain is one end of a run. Its result goes to the standard output.
func loadMain(text string) error {
	var spec loadSpec
	if err := json.Unmarshal([]byte(text), &spec); err != nil {
		return fmt.Errorf("load: %w", err)
	}
	if spec.MTU > 0 {
		if err := host.SetMTU("eth0", spec.MTU); err != nil {
			return fmt.Errorf("load: %w", err)
		}
	}
	result, err := spec.run()
	if err != nil {
		return fmt.Errorf("load: %s: %w", spec.Kind, err)
	}
	return json.NewEncoder(os.Stdout).Encode(result)
}

func (s *loadSpec) run() (*loadResult, error) {
	type ends struct{ receive, send func() (*loadResult, error) }
	e, ok := map[string]ends{
		loadStream:   {s.receiveStreams, s.sendStreams},
		loadDatagram: {s.receiveDatagrams, s.sendDatagrams},
		loadRequest:  {s.answerRequests, s.sendRequests},
		loadConnect:  {s.acceptConnections, s.makeConnections},
		loadClosed:   {s.acceptConnections, s.expectClosed},
		loadIperf:    {s.receiveIperf, s.sendIperf},
		loadAwait:    {s.receiveFirst, s.sendTrickle},
	}[s.Kind]
	switch {
	case !ok:
		return nil, errors.New("there is no load of that kind")
	case s.Receive:
		return e.receive()
	}
	return e.send()
}

func (s *loadSpec) address() string {
	return netip.AddrPortFrom(s.Address, s.Port).String()
}

// announce tells the runner that the sender may start.
func announce() error {
	_, err := fmt.Println(listening)
	return err
}

// patience is how long one end waits for the first sign of the other.
const patience = 5 * time.Second

// dial connects and keeps trying for a while: the very first packets through a
// new network may be lost while Linux brings its interfaces up. It leaves the
// connection in blocking mode, out of the Go poller, as other programs have it.
func (s *loadSpec) dial() (file *os.File, err error) {
	dialer := net.Dialer{Timeout: 250 * time.Millisecond}
	for end := time.Now().Add(patience); ; {
		var conn net.Conn
		if conn, err = dialer.Dial("tcp", s.address()); err == nil {
			return s.prepare(conn)
		}
		if time.Now().After(end) {
			return nil, err
		}
	}
}

func (s *loadSpec) prepare(conn net.Conn) (*os.File, error) {
	file, err := host.Blocking(conn.(*net.TCPConn))
	if err != nil {
		return nil, err
	}
	if s.Congestion == "" {
		return file, nil
	}
	if err := host.SetCongestionControl(file.Fd(), s.Congestion); err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

// accept opens the receiver's port for n connections, takes them, and closes it.
func (s *loadSpec) accept(n int) (files []*os.File, err error) {
	listener, err := s.listen()
	if err != nil {
		return nil, err
	}
	defer listener.Close()
	for range n {
		_ = listener.SetDeadline(time.Now().Add(patience)) // fails for closed ones only
		conn, err := listener.Accept()
		if err != nil {
			return files, err
		}
		file, err := s.prepare(conn)
		if err != nil {
			return files, err
		}
		files = append(files, file)
	}
	return files, nil
}

func (s *loadSpec) listen() (*net.TCPListener, error) {
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{Port: int(s.Port)})
	if err != nil {
		return nil, err
	}
	return listener, announce()
}
