package bench

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/vpcsim/vpcsim/control/lab"
)

// ScaleConfig says what [RunScale] measures.
type ScaleConfig struct {
	// Instances of each lab, 10, 100 and 1,000 when empty; 2 to MaxInstances.
	Instances []int
	// Repetitions of the throughput and of the rule change, 5 when 0.
	Repetitions int
	// Duration of one throughput run, half a second when 0.
	Duration time.Duration
	// Progress, if not nil, is told what is being done.
	Progress func(text string)
}

// MaxInstances is what fits the one subnet of a lab of [RunScale].
const MaxInstances = 4000

// ScaleReport is what labs of different sizes came to.
type ScaleReport struct {
	Machine  Machine  `json:"machine"`
	Settings Settings `json:"settings"`
	// Reference is the lab of two instances, which was up the whole time.
	Reference ScaleResult   `json:"reference"`
	Results   []ScaleResult `json:"results"`
	Seconds   float64       `json:"seconds"`
	Warnings  []string      `json:"warnings,omitempty"`
}

// ScaleResult is what one lab came to. Memory is in bytes, times in seconds.
type ScaleResult struct {
	Instances int     `json:"instances"`
	Up        float64 `json:"up"`
	Down      float64 `json:"down,omitempty"`
	// MemoryPerInstance is what the machine's available memory fell by, with
	// kernel, daemon and all, divided by the instances. Whatever else runs on
	// the machine is in it.
	MemoryPerInstance float64 `json:"memoryPerInstance"`
	// DaemonMemory is resident in the lab's daemon.
	DaemonMemory uint64 `json:"daemonMemory"`
	// IdleCPU is the part of one CPU that the daemon uses while nobody
	// sends anything.
	IdleCPU float64 `json:"idleCPU"`
	// Throughput of one TCP stream between two of the instances, Gbit/s, and
	// its ratio to the same in the reference lab, in turns.
	Throughput      Summary `json:"throughput"`
	ThroughputRatio Summary `json:"throughputRatio"`
	// Enforced is from before a changed file is applied (one more rule in one
	// security group) until the first packet that the rule lets pass.
	Enforced Summary `json:"enforced"`
}

func (c ScaleConfig) withDefaults() (ScaleConfig, error) {
	if len(c.Instances) == 0 {
		c.Instances = []int{10, 100, 1000}
	}
	for _, n := range c.Instances {
		if n < 2 || n > MaxInstances {
			return c, fmt.Errorf("%d instances cannot be measured: 2 to %d can", n, MaxInstances)
		}
	}
	if c.Repetitions == 0 {
		c.Repetitions = 5
	}
	if c.Duration == 0 {
		c.Duration = 500 * time.Millisecond
	}
	if c.Progress == nil {
		c.Progress = func(string) {}
	}
	return c, nil
}

// RunScale brings up a lab of each size, one after the other, beside a lab of
// two instances to compare with. The labs are what vpcsim up starts.
func RunScale(ctx context.Context, config ScaleConfig) (*ScaleReport, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	start := time.Now()
	report := &ScaleReport{Machine: readMachine()}
	config.Progress("bringing up 2 instances to compare with")
	reference, err := upScaleLab(ctx, 2)
	if err != nil {
		return nil, err
	}
	defer reference.close()
	report.Settings = Settings{
		Repetitions: config.Repetitions, Duration: config.Duration.Seconds(),
		CongestionControl: congestionControl, Family: "ipv4", UserNamespace: reference.running.UserNamespace,
	}
	for _, n := range config.Instances {
		result, err := scaleOne(ctx, config, n, reference)
		if err != nil {
			return nil, fmt.Errorf("%d instances: %w", n, err)
		}
		report.Results = append(report.Results, *result)
	}
	report.Reference = reference.result
	report.Seconds = time.Since(start).Seconds()
	if m := report.Machine; m.Load > busyLoad*float64(m.CPUs) {
		report.Warnings = append(report.Warnings, fmt.Sprintf("the machine was busy when this began (load %.2f on %d CPUs): times and memory are worth little", m.Load, m.CPUs))
	}
	return report, nil
}

