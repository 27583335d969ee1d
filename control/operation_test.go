package control

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vpcsim/vpcsim/dataplane"
)

// operated is a store with a world, and what operations on it said, a line each.
type operated struct {
	*testing.T
	store     *Store
	published int
}

func operate(t *testing.T, src string) *operated {
	t.Helper()
	o := &operated{T: t}
	o.store = NewStore(slog.New(slog.DiscardHandler), nil, func(*dataplane.Snapshot) { o.published++ })
	if _, err := o.store.Apply(t.Context(), open(t, src)); err != nil {
		t.Fatal(err)
	}
	return o
}

// do runs "ACTION NAME [parameter=value…]" on a peering and returns its state
// after it, or "[code] message".
func (o *operated) do(line string) string {
	o.Helper()
	words := strings.Fields(line)
	op := Operation{Kind: "vpcPeerings", Action: words[0], Name: words[1], Parameters: map[string]string{}}
	for _, word := range words[2:] {
		name, value, _ := strings.Cut(word, "=")
		op.Parameters[name] = value
	}
	_, err := o.store.Update(o.Context(), func(w *World) error { return w.Operate(op) })
	if err != nil {
		problems, ok := err.(Problems)
		if !ok || len(problems) != 1 {
			return err.Error()
		}
		return "[" + problems[0].Code + "] " + problems[0].Message
	}
	w, _ := o.store.World()
	if p := w.VPCPeerings[op.Name]; p != nil {
		return p.Status.State.String()
	}
	return "none"
}

// TestPeeringOperations plays the life of peerings: each line an operation and
// what came of it.
func TestPeeringOperations(t *testing.T) {
	const wrong = "[InvalidStateTransition] VpcPeeringConnectionID ac is not in the correct state for the request."
	for name, steps := range map[string][][2]string{
		"P1 PX-8 request, accept, delete, and again": {
			{"request ac vpc=a peerVpc=c", "pending-acceptance"}, {"accept ac", "active"}, {"delete ac", "deleted"},
			{"request ac vpc=a peerVpc=c", "pending-acceptance"}, {"accept ac", "active"}},
		"P1 expired": {{"request ac vpc=a peerVpc=c", "pending-acceptance"}, {"expire ac", "expired"}, {"accept ac", wrong}, {"expire ac", wrong}},
		"P2 QP3 Q-C21 PX-8 rejected": {{"request ac vpc=a peerVpc=c", "pending-acceptance"}, {"reject ac", "rejected"}, {"accept ac", wrong},
			{"reject ac", wrong}, {"delete ac", wrong}, {"request again vpc=a peerVpc=c", "pending-acceptance"}},
		"P2 QP3 active": {{"request ac vpc=a peerVpc=c", "pending-acceptance"}, {"accept ac", "active"}, {"accept ac", wrong}, {"reject ac", wrong}, {"expire ac", wrong}},
		"P2 who deletes": {{"request ac vpc=a peerVpc=c", "pending-acceptance"},
			{"delete ac account=210987654321", "[OperationNotPermitted] User (210987654321) cannot delete peering ac"},
			{"accept ac", "active"},
			{"delete ac account=999999999999", "[OperationNotPermitted] User (999999999999) cannot delete peering ac"},
			{"delete ac account=210987654321", "deleted"}, {"delete ac", wrong}},
		"P4 QP1 K-C3 overlap": {{"request ad vpc=a peerVpc=d", "failed"},
			{"accept ad", "[InvalidStateTransition] VpcPeeringConnectionID ad is not in the correct state for the request."},
			{"delete ad", "[InvalidStateTransition] VpcPeeringConnectionID ad is not in the correct state for the request."}},
		"QP2 Q-C22 the pair has one": {{"request ab vpc=a peerVpc=b", "pending-acceptance"}, {"request ab vpc=a peerVpc=b", "pending-acceptance"},
			{"request ba vpc=b peerVpc=a", "none"}, {"accept ab", "active"}, {"request ba vpc=b peerVpc=a", "none"}, {"request ab2 vpc=a peerVpc=b", "none"}},
		"P6 QP4 another Region": {{"request ac vpc=a peerVpc=c", "pending-acceptance"},
			{"accept ac region=us-east-1", "[OperationNotPermitted] Incorrect region (us-east-1) specified for this request. VPC peering connection ac must be accepted in region us-west-2"},
			{"accept ac region=us-west-2", "active"}},
		"P6 QP5 another account": {{"request ac vpc=a peerVpc=c", "pending-acceptance"},
			{"accept ac account=123456789012", "[OperationNotPermitted] User (123456789012) cannot accept peering ac"},
			{"reject ac account=123456789012", "[OperationNotPermitted] User (123456789012) cannot reject peering ac"},
			{"reject ac account=210987654321", "rejected"}},
		"QP7 options": {{"request ab vpc=a peerVpc=b", "pending-acceptance"},
			{"dns-resolution ab requester=true", "[OperationNotPermitted] The options of VPC peering connection ab cannot be changed unless it is active."},
			{"accept ab", "active"}, {"dns-resolution ab requester=true accepter=false", "active"},
			{"dns-resolution ab requester=maybe", "[InvalidParameterValue] Value (maybe) for parameter requester is invalid."},
			{"dns-resolution ab", "[MissingParameter] The request must contain the parameter requester or accepter"}},
		"QP7 no DNS hostnames": {{"request ae vpc=a peerVpc=e", "pending-acceptance"}, {"accept ae", "active"},
			{"dns-resolution ae accepter=true", "[InvalidVpcPeeringConnectionState.DnsHostnamesDisabled] DNS resolution needs DNS support and DNS hostnames in both VPCs, and VPC e lacks them."}},
		"what is not there": {
			{"accept nobody", `[InvalidVpcPeeringConnectionID.NotFound] no VPC peering connection named "nobody"`},
			{"accept pcx-0123456789abcdef0", "[InvalidVpcPeeringConnectionID.NotFound] The VPC peering connection ID 'pcx-0123456789abcdef0' does not exist"},
			{"request x vpc=a", "[MissingParameter] The request must contain the parameter peerVpc"},
			{"request x vpc=a peerVpc=nobody", `[InvalidVpcID.NotFound] no VPC named "nobody"`},
			{"request x vpc=a peerVpc=c account=210987654321", "[InvalidVpcID.NotFound] The vpc ID 'a' does not exist"},
			{"request x vpc=a peerVpc=a", "[InvalidParameterValue] VPC a cannot be peered with itself"},
			{"request a/x vpc=a peerVpc=b", `[] "a/x" is not a name`},
			{"sever x", `[] "sever" is not an operation on vpcPeerings`},
			{"request x vpc=a peerVpc=b colour=red", `[] request has no parameter "colour"`}},
		"another pair has the name": {{"request ab vpc=a peerVpc=b", "pending-acceptance"},
			{"request ab vpc=a peerVpc=c", "[] there is a VPC peering connection ab already, between a and b"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := operate(t, peered)
			for i, step := range steps {
				before, revision := o.store.World()
				if got := o.do(step[0]); got != step[1] {
					t.Fatalf("step %d, %s: got %s, want %s", i+1, step[0], got, step[1])
				}
				after, now := o.store.World()
				if strings.HasPrefix(step[1], "[") && (now != revision || cmp.Diff(before, after, compareAddresses) != "") {
					t.Errorf("step %d, %s: an error changed the world", i+1, step[0])
				}
			}
		})
	}
}

