package dataplane

import (
	"net/netip"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// InternetGateway is an attached Internet gateway as control hands it over.
// Detached ones are not part of a snapshot.
type InternetGateway struct {
	Object
	VPC Handle
	// PublicAddresses are the one-to-one mappings of the VPC's interfaces:
	// Elastic IPs and auto-assigned public addresses.
	PublicAddresses []PublicAddress
	// EdgeRouteTable is the gateway route table that what comes in is routed
	// by, 0 without (R10).
	EdgeRouteTable Handle
}

// PublicAddress maps a public IPv4 address to a private one of Interface.
type PublicAddress struct {
	Public, Private netip.Addr
	Interface       Handle
}

// internetMTU is the largest IP packet an Internet gateway forwards (R31).
const internetMTU = 1500

// internetGateway is stateless: two maps, one per direction (R25).
type internetGateway struct {
	edge    int // index of the edge route table, -1 without
	handle  Handle
	vpc     uint32
	public  addressTable[packet.Addr] // private → public
	private addressTable[packet.Addr] // public → private
}

// internetGateway takes a packet out of the VPC: IPv4 sources become their
// public address, IPv6 is forwarded as it is (R25, R26, R30).
func (w *Walk) internetGateway(index uint32) Hop {
	igw := &w.snap.internetGateways[index]
	if !w.fits(internetMTU, StageInternetGatewayOut, igw.handle) {
		return Hop{}
	}
	if !w.tuple.Src.Is4() {
		if !containsAny(w.snap.vpcs[igw.vpc].prefixes6, w.tuple.Src) || isPrivate(w.tuple.Src) {
			return w.drop(StageInternetGatewayOut, ReasonNoPublicAddress, igw.handle, 0)
		}
		w.pass(StageInternetGatewayOut, ReasonNotTranslated, igw.handle, 0)
		w.through(igw.handle, egress)
		return Hop{Kind: hopInternet}
	}
	public, ok := igw.public.get(w.tuple.Src)
	if !ok {
		return w.drop(StageInternetGatewayOut, ReasonNoPublicAddress, igw.handle, 0)
	}
	w.tuple.Src = public
	// An ICMP error quotes the packet as its sender had seen it: with the
	// private address as destination. Outside, that is the public one.
	if w.pkt.QuotedOK {
		if quoted, ok := igw.public.get(w.quoted.Dst); ok {
			w.quoted.Dst = quoted
		}
	}
	w.translated(StageInternetGatewayOut, ReasonTranslated, igw.handle)
	w.through(igw.handle, egress)
	return Hop{Kind: hopInternet}
}

// internetGatewayIn takes a packet from the Internet into the VPC: the Elastic
// IP becomes the private address first, then the VPC delivers (R25, R27).
func (w *Walk) internetGatewayIn(index uint32) Hop {
	igw := &w.snap.internetGateways[index]
	w.routed = true
	if !w.fits(internetMTU, StageInternetGatewayIn, igw.handle) {
		return Hop{}
	}
	if !w.tuple.Dst.Is4() {
		w.pass(StageInternetGatewayIn, ReasonNotTranslated, igw.handle, 0)
		w.through(igw.handle, ingress)
		return w.edgeRoute(igw.edge, igw.vpc)
	}
	private, ok := igw.private.get(w.tuple.Dst)
	if !ok {
		return w.drop(StageInternetGatewayIn, ReasonNoPublicAddress, igw.handle, 0)
	}
	w.tuple.Dst = private
	if w.pkt.QuotedOK {
		if quoted, ok := igw.private.get(w.quoted.Src); ok {
			w.quoted.Src = quoted
		}
	}
	w.translated(StageInternetGatewayIn, ReasonTranslated, igw.handle)
	w.through(igw.handle, ingress)
	return w.edgeRoute(igw.edge, igw.vpc)
}

// edgeRoute routes what came into a VPC by its gateway's own table, after the
// translation; without one, edge -1, the VPC delivers (R10).
func (w *Walk) edgeRoute(edge int, vpc uint32) Hop {
	if edge < 0 {
		return Hop{hopVPC, vpc}
	}
	rt := &w.snap.routeTables[edge]
	entry, ok := rt.lookup(w.tuple.Dst)
	return w.take(rt, entry, ok)
}

func containsAny(prefixes []packet.Prefix, a packet.Addr) bool {
	for i := range prefixes {
		if prefixes[i].Contains(a) {
			return true
		}
	}
	return false
}
