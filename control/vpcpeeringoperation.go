package control

import (
	"cmp"
	"fmt"
)

// peeringOperations are the verbs of a peering's life (P1, P2). The parameters
// region and account are the Region and the account that the request is made in
// and as: those of the side that it is for, unless given.
var peeringOperations = map[string]operation{
	"request":        {do: requestPeering, parameters: []string{"vpc", "peerVpc", "account"}, creates: true},
	"accept":         {do: acceptPeering, parameters: []string{"region", "account"}},
	"reject":         {do: rejectPeering, parameters: []string{"region", "account"}},
	"delete":         {do: deletePeering, parameters: []string{"account"}},
	"expire":         {do: expirePeering},
	"dns-resolution": {do: allowDNSResolution, parameters: []string{"requester", "accepter"}},
}

// requestPeering creates a peering that waits for its acceptance, or, between
// VPCs whose blocks overlap, one that has failed (P4, QP1). For a pair of VPCs that
// has one it does nothing, as AWS gives that one back (QP2).
func requestPeering(w *World, op Operation) error {
	p := &VPCPeering{VPC: op.Parameters["vpc"], PeerVPC: op.Parameters["peerVpc"], State: PeeringPending}
	for _, ref := range p.references(w, op.Name) {
		if ref.value == "" {
			return op.problem("MissingParameter", "The request must contain the parameter "+lastKey(ref.path), ref.required)
		}
		ref.set(w.resolve(ref))
	}
	for _, vpc := range []string{p.VPC, p.PeerVPC} {
		if w.VPCs[vpc] == nil {
			bad := w.dangling(vpc, []string{"vpcs"})
			return op.problem(bad.code, bad.message, bad.hint)
		}
	}
	owner := w.placeOf(p.VPC).account
	if as := op.Parameters["account"]; as != "" && as != string(owner) {
		return op.problemf("InvalidVpcID.NotFound", fmt.Sprintf("it belongs to account %s", owner), "The vpc ID '%s' does not exist", p.VPC)
	}
	if p.VPC != p.PeerVPC && w.livePeering(p.VPC, p.PeerVPC) != "" {
		return nil
	}
	if old := w.VPCPeerings[op.Name]; old != nil && (old.state().live() || !old.joins(p.VPC, p.PeerVPC)) {
		return op.problemf("", "give the new one another name", "there is a VPC peering connection %s already, between %s and %s", op.Name, old.VPC, old.PeerVPC)
	}
	if _, _, overlap := w.overlap(p.VPC, p.PeerVPC); overlap && p.VPC != p.PeerVPC {
		p.State = PeeringFailed
	}
	w.VPCPeerings[op.Name] = p
	return nil
}

func acceptPeering(w *World, op Operation) error {
	return answerPeering(w, op, PeeringActive)
}

func rejectPeering(w *World, op Operation) error {
	return answerPeering(w, op, PeeringRejected)
}

// answerPeering is the accepter's yes or no: in its own Region, by its own account
// (P6, QP4, QP5), and while the request waits (QP3).
func answerPeering(w *World, op Operation, answer PeeringState) error {
	p, accepter := w.VPCPeerings[op.Name], w.placeOf(w.VPCPeerings[op.Name].PeerVPC)
	if region := cmp.Or(op.Parameters["region"], accepter.region); region != accepter.region {
		return op.problemf("OperationNotPermitted", "", "Incorrect region (%s) specified for this request. VPC peering connection %s must be %sed in region %s",
			region, op.Name, op.Action, accepter.region)
	}
	if account := cmp.Or(op.Parameters["account"], string(accepter.account)); account != string(accepter.account) {
		return op.problemf("OperationNotPermitted", fmt.Sprintf("VPC %s was asked, and belongs to account %s", p.PeerVPC, accepter.account),
			"User (%s) cannot %s peering %s", account, op.Action, op.Name)
	}
	if p.state() != PeeringPending {
		return op.wrongState(p)
	}
	p.State = answer
	return nil
}

// deletePeering ends a peering: a pending one by the requester only, an active one
// by either side (P2). It stays visible, as deleted (P3), and what it allowed is
// not remembered.
func deletePeering(w *World, op Operation) error {
	p := w.VPCPeerings[op.Name]
	requester, accepter := w.placeOf(p.VPC).account, w.placeOf(p.PeerVPC).account
	account := AccountID(cmp.Or(op.Parameters["account"], string(requester)))
	if account != requester && (account != accepter || p.state() == PeeringPending) {
		return op.problemf("OperationNotPermitted", "a request that waits is deleted by the requester, an active peering by either side",
			"User (%s) cannot delete peering %s", account, op.Name)
	}
	if !p.state().live() {
		return op.wrongState(p)
	}
	p.State, p.RequesterOptions, p.AccepterOptions = PeeringDeleted, PeeringOptions{}, PeeringOptions{}
	return nil
}

// expirePeering is the seven days after which nobody has answered (P1), at once.
func expirePeering(w *World, op Operation) error {
	p := w.VPCPeerings[op.Name]
	if p.state() != PeeringPending {
		return op.wrongState(p)
	}
	p.State = PeeringExpired
	return nil
}

// allowDNSResolution changes the option of one side or both (P11). What a VPC must
// have for it Validate knows (QP7).
func allowDNSResolution(w *World, op Operation) error {
	p := w.VPCPeerings[op.Name]
	if p.state() != PeeringActive {
		return op.problemf("OperationNotPermitted", fmt.Sprintf("it is %s", p.state()),
			"The options of VPC peering connection %s cannot be changed unless it is active.", op.Name)
	}
	any := false
	for side, options := range map[string]*PeeringOptions{"requester": &p.RequesterOptions, "accepter": &p.AccepterOptions} {
		value, given, err := op.boolean(side)
		if err != nil {
			return err
		}
		if given {
			options.AllowDNSResolution, any = value, true
		}
	}
	if !any {
		return op.problem("MissingParameter", "The request must contain the parameter requester or accepter", "say for which side, true or false")
	}
	return nil
}

// wrongState refuses an action that the peering's state does not allow (QP3).
func (op Operation) wrongState(p *VPCPeering) error {
	return op.problemf("InvalidStateTransition", fmt.Sprintf("it is %s", p.state()),
		"VpcPeeringConnectionID %s is not in the correct state for the request.", op.Name)
}
