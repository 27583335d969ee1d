package control

import (
	"cmp"
	"fmt"
)

// attachmentOperations are the verbs of an attachment's life. The parameter account
// is the one that asks: that of the side that it is for, unless given.
var attachmentOperations = map[string]operation{
	"request": {do: requestAttachment, parameters: []string{"transitGateway", "vpc", "subnets", "peer"}, creates: true},
	"accept":  {do: acceptAttachment, parameters: []string{"account"}},
	"reject":  {do: rejectAttachment, parameters: []string{"account"}},
	"delete":  {do: deleteAttachment, parameters: []string{"account"}},
}

func acceptAttachment(w *World, op Operation) error {
	return answerAttachment(w, op, AttachmentAvailable)
}

func rejectAttachment(w *World, op Operation) error {
	return answerAttachment(w, op, AttachmentRejected)
}

// answerAttachment is the yes or no of the one who was asked, while the request
// waits: the owner of the gateway about a VPC, that of the other gateway about a
// peering (T16).
func answerAttachment(w *World, op Operation, answer AttachmentState) error {
	a := w.TransitGatewayAttachments[op.Name]
	accepter := w.TransitGateways[cmp.Or(a.Peer, a.TransitGateway)].Status.Account
	if account := AccountID(op.Parameters["account"]); account != "" && account != accepter {
		return op.foreignAttachment(fmt.Sprintf("account %s was asked", accepter))
	}
	if a.Status.State != AttachmentPendingAcceptance {
		return op.wrongAttachmentState(a)
	}
	a.State = answer
	return nil
}

// deleteAttachment ends an attachment, by the owner of either side. It stays in the
// lab as deleted, and what routes to it becomes a blackhole (R20).
func deleteAttachment(w *World, op Operation) error {
	a := w.TransitGatewayAttachments[op.Name]
	if a.isVPN() { // AWS's words are not known
		return op.problemf("UnsupportedOperation", "it goes with VPN connection "+op.Name, "Transit Gateway Attachment %s is not a VPC attachment.", op.Name)
	}
	if a.isClientVPN() { // AWS's words are not known
		return op.problemf("UnsupportedOperation", "it goes with Client VPN endpoint "+op.Name, "Transit Gateway Attachment %s is not a VPC attachment.", op.Name)
	}
	if over := w.connectOver(op.Name); over != "" && a.exists() { // AWS's words are not known
		return op.problemf("IncorrectState", "delete "+over+" first", "%s has non-deleted Connect Attachments: %s.", op.Name, over)
	}
	other := w.TransitGateways[a.TransitGateway].Status.Account
	if a.VPC != "" {
		other = w.placeOf(a.VPC).account
	}
	if a.isPeering() {
		other = w.TransitGateways[a.Peer].Status.Account
	}
	own := w.TransitGateways[a.TransitGateway].Status.Account
	if account := AccountID(op.Parameters["account"]); account != "" && account != own && account != other {
		return op.foreignAttachment(fmt.Sprintf("its sides are of the accounts %s and %s", own, other))
	}
	if a.Status.State != AttachmentAvailable && a.Status.State != AttachmentPendingAcceptance {
		return op.wrongAttachmentState(a)
	}
	a.State = AttachmentDeleted
	return nil
}

// connectOver is a Connect attachment that an attachment carries, "" if there is none.
func (w *World) connectOver(transport string) string {
	for _, name := range sorted(w.TransitGatewayAttachments) {
		if a := w.TransitGatewayAttachments[name]; a.Transport == transport && a.exists() {
			return name
		}
	}
	return ""
}

// foreignAttachment refuses an account to which the attachment does not exist.
func (op Operation) foreignAttachment(hint string) error {
	return op.problemf("InvalidTransitGatewayAttachmentID.NotFound", hint, "Transit Gateway Attachment %s was deleted or does not exist.", op.Name)
}

// wrongAttachmentState refuses what the state does not allow. AWS's words are not
// known for sure.
func (op Operation) wrongAttachmentState(a *TransitGatewayAttachment) error {
	return op.problemf("IncorrectState", fmt.Sprintf("it is %s", a.Status.State), "%s is in invalid state", op.Name)
}
