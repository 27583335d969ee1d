package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// iperf3 is the load generator that everybody knows. Where it is installed, it
// makes one TCP stream beside our own, so that nobody has to believe ours.
const iperf3 = "iperf3"

// iperfReport is what we read of iperf3's -J.
type iperfReport struct {
	Error string `json:"error"`
	End   struct {
		Sent struct {
			Retransmits uint64 `json:"retransmits"`
		} `json:"sum_sent"`
		Received struct {
			Bytes   uint64  `json:"bytes"`
			Seconds float64 `json:"seconds"`
		} `json:"sum_received"`
	} `json:"end"`
}

// receiveIperf serves one client.
func (s *loadSpec) receiveIperf() (*loadResult, error) {
	if err := announce(); err != nil { // the sender tries until it listens
		return nil, err
	}
	cpu := busyCPU()
	report, err := s.iperf("-s", "-1", "--idle-timeout", seconds(patience))
	if err != nil {
		return nil, err
	}
	r := report.End.Received
	return &loadResult{Bytes: r.Bytes, Seconds: r.Seconds, CPU: busyCPU() - cpu}, nil
}

// sendIperf measures whole seconds: less iperf3 does not know.
func (s *loadSpec) sendIperf() (*loadResult, error) {
	for end := time.Now().Add(patience); ; {
		report, err := s.iperf("-c", s.Address.String(), "-C", s.Congestion, "-t", seconds(s.Duration))
		switch {
		case err == nil:
			return &loadResult{Took: report.End.Received.Seconds, Retransmitted: report.End.Sent.Retransmits}, nil
		case time.Now().After(end) || !strings.Contains(err.Error(), "unable to connect"):
			return nil, err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func seconds(d time.Duration) string {
	return strconv.Itoa(int(math.Ceil(d.Seconds())))
}

func (s *loadSpec) iperf(args ...string) (*iperfReport, error) {
	path, err := findProgram(iperf3)
	if err != nil {
		return nil, errors.New("iperf3 is not installed")
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.Duration+2*patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, append(args, "-J", "-p", strconv.Itoa(int(s.Port)))...).Output()
	report := &iperfReport{}
	if jsonErr := json.Unmarshal(out, report); jsonErr != nil {
		return nil, fmt.Errorf("iperf3: %w", errors.Join(err, jsonErr))
	}
	if report.Error != "" {
		return nil, fmt.Errorf("iperf3: %s", report.Error)
	}
	return report, nil
}
