// Package metrics writes measurements in the text formats that Prometheus reads:
// its own (0.0.4) and OpenMetrics 1.0. It knows families, labels, and how both
// are spelled; it does not know what is measured, keeps no registry, and serves
// nothing.
//
// It is written by hand because a lab's metrics are read from counters that exist
// anyway, under names that come and go with the world: client_golang's collectors
// and registry would be passed by, and its protobuf would make the program larger
// by 3.4 MB for what is 150 lines here. The tests read the result with Prometheus's
// own parser.
package metrics
