// Package flowlogs turns what the data plane saw of flows into records as AWS
// publishes them: VPC flow logs and transit gateway flow logs.
//
//	engine ─▶ Collector: one window after the other ─▶ Format: a line per record
//	             ▲
//	          Config: logs, and who is behind each handle
//
// It knows AWS's fields, their versions and spellings, windows of aggregation, and
// when a line says NODATA or SKIPDATA. It refuses to know what a packet is
// (dataplane), which resources a log covers and what AWS allows of it (control),
// and where lines are kept (control/lab).
package flowlogs
