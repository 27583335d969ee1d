package lab

import (
	"net/netip"
	"strconv"
	"time"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/awsapi"
)

// What the lab tells AWS's clients. It is what vpcsim get tells, by the same reports:
// two views of one thing must not disagree.

// place is where AWS's clients are told that the lab is.
func (l *lab) place() awsapi.Place {
	w, _ := l.store.World()
	return awsapi.Place{Account: w.Account.String(), Region: w.Region}
}

// describedFlowLogs are the world's, as EC2 describes them. The world is a copy, so
// that the report may write into it.
func (l *lab) describedFlowLogs() []awsapi.FlowLog {
	w, _ := l.store.World()
	l.flowLogs.report(w)
	k, _ := control.KindNamed("flowLogs")
	var list []awsapi.FlowLog
	for _, name := range k.Names(w) {
		s := &w.FlowLogs[name].Status
		described := awsapi.FlowLog{
			ID: s.ID, Name: name, ResourceID: s.ResourceID, State: s.State, TrafficType: s.TrafficType.String(), Format: s.LogFormat,
			Interval: int(s.MaxAggregationInterval), Created: l.started,
			DestinationType: s.LogDestinationType.String(), Destination: s.LogDestination, Group: s.LogGroup,
			DeliverStatus: s.DeliverLogsStatus, DeliverError: s.DeliverLogsErrorMessage,
		}
		if o := s.DestinationOptions; o != nil {
			described.Options = &awsapi.DestinationOptions{FileFormat: o.FileFormat.String(), Hive: o.HiveCompatiblePartitions, PerHour: o.PerHourPartition}
		}
		list = append(list, described)
	}
	return list
}

// describedConnections are the connections of an endpoint, found by its ID; false if
// the world in force has no such endpoint. Connections are looked up by the ID, too:
// a name may have been another endpoint's within the last hour.
func (l *lab) describedConnections(endpointID string) ([]awsapi.ClientVPNConnection, bool) {
	w, _ := l.store.World()
	exists := false
	for _, e := range w.ClientVPNEndpoints {
		exists = exists || e.Status.ID == endpointID
	}
	if !exists {
		return nil, false
	}
	now := time.Now()
	var list []awsapi.ClientVPNConnection
	for _, c := range l.vpn.clientConnections() {
		if c.EndpointID == endpointID {
			list = append(list, c.Described(now))
		}
	}
	return list, true
}

// Described is the connection as DescribeClientVpnConnections answers it at a time.
// The client's name is its user name and its certificate's common name in one: AWS
// fills in the one or the other, by how clients authenticate themselves, and a lab
// does not have that difference.
func (c *ClientVPNConnection) Described(now time.Time) awsapi.ClientVPNConnection {
	text := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format(time.DateTime)
	}
	number := func(n uint64) string { return strconv.FormatUint(n, 10) }
	return awsapi.ClientVPNConnection{
		EndpointID: c.EndpointID, Timestamp: text(now), ConnectionID: c.ConnectionID, Username: c.Client, CommonName: c.Client,
		Established: text(c.Established), Ended: text(c.Ended),
		IngressBytes: number(c.IngressBytes), EgressBytes: number(c.EgressBytes),
		IngressPackets: number(c.IngressPackets), EgressPackets: number(c.EgressPackets),
		ClientIP: addressText(c.Address), ClientIPv6: addressText(c.IPv6), Status: awsapi.Status{Code: c.Status, Message: c.Message}, Posture: []string{},
	}
}

// addressText leaves out an address that nobody has.
func addressText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