// scaleOne measures one size, from up to down.
func scaleOne(ctx context.Context, config ScaleConfig, n int, reference *scaleLab) (*ScaleResult, error) {
	config.Progress(fmt.Sprintf("%d instances: up", n))
	l, err := upScaleLab(ctx, n)
	if err != nil {
		return nil, err
	}
	defer l.close()
	config.Progress(fmt.Sprintf("%d instances: idle", n))
	if err := l.measureIdle(ctx); err != nil {
		return nil, err
	}
	for i := range config.Repetitions {
		config.Progress(fmt.Sprintf("%d instances: throughput, %d of %d", n, i+1, config.Repetitions))
		for _, turn := range []*scaleLab{reference, l} {
			if err := turn.measureThroughput(ctx, config.Duration); err != nil {
				return nil, err
			}
		}
	}
	recent := reference.throughputs[len(reference.throughputs)-config.Repetitions:]
	l.result.Throughput = summarize(l.throughputs)
	l.result.ThroughputRatio = summarize(ratios(l.throughputs, recent))
	reference.result.Throughput = summarize(reference.throughputs)
	var enforced []float64
	for i := range config.Repetitions {
		config.Progress(fmt.Sprintf("%d instances: a rule changes, %d of %d", n, i+1, config.Repetitions))
		seconds, err := l.measureChange(ctx, i)
		if err != nil {
			return nil, err
		}
		enforced = append(enforced, seconds)
	}
	l.result.Enforced = summarize(enforced)
	config.Progress(fmt.Sprintf("%d instances: down", n))
	down := time.Now()
	l.close()
	l.result.Down = time.Since(down).Seconds()
	return &l.result, nil
}

// scaleLab is a lab of many instances in one subnet. The first two talk.
type scaleLab struct {
	labRow
	pid         int
	result      ScaleResult
	throughputs []float64
	runs        int
}

func upScaleLab(ctx context.Context, n int) (*scaleLab, error) {
	before, err := settledMemory(ctx)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	running, err := lab.Start(ctx, lab.StartConfig{
		Name:     fmt.Sprintf("bench-%d-%d", os.Getpid(), n),
		File:     lab.File{Name: "scale.yaml", Source: scaleScenario(n, 0)},
		Log:      lab.LogConfig{Format: "text", Level: logLevel},
		Borrower: "vpcsim bench",
		Stderr:   os.Stderr,
	})
	if err != nil {
		return nil, err
	}
	l := &scaleLab{labRow: labRow{running: running}, result: ScaleResult{Instances: n, Up: time.Since(start).Seconds()}}
	if err := l.look(ctx, before); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// look reads what the lab takes while nothing has happened yet.
func (l *scaleLab) look(ctx context.Context, before uint64) (err error) {
	if l.client, err = lab.Connect(l.running.Name); err != nil {
		return err
	}
	status, err := l.client.Status(ctx)
	if err != nil {
		return err
	}
	if l.pid = status.PID; l.pid == 0 {
		return errors.New("the lab's process cannot be told")
	}
	if l.result.DaemonMemory, err = processMemory(l.pid); err != nil {
		return err
	}
	after, err := settledMemory(ctx)
	l.result.MemoryPerInstance = (float64(before) - float64(after)) / float64(l.result.Instances)
	return err
}

// settledMemory is the machine's available memory once it no longer changes much:
// the kernel frees and accounts in its own time. It waits two seconds at most.
func settledMemory(ctx context.Context) (uint64, error) {
	const step, calm = 100 * time.Millisecond, 256 << 10
	last, err := availableMemory()
	for range 20 {
		if err != nil {
			return 0, err
		}
		select {
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-time.After(step):
		}
		var now uint64
		if now, err = availableMemory(); err == nil && max(now, last)-min(now, last) < calm {
			return now, nil
		}
		last = now
	}
	return last, err
}

// idleWatch: the kernel counts CPU time in hundredths of a second.
const idleWatch = 2 * time.Second

// measureIdle watches the daemon for a while.
func (l *scaleLab) measureIdle(ctx context.Context) error {
	before, err := processCPU(l.pid)
	if err != nil {
		return err
	}
	start := time.Now()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(idleWatch):
	}
	after, err := processCPU(l.pid)
	l.result.IdleCPU = (after - before) / time.Since(start).Seconds()
	return err
}

