package lab

import (
	"time"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/port"
)

// The API is HTTP with JSON bodies on a Unix socket:
//
//	GET  /v1/world   the world in force: control.World
//	GET  /v1/status  Status
//	GET  /v1/drops   []Drop, after the sequence number ?after=N
//	GET  /v1/links   []Link, with what they have done so far
//	GET  /v1/flowlogs FlowLogs, after the sequence number ?after=N, of one flow log
//	                 with &log=NAME; with &wait=20s it waits for some
//	GET  /metrics    what Prometheus scrapes; see metrics.go
//	GET  /v1/top     → Top by Top, a line each ?interval=1s, until the client goes
//	GET  /v1/clientvpn []ClientVPNConnection, active ones and those of the last hour
//	GET  /v1/clientvpn/log []ConnectionLogEntry after ?after=N, of one &endpoint=NAME
//	POST /v1/clientvpn/config ClientQuery → a client's configuration
//	GET  /v1/sockets the addresses that the lab has a real UDP socket for
//	POST /v1/sockets addresses → 101, then the sockets, see listeners.go
//	POST /v1/clientvpn/terminate ClientQuery → ClientVPNConnection, which has ended
//	POST /v1/clientvpn/reconnect ClientQuery → Reconnected
//	GET  /v1/alarms  Alarms, with the history after ?after=N; with &wait=20s it waits
//	                 for some
//	POST /v1/plan    File → Plan, changing nothing
//	POST /v1/apply   File → Plan, which is now in force
//	POST /v1/operate control.Operation → Plan, which is now in force
//	POST /v1/trace   TraceQuery → Trace
//	POST /v1/trace/live LiveTraceQuery → LiveTrace by LiveTrace, a line each
//	POST /v1/check   → CheckResult by CheckResult, a line each
//	POST /v1/capture CaptureRequest → a pcapng file, or CapturedPacket by
//	                 CapturedPacket; /v1/capture/ID/stop ends it
//	POST /v1/probe   TraceQuery → ProbeResult: the same question to real packets
//	POST /v1/fetch   FetchQuery → FetchResult
//	POST /v1/exec    ExecRequest → 101, then files and execEvents, see exec.go
//	POST /v1/serve   ServeRequest → 101, then a listener, see serve.go
//	GET  /v1/serve   → []string, the addresses that are served and kept
//	POST /v1/serve/stop → []string, the addresses that were served
//	POST /v1/down    → 202, and the lab ends
//
// An error is a 4xx or 5xx with Failure as its body.

// Bounds on what a request may hold, in bytes.
const (
	maxRequest = 1 << 20
	maxFile    = 2*control.MaxFileSize + maxRequest // JSON escapes what YAML need not
)

// File is a scenario file as its reader found it.
type File struct {
	Name   string `json:"name"` // for messages: "quickstart.yaml"
	Source string `json:"source"`
	// Dir is where the programs of run: start; "" is the root directory.
	Dir string `json:"dir,omitempty"`
}

// Status is what can be said about a lab without counting its resources.
type Status struct {
	Name string `json:"name"`
	// World is the name in the scenario file; the lab's own may differ.
	World       string `json:"world"`
	Description string `json:"description,omitempty"`
	File        string `json:"file,omitempty"`
	// Borrower is the command that the lab is up for and ends with; filled in by the
	// client.
	Borrower string    `json:"borrower,omitempty"`
	Revision uint64    `json:"revision"`
	Started  time.Time `json:"started"`
	// PID of the daemon as the client sees it; filled in by the client.
	PID int `json:"pid,omitempty"`

	Instances     int `json:"instances"`
	InternetHosts int `json:"internetHosts"`
	VPNClients    int `json:"vpnClients"`
	Checks        int `json:"checks"`

	Packets Packets            `json:"packets"`
	Port    port.AFPacketStats `json:"port"`
	// Offload is what of the packets the kernel has forwarded; nil without --offload.
	Offload *dataplane.OffloadStatistics `json:"offload,omitempty"`
	// Tunnels that are open at AWS's end, by name.
	Tunnels map[string]TunnelTraffic `json:"tunnels,omitempty"`
}

