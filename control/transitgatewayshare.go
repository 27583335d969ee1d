package control

import (
	"fmt"
	"slices"
	"strings"
)

// transitGatewayOperations are the verbs by which a gateway is shared with other
// accounts, step by step as AWS's Resource Access Manager has it: the owner invites, and
// the account accepts or rejects.
var transitGatewayOperations = map[string]operation{
	"share":        {do: shareTransitGateway, parameters: []string{"with"}},
	"accept-share": {do: acceptShare, parameters: []string{"account"}},
	"reject-share": {do: rejectShare, parameters: []string{"account"}},
	"unshare":      {do: unshareTransitGateway, parameters: []string{"with"}},
}

// shareTransitGateway invites an account. One that was invited, or has accepted, is so
// already.
func shareTransitGateway(w *World, op Operation) error {
	g := w.TransitGateways[op.Name]
	account, err := op.account("with")
	if err != nil {
		return err
	}
	if account == g.Status.Account {
		return op.problemf("InvalidParameterException", "the owner's own VPCs need no sharing", "account %s owns the transit gateway", account)
	}
	if !slices.Contains(g.SharedWith, account) && !slices.Contains(g.ShareInvitations, account) {
		g.ShareInvitations = append(g.ShareInvitations, account)
	}
	return nil
}

func acceptShare(w *World, op Operation) error { return answerShare(w, op, true) }
func rejectShare(w *World, op Operation) error { return answerShare(w, op, false) }

// answerShare is the yes or no of the one invited account, or of the one that is named.
func answerShare(w *World, op Operation, accepts bool) error {
	g := w.TransitGateways[op.Name]
	account := AccountID(op.Parameters["account"])
	if account == "" && len(g.ShareInvitations) > 1 {
		return op.problem("MissingParameter", fmt.Sprintf("several accounts are invited to transit gateway %s", op.Name), "say which of them answers: "+accountTexts(g.ShareInvitations))
	}
	if account == "" && len(g.ShareInvitations) == 1 {
		account = g.ShareInvitations[0]
	}
	if !slices.Contains(g.ShareInvitations, account) {
		whose := "no invitation"
		if account != "" {
			whose += " of account " + account.String()
		}
		return op.problemf("ResourceShareInvitationArnNotFoundException", g.invited(), "%s to transit gateway %s waits for an answer", whose, op.Name)
	}
	g.ShareInvitations = withoutAccount(g.ShareInvitations, account)
	if accepts {
		g.SharedWith = append(g.SharedWith, account)
	}
	return nil
}

// unshareTransitGateway takes the gateway back. Attachments that there are stay, as on
// AWS, so an account that has some is refused: a file could not say that.
func unshareTransitGateway(w *World, op Operation) error {
	g := w.TransitGateways[op.Name]
	account, err := op.account("with")
	if err != nil {
		return err
	}
	for _, name := range sorted(w.TransitGatewayAttachments) {
		a := w.TransitGatewayAttachments[name]
		if a.TransitGateway != op.Name || a.VPC == "" || w.placeOf(a.VPC).account != account {
			continue
		}
		switch a.Status.State {
		case AttachmentAvailable:
			return op.problemf("", "delete it first; on AWS it would stay", "account %s has attachment %s at transit gateway %s", account, name, op.Name)
		case AttachmentPendingAcceptance:
			return op.problemf("", "reject it first, or delete it", "attachment %s of account %s waits for acceptance at transit gateway %s", name, account, op.Name)
		}
	}
	g.SharedWith, g.ShareInvitations = withoutAccount(g.SharedWith, account), withoutAccount(g.ShareInvitations, account)
	return nil
}

// withoutAccount is nil rather than empty, as a file that says nothing has it: so what
// was taken back leaves no trace in plans.
func withoutAccount(list []AccountID, account AccountID) []AccountID {
	list = slices.DeleteFunc(list, func(a AccountID) bool { return a == account })
	if len(list) == 0 {
		return nil
	}
	return list
}

// invited tells who has an invitation, for whoever has none.
func (g *TransitGateway) invited() string {
	if len(g.ShareInvitations) == 0 {
		return "nobody is invited: the owner has to share it first, vpcsim transit-gateway share"
	}
	return "invited, and without an answer: " + accountTexts(g.ShareInvitations)
}

// account reads a parameter that is an account, and has to be there.
func (op Operation) account(parameter string) (AccountID, error) {
	var account AccountID
	text := op.Parameters[parameter]
	if text == "" {
		return "", op.problem("MissingParameter", "The request must contain the parameter "+parameter, "write an account, twelve digits")
	}
	if err := account.parse(text); err != nil {
		bad, _ := err.(badValue)
		return "", op.problem(bad.code, bad.message, bad.hint)
	}
	return account, nil
}

func accountTexts(list []AccountID) string {
	texts := make([]string, len(list))
	for i, a := range list {
		texts[i] = a.String()
	}
	return strings.Join(texts, ", ")
}

// requestAttachment creates an attachment: of a VPC, or a peering. It waits for the
// gateway's owner if the VPC is of another account, unless the gateway accepts such by
// itself; a peering always waits (T16).
func requestAttachment(w *World, op Operation) error {
	a := &TransitGatewayAttachment{TransitGateway: op.Parameters["transitGateway"], VPC: op.Parameters["vpc"], Peer: op.Parameters["peer"]}
	if subnets := op.Parameters["subnets"]; subnets != "" {
		a.Subnets = strings.Split(subnets, ",")
	}
	for _, ref := range a.references(w, op.Name) {
		if ref.value == "" && ref.required != "" {
			return op.problem("MissingParameter", "The request must contain the parameter "+lastKey(ref.path), ref.required)
		}
		ref.set(w.resolve(ref))
	}
	g := w.TransitGateways[a.TransitGateway]
	if g == nil {
		bad := w.dangling(a.TransitGateway, []string{"transitGateways"})
		return op.problem(bad.code, bad.message, bad.hint)
	}
	if old := w.TransitGatewayAttachments[op.Name]; old != nil && old.Status.State != AttachmentDeleted && old.Status.State != AttachmentRejected {
		return op.problemf("", "give the new one another name", "there is a transit gateway attachment %s already", op.Name)
	}
	if a.isPeering() || a.VPC != "" && w.placeOf(a.VPC).account != g.Status.Account && !g.AutoAcceptSharedAttachments {
		a.State = AttachmentPendingAcceptance
	}
	if w.VPNConnections[op.Name] != nil {
		return op.problem("", fmt.Sprintf("%q is the name of a VPN connection, whose own attachment has it", op.Name), "give the new one another name")
	}
	if w.ClientVPNEndpoints[op.Name].attaches(w) {
		return op.problem("", fmt.Sprintf("%q is the name of a Client VPN endpoint, whose own attachment has it", op.Name), "give the new one another name")
	}
	w.TransitGatewayAttachments[op.Name] = a
	return nil
}
