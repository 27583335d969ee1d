package lab

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/dataplane"
)

// TestPeeringRequestExpiresAfterSevenDays_P1 lives through the seven days on a clock
// that jumps: requests expire in their order, and one that was accepted does not.
func TestPeeringRequestExpiresAfterSevenDays_P1(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lab{log: quiet, store: control.NewStore(quiet, nil, func(*dataplane.Snapshot) {})}
		source := `
name: test
vpcs: {a: {cidr: 10.0.0.0/16}, b: {cidr: 10.1.0.0/16}, c: {cidr: 10.2.0.0/16}, d: {cidr: 10.3.0.0/16}}
vpcPeerings: {ab: {vpc: a, peerVpc: b, state: pending-acceptance}}
`
		w, err := control.Load("test.yaml", []byte(source))
		if err != nil {
			t.Fatal(err)
		}
		apply := func() {
			t.Helper()
			if _, err := l.store.Apply(t.Context(), w); err != nil {
				t.Fatal(err)
			}
		}
		apply()
		expiry := newPeeringExpiry(func() *control.World { w, _ := l.store.World(); return w }, func(ctx context.Context, peering string) error {
			_, err := l.store.Operate(ctx, control.Operation{Kind: "vpcPeerings", Name: peering, Action: "expire"})
			return err
		}, quiet)
		defer expiry.close()
		operate := func(action, name string, parameters map[string]string) {
			t.Helper()
			if _, err := l.store.Operate(t.Context(), control.Operation{Kind: "vpcPeerings", Name: name, Action: action, Parameters: parameters}); err != nil {
				t.Fatal(err)
			}
			expiry.poke()
		}
		want := func(when string, states map[string]control.PeeringState) {
			t.Helper()
			synctest.Wait()
			now, _ := l.store.World()
			for name, state := range states {
				p := now.VPCPeerings[name]
				if p.Status.State != state || p.Status.ExpirationTime.IsZero() != (state != control.PeeringPending) {
					t.Errorf("%s: %s is %s until %s, want %s", when, name, p.Status.State, p.Status.ExpirationTime, state)
				}
			}
		}
		const pending, active, expired = control.PeeringPending, control.PeeringActive, control.PeeringExpired
		time.Sleep(24 * time.Hour)
		operate("request", "ac", map[string]string{"vpc": "a", "peerVpc": "c"})
		operate("request", "ad", map[string]string{"vpc": "a", "peerVpc": "d"})
		time.Sleep(6*24*time.Hour - time.Second)
		operate("accept", "ad", nil)
		want("a second before", map[string]control.PeeringState{"ab": pending, "ac": pending, "ad": active})
		time.Sleep(time.Second)
		want("after seven days", map[string]control.PeeringState{"ab": expired, "ac": pending, "ad": active})
		time.Sleep(24 * time.Hour)
		want("after eight days", map[string]control.PeeringState{"ab": expired, "ac": expired, "ad": active})
		apply() // the file asks again
		expiry.poke()
		time.Sleep(control.PeeringPatience - time.Second)
		want("asked again", map[string]control.PeeringState{"ab": pending})
		apply() // and again, which is nothing new
		expiry.poke()
		time.Sleep(time.Second)
		want("asked again, seven days later", map[string]control.PeeringState{"ab": expired})
	})
}