// Packets counts since the lab came up; a superframe counts once.
type Packets struct {
	Received  uint64 `json:"received"`
	Forwarded uint64 `json:"forwarded"`
	Answered  uint64 `json:"answered"` // by the platform: ARP, neighbour discovery, the router's ping
	Dropped   uint64 `json:"dropped"`
	// Drops by reason.
	Drops map[string]uint64 `json:"drops"`
	// Tracked connections now.
	Tracked int `json:"tracked"`
}

// Plan is what a file changes, or has changed.
type Plan struct {
	Changes []control.Change `json:"changes"`
	// Text is the changes in words, a line each.
	Text     string `json:"text"`
	Revision uint64 `json:"revision"` // the world's in force
	// Warnings are what is asked for and could not be started although the
	// world is in force.
	Warnings []string `json:"warnings,omitempty"`
}

// Drop is one dropped packet of the journal.
type Drop struct {
	Sequence uint64    `json:"sequence"`
	Time     time.Time `json:"time"`
	From     string    `json:"from"` // the interface that sent it
	Step     TraceStep `json:"step"`
}

// CheckResult is what one check came to.
type CheckResult struct {
	Check control.Check `json:"check"`
	OK    bool          `json:"ok"`
	Got   string        `json:"got"`
	// Seconds that the check took.
	Seconds float64 `json:"seconds"`
}

// ProbeResult is what became of one real request.
type ProbeResult struct {
	Answered bool `json:"answered"`
	Refused  bool `json:"refused,omitempty"` // by the receiver itself
	// Source is the sender as the receiver saw it, if the request arrived.
	Source  string     `json:"source,omitempty"`
	Dropped *TraceStep `json:"dropped,omitempty"`
	Detail  string     `json:"detail,omitempty"`
}

// FetchQuery asks for a web page from inside a node, by the daemon's own
// client: what curl would do, on a machine without curl.
type FetchQuery struct {
	From string `json:"from"`
	URL  string `json:"url"` // with an address, not a name
}

// FetchResult is the answer: its status line and the beginning of its body.
type FetchResult struct {
	Status string `json:"status"`
	Body   string `json:"body"`
}

// ExecRequest starts a program in a node.
type ExecRequest struct {
	Node string   `json:"node"`
	Args []string `json:"args"`
	Env  []string `json:"env"`
	Dir  string   `json:"dir,omitempty"`
	// Terminal: one file follows, a PTY's slave; otherwise three, the
	// standard input, output and error.
	Terminal bool `json:"terminal,omitempty"`
}

// Failure is an error on its way through the API.
type Failure struct {
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	// Usage: the request was wrong, not the lab.
	Usage bool `json:"usage,omitempty"`
	// Environment: the machine does not allow it.
	Environment bool `json:"environment,omitempty"`
	// Problems of the file that was sent.
	Problems []Problem `json:"problems,omitempty"`
}

// Problem is control.Problem with names for JSON.
type Problem struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Path    string `json:"path,omitempty"`
	Code    string `json:"code,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// ProblemList words problems for JSON.
func ProblemList(problems control.Problems) []Problem {
	list := make([]Problem, len(problems))
	for i, p := range problems {
		list[i] = Problem(p)
	}
	return list
}

// err is the failure as the error it was.
func (f *Failure) err() error {
	switch {
	case len(f.Problems) > 0:
		problems := make(control.Problems, len(f.Problems))
		for i, p := range f.Problems {
			problems[i] = control.Problem(p)
		}
		return problems
	case f.Usage:
		return &UsageError{f.Message, f.Hint}
	}
	return &RemoteError{f.Message, f.Environment}
}

// A RemoteError is an error of the lab's daemon, in its words.
type RemoteError struct {
	Message     string
	Environment bool // the machine does not allow what a lab needs
}

func (e *RemoteError) Error() string { return e.Message }
