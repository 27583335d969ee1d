package lab

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/vpcsim/vpcsim/control/host"
)

// Exec runs a program in a node with the given files as its standard ones, and
// returns its exit code. If terminal is set, in and out are a terminal that is
// lent to the program.
func (c *Client) Exec(ctx context.Context, request ExecRequest, stdin, stdout, stderr *os.File) (int, error) {
	if !request.Terminal {
		return c.exec(ctx, request, stdin, stdout, stderr)
	}
	code := 0
	err := host.RunTerminal(stdin, stdout, func(slave *os.File) (err error) {
		code, err = c.exec(ctx, request, slave)
		return err
	})
	return code, err
}

func (c *Client) exec(ctx context.Context, request ExecRequest, files ...*os.File) (int, error) {
	conn, err := c.dial(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	reader, err := upgrade(conn, "/v1/exec", execProtocol, request)
	if err != nil {
		return 0, err
	}
	if err := host.SendFiles(conn, files...); err != nil {
		return 0, err
	}
	defer forwardSignals(conn, request.Terminal)()
	var event execEvent
	switch err := json.NewDecoder(reader).Decode(&event); {
	case ctx.Err() != nil:
		return 0, context.Cause(ctx)
	case err != nil:
		return 0, fmt.Errorf("lab %s ended while the program ran", c.lab.Name)
	case event.Failure != nil:
		return 0, event.Failure.err()
	case event.Exit == nil:
		return 0, fmt.Errorf("lab %s: the daemon did not say how the program ended", c.lab.Name)
	}
	return *event.Exit, nil
}

// upgrade asks for a connection that speaks a protocol of ours from then on.
func upgrade(conn *net.UnixConn, path, protocol string, request any) (*bufio.Reader, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequest(http.MethodPost, "http://lab"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", protocol)
	if err := r.Write(conn); err != nil {
		return nil, err
	}
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, r)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusSwitchingProtocols {
		defer response.Body.Close()
		return nil, readFailure(response)
	}
	return reader, nil
}

// forwardSignals passes the signals of the caller on to the program until the
// returned function is called. On a terminal of its own the program gets those
// of keys by itself.
func forwardSignals(conn *net.UnixConn, terminal bool) (stop func()) {
	signals := make(chan os.Signal, 8)
	forwarded := []os.Signal{syscall.SIGTERM, syscall.SIGHUP}
	if !terminal {
		forwarded = append(forwarded, syscall.SIGINT, syscall.SIGQUIT)
	}
	signal.Notify(signals, forwarded...)
	done := make(chan struct{})
	go func() {
		defer close(done)
		encoder := json.NewEncoder(conn)
		for s := range signals {
			if number, ok := s.(syscall.Signal); ok {
				_ = encoder.Encode(execEvent{Signal: int(number)}) // fails once the program has ended
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(signals)
		<-done
	}
}
