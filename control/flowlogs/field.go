package flowlogs

import (
	"net/netip"
	"strconv"

	"github.com/vpcsim/vpcsim/dataplane"
)

// field is one of AWS's: its name, the version that brought it, and its text in a
// record; "" is written as "-".
type field struct {
	name    string
	version int
	text    func(r *record) string
}

// record is what fields read: who logged, and what, if it is not about data that
// is not there.
type record struct {
	config  *Config
	version int
	status  string // OK, NODATA or SKIPDATA
	// start and end in seconds since 1970.
	start, end int64
	// flow is nil without data.
	flow       *dataplane.FlowRecord
	at         *Interface
	gateway    *Gateway
	attachment *Attachment
}

const defaultVPCFields = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"

// vpcFields are those of interfaces, by version.
var vpcFields = []field{
	{"version", 2, func(r *record) string { return strconv.Itoa(r.version) }},
	{"account-id", 2, func(r *record) string { return r.at.Account }},
	{"interface-id", 2, func(r *record) string { return r.at.ID }},
	{"srcaddr", 2, flowText(func(r *record) string { return r.source().String() })},
	{"dstaddr", 2, flowText(func(r *record) string { return r.destination().String() })},
	{"srcport", 2, flowText(func(r *record) string { return number(r.flow.Tuple.SrcPort) })},
	{"dstport", 2, flowText(func(r *record) string { return number(r.flow.Tuple.DstPort) })},
	{"protocol", 2, flowText(protocol)},
	{"packets", 2, flowText(packets)},
	{"bytes", 2, flowText(func(r *record) string { return number(r.flow.Bytes) })},
	{"start", 2, func(r *record) string { return number(r.start) }},
	{"end", 2, func(r *record) string { return number(r.end) }},
	{"action", 2, flowText(func(r *record) string { return r.flow.Action.String() })},
	{"log-status", 2, func(r *record) string { return r.status }},

	{"vpc-id", 3, func(r *record) string { return r.at.VPC }},
	{"subnet-id", 3, func(r *record) string { return r.at.Subnet }},
	{"instance-id", 3, func(r *record) string { return r.at.Instance }},
	{"tcp-flags", 3, flowText(tcpFlags)},
	{"type", 3, flowText(ipType)},
	{"pkt-srcaddr", 3, flowText(func(r *record) string { return r.flow.Tuple.Src.Netip().String() })},
	{"pkt-dstaddr", 3, flowText(func(r *record) string { return r.flow.Tuple.Dst.Netip().String() })},

	{"region", 4, func(r *record) string { return r.at.Region }},
	{"az-id", 4, func(r *record) string { return r.at.ZoneID }},
	{"sublocation-type", 4, func(r *record) string { return r.at.SublocationType }},
	{"sublocation-id", 4, func(r *record) string { return r.at.SublocationID }},

	{"pkt-src-aws-service", 5, flowText(sourceService)},
	{"pkt-dst-aws-service", 5, flowText(destinationService)},
	{"flow-direction", 5, flowText(direction)},
	{"traffic-path", 5, flowText(trafficPath)},

	// No container runs in a lab.
	{"ecs-cluster-arn", 7, none},
	{"ecs-cluster-name", 7, none},
	{"ecs-container-instance-arn", 7, none},
	{"ecs-container-instance-id", 7, none},
	{"ecs-container-id", 7, none},
	{"ecs-second-container-id", 7, none},
	{"ecs-service-name", 7, none},
	{"ecs-task-definition-arn", 7, none},
	{"ecs-task-arn", 7, none},
	{"ecs-task-id", 7, none},

	// Block Public Access and encryption controls are not emulated: groups and
	// network ACLs reject without a reason.
	{"reject-reason", 8, none},
	{"resource-id", 9, none},
	{"encryption-status", 10, none},

	{"instance-tag", 11, none},
	{"instance-tag-2", 11, none},
	{"interface-tag", 11, none},
	{"interface-tag-2", 11, none},
	{"asg-tag", 11, none},
	{"asg-tag-2", 11, none},
	{"interface-type", 11, func(r *record) string { return r.at.Type }},
	{"next-hop-interface-id", 11, nextHop(func(n *Interface) string { return n.ID })},
	{"next-hop-subnet-id", 11, nextHop(func(n *Interface) string { return n.Subnet })},
	{"next-hop-az-id", 11, nextHop(func(n *Interface) string { return n.ZoneID })},
	{"next-hop-vpc-id", 11, nextHop(func(n *Interface) string { return n.VPC })},
	{"next-hop-interface-type", 11, nextHop(func(n *Interface) string { return n.Type })},
}

// fieldNamed is the field of that name, nil if such logs have none.
func fieldNamed(name string, transitGateway bool) *field {
	list := vpcFields
	if transitGateway {
		list = transitFields
	}
	for i := range list {
		if list[i].name == name {
			return &list[i]
		}
	}
	return nil
}

// flowText is a text that only a record with data has.
func flowText(text func(*record) string) func(*record) string {
	return func(r *record) string {
		if r.flow == nil {
			return ""
		}
		return text(r)
	}
}

func nextHop(text func(*Interface) string) func(*record) string {
	return flowText(func(r *record) string {
		if next := r.config.Interfaces[r.flow.NextHop]; next != nil {
			return text(next)
		}
		return ""
	})
}

func none(*record) string { return "" }

func number[T int64 | uint64 | uint16 | uint8](n T) string {
	if n < 0 {
		return strconv.FormatInt(int64(n), 10)
	}
	return strconv.FormatUint(uint64(n), 10)
}

// source is the packets' source as records show it: what an interface sends bears
// its own primary address there. What it receives may come from anybody.
func (r *record) source() netip.Addr {
	src := r.flow.Tuple.Src.Netip()
	if r.flow.Egress && r.at != nil {
		return r.at.own(src)
	}
	return src
}

func (r *record) destination() netip.Addr {
	dst := r.flow.Tuple.Dst.Netip()
	if !r.flow.Egress && r.at != nil {
		return r.at.own(dst)
	}
	return dst
}

func protocol(r *record) string { return number(r.flow.Tuple.Proto) }

func packets(r *record) string { return number(r.flow.Packets) }

func tcpFlags(r *record) string { return number(r.flow.TCPFlags) }

func ipType(r *record) string {
	if r.flow.Tuple.Src.Is4() {
		return "IPv4"
	}
	return "IPv6"
}

func sourceService(r *record) string { return r.config.service(r.flow.Tuple.Src.Netip()) }

func destinationService(r *record) string { return r.config.service(r.flow.Tuple.Dst.Netip()) }

func direction(r *record) string {
	if r.flow.Egress {
		return "egress"
	}
	return "ingress"
}

func trafficPath(r *record) string {
	if !r.flow.Egress || r.flow.TrafficPath == 0 {
		return ""
	}
	return number(r.flow.TrafficPath)
}
