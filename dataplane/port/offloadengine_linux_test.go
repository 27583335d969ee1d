package port

import (
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vpcsim/vpcsim/dataplane"
)

// newOffloadDistance is the lab with a real core that may offload: whoever is in the group
// may be asked on port 5001, and nothing else comes in.
func newOffloadDistance(t *testing.T) *distance {
	t.Helper()
	needOffload(t)
	d := newDistanceBy(t, AFPacketConfig{Offload: true})
	for i, r := range d.builder.SecurityGroups[0].Ingress {
		r.Protocol, r.FirstPort, r.LastPort, r.Group, r.CIDR = 6, 5001, 5001, distanceGroup, d.builder.SecurityGroups[0].Ingress[i].CIDR
		d.builder.SecurityGroups[0].Ingress[i] = r
	}
	d.publish()
	return d
}

func (d *distance) offloaded() dataplane.OffloadStatistics {
	s, _ := d.engine.OffloadStatistics()
	return s
}

// establish exchanges until the kernel carries both directions.
func (d *distance) establish(t *testing.T, network string) (server, client net.Conn) {
	t.Helper()
	server, client = d.tcpPair(t, network)
	eventually(t, "both directions are offloaded", func() bool {
		exchange(t, client, server, 1000)
		return d.offloaded().Flows == 2
	})
	return server, client
}

func TestOffloadFollowsTheEngine(t *testing.T) {
	for _, network := range []string{"tcp4", "tcp6"} {
		t.Run(network, func(t *testing.T) {
			d := newOffloadDistance(t)
			server, client := d.establish(t, network)
			if got, want := server.RemoteAddr().String(), client.LocalAddr().String(); got != want {
				t.Errorf("the server sees %s, the client is %s", got, want)
			}

			// S23: what is tracked stays when its rule is removed, and is offloaded again.
			before := d.offloaded().Packets
			d.builder.SecurityGroups[0].Ingress = nil
			d.publish()
			if n := d.offloaded().Flows; n != 0 {
				t.Errorf("%d flows are offloaded right after a change", n)
			}
			eventually(t, "a tracked connection is offloaded again", func() bool {
				exchange(t, client, server, 1000)
				return d.offloaded().Flows == 2 && d.offloaded().Packets > before
			})

			// A network ACL knows no connections: the next packet is dropped.
			allowed := d.builder.NetworkACLs[0].Ingress
			d.builder.NetworkACLs[0].Ingress = nil
			d.publish()
			if _, err := client.Write([]byte("not for you")); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the walk drops it", func() bool {
				drops := d.engine.Drops(0)
				return len(drops) > 0 && drops[len(drops)-1].Step.Stage == dataplane.StageNetworkACLIn
			})
			if err := server.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			if n, err := server.Read(make([]byte, 100)); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the server read %d bytes, error %v", n, err)
			}
			d.builder.NetworkACLs[0].Ingress = allowed
			d.publish()
			if err := server.SetReadDeadline(time.Now().Add(deadline)); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, len("not for you"))
			if _, err := io.ReadFull(server, got); err != nil || string(got) != "not for you" {
				t.Errorf("once it is allowed again %q came, error %v", got, err)
			}
		})
	}
}

func TestOffloadEndsWithTheConnection(t *testing.T) {
	for _, c := range []struct {
		name  string
		close func(c net.Conn) error
	}{
		{"FIN", func(c net.Conn) error { return c.Close() }},
		{"RST", func(c net.Conn) error { return errors.Join(c.(*net.TCPConn).SetLinger(0), c.Close()) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newOffloadDistance(t)
			server, client := d.establish(t, "tcp4")
			if err := c.close(client); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, server); c.name == "FIN" && err != nil || c.name == "RST" && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the server's end: %v", err)
			}
			eventually(t, "nothing is offloaded", func() bool { return d.offloaded().Flows == 0 })
		})
	}
}

