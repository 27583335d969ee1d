// Package delivery takes published flow log records to files: one of text for each
// log that goes to CloudWatch Logs, and for one that goes to S3 a directory per
// bucket with AWS's keys below it, gzipped text or Parquet.
//
// What it holds to:
//   - A record that [Delivery.Deliver] returned from is in a file, or in memory
//     because no file took it. Memory is bounded; what it cannot hold is told by
//     AWS's SKIPDATA, and counted.
//   - An object of S3 appears whole, under its final name. Until then its records
//     are in a spool file, written before they count as published. A daemon that
//     was killed leaves spools, and the next of the same lab makes objects of them,
//     with the names that were chosen when the spools began: nothing twice.
//   - Records of windows that are still open, and what was waiting in memory, end
//     with the process. Spools are not forced to the disk: a machine that loses
//     power may lose the last seconds.
//
// It knows lines and their formats. It knows neither labs nor worlds, and has no
// goroutine and no clock: who calls it says what time it is.
package delivery
