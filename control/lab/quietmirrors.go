package lab

import (
	"context"
	"maps"
	"time"

	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/scenarios"
)

// How long nothing must have been mirrored, and how often that is looked for.
const (
	mirrorPause = 30 * time.Millisecond
	mirrorLooks = 20
)

// quietMirrors returns what has been mirrored when nothing has been for a while: the
// connection of the probe before may still be closing, and its last packets are not
// this one's.
func quietMirrors(ctx context.Context, engine *dataplane.Engine) scenarios.Mirrors {
	mirrors := scenarios.MirrorsOf(engine)
	if len(mirrors) == 0 {
		return mirrors
	}
	look := time.NewTicker(mirrorPause)
	defer look.Stop()
	for range mirrorLooks {
		select {
		case <-ctx.Done():
			return mirrors
		case <-look.C:
		}
		now := scenarios.MirrorsOf(engine)
		if maps.Equal(now, mirrors) {
			break
		}
		mirrors = now
	}
	return mirrors
}
