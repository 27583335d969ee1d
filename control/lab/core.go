package lab

import (
	"errors"
	"fmt"

	"github.com/vpcsim/vpcsim/control/host"
	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/port"
)

// openCore makes the engine and the port that it will forward with, in the namespace of
// the process. With offload, established connections are the kernel's; where it takes
// none, that is an error: a lab is never slower than it was asked to be without a word.
func (l *lab) openCore(offload bool, clock func() int64) (err error) {
	l.port, err = port.OpenAFPacket(port.AFPacketConfig{Offload: offload})
	switch {
	case errors.Is(err, port.ErrNoOffload):
		return fmt.Errorf("%w; run vpcsim as root, or leave out --offload: a lab does the same without it", err)
	case err != nil:
		return host.Explain(err)
	}
	l.ports = port.NewSwitch(l.port)
	config := dataplane.Config{Clock: clock}
	if offload {
		config.Offloader = l.port
	}
	l.engine = dataplane.NewEngine(config)
	return nil
}
