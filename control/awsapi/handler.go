package awsapi

import (
	"cmp"
	"encoding/xml"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/vpcsim/vpcsim/control/cloudwatch"
)

// Config is what a Handler speaks for.
type Config struct {
	CloudWatch *cloudwatch.Service
	// Place is where the lab is, for ARNs.
	Place func() Place
	// FlowLogs are those of the world in force.
	FlowLogs func() []FlowLog
	// ClientVPNConnections are those of an endpoint, now and within the last hour;
	// false if there is no endpoint with that ID.
	ClientVPNConnections func(endpointID string) ([]ClientVPNConnection, bool)
	// Transition is called when a client has changed an alarm's state.
	Transition func(cloudwatch.Transition)
	// Metrics answers GET /metrics, which is no request to AWS; nil: nobody.
	Metrics http.Handler
	Clock   func() time.Time // time.Now unless given
	Log     *slog.Logger
}

// Place is an account in a Region.
type Place struct{ Account, Region string }

// Handler answers AWS's clients. It may be used for several listeners.
type Handler struct {
	config Config
	busy   chan struct{}
}

// Bounds on what clients may ask for. Whoever reaches the address can ask, and the
// process that answers is the one that forwards packets: a loop of queries over
// 100,000 events must not take its time and memory. Nothing that AWS's clients ask of
// a lab comes near either bound.
const (
	maxBody = 1 << 20 // bytes
	maxBusy = 32      // requests at a time
)

// New returns a handler.
func New(c Config) *Handler {
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Handler{config: c, busy: make(chan struct{}, maxBusy)}
}

func (h *Handler) now() time.Time { return h.config.Clock() }

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if why := unwelcome(r); why != "" {
		http.Error(w, why, http.StatusForbidden)
		return
	}
	if isS3(r) {
		refuseS3(w)
		return
	}
	if r.Method != http.MethodPost {
		h.other(w, r)
		return
	}
	c := callOf(w, r)
	if c == nil {
		http.Error(w, "this is no request to CloudWatch Logs, CloudWatch, EC2 or STS: vpcsim emulates no other service of AWS here", http.StatusNotFound)
		return
	}
	// Refused, and not queued: AWS's clients know Throttling and come again by
	// themselves, with pauses that grow.
	select {
	case h.busy <- struct{}{}:
		defer func() { <-h.busy }()
	default:
		c.fail(&Error{Code: "ThrottlingException", Message: "Rate exceeded", Status: http.StatusServiceUnavailable})
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	answer, err := h.answer(c)
	if err != nil {
		h.config.Log.Debug("request of an AWS client refused", "service", c.service, "operation", c.operation, "error", err)
		c.fail(err)
		return
	}
	c.reply(answer)
}

func (h *Handler) answer(c *call) (any, *Error) {
	if err := c.read(); err != nil {
		return nil, err
	}
	if f := operations[c.service][c.operation]; f != nil {
		return f(h, c)
	}
	return nil, &Error{
		Code:    cmp.Or(unknownOperation[c.service], "InvalidAction"),
		Message: "vpcsim does not emulate " + c.operation + "; what a lab has is written in its scenario file",
	}
}

// other answers requests of browsers, and of what collects metrics.
func (h *Handler) other(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/metrics" && (r.Method == http.MethodGet || r.Method == http.MethodHead) && h.config.Metrics != nil {
		h.config.Metrics.ServeHTTP(w, r)
		return
	}
	http.Error(w, "vpcsim: AWS's clients are answered here: set AWS_ENDPOINT_URL to this address; Prometheus reads /metrics", http.StatusNotFound)
}

// isS3 reports whether a request is signed for S3, which has no other mark of its own.
func isS3(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Authorization"), "/s3/aws4_request")
}

// refuseS3 answers who looks for the bucket of a flow log here. Clients show the error of
// S3's own shape, and for a plain one only "Not Found".
func refuseS3(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(http.StatusNotImplemented) // which clients do not repeat
	_, _ = io.WriteString(w, xml.Header+"<Error><Code>NotImplemented</Code><Message>vpcsim does not emulate S3; objects of flow logs are files, which vpcsim flowlogs --files lists</Message></Error>")
}

// unwelcome says why a request is not answered: a page in somebody's browser must
// not reach a lab, be it by a form, or by a name of its own that resolves to this
// address.
func unwelcome(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	host = strings.Trim(host, "[]")
	_, notAddress := netip.ParseAddr(host)
	if notAddress != nil && host != "localhost" && !strings.HasSuffix(host, ".localhost") {
		return "ask by address, or for localhost: the name in the request is somebody else's"
	}
	if r.Header.Get("Origin") != "" {
		return "requests of web pages are not answered"
	}
	return ""
}

// operation is one of AWS's, without its protocol. Which protocol a client speaks
// depends on its version (CloudWatch's clients have changed twice), so no operation may
// depend on that.
type operation func(h *Handler, c *call) (any, *Error)

// take makes an operation of a function that knows its input.
func take[In any](f func(h *Handler, in *In) (any, *Error)) operation {
	return func(h *Handler, c *call) (any, *Error) {
		in := new(In)
		if err := c.decode(in); err != nil {
			return nil, err
		}
		return f(h, in)
	}
}

// The services that answer.
const (
	serviceLogs       = "logs"
	serviceCloudWatch = "cloudwatch"
	serviceEC2        = "ec2"
	serviceSTS        = "sts"
)

// unknownOperation is what a service calls one that it does not have, where that is not
// InvalidAction.
var unknownOperation = map[string]string{
	serviceLogs: "UnknownOperationException",
	serviceEC2:  "UnsupportedOperation",
}

// operations only read, but for SetAlarmState, which on AWS, too, lasts until the next
// evaluation: what a lab is must not depend on who asked it something.
var operations = map[string]map[string]operation{
	serviceLogs: {
		"DescribeLogGroups":     take((*Handler).describeLogGroups),
		"DescribeLogStreams":    take((*Handler).describeLogStreams),
		"DescribeMetricFilters": take((*Handler).describeMetricFilters),
		"FilterLogEvents":       take((*Handler).filterLogEvents),
		"GetLogEvents":          take((*Handler).getLogEvents),
		"TestMetricFilter":      take((*Handler).testMetricFilter),
	},
	serviceCloudWatch: {
		"DescribeAlarmHistory":    take((*Handler).describeAlarmHistory),
		"DescribeAlarms":          take((*Handler).describeAlarms),
		"DescribeAlarmsForMetric": take((*Handler).describeAlarmsForMetric),
		"GetMetricData":           take((*Handler).getMetricData),
		"GetMetricStatistics":     take((*Handler).getMetricStatistics),
		"ListMetrics":             take((*Handler).listMetrics),
		"SetAlarmState":           take((*Handler).setAlarmState),
	},
	serviceEC2: {
		"DescribeClientVpnConnections": take((*Handler).describeClientVPNConnections),
		"DescribeFlowLogs":             take((*Handler).describeFlowLogs),
	},
	serviceSTS: {
		"GetCallerIdentity": take((*Handler).getCallerIdentity),
	},
}
