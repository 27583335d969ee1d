package lab

import (
	"encoding/json"
	"log/slog"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/flowlogs"
)

// connectionLogs write what AWS's connection logs of Client VPN endpoints say: a line
// of JSON for each connection that begins or ends and each attempt that fails, in
// memory for the API and in a file for each endpoint.
//
// AWS does not log who fails at mutual authentication. Keys stand in for all that AWS
// authenticates by, a directory's passwords too, of which it logs failures.
type connectionLogs struct {
	dir  string                 // "": there are no files
	sink func([]flowlogs.Entry) // takes them to CloudWatch Logs
	log  *slog.Logger

	mu    sync.Mutex
	files map[string]*connectionLogFile
	kept  []ConnectionLogEntry
	last  uint64
}

// ConnectionLogEntry is a line of a connection log.
type ConnectionLogEntry struct {
	Sequence uint64          `json:"sequence"` // 1 for the lab's first
	Endpoint string          `json:"endpoint"`
	Entry    json.RawMessage `json:"entry"`
}

// connectionRecord has AWS's fields, in AWS's order. What does not apply is "NA".
type connectionRecord struct {
	Type            string `json:"connection-log-type"`
	AttemptStatus   string `json:"connection-attempt-status"`
	ResetStatus     string `json:"connection-reset-status"`
	FailureReason   string `json:"connection-attempt-failure-reason"`
	ConnectionID    string `json:"connection-id"`
	EndpointID      string `json:"client-vpn-endpoint-id"`
	Transport       string `json:"transport-protocol"`
	Start           string `json:"connection-start-time"`
	LastUpdate      string `json:"connection-last-update-time"`
	ClientIP        string `json:"client-ip"`
	CommonName      string `json:"common-name"`
	DeviceType      string `json:"device-type"`
	DeviceIP        string `json:"device-ip"`
	Port            string `json:"port"`
	IngressBytes    string `json:"ingress-bytes"`
	EgressBytes     string `json:"egress-bytes"`
	IngressPackets  string `json:"ingress-packets"`
	EgressPackets   string `json:"egress-packets"`
	End             string `json:"connection-end-time"`
	DurationSeconds string `json:"connection-duration-seconds"`
	Username        string `json:"username"`
}

const (
	notApplicable = "NA"
	// deviceType is what a client's machine is: WireGuard does not tell.
	deviceType         = "wireguard"
	keptConnectionLogs = 10_000
	// connectionLogGroup is the CloudWatch log group of all connection logs; each
	// endpoint has a stream of its own in it.
	connectionLogGroup = "/aws/clientvpn"
)

func newConnectionLogs(dir string, sink func([]flowlogs.Entry), log *slog.Logger) *connectionLogs {
	return &connectionLogs{dir: dir, sink: sink, log: log, files: map[string]*connectionLogFile{}}
}

func (l *connectionLogs) connected(c ClientVPNConnection) {
	l.log.Info("client connected", "client", c.Client, "endpoint", c.Endpoint, "peer", c.Peer, "connection", c.ConnectionID)
	r := recordOf(c)
	r.Type, r.AttemptStatus, r.LastUpdate = "connection-attempt", "successful", r.Start
	l.write(c.logged, c.Endpoint, r)
}

func (l *connectionLogs) disconnected(c ClientVPNConnection) {
	l.log.Info("client disconnected", "client", c.Client, "endpoint", c.Endpoint, "connection", c.ConnectionID, "why", c.Message)
	r := recordOf(c)
	r.Type, r.ResetStatus, r.LastUpdate, r.End = "connection-reset", "successful", awsTime(c.Ended), awsTime(c.Ended)
	r.DurationSeconds = strconv.FormatInt(int64(c.Ended.Sub(c.Established)/time.Second), 10)
	l.write(c.logged, c.Endpoint, r)
}

// failedAttempt is a call that came to nothing.
type failedAttempt struct {
	client string // "": nobody the lab knows
	at     netip.AddrPort
	time   time.Time
	reason string
}

