package bench

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/vpcsim/vpcsim/dataplane/packet"
	"github.com/vpcsim/vpcsim/dataplane/port"
)

// reflector forwards between the two nodes with vpcsim's own port and without
// vpcsim's core: it rewrites the Ethernet header, as any router must, and looks
// at nothing else. What it reaches is the limit that the port sets to the core.
type reflector struct {
	port    *port.AFPacket
	running sync.WaitGroup
}

func startReflector(p *port.AFPacket) *reflector {
	r := &reflector{port: p}
	r.running.Go(func() {
		if err := r.forward(); !errors.Is(err, net.ErrClosed) {
			fmt.Fprintln(os.Stderr, "vpcsim: benchmark: reflector:", err)
		}
	})
	return r
}

func (r *reflector) forward() error {
	frames := make([]packet.Frame, 64) // the engine's batch
	for {
		n, err := r.port.Recv(frames, time.Second)
		if err != nil {
			return err
		}
		for i := range frames[:n] {
			f := &frames[i]
			to, link := serverMAC, serverLink
			if f.Link == serverLink {
				to, link = clientMAC, clientLink
			}
			copy(f.Data, to[:])
			copy(f.Data[len(to):], gatewayMAC[:])
			f.Link = link
		}
		if err := r.port.Send(frames[:n]); err != nil {
			return err
		}
	}
}

func (r *reflector) close() {
	_ = r.port.Close()
	r.running.Wait()
}
