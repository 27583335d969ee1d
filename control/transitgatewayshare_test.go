package control

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/vpcsim/vpcsim/dataplane"
)

// Sharing step by step: invitation, acceptance, attachment, acceptance; and what AWS
// refuses on the way.
func TestTransitGatewayIsSharedStepByStep(t *testing.T) {
	store := NewStore(slog.New(slog.DiscardHandler), nil, func(*dataplane.Snapshot) {})
	w := open(t, `
name: lab
vpcs: {own: {cidr: 10.0.0.0/16}, theirs: {cidr: 10.1.0.0/16, account: "210987654321"}}
subnets: {s1: {vpc: own, cidr: 10.0.1.0/24}, s2: {vpc: theirs, cidr: 10.1.1.0/24}}
transitGateways: {hub: {}, west: {}}
transitGatewayAttachments:
  own: {transitGateway: hub, vpc: own, subnets: [s1]}
  theirs: {transitGateway: hub, vpc: theirs, subnets: [s2], state: deleted}
# A blackhole, of an attachment that was there once.
routeTables: {theirs/main: {routes: {10.0.0.0/16: hub}}}
`)
	if _, err := store.Apply(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	attachment := map[string]string{"transitGateway": "hub", "vpc": "theirs", "subnets": "s2"}
	const theirs = "210987654321"
	for _, step := range []struct {
		kind, name, action string
		parameters         map[string]string
		refused            string // part of the error
		routes             string // of the hub afterwards
	}{
		{"transitGatewayAttachments", "theirs", "request", attachment, "InvalidTransitGatewayID.NotFound", "own"},
		{"transitGateways", "hub", "accept-share", nil, "waits for an answer", "own"},
		{"transitGateways", "hub", "share", map[string]string{"with": "12"}, "not an AWS account", "own"},
		{"transitGateways", "hub", "share", map[string]string{"with": theirs}, "", "own"},
		{"transitGatewayAttachments", "theirs", "request", attachment, "InvalidTransitGatewayID.NotFound", "own"},
		{"transitGateways", "hub", "reject-share", map[string]string{"account": theirs}, "", "own"},
		{"transitGateways", "hub", "accept-share", nil, "waits for an answer", "own"},
		{"transitGateways", "hub", "share", map[string]string{"with": theirs}, "", "own"},
		{"transitGateways", "hub", "accept-share", map[string]string{"account": "111111111111"}, "waits for an answer", "own"},
		{"transitGateways", "hub", "accept-share", nil, "", "own"},
		{"transitGatewayAttachments", "theirs", "request", attachment, "", "own"},
		{"transitGatewayAttachments", "theirs", "accept", map[string]string{"account": theirs}, "InvalidTransitGatewayAttachmentID.NotFound", "own"},
		{"transitGateways", "hub", "unshare", map[string]string{"with": theirs}, "theirs of account 210987654321 waits", "own"},
		{"transitGatewayAttachments", "theirs", "reject", nil, "", "own"},
		{"transitGatewayAttachments", "theirs", "accept", nil, "IncorrectState", "own"},
		{"transitGatewayAttachments", "theirs", "request", attachment, "", "own"},
		{"transitGatewayAttachments", "theirs", "accept", nil, "", "own theirs"},
		{"transitGateways", "hub", "unshare", map[string]string{"with": theirs}, "has attachment theirs", "own theirs"},
		{"transitGatewayAttachments", "theirs", "request", attachment, "already", "own theirs"},
		{"transitGatewayAttachments", "theirs", "delete", nil, "", "own"},
		{"transitGateways", "hub", "unshare", map[string]string{"with": theirs}, "", "own"},
		{"transitGatewayAttachments", "peering", "request", map[string]string{"transitGateway": "hub", "peer": "west"}, "", "own"},
	} {
		what := step.action + " " + step.name
		_, err := store.Operate(t.Context(), Operation{Kind: step.kind, Name: step.name, Action: step.action, Parameters: step.parameters})
		switch {
		case step.refused == "" && err != nil:
			t.Fatalf("%s: %v", what, err)
		case step.refused != "" && (err == nil || !strings.Contains(err.Error(), step.refused)):
			t.Errorf("%s: %v, want %q", what, err, step.refused)
		}
		now, _ := store.World()
		var attachments []string
		for _, r := range now.TransitGatewayRouteTables["hub/default"].Status.Routes {
			attachments = append(attachments, r.Attachment)
		}
		if got := strings.Join(attachments, " "); got != step.routes {
			t.Errorf("%s: the hub has routes to %s, want %s", what, got, step.routes)
		}
	}
	if now, _ := store.World(); now.TransitGatewayAttachments["peering"].Status.State != AttachmentPendingAcceptance {
		t.Error("a peering does not wait")
	}
	// A gateway that accepts by itself.
	w.TransitGateways["hub"].AutoAcceptSharedAttachments = true
	w.TransitGateways["hub"].SharedWith = []AccountID{theirs}
	if _, err := store.Apply(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Operate(t.Context(), Operation{Kind: "transitGatewayAttachments", Name: "theirs", Action: "request", Parameters: attachment}); err != nil {
		t.Fatal(err)
	}
	if now, _ := store.World(); now.TransitGatewayAttachments["theirs"].Status.State != AttachmentAvailable {
		t.Error("an attachment waits that the gateway accepts by itself")
	}
}