// TestOffloadCountsEveryPacket: what the interfaces are said to have sent is what the
// instances' own kernels count.
func TestOffloadCountsEveryPacket(t *testing.T) {
	d := newOffloadDistance(t)
	server, client := d.tcpPair(t, "tcp4")
	transfer(t, server, client, 64<<20)
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if s := d.offloaded(); s.Bytes < 32<<20 {
		t.Errorf("of 64 MiB, %d bytes were offloaded", s.Bytes)
	}
	d.wantAllCounted(t)
}

// TestOffloadCountsWhileRulesChange: of what passes while one snapshot follows the other,
// nothing is lost, nothing is counted twice, and the rules let all of it pass.
func TestOffloadCountsWhileRulesChange(t *testing.T) {
	d := newOffloadDistance(t)
	server, client := d.tcpPair(t, "tcp6")
	snapshot, err := d.builder.Seal()
	if err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				d.engine.Publish(snapshot)
			}
		}
	}()
	transfer(t, server, client, 256<<20)
	close(stop)
	<-stopped
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if s := d.offloaded(); s.Frames == 0 || s.Unjudged > 0 {
		t.Errorf("nothing was offloaded, or it was not counted: %+v", s)
	}
	d.wantAllCounted(t)
}

// wantAllCounted waits until the engine has counted every TCP segment that the instances'
// kernels have sent. (Nothing else of theirs is an interface's traffic here: the platform
// answers what they ask their neighbours and routers.)
func (d *distance) wantAllCounted(t *testing.T) {
	t.Helper()
	var sent, counted uint64
	defer func() { t.Logf("%d segments sent, %d counted; %+v", sent, counted, d.offloaded()) }()
	eventually(t, "every segment is counted", func() bool {
		sent, counted = 0, 0
		for _, x := range d.instances {
			sent += x.segmentsSent(t)
		}
		for _, i := range d.engine.Statistics().Interfaces {
			counted += i.SentPackets
		}
		return sent == counted
	})
}

// segmentsSent is what the instance's kernel says of TCP, of both families.
func (x *instance) segmentsSent(t *testing.T) (n uint64) {
	t.Helper()
	x.must(t, func() error {
		text, err := os.ReadFile("/proc/thread-self/net/snmp")
		var names []string
		for line := range strings.Lines(string(text)) {
			words := strings.Fields(line)
			if words[0] != "Tcp:" {
				continue
			}
			if names == nil {
				names = words
				continue
			}
			for i, name := range names {
				if name == "OutSegs" || name == "RetransSegs" {
					count, bad := strconv.ParseUint(words[i], 10, 64)
					n, err = n+count, errors.Join(err, bad)
				}
			}
		}
		return err
	})
	return n
}

func TestOffloadIsOffWhileSomebodyLooks(t *testing.T) {
	d := newOffloadDistance(t)
	server, client := d.establish(t, "tcp4")
	capture := d.engine.Capture(dataplane.CaptureConfig{Places: []dataplane.CapturePlace{{Object: 2}}})
	before := d.offloaded().Frames
	for range 20 {
		exchange(t, client, server, 100)
	}
	if after := d.offloaded(); after.Frames != before || after.Flows != 0 {
		t.Errorf("%d frames went by while they were captured", after.Frames-before)
	}
	capture.Close()
	eventually(t, "it is offloaded again", func() bool {
		exchange(t, client, server, 100)
		return d.offloaded().Flows == 2
	})
}

// needOffload skips where the kernel takes no programs from us: before Linux 6.6, and
// without the machine's root. CI runs the tests as root, too, and has to have it then.
func needOffload(t testing.TB) {
	t.Helper()
	needNamespaces(t)
	err := CheckOffload()
	if err == nil {
		return
	}
	if !errors.Is(err, ErrNoOffload) || isRoot() && os.Getenv("CI") != "" {
		t.Fatal(err)
	}
	t.Skip(err)
}

// isRoot: of the machine, not of a user namespace.
func isRoot() bool {
	identity, _ := os.ReadFile("/proc/self/uid_map")
	return strings.Contains(string(identity), "4294967295")
}
