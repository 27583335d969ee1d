package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/host"
)

// Client talks to the daemon of one lab. Its methods may be called from any
// goroutine. Errors of the daemon come back as what they were: control.Problems,
// *UsageError, or *RemoteError.
type Client struct {
	lab  *host.Lab
	http *http.Client
}

// Connect returns a client of the lab of that name, or of the only one that
// runs if name is empty; see [Select].
func Connect(name string) (*Client, error) {
	name, err := Select(name)
	if err != nil {
		return nil, err
	}
	l, err := host.OpenLab(name)
	if err != nil {
		return nil, err
	}
	return newClient(l), nil
}

func newClient(l *host.Lab) *Client {
	c := &Client{lab: l}
	c.http = &http.Client{Transport: &http.Transport{
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return c.dial(ctx) },
		DisableKeepAlives: true,
	}}
	return c
}

// Name of the lab.
func (c *Client) Name() string { return c.lab.Name }

// LogFile is where a detached lab writes its log.
func (c *Client) LogFile() string { return c.lab.Log() }

func (c *Client) dial(ctx context.Context) (*net.UnixConn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", c.lab.Socket())
	if err != nil {
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
			err = errors.New("it is just starting or ending; try again in a moment")
		}
		return nil, fmt.Errorf("lab %s: %w", c.lab.Name, err)
	}
	return conn.(*net.UnixConn), nil
}

// World returns the world in force.
func (c *Client) World(ctx context.Context) (*control.World, error) {
	w := &control.World{}
	return w, c.call(ctx, http.MethodGet, "/v1/world", nil, w)
}

// Status returns the lab's status.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	s := &Status{}
	if err := c.call(ctx, http.MethodGet, "/v1/status", nil, s); err != nil {
		return nil, err
	}
	s.PID, s.Borrower = c.pid(ctx), c.lab.Borrower()
	return s, nil
}

// pid of the daemon as this process sees it, 0 if that cannot be told: to the
// daemon itself its number is 1.
func (c *Client) pid(ctx context.Context) int {
	conn, err := c.dial(ctx)
	if err != nil {
		return 0
	}
	defer conn.Close()
	pid, _ := host.PeerPID(conn)
	return pid
}

// Drops returns the journal's entries after a sequence number, oldest first.
func (c *Client) Drops(ctx context.Context, after uint64) ([]Drop, error) {
	var list []Drop
	return list, c.call(ctx, http.MethodGet, fmt.Sprintf("/v1/drops?after=%d", after), nil, &list)
}

// Links returns the links of the world in force, with their counters, by name.
func (c *Client) Links(ctx context.Context) ([]Link, error) {
	var list []Link
	return list, c.call(ctx, http.MethodGet, "/v1/links", nil, &list)
}

// FlowLogs returns published flow log records after a sequence number: of one flow
// log, or of all if name is "". If there is none, it waits for some, at most for
// wait.
func (c *Client) FlowLogs(ctx context.Context, after uint64, name string, wait time.Duration) (*FlowLogs, error) {
	query := url.Values{"after": {strconv.FormatUint(after, 10)}, "log": {name}, "wait": {wait.String()}}
	answer := &FlowLogs{}
	return answer, c.call(ctx, http.MethodGet, "/v1/flowlogs?"+query.Encode(), nil, answer)
}

// ClientConnections returns the connections of Client VPN clients: those that last,
// and those that ended within the last hour.
func (c *Client) ClientConnections(ctx context.Context) ([]ClientVPNConnection, error) {
	var list []ClientVPNConnection
	return list, c.call(ctx, http.MethodGet, "/v1/clientvpn", nil, &list)
}

