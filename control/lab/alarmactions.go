package lab

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/awsapi"
	"github.com/vpcsim/vpcsim/control/cloudwatch"
	"github.com/vpcsim/vpcsim/control/host"
)

// alarmActions does what alarms ask for, in the network of a node of the lab: a
// command among the node's programs, or a notification that the node sends. The
// daemon itself, whose files and network are the user's, runs nothing.
type alarmActions struct {
	lab *lab
	log *slog.Logger

	ctx    context.Context // ends actions that are under way
	cancel context.CancelFunc
	slots  chan struct{}
	done   sync.WaitGroup
	mu     sync.Mutex
	closed bool
}

// Bounds on actions: an alarm that flaps must not fill the machine with them. What does
// not get a slot fails, and says so in the history; it does not wait, since it would
// then tell of a state that is long over.
const (
	maxActions  = 16 // at a time
	actionLimit = 30 * time.Second
)

func newAlarmActions(l *lab, log *slog.Logger) *alarmActions {
	ctx, cancel := context.WithCancel(context.Background())
	return &alarmActions{lab: l, log: log, ctx: ctx, cancel: cancel, slots: make(chan struct{}, maxActions)}
}

// act starts what a transition asks for, and does not wait for it: it is called between
// two evaluations, and a command of 30 seconds must not keep the other alarms from
// theirs. The mutex makes sure that close sees every action that was started.
func (a *alarmActions) act(t cloudwatch.Transition) {
	w, _ := a.lab.store.World()
	alarm := w.Alarms[t.Name]
	if alarm == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, action := range alarm.Actions(t.State) {
		if a.closed {
			return
		}
		select {
		case a.slots <- struct{}{}:
		default:
			a.record(t.Name, action, fmt.Errorf("%d actions are under way already", maxActions))
			continue
		}
		a.done.Go(func() {
			defer func() { <-a.slots }()
			ctx, cancel := context.WithTimeout(a.ctx, actionLimit)
			defer cancel()
			a.record(t.Name, action, a.do(ctx, w, &t, action))
		})
	}
}

// close ends what is under way, and waits: nodes go next, and nothing may run in one.
func (a *alarmActions) close() {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.cancel()
	a.done.Wait()
}

// record tells the log and the alarm's history what became of an action.
func (a *alarmActions) record(alarm string, action control.AlarmAction, err error) {
	summary := "Successfully executed action " + action.String()
	if err != nil {
		summary = fmt.Sprintf("Failed to execute action %s. Received error: %q", action, err)
		a.log.Warn("alarm action failed", "alarm", alarm, "action", action.String(), "error", err)
	} else {
		a.log.Info("alarm action done", "alarm", alarm, "action", action.String())
	}
	a.lab.cloudWatch.service.RecordAction(time.Now(), alarm, summary, err == nil)
}

func (a *alarmActions) do(ctx context.Context, w *control.World, t *cloudwatch.Transition, action control.AlarmAction) error {
	node := nodeName(w, action.On)
	if node == "" {
		return unknownNode(w, action.On)
	}
	if action.Run != "" {
		return a.run(ctx, w, t, action, node)
	}
	return a.post(ctx, t, action.Post, node)
}

// run runs a command in the node, as run: does, with the alarm in its environment.
func (a *alarmActions) run(ctx context.Context, w *control.World, t *cloudwatch.Transition, action control.AlarmAction, node string) error {
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	process, err := a.lab.host.Command(node, host.ProcessSpec{
		Args: []string{"/bin/sh", "-c", action.Run}, Dir: a.dir(),
		Env:    append(os.Environ(), "ALARM_NAME="+t.Name, "ALARM_STATE="+string(t.State), "ALARM_OLD_STATE="+string(t.Old), "ALARM_REASON="+t.Reason),
		Stdout: write, Stderr: write, Files: a.lab.programs.files(w, action.On),
	})
	_ = write.Close() // the program has its own
	if err != nil {
		_ = read.Close()
		return err
	}
	var output sync.WaitGroup
	output.Go(func() { logLines(read, a.log.With("node", action.On, "alarm", t.Name)) })
	defer output.Wait()
	defer read.Close() // even if what it left in the background still writes
	select {
	case <-process.Done():
	case <-ctx.Done():
		_ = process.Kill()
	}
	code, err := process.Wait()
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil:
		return fmt.Errorf("it had not ended after %s", actionLimit)
	case code != 0:
		return fmt.Errorf("exit code %d", code)
	}
	return nil
}

