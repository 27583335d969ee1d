// Package cloudwatch is what Amazon CloudWatch makes of a lab's flow logs: log
// events in groups and streams, metric filters that turn events into metrics, and
// alarms that watch metrics.
//
//		flow log records ──▶ events ──pattern──▶ metrics ──every period──▶ alarms
//		    (Put)           events.go            metric.go                alarm.go
//
//	  - service.go joins the parts behind one lock.
//	  - pattern*.go is AWS's filter pattern syntax.
//	  - evaluation.go decides an alarm's state from its data points, without a clock.
//
// Every time is the caller's: the package has no clock and starts nothing, so that a
// lab in memory and one in namespaces behave alike.
//
// It refuses to know what is in an event (control/flowlogs), how clients ask
// (control/awsapi), and what an alarm's actions do (control/lab).
package cloudwatch
