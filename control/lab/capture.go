package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/vpcsim/vpcsim/control/capture"
	"github.com/vpcsim/vpcsim/dataplane"
)

// CaptureRequest asks for the packets at some places, in the user's words.
type CaptureRequest struct {
	// Places are names of resources; All looks everywhere, at what is made later
	// as well.
	Places []string `json:"places,omitempty"`
	All    bool     `json:"all,omitempty"`
	Filter string   `json:"filter,omitempty"`
	// Count and Duration end the capture; 0 is never.
	Count    int           `json:"count,omitempty"`
	Duration time.Duration `json:"duration,omitempty"`
	// Format is "pcapng", or "json" for a CapturedPacket per line.
	Format string `json:"format"`
}

// CapturedPacket is a line of a capture in JSON.
type CapturedPacket struct {
	Time      time.Time           `json:"time"`
	Place     string              `json:"place"`
	Direction string              `json:"direction,omitempty"` // in, out, or "" for what only passes
	Addresses dataplane.Addresses `json:"addresses"`
	// What the packet is beyond its addresses: "tcp [S]", "icmp echo request".
	What    string `json:"what"`
	Length  int    `json:"length"` // bytes of the Ethernet frame
	Verdict string `json:"verdict"`
	Reason  string `json:"reason"`
	// Decision is what dropped it, here or further on its way, and Translation what
	// gave it the addresses that it has; each in the words of a trace.
	Decision    string `json:"decision,omitempty"`
	Translation string `json:"translation,omitempty"`
}

// CaptureEnd is what there is to be said of a capture that has ended.
type CaptureEnd struct {
	Packets uint64 // in the file
	// Lost are frames that there was no room for because the reader was slow.
	Lost uint64
}

// The header that names a capture to whoever wants to stop it, and the trailers
// that end it.
const (
	captureID      = "Vpcsim-Capture"
	capturePackets = "Vpcsim-Captured"
	captureLost    = "Vpcsim-Lost"
)

// capturePoll is how often a capture looks for packets: forwarding wakes nobody.
const capturePoll = 10 * time.Millisecond

// captures are those under way. Its zero value is ready.
type captures struct {
	mu   sync.Mutex
	last int
	stop map[int]context.CancelFunc
}

func (c *captures) add(stop context.CancelFunc) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stop == nil {
		c.stop = map[int]context.CancelFunc{}
	}
	c.last++
	c.stop[c.last] = stop
	return c.last
}

func (c *captures) remove(id int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.stop, id)
}

// stopCapture ends a capture as if its time were over: its answer goes on to a
// proper end.
func (s *apiServer) stopCapture(w http.ResponseWriter, r *http.Request) {
	id, _ := strconv.Atoi(r.PathValue("id"))
	s.captures.mu.Lock()
	defer s.captures.mu.Unlock()
	if stop := s.captures.stop[id]; stop != nil {
		stop()
	}
	w.WriteHeader(http.StatusAccepted)
}

func (s *apiServer) capture(w http.ResponseWriter, r *http.Request) {
	var request CaptureRequest
	if !receive(w, r, maxRequest, &request) {
		return
	}
	job := &captureJob{request: request, server: s, numbers: map[dataplane.CapturePlace]int{}}
	filter, err := job.prepare()
	if err != nil {
		fail(w, err)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	if request.Duration > 0 {
		ctx, cancel = context.WithTimeout(ctx, request.Duration)
		defer cancel()
	}
	// The caller stops a capture by its number and reads on: to hang up would lose
	// what is under way, and the statistics at the end of a file.
	id := s.captures.add(cancel)
	defer s.captures.remove(id)
	// The server's limit is for requests; it would end this one as well.
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{})
	w.Header().Set(captureID, strconv.Itoa(id))
	w.Header().Set("Trailer", capturePackets+", "+captureLost)
	w.Header().Set("Content-Type", "application/octet-stream")

	job.capture = s.lab.engine.Capture(dataplane.CaptureConfig{Places: job.handles(), Filter: filter})
	defer job.capture.Close()
	job.started = time.Now()
	end, err := job.run(ctx, w, func() { _ = control.Flush() })
	if err != nil {
		return // the reader has gone
	}
	w.Header().Set(capturePackets, strconv.FormatUint(end.Packets, 10))
	w.Header().Set(captureLost, strconv.FormatUint(end.Lost, 10))
}

// captureJob is one capture under way.
type captureJob struct {
	server   *apiServer
	request  CaptureRequest
	capture  *dataplane.Capture
	revision uint64
	started  time.Time

	places  []capturePlace
	numbers map[dataplane.CapturePlace]int // of the place in named and, in pcapng, of its interface
	named   []capturePlace                 // by number
	counts  []uint64                       // packets, by number

	write  func(p *dataplane.CapturedPacket) error
	file   *capture.Writer // of pcapng
	packet uint64
	err    error
}

