package lab

import (
	"net/http"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/vpcsim/vpcsim/control/metrics"
	"github.com/vpcsim/vpcsim/dataplane"
)

// metrics answers a scrape of Prometheus. Everything is read when it is asked for:
// a lab that nobody scrapes pays for nothing but the counters.
func (s *apiServer) metrics(w http.ResponseWriter, r *http.Request) {
	out := metrics.Writer{Format: metrics.Accepted(r.Header.Get("Accept"))}
	s.lab.measure(&out)
	s.requests.measure(&out)
	w.Header().Set("Content-Type", out.Format.ContentType())
	_, _ = w.Write(out.Bytes()) // the client may be gone
}

// measure writes all families of the lab. Label values are names of the world in
// force and words of this program, so there are as many series as the lab has
// objects; addresses and ports are none.
func (l *lab) measure(w *metrics.Writer) {
	l.measureLab(w)
	statistics := l.engine.Statistics()
	measurePackets(w, statistics)
	measureInterfaces(w, statistics)
	measureTracking(w, statistics)
	drops, others := l.engine.DropCounts()
	measureDrops(w, statistics.Snapshot, drops, others)
	measureGateways(w, statistics)
	measureNATGateways(w, statistics, drops)
	measureLinks(w, l.engine.Links())
	measureTables(w, statistics)
	l.measurePort(w)
	l.measureOffload(w)
	l.measureVPN(w)
	measureClientVPN(w, l.vpn.measureClients())
	world, _ := l.store.World()
	measureMirrors(w, world, l.engine.TrafficMirrors())
	l.measureFlowLogs(w)
	measureCloudWatch(w, l.cloudWatch.service.Counts())
}

// measureLab has texts as labels of series that are always 1, as is Prometheus's way: a
// query joins them with the others.
func (l *lab) measureLab(w *metrics.Writer) {
	world, revision := l.store.World()
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version
	}
	w.Gauge("vpcsim_build_info", "What this program was built from; always 1.", "version", "goversion")
	w.Sample(1, version, runtime.Version())
	w.Gauge("vpcsim_lab_info", "The lab that is measured; always 1.", "lab", "world")
	w.Sample(1, l.name, world.Name)
	w.Gauge("vpcsim_lab_start_time_seconds", "When the lab came up, in Unix time.")
	w.Sample(seconds(l.started))
	w.Gauge("vpcsim_lab_instances", "Instances in the world in force.")
	w.Sample(float64(len(world.Instances)))
	w.Gauge("vpcsim_world_revision", "How often the world in force has changed, routes learned by BGP included.")
	w.Sample(float64(revision))
	w.Histogram("vpcsim_publish_duration_seconds", "Time from a change being asked for to every packet being forwarded by it.", l.published)
}

// publishBounds reach from a learned route to a lab of thousands of instances.
var publishBounds = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}

// observePublishing measures the store's changes from the first on.
func (l *lab) observePublishing() {
	l.published = metrics.NewHistogram(publishBounds...)
	l.store.ObservePublishing(func(took time.Duration) { l.published.Observe(took.Seconds()) })
}

// seconds is Unix time, exact to the microsecond: more than that a float64 does not hold.
func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

// measureOffload has nothing to say of a lab without --offload.
func (l *lab) measureOffload(w *metrics.Writer) {
	o, on := l.engine.OffloadStatistics()
	if !on {
		return
	}
	w.Gauge("vpcsim_offloaded_flows", "Directions of connections that the kernel forwards now.")
	w.Sample(float64(o.Flows))
	w.Counter("vpcsim_offloaded_packets_total", "Packets, of all that were forwarded, that the kernel has forwarded.")
	w.Sample(float64(o.Packets))
	w.Counter("vpcsim_offloaded_bytes_total", "Bytes of IP of the packets that the kernel has forwarded.")
	w.Sample(float64(o.Bytes))
}

// measurePort tells what was lost outside the core, where no trace sees it: a lab that
// drops without a reason drops here.
func (l *lab) measurePort(w *metrics.Writer) {
	if l.port == nil { // a lab without namespaces, of a test
		return
	}
	s := l.port.Stats()
	w.Counter("vpcsim_port_receive_frames_total", "Frames that the packet socket took from the instances; a superframe is one.")
	w.Sample(float64(s.Received))
	w.Counter("vpcsim_port_transmit_frames_total", "Frames that the kernel took for the instances; a superframe is one.")
	w.Sample(float64(s.Sent))
	w.Counter("vpcsim_port_receive_dropped_frames_total", "Frames that came to the packet socket and not to the forwarding core, by reason; receive-buffer-full is the kernel's ring.", "reason")
	for _, d := range []struct {
		reason string
		n      uint64
	}{
		{"receive-buffer-full", s.KernelDropped}, {"unattached", s.Unattached}, {"truncated", s.Truncated},
		{"malformed", s.Malformed}, {"refused", s.Refused},
	} {
		w.Sample(float64(d.n), d.reason)
	}
	w.Counter("vpcsim_port_transmit_dropped_frames_total", "Frames that could not be sent to an instance, by reason: the kernel's error or the port's own.", "reason")
	w.Sample(float64(s.SendUnknownLink), "unknown-link")
	w.Sample(float64(s.SendMalformed), "malformed")
	for _, name := range sortedKeys(s.SendErrors) {
		w.Sample(float64(s.SendErrors[name]), name)
	}
	w.Gauge("vpcsim_port_buffer_bytes", "Socket buffers of the packet socket, as the kernel accounts for them.", "direction")
	w.Sample(float64(s.ReceiveBuffer), "receive")
	w.Sample(float64(s.SendBuffer), "transmit")
}

// measureTables has limits as series of their own, so that an alert needs not know how
// the lab was started.
func measureTables(w *metrics.Writer, s *dataplane.Statistics) {
	t := &s.Tables
	rows := []struct {
		table     string
		used, max int
	}{{"flows", t.Flows, t.MaxFlows}, {"nat-mappings", t.Mappings, t.MaxMappings}, {"service-flows", t.ServiceFlows, t.MaxServiceFlows}}
	w.Gauge("vpcsim_table_entries", "Entries of the core's tables: connections tracked, translated, and of the platform's services.", "table")
	for _, row := range rows {
		w.Sample(float64(row.used), row.table)
	}
	w.Gauge("vpcsim_table_entries_limit", "The most entries that a table takes.", "table")
	for _, row := range rows {
		w.Sample(float64(row.max), row.table)
	}
	w.Gauge("vpcsim_frame_memory_used_bytes", "Memory of the frames that are under way on links.")
	w.Sample(float64(s.Memory.Used))
	w.Gauge("vpcsim_frame_memory_held_bytes", "Memory that the core holds for frames under way, in use or free.")
	w.Sample(float64(s.Memory.Held))
	w.Gauge("vpcsim_frame_memory_limit_bytes", "The most memory that frames under way may take.")
	w.Sample(float64(s.Memory.Limit))
	w.Gauge("vpcsim_frames_under_way", "Frames that are under way on links.")
	w.Sample(float64(s.Memory.Frames))
}
