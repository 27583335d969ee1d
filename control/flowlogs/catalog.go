package flowlogs

import (
	"net/netip"
	"slices"
	"time"

	"github.com/vpcsim/vpcsim/dataplane"
)

// Config is the flow logs in force, and what is to be known of what they are
// about. It is not changed after it was handed over.
type Config struct {
	Logs        []Log
	Interfaces  map[dataplane.Handle]*Interface
	Attachments map[dataplane.Handle]*Attachment
	Gateways    map[dataplane.Handle]*Gateway
	// Services are the address blocks of AWS's services. The first that contains
	// an address names it.
	Services []ServiceRange
}

// Log is one flow log.
type Log struct {
	Name, ID string
	// Handle tells it from an earlier one of the same ID.
	Handle dataplane.Handle
	Format Format
	// Interval of aggregation, at least a second; windows begin when the log
	// does.
	Interval time.Duration
	// Group that its streams are in, by CloudWatch's word; "" if the destination is
	// another.
	Group string
	// Destination of the records; its Format is the log's. Nil stands for
	// CloudWatch Logs.
	Destination *Destination
	// Interfaces that it covers, in the order of their IDs; of one that begins
	// later, a later Config tells.
	Interfaces     []dataplane.Handle
	Accept, Reject bool
	// Gateway makes it a log of a transit gateway, or of one of its attachments:
	// all of these it covers.
	Gateway     dataplane.Handle
	Attachments []dataplane.Handle
}

// places are what the log has a stream for.
func (l *Log) places() []dataplane.Handle {
	if l.Gateway != 0 {
		return l.Attachments
	}
	return l.Interfaces
}

func (l *Log) addPlace(h dataplane.Handle) {
	if l.Gateway != 0 {
		l.Attachments = append(slices.Clone(l.Attachments), h)
	} else {
		l.Interfaces = append(slices.Clone(l.Interfaces), h)
	}
}

// wants reports whether a record of a place of the log's belongs in it.
func (l *Log) wants(r *dataplane.FlowRecord) bool {
	switch {
	case l.Gateway != 0:
		return r.TransitGateway == l.Gateway
	case r.TransitGateway != 0:
		return false
	case r.Action == dataplane.FlowAccept:
		return l.Accept
	}
	return l.Reject
}

// Interface is an elastic network interface, with IDs as AWS spells them. What is
// "" does not apply.
type Interface struct {
	ID, Account, VPC, Subnet, Instance string
	Region, ZoneID                     string
	SublocationType, SublocationID     string
	// Type is AWS's word for one that a service has: nat_gateway,
	// transit_gateway …
	Type string
	// Addresses are its private ones, the primary of each family first.
	Addresses []netip.Addr
}

// own is the address by which records know the interface itself: the primary one
// of the packet's family, whatever the packet has. Of IPv6 addresses, which have
// no primary, it is the packet's if it is one of them.
func (n *Interface) own(packet netip.Addr) netip.Addr {
	found := packet
	for i := len(n.Addresses) - 1; i >= 0; i-- {
		switch a := n.Addresses[i]; {
		case a.Is4() != packet.Is4():
		case a == packet && a.Is6():
			return a
		default:
			found = a
		}
	}
	return found
}

// Attachment of a transit gateway.
type Attachment struct {
	ID, VPC, VPCAccount string
}

// Gateway is a transit gateway.
type Gateway struct {
	ID, Account, Region string
}

// ServiceRange is an address block of an AWS service, in AWS's word for it: S3,
// DYNAMODB, EC2 …
type ServiceRange struct {
	Prefix  netip.Prefix
	Service string
}

func (c *Config) service(a netip.Addr) string {
	for _, r := range c.Services {
		if r.Prefix.Contains(a) {
			return r.Service
		}
	}
	return ""
}