func (j *captureJob) prepare() (dataplane.CaptureFilter, error) {
	world, revision := j.server.lab.store.World()
	j.revision = revision
	filter, err := capture.ParseFilter(j.request.Filter)
	var wrong *capture.FilterError
	if errors.As(err, &wrong) {
		return nil, &UsageError{fmt.Sprintf("filter, column %d: %s", wrong.Column, wrong.What), wrong.Hint}
	}
	switch {
	case err != nil:
		return nil, err
	case j.request.All && len(j.request.Places) > 0:
		return nil, &UsageError{"places and all places", "leave the names or --all out"}
	case j.request.All:
		j.places = allPlaces(world)
	case len(j.request.Places) == 0:
		return nil, &UsageError{"no place to capture at", "write an instance, a gateway, a tunnel or internet, or --all"}
	default:
		j.places, err = findPlaces(world, j.request.Places)
	}
	return filter, err
}

func (j *captureJob) handles() []dataplane.CapturePlace {
	list := make([]dataplane.CapturePlace, len(j.places))
	for i, p := range j.places {
		list[i] = p.CapturePlace
	}
	return list
}

// run writes packets until ctx ends or there are enough.
func (j *captureJob) run(ctx context.Context, w http.ResponseWriter, flush func()) (CaptureEnd, error) {
	if err := j.begin(w); err != nil {
		return CaptureEnd{}, err
	}
	flush()
	ticker := time.NewTicker(capturePoll)
	defer ticker.Stop()
	for done := false; !done; {
		select {
		case <-ctx.Done():
			// Taken until now, and no longer: what waits is still written.
			done = true
			j.capture.Close()
		case <-ticker.C:
			j.lookAgain()
		}
		before := j.packet
		for j.err == nil && !j.enough() && j.capture.Next(j.take) {
		}
		if j.packet != before {
			flush()
		}
		done = done || j.enough() || j.err != nil
	}
	j.capture.Close()
	return j.end()
}

func (j *captureJob) enough() bool {
	return j.request.Count > 0 && j.packet >= uint64(j.request.Count)
}

// lookAgain follows the lab: a capture of everything looks at what is new.
func (j *captureJob) lookAgain() {
	if !j.request.All || j.server.lab.engine.Snapshot().Revision == j.revision {
		return
	}
	world, revision := j.server.lab.store.World()
	j.revision, j.places = revision, allPlaces(world)
	for _, p := range j.places {
		j.number(p)
	}
	j.capture.Look(j.handles())
}

// begin writes what stands before the first packet.
func (j *captureJob) begin(w http.ResponseWriter) (err error) {
	if j.request.Format == "pcapng" {
		if j.file, err = capture.NewWriter(w); err != nil {
			return err
		}
		j.write = j.writeBlock
	} else {
		encoder := json.NewEncoder(w)
		j.write = func(p *dataplane.CapturedPacket) error { return encoder.Encode(j.line(p)) }
	}
	for _, p := range j.places {
		j.number(p)
	}
	return j.err
}

// number gives a place its number in the file.
func (j *captureJob) number(p capturePlace) {
	if _, known := j.numbers[p.CapturePlace]; known {
		return
	}
	j.numbers[p.CapturePlace] = len(j.named)
	j.named, j.counts = append(j.named, p), append(j.counts, 0)
	if j.file != nil && j.err == nil {
		_, j.err = j.file.AddInterface(p.Interface)
	}
}

func (j *captureJob) take(p *dataplane.CapturedPacket) {
	if j.err != nil || j.enough() {
		return
	}
	j.packet++
	j.counts[j.numbers[p.Place]]++
	j.err = j.write(p)
}

func (j *captureJob) when(p *dataplane.CapturedPacket) time.Time {
	return j.server.lab.started.Add(time.Duration(p.Time))
}

func (j *captureJob) writeBlock(p *dataplane.CapturedPacket) error {
	var comments []string
	if p.Drop != nil {
		comments = append(comments, "DROP at "+Decision(p.Drop))
	}
	if p.Translation != nil {
		comments = append(comments, Decision(p.Translation))
	}
	return j.file.Packet(j.numbers[p.Place], j.when(p), uint8(p.Direction), p.Data, comments...)
}

func (j *captureJob) line(p *dataplane.CapturedPacket) CapturedPacket {
	line := CapturedPacket{
		Time: j.when(p), Place: j.named[j.numbers[p.Place]].Name, Direction: [...]string{"", "in", "out"}[p.Direction],
		Addresses: p.Addresses, What: capture.Describe(p.Data), Length: len(p.Data), Verdict: p.Verdict.String(), Reason: p.Reason.String(),
	}
	if p.Drop != nil {
		line.Decision = Decision(p.Drop)
	}
	if p.Translation != nil {
		line.Translation = Decision(p.Translation)
	}
	return line
}

// end writes what stands behind the last packet: what each place had, and lost.
func (j *captureJob) end() (CaptureEnd, error) {
	end, now := CaptureEnd{Packets: j.packet}, time.Now()
	// A frame that was lost counts once, though it may have been a superframe: its
	// size is not known any more.
	lost := j.capture.Lost()
	for i, p := range j.named {
		n := lost[p.CapturePlace]
		end.Lost += n
		if j.file != nil && j.err == nil {
			j.err = j.file.Statistics(i, j.started, now, j.counts[i]+n, n)
		}
	}
	return end, j.err
}