// ConnectionLog returns entries of connection logs after a sequence number: of one
// endpoint, or of all if it is "".
func (c *Client) ConnectionLog(ctx context.Context, after uint64, endpoint string) ([]ConnectionLogEntry, error) {
	query := url.Values{"after": {strconv.FormatUint(after, 10)}, "endpoint": {endpoint}}
	var list []ConnectionLogEntry
	return list, c.call(ctx, http.MethodGet, "/v1/clientvpn/log?"+query.Encode(), nil, &list)
}

// ClientConfig returns the configuration of a Client VPN client, for wg-quick.
func (c *Client) ClientConfig(ctx context.Context, name string) (string, error) {
	var text string
	return text, c.call(ctx, http.MethodPost, "/v1/clientvpn/config", ClientQuery{name}, &text)
}

// Terminate ends a connection by its ID, or by its client's name or address.
func (c *Client) Terminate(ctx context.Context, name string) (*ClientVPNConnection, error) {
	connection := &ClientVPNConnection{}
	return connection, c.call(ctx, http.MethodPost, "/v1/clientvpn/terminate", ClientQuery{name}, connection)
}

// Reconnect lets a client in that its session timeout has shut out, and reports
// whether it had.
func (c *Client) Reconnect(ctx context.Context, client string) (bool, error) {
	answer := &Reconnected{}
	err := c.call(ctx, http.MethodPost, "/v1/clientvpn/reconnect", ClientQuery{client}, answer)
	return answer.Held, err
}

// Plan says what Apply would change.
func (c *Client) Plan(ctx context.Context, file File) (*Plan, error) {
	p := &Plan{}
	return p, c.call(ctx, http.MethodPost, "/v1/plan", file, p)
}

// Apply makes file the world in force, all or nothing. UDP ports that it listens at
// are opened here, in the caller's network namespace.
func (c *Client) Apply(ctx context.Context, file File) (*Plan, error) {
	p := &Plan{}
	if w, err := OpenFile(file); err == nil { // what is wrong with it, the lab says
		if err := c.handOver(ctx, w); err != nil {
			return nil, err
		}
	}
	return p, c.call(ctx, http.MethodPost, "/v1/apply", file, p)
}

// Operate does one operation to the world in force, all or nothing.
func (c *Client) Operate(ctx context.Context, op control.Operation) (*Plan, error) {
	p := &Plan{}
	return p, c.call(ctx, http.MethodPost, "/v1/operate", op, p)
}

// Trace asks what would become of a packet.
func (c *Client) Trace(ctx context.Context, q TraceQuery) (*Trace, error) {
	t := &Trace{}
	return t, c.call(ctx, http.MethodPost, "/v1/trace", q, t)
}

// Probe sends one real request and says what became of it.
func (c *Client) Probe(ctx context.Context, q TraceQuery) (*ProbeResult, error) {
	r := &ProbeResult{}
	return r, c.call(ctx, http.MethodPost, "/v1/probe", q, r)
}

// Fetch gets a web page from inside a node.
func (c *Client) Fetch(ctx context.Context, q FetchQuery) (*FetchResult, error) {
	r := &FetchResult{}
	return r, c.call(ctx, http.MethodPost, "/v1/fetch", q, r)
}

// Check proves the checks of the world in force and passes each result to
// report when it is known.
func (c *Client) Check(ctx context.Context, report func(CheckResult)) error {
	response, err := c.send(ctx, http.MethodPost, "/v1/check", struct{}{})
	if err != nil {
		return err
	}
	defer response.Body.Close()
	decoder := json.NewDecoder(response.Body)
	for {
		var result CheckResult
		switch err := decoder.Decode(&result); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("lab %s ended during the checks: %w", c.lab.Name, err)
		}
		report(result)
	}
}