// dir is where programs start.
func (a *alarmActions) dir() string {
	dir, _ := a.lab.directory.Load().(string)
	return dir
}

// post sends what AWS's SNS sends to a URL, from within the node.
func (a *alarmActions) post(ctx context.Context, t *cloudwatch.Transition, url, node string) error {
	body := notification(t, a.lab.place())
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "text/plain; charset=UTF-8") // as SNS has it, though it is JSON
	request.Header.Set("X-Amz-Sns-Message-Type", "Notification")
	response, err := a.lab.clientIn(node).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, fetchLimit))
	if response.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("%s answered %s", url, response.Status)
	}
	return nil
}

// clientIn asks from within a node, and follows nobody elsewhere. The socket is made on
// a thread inside the node and belongs to its network from then on; what is read and
// written later needs no such thread. There is no proxy: the user's is in another
// network.
func (l *lab) clientIn(node string) *http.Client {
	dial := func(ctx context.Context, network, address string) (conn net.Conn, err error) {
		err = l.host.In(node, func() (err error) {
			conn, err = new(net.Dialer).DialContext(ctx, network, address)
			return err
		})
		return conn, err
	}
	return &http.Client{
		Transport:     &http.Transport{DialContext: dial, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// notification is an alarm as SNS delivers it, without a signature: the alarm is JSON in
// a text inside JSON, and programs that read one on AWS unpack it twice. The signature
// would need AWS's certificate at an address that no lab reaches. Data are those of the
// transition, and not asked for again: by now the alarm may be in another state.
func notification(t *cloudwatch.Transition, at awsapi.Place) []byte {
	type trigger struct {
		MetricName, Namespace            string
		StatisticType                    string
		Statistic                        string `json:",omitempty"`
		ExtendedStatistic                string `json:",omitempty"`
		Unit                             *string
		Dimensions                       []map[string]string
		Period                           int
		EvaluationPeriods                int
		DatapointsToAlarm                int
		ComparisonOperator               string
		Threshold                        float64
		TreatMissingData                 string
		EvaluateLowSampleCountPercentile string
	}
	statisticType, statistic, extended := "Statistic", string(t.Statistic), ""
	if _, ok := t.Statistic.Percentile(); ok {
		statisticType, statistic, extended = "ExtendedStatistic", "", string(t.Statistic)
	}
	dimensions := []map[string]string{}
	for _, d := range t.Metric.Dimensions {
		dimensions = append(dimensions, map[string]string{"name": d.Name, "value": d.Value})
	}
	message, _ := json.Marshal(struct { // numbers are finite: Validate has seen to it
		AlarmName, AlarmDescription, AWSAccountId                                       string
		NewStateValue, NewStateReason, StateChangeTime, Region, AlarmArn, OldStateValue string
		Trigger                                                                         trigger
	}{
		t.Name, t.Description, at.Account, string(t.State), t.Reason, t.Since.UTC().Format("2006-01-02T15:04:05.000-0700"), at.Region,
		at.AlarmARN(t.Name), string(t.Old), trigger{
			MetricName: t.Metric.Name, Namespace: t.Metric.Namespace, StatisticType: statisticType, Statistic: statistic, ExtendedStatistic: extended, Dimensions: dimensions,
			Period: int(t.Period / time.Second), EvaluationPeriods: t.EvaluationPeriods, DatapointsToAlarm: t.DatapointsToAlarm,
			ComparisonOperator: string(t.Comparison), Threshold: t.Threshold, TreatMissingData: string(t.Missing),
		},
	})
	body, _ := json.Marshal(map[string]string{ // texts
		"Type": "Notification", "MessageId": rand.Text(), "TopicArn": "arn:aws:sns:" + at.Region + ":" + at.Account + ":vpcsim",
		"Subject": fmt.Sprintf("%s: %q in %s", t.State, t.Name, at.Region), "Message": string(message),
		"Timestamp": t.Since.UTC().Format("2006-01-02T15:04:05.000Z"), "SignatureVersion": "1",
	})
	return body
}
