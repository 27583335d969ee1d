package cloudwatch

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestPercentilesAreValuesThatWereThere(t *testing.T) {
	m := &metric{}
	for i := range 100 { // 1 to 100, over ten seconds and out of order
		m.put(start.Add(time.Duration(i%10)*time.Second), float64(100-i))
	}
	m.put(start.Add(time.Minute), 7)
	m.put(start.Add(2*time.Minute), -1)
	m.putDefault(start.Add(3*time.Minute), 0.5)
	var got []string
	for minute := range 4 {
		p := m.span(start.Add(time.Duration(minute)*time.Minute), time.Minute, true)
		for _, s := range []Statistic{"p0", "p50", "p99", "p99.9", "p100"} {
			if p.Count > 0 {
				got = append(got, fmt.Sprint(s.Of(&p)))
			}
		}
	}
	// Nothing of the minute with a negative value, as in AWS.
	if want := "1 50 99 100 100 7 7 7 7 7 0.5 0.5 0.5 0.5 0.5"; strings.Join(got, " ") != want {
		t.Errorf("%s, want %s", strings.Join(got, " "), want)
	}
	for _, word := range []string{"", "p", "99", "p101", "p-1", "p9.9.9", "P99", "tm99", "p100.1"} {
		if _, ok := Statistic(word).Percentile(); ok {
			t.Errorf("%q is a percentile", word)
		}
	}
}

// TestSamplesAreBounded: what a flood of values takes is bounded, and their percentiles
// are close.
func TestSamplesAreBounded(t *testing.T) {
	m := &metric{}
	for second := range 200 {
		for value := range 2 * samplesOfSecond {
			m.put(start.Add(time.Duration(second)*time.Second), float64(value*7919%(2*samplesOfSecond)))
		}
	}
	held := 0
	for i := range m.seconds {
		held += len(m.seconds[i].samples)
	}
	if held != m.samples || held > samplesOfMetric+samplesOfSecond {
		t.Errorf("%d samples are held, %d were counted", held, m.samples)
	}
	p := m.span(start.Add(199*time.Second), time.Second, true)
	if got := Statistic("p90").Of(&p); p.Count != 2*samplesOfSecond || got < 1790 || got > 1810 {
		t.Errorf("p90 of %v values to 1999 is %v", p.Count, got)
	}
}

func TestAlarmOnAPercentile(t *testing.T) {
	s := example(t, func(c *Config) {
		c.Filters[0].Value = "$bytes"
		c.Alarms[0].Statistic, c.Alarms[0].Period, c.Alarms[0].Threshold = "p90", time.Minute, 4249
	})
	s.Put(start, []Event{{Group: "logs", Stream: "a", Timestamp: start, Message: rejectedSSH}})
	if list := s.Evaluate(start.Add(time.Minute)); len(list) != 1 || list[0].State != StateAlarm {
		t.Errorf("transitions %v", list)
	}
}