// Down takes the lab down and waits until it has ended, at most until ctx ends.
func (c *Client) Down(ctx context.Context) error {
	if err := c.call(ctx, http.MethodPost, "/v1/down", struct{}{}, nil); err != nil {
		return err
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for patience := 40; ; {
		if _, err := host.OpenLab(c.lab.Name); errors.Is(err, os.ErrNotExist) {
			// The directory goes a moment after the lock, unless the daemon was
			// killed between the two.
			if _, err := os.Lstat(c.lab.Dir); err != nil || patience == 0 {
				return nil
			}
			patience--
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("lab %s does not end; its process is %d", c.lab.Name, c.pid(context.Background()))
		case <-tick.C:
		}
	}
}

// call sends body, if any, as JSON and reads the answer into result, if any.
func (c *Client) call(ctx context.Context, method, path string, body, result any) error {
	response, err := c.send(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if result == nil {
		return nil
	}
	if err := json.NewDecoder(response.Body).Decode(result); err != nil {
		return fmt.Errorf("lab %s: its answer cannot be read: %w; was it started by another version of vpcsim?", c.lab.Name, err)
	}
	return nil
}

// send returns a response that is no error.
func (c *Client) send(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var reader io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		reader = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://lab"+path, reader)
	if err != nil {
		return nil, err
	}
	response, err := c.http.Do(request)
	switch {
	case ctx.Err() != nil:
		if err == nil {
			_ = response.Body.Close()
		}
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, unwrapURL(err)
	case response.StatusCode >= http.StatusBadRequest:
		defer response.Body.Close()
		return nil, readFailure(response)
	}
	return response, nil
}

// unwrapURL takes off the address that http.Client adds: it is made up.
func unwrapURL(err error) error {
	var wrapped interface{ Unwrap() error }
	if errors.As(err, &wrapped) && strings.Contains(err.Error(), "http://lab") {
		return wrapped.Unwrap()
	}
	return err
}

func readFailure(response *http.Response) error {
	var failure Failure
	text, _ := io.ReadAll(io.LimitReader(response.Body, maxFile))
	if err := json.Unmarshal(text, &failure); err != nil || failure.Message == "" {
		return &RemoteError{Message: fmt.Sprintf("the lab's daemon answered %s: %s", response.Status, strings.TrimSpace(string(text)))}
	}
	return failure.err()
}

// Metrics returns what Prometheus would scrape, in its text format.
func (c *Client) Metrics(ctx context.Context) ([]byte, error) {
	response, err := c.send(ctx, http.MethodGet, "/metrics", nil)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("lab %s: its metrics: %w", c.lab.Name, err)
	}
	return text, nil
}

// Top passes on what moves in the lab, interval by interval, until ctx ends or
// report returns false. It returns nil, too, when the lab ends meanwhile.
func (c *Client) Top(ctx context.Context, interval time.Duration, report func(*Top) bool) error {
	return c.stream(ctx, http.MethodGet, "/v1/top?interval="+interval.String(), nil, func(decoder *json.Decoder) (bool, error) {
		top := &Top{}
		if err := decoder.Decode(top); err != nil {
			return false, err
		}
		return report(top), nil
	})
}

// stream reads values one by one as the lab sends them, until next says that it has
// enough, ctx ends, or the lab does: none of these is an error.
func (c *Client) stream(ctx context.Context, method, path string, body any, next func(*json.Decoder) (bool, error)) error {
	response, err := c.send(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	decoder := json.NewDecoder(response.Body)
	for {
		more, err := next(decoder)
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("lab %s: its answer cannot be read: %w; was it started by another version of vpcsim?", c.lab.Name, err)
		case !more:
			return nil
		}
	}
}

// TraceLive passes on the ways of packets until ctx ends, report returns false, or
// there are as many as the query asks for. It returns nil, too, when the lab ends
// meanwhile.
func (c *Client) TraceLive(ctx context.Context, query LiveTraceQuery, report func(*LiveTrace) bool) error {
	return c.stream(ctx, http.MethodPost, "/v1/trace/live", query, func(decoder *json.Decoder) (bool, error) {
		l := &LiveTrace{}
		if err := decoder.Decode(l); err != nil {
			return false, err
		}
		return report(l), nil
	})
}