func (l *scaleLab) spec(kind string, d time.Duration) loadSpec {
	l.runs++
	return loadSpec{
		Kind: kind, Parallel: 1, Duration: d, Congestion: congestionControl,
		Address: scaleServer, Port: firstPort + uint16(l.runs%openPorts),
	}
}

func (l *scaleLab) measureThroughput(ctx context.Context, d time.Duration) error {
	m := stream("", "", 1, jumboMTU)
	result, err := l.run(ctx, l.spec(loadStream, d))
	if err != nil {
		return err
	}
	l.throughputs = append(l.throughputs, m.value(result))
	return nil
}

// measureChange applies the same file with one more rule, which opens one more
// port, while datagrams to that port are on their way.
func (l *scaleLab) measureChange(ctx context.Context, change int) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	spec := l.spec(loadAwait, 20*time.Second)
	spec.Port = changePort(change)
	spec.Receive = true
	receiver, err := startEnd(ctx, l.start, serverNode, spec)
	if err != nil {
		return 0, err
	}
	defer receiver.close()
	if _, err := receiver.output.ReadString('\n'); err != nil {
		return 0, receiver.failed(err)
	}
	spec.Receive = false
	sending, stop := context.WithCancel(ctx)
	defer stop()
	sender, err := startEnd(sending, l.start, clientNode, spec)
	if err != nil {
		return 0, err
	}
	defer sender.close()
	// The sender says so when its datagrams are on their way, and dropped.
	if _, err := sender.output.ReadString('\n'); err != nil {
		return 0, sender.failed(err)
	}
	applied := time.Now()
	if _, err := l.client.Apply(ctx, lab.File{Name: "scale.yaml", Source: scaleScenario(l.result.Instances, change+1)}); err != nil {
		return 0, err
	}
	var first loadResult
	if err := receiver.result(&first); err != nil {
		return 0, err
	}
	stop()
	_, _ = sender.wait() // it was ended
	return float64(first.FirstAt-applied.UnixNano()) / 1e9, nil
}

// scaleServer is the address of the node that receives.
var scaleServer = netip.MustParseAddr("10.77.16.11")

// changePort is the port that the change of that number opens.
func changePort(change int) uint16 { return closedPort + uint16(change) }

// scaleScenario is a lab of n instances, all in one subnet. The servers' group
// has as many more rules as changes says.
func scaleScenario(n, changes int) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("name: scale")
	line("vpcs: {bench: {cidr: 10.77.0.0/16, ipv6: \"2001:db8:77::/56\"}}")
	line("subnets: {all: {vpc: bench, cidr: 10.77.16.0/20, ipv6: \"2001:db8:77:1::/64\"}}")
	line("securityGroups:")
	line("  client: {vpc: bench}")
	line("  server:\n    vpc: bench\n    ingress:")
	for _, protocol := range []string{"tcp", "udp"} {
		line("      - {protocol: %s, ports: %d-%d, from: [10.77.16.0/20]}", protocol, firstPort, lastPort)
	}
	for i := range changes {
		line("      - {protocol: udp, ports: %d, from: [10.77.16.0/20]}", changePort(i))
	}
	line("instances:")
	address := netip.MustParseAddr("10.77.16.10")
	for i := range n {
		name, group := fmt.Sprintf("i%d", i), "server"
		switch i {
		case 0:
			name, group = clientNode, "client"
		case 1:
			name = serverNode
		}
		line("  %s: {subnet: all, ip: %s, securityGroups: [%s]}", name, address, group)
		address = address.Next()
	}
	return b.String()
}
