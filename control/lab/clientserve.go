package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/vpcsim/vpcsim/control/host"
)

// Alarms returns where alarms stand, and their history after a sequence number. If
// that has nothing, it waits for something, at most for wait.
func (c *Client) Alarms(ctx context.Context, after uint64, wait time.Duration) (*Alarms, error) {
	answer := &Alarms{}
	return answer, c.call(ctx, http.MethodGet, fmt.Sprintf("/v1/alarms?after=%d&wait=%s", after, wait), nil, answer)
}

// Serve lets the lab answer AWS's clients on a listener of this process, which may
// close its own afterwards. With keep the lab goes on until it ends or ServeStop is
// called; else until the returned function is.
func (c *Client) Serve(ctx context.Context, listener *net.TCPListener, keep bool) (stop func(), err error) {
	conn, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	// The connection is the lease: when it is closed, or this process ends, the lab
	// stops answering, unless it was asked to keep on.
	close := func() { _ = conn.Close() }
	defer func() {
		if err != nil {
			close()
		}
	}()
	defer context.AfterFunc(ctx, close)() // only while we ask
	reader, err := upgrade(conn, "/v1/serve", serveProtocol, ServeRequest{Keep: keep})
	if err != nil {
		return nil, err
	}
	file, err := listener.File()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if err := host.SendFiles(conn, file); err != nil {
		return nil, err
	}
	var event serveEvent
	switch err := json.NewDecoder(reader).Decode(&event); {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, fmt.Errorf("lab %s ended before it could serve", c.lab.Name)
	case event.Failure != nil:
		return nil, event.Failure.err()
	}
	return close, nil
}

// Served are the addresses on which the lab answers AWS's clients until it ends.
func (c *Client) Served(ctx context.Context) ([]string, error) {
	var list []string
	return list, c.call(ctx, http.MethodGet, "/v1/serve", nil, &list)
}

// ServeStop ends what Serve has started with keep, and returns the addresses.
func (c *Client) ServeStop(ctx context.Context) ([]string, error) {
	var list []string
	return list, c.call(ctx, http.MethodPost, "/v1/serve/stop", struct{}{}, &list)
}
