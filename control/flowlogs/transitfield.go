package flowlogs

import (
	"strconv"

	"github.com/vpcsim/vpcsim/dataplane"
)

// transitFields are those of transit gateways, in the order of the default format.
// There is no action: a gateway accepts everything, and counts what it lost.
var transitFields = []field{
	{"version", 2, func(r *record) string { return strconv.Itoa(r.version) }},
	{"resource-type", 6, func(*record) string { return "TransitGateway" }},
	{"account-id", 2, func(r *record) string { return r.gateway.Account }},
	{"tgw-id", 6, func(r *record) string { return r.gateway.ID }},
	{"tgw-attachment-id", 6, func(r *record) string { return r.attachment.ID }},
	{"tgw-src-vpc-account-id", 6, sourceSide(func(a *Attachment) string { return a.VPCAccount })},
	{"tgw-dst-vpc-account-id", 6, destinationSide(func(a *Attachment) string { return a.VPCAccount })},
	{"tgw-src-vpc-id", 6, sourceSide(func(a *Attachment) string { return a.VPC })},
	{"tgw-dst-vpc-id", 6, destinationSide(func(a *Attachment) string { return a.VPC })},
	{"tgw-src-subnet-id", 6, sourceInterface(func(n *Interface) string { return n.Subnet })},
	{"tgw-dst-subnet-id", 6, destinationInterface(func(n *Interface) string { return n.Subnet })},
	{"tgw-src-eni", 6, sourceInterface(func(n *Interface) string { return n.ID })},
	{"tgw-dst-eni", 6, destinationInterface(func(n *Interface) string { return n.ID })},
	{"tgw-src-az-id", 6, sourceInterface(func(n *Interface) string { return n.ZoneID })},
	{"tgw-dst-az-id", 6, destinationInterface(func(n *Interface) string { return n.ZoneID })},
	{"tgw-pair-attachment-id", 6, flowText(func(r *record) string {
		return attachmentText(r.config.Attachments[r.flow.PairAttachment], attachmentID)
	})},
	{"srcaddr", 2, flowText(func(r *record) string { return r.source().String() })},
	{"dstaddr", 2, flowText(func(r *record) string { return r.destination().String() })},
	{"srcport", 2, flowText(func(r *record) string { return number(r.flow.Tuple.SrcPort) })},
	{"dstport", 2, flowText(func(r *record) string { return number(r.flow.Tuple.DstPort) })},
	{"protocol", 2, flowText(protocol)},
	{"packets", 2, flowText(packets)},
	{"bytes", 2, flowText(func(r *record) string { return number(r.flow.Bytes) })},
	{"start", 2, func(r *record) string { return number(r.start) }},
	{"end", 2, func(r *record) string { return number(r.end) }},
	{"log-status", 2, func(r *record) string { return r.status }},
	{"type", 3, flowText(ipType)},
	{"packets-lost-no-route", 6, lost(dataplane.FlowLostNoRoute)},
	{"packets-lost-blackhole", 6, lost(dataplane.FlowLostBlackhole)},
	{"packets-lost-mtu-exceeded", 6, lost(dataplane.FlowLostMTU)},
	{"packets-lost-ttl-expired", 6, lost(dataplane.FlowLostTTL)},
	{"tcp-flags", 3, flowText(tcpFlags)},
	{"region", 4, func(r *record) string { return r.gateway.Region }},
	{"flow-direction", 5, flowText(direction)},
	{"pkt-src-aws-service", 5, flowText(sourceService)},
	{"pkt-dst-aws-service", 5, flowText(destinationService)},
}

func lost(why dataplane.FlowLoss) func(*record) string {
	return flowText(func(r *record) string { return number(r.flow.Lost[why]) })
}

func attachmentID(a *Attachment) string { return a.ID }

func attachmentText(a *Attachment, text func(*Attachment) string) string {
	if a == nil {
		return ""
	}
	return text(a)
}

// sourceSide reads the attachment that the packets came by: the record's own on
// the way in, its pair on the way out.
func sourceSide(text func(*Attachment) string) func(*record) string {
	return flowText(func(r *record) string { return attachmentText(r.side(!r.flow.Egress), text) })
}

func destinationSide(text func(*Attachment) string) func(*record) string {
	return flowText(func(r *record) string { return attachmentText(r.side(r.flow.Egress), text) })
}

func (r *record) side(own bool) *Attachment {
	if own {
		return r.attachment
	}
	return r.config.Attachments[r.flow.PairAttachment]
}

// sourceInterface and destinationInterface read the gateway's own interfaces in
// the VPCs on both sides.
func sourceInterface(text func(*Interface) string) func(*record) string {
	return interfaceText(text, func(r *record) dataplane.Handle { return r.flow.Source })
}

func destinationInterface(text func(*Interface) string) func(*record) string {
	return interfaceText(text, func(r *record) dataplane.Handle { return r.flow.Destination })
}

func interfaceText(text func(*Interface) string, which func(*record) dataplane.Handle) func(*record) string {
	return flowText(func(r *record) string {
		if n := r.config.Interfaces[which(r)]; n != nil {
			return text(n)
		}
		return ""
	})
}