func (l *connectionLogs) failed(w *control.World, endpoint string, f failedAttempt) {
	l.log.Warn("a client could not connect", "endpoint", endpoint, "client", f.client, "peer", f.at, "why", f.reason)
	e := w.ClientVPNEndpoints[endpoint]
	if e == nil {
		return
	}
	r := recordOf(ClientVPNConnection{Client: f.client, EndpointID: e.Status.ID, Peer: f.at})
	r.Type, r.AttemptStatus, r.FailureReason = "connection-attempt", "failed", f.reason
	r.Start, r.LastUpdate = awsTime(f.time), awsTime(f.time)
	l.write(e.ConnectionLog, endpoint, r)
}

// recordOf is what all records of a connection say.
func recordOf(c ClientVPNConnection) connectionRecord {
	text := func(s string, is bool) string {
		if !is {
			return notApplicable
		}
		return s
	}
	number := func(n uint64) string { return strconv.FormatUint(n, 10) }
	name := text(c.Client, c.Client != "")
	own := c.Address
	if !own.IsValid() { // AWS's record has one field for both families
		own = c.IPv6
	}
	return connectionRecord{
		AttemptStatus: notApplicable, ResetStatus: notApplicable, FailureReason: notApplicable,
		ConnectionID: text(c.ConnectionID, c.ConnectionID != ""), EndpointID: c.EndpointID, Transport: "udp",
		Start: text(awsTime(c.Established), !c.Established.IsZero()), ClientIP: text(own.String(), own.IsValid()),
		CommonName: name, DeviceType: deviceType,
		DeviceIP: text(c.Peer.Addr().String(), c.Peer.IsValid()), Port: text(strconv.Itoa(int(c.Peer.Port())), c.Peer.IsValid()),
		IngressBytes: number(c.IngressBytes), EgressBytes: number(c.EgressBytes), IngressPackets: number(c.IngressPackets), EgressPackets: number(c.EgressPackets),
		End: notApplicable, DurationSeconds: notApplicable, Username: name,
	}
}

// awsTime is how AWS writes a time here: UTC, and no zone.
func awsTime(t time.Time) string { return t.UTC().Format(time.DateTime) }

// write keeps a record, if its endpoint has a connection log.
func (l *connectionLogs) write(logged bool, endpoint string, r connectionRecord) {
	if !logged {
		return
	}
	text, err := json.Marshal(r)
	if err != nil {
		l.log.Error("connection log", "error", err) // of strings it cannot fail
		return
	}
	now := time.Now()
	l.sink([]flowlogs.Entry{{Log: endpoint, LogID: r.EndpointID, Group: connectionLogGroup, Stream: r.EndpointID, Timestamp: now, End: now, Message: string(text)}})
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.file(endpoint, text); err != nil {
		l.log.Error("connection log", "endpoint", endpoint, "error", err)
	}
	l.last++
	l.kept = append(l.kept, ConnectionLogEntry{l.last, endpoint, text})
	if over := len(l.kept) - keptConnectionLogs; over >= keptConnectionLogs/10 { // now and then, not each time
		l.kept = append([]ConnectionLogEntry(nil), l.kept[over:]...)
	}
}

// since are the entries after a sequence number that are still in memory, of an
// endpoint, or of all.
func (l *connectionLogs) since(after uint64, endpoint string) []ConnectionLogEntry {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := []ConnectionLogEntry{}
	for _, e := range l.kept {
		if e.Sequence > after && (endpoint == "" || e.Endpoint == endpoint) {
			list = append(list, e)
		}
	}
	return list
}

// file writes an entry to the file of its endpoint. The caller holds mu.
func (l *connectionLogs) file(endpoint string, text []byte) error {
	if l.dir == "" {
		return nil
	}
	f := l.files[endpoint]
	if f == nil {
		f = newConnectionLogFile(l.dir, endpoint)
		l.files[endpoint] = f
	}
	return f.append(text)
}

func (l *connectionLogs) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.files {
		f.close()
	}
}
