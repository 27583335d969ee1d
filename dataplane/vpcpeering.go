package dataplane

// VPCPeering is an active VPC peering connection as control hands it over. One
// in any other state is no part of a snapshot: routes to it are blackholes (P7).
type VPCPeering struct {
	Object
	// Requester and Accepter are the two VPCs. Their Regions say whether the
	// connection crosses from one Region to another.
	Requester, Accepter Handle
}