func TestOperationsNameTheirKind(t *testing.T) {
	err := open(t, peered).Operate(Operation{Kind: "vpcs", Name: "a", Action: "delete"})
	if err == nil || !strings.Contains(err.Error(), `there are no operations on "vpcs"`) {
		t.Errorf("got %v", err)
	}
	for kind, actions := range operations {
		for action, how := range actions {
			if _, known := KindNamed(kind); !known && !how.creates {
				t.Errorf("%s %s: Operate would look for a resource of no kind", kind, action)
			}
		}
	}
}

// TestPeeringOperationTakesIDs: AWS's users know peerings by ID.
func TestPeeringOperationTakesIDs(t *testing.T) {
	o := operate(t, peered+"vpcPeerings: {ac: {vpc: a, peerVpc: c, state: pending-acceptance}}")
	w, _ := o.store.World()
	o.do("accept " + w.VPCPeerings["ac"].Status.ID)
	o.do("request ab vpc=" + w.VPCs["a"].Status.ID + " peerVpc=" + w.VPCs["b"].Status.ID)
	w, _ = o.store.World()
	if got := w.VPCPeerings["ac"].Status.State; got != PeeringActive {
		t.Errorf("ac is %s", got)
	}
	if p := w.VPCPeerings["ab"]; p == nil || p.VPC != "a" || p.PeerVPC != "b" {
		t.Errorf("ab is %+v", p)
	}
}

// TestPeeringPlanSaysWhatItMeans holds what a user reads when a peering changes.
func TestPeeringPlanSaysWhatItMeans(t *testing.T) {
	w := open(t, peered+"vpcPeerings: {ab: {vpc: a, peerVpc: b, accepterOptions: {allowDnsResolution: true}}}")
	next := w.Clone()
	if err := next.Operate(Operation{Kind: "vpcPeerings", Name: "ab", Action: "delete"}); err != nil {
		t.Fatal(err)
	}
	if problems := next.Prepare(w); len(problems) > 0 {
		t.Fatal(problems)
	}
	want := `~ vpcPeering ab
    - accepterOptions.allowDnsResolution: true
    ~ state: active -> deleted
      routes to it become blackholes, and rules that name groups behind it match nothing (P7, S12)
Plan: 0 to create, 1 to update, 0 to replace, 0 to delete.
`
	if diff := cmp.Diff(want, FormatPlan(Plan(w, next))); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	// Q-C12: the route of a pending peering comes into force when it is accepted.
	again := next.Clone()
	if err := again.Operate(Operation{Kind: "vpcPeerings", Name: "ab", Action: "request", Parameters: map[string]string{"vpc": "a", "peerVpc": "b"}}); err != nil {
		t.Fatal(err)
	}
	if problems := again.Prepare(next); len(problems) > 0 || again.VPCPeerings["ab"].Status.State != PeeringPending {
		t.Errorf("requested again: %v %v", problems, again.VPCPeerings["ab"].Status.State)
	}
}
