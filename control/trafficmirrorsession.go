package control

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/vpcsim/vpcsim/dataplane"
)

// TrafficMirrorSession copies what a filter accepts of a network interface's packets
// to a target, in VXLAN.
type TrafficMirrorSession struct {
	// Network interface whose packets are copied: an instance, which means its
	// first, or one such as web/eth1.
	NetworkInterface string `json:"networkInterface"`
	// Traffic mirror target that gets the copies.
	Target string `json:"target"`
	// Traffic mirror filter that says which packets are copied.
	Filter string `json:"filter"`
	// Number of the session, 1 to 32766: of those of a source, the lowest whose
	// filter accepts a packet copies it, and no other.
	SessionNumber int `json:"sessionNumber"`
	// How many bytes of a packet are copied, 1 to 8500, counted from its Ethernet
	// header on; all of them unless written.
	PacketLength int `json:"packetLength,omitempty"`
	// VXLAN network identifier of the copies, 0 to 16777215; one of AWS's choice
	// unless written.
	VirtualNetworkID *int `json:"virtualNetworkId,omitempty"`

	Status TrafficMirrorSessionStatus `json:"status" yaml:"-"`
}

// TrafficMirrorSessionStatus is what AWS makes of a session.
type TrafficMirrorSessionStatus struct {
	Identity
	NetworkInterface   string `json:"networkInterface"` // by name
	NetworkInterfaceID string `json:"networkInterfaceId"`
	VirtualNetworkID   int    `json:"virtualNetworkId"` // in force
}

const (
	// mirrorSessionsPerSource cannot be raised (M6).
	mirrorSessionsPerSource = 3
	mostMirrorLength        = 8500
	virtualNetworks         = 1 << 24
)

func (s *TrafficMirrorSession) identity() *Identity { return &s.Status.Identity }

func (s *TrafficMirrorSession) references(_ *World, name string) []reference {
	path := field("trafficMirrorSessions", name)
	return []reference{
		mirrorInterface(path, &s.NetworkInterface, "write the network interface whose packets are copied"),
		{path: field(path, "target"), value: s.Target, set: func(t string) { s.Target = t }, kinds: []string{"trafficMirrorTargets"}, required: "write the traffic mirror target"},
		{path: field(path, "filter"), value: s.Filter, set: func(t string) { s.Filter = t }, kinds: []string{"trafficMirrorFilters"}, required: "write the traffic mirror filter"},
	}
}

// computeTrafficMirrors settles targets, filters and sessions.
func (w *World) computeTrafficMirrors() {
	for _, t := range w.TrafficMirrorTargets {
		t.computeStatus(w)
	}
	for _, f := range w.TrafficMirrorFilters {
		f.computeStatus()
	}
	taken := map[int]bool{}
	for _, name := range sorted(w.TrafficMirrorSessions) {
		s := w.TrafficMirrorSessions[name]
		if s.VirtualNetworkID != nil {
			taken[*s.VirtualNetworkID] = true
		}
		if t := w.TrafficMirrorTargets[s.Target]; t != nil {
			t.Status.Sessions = append(t.Status.Sessions, name)
		}
		if f := w.TrafficMirrorFilters[s.Filter]; f != nil {
			f.Status.Sessions = append(f.Status.Sessions, name)
		}
	}
	for _, name := range sorted(w.TrafficMirrorSessions) {
		w.TrafficMirrorSessions[name].computeStatus(w, taken)
	}
}

// computeStatus chooses a network identifier that no other session has: the same in
// every run, so that what reads the copies need not be told anew.
func (s *TrafficMirrorSession) computeStatus(w *World, taken map[int]bool) {
	st := &s.Status
	st.NetworkInterface, st.NetworkInterfaceID = "", ""
	if name, eni := w.mirrorInterface(s.NetworkInterface); eni != nil {
		st.NetworkInterface, st.NetworkInterfaceID = name, eni.Status.ID
	}
	if s.VirtualNetworkID != nil {
		st.VirtualNetworkID = *s.VirtualNetworkID
		return
	}
	_, digits, _ := strings.Cut(st.ID, "-")
	seed := make([]byte, 8)
	_, _ = hex.Decode(seed, []byte(digits)[:min(len(digits), 16)])
	id := int(binary.BigEndian.Uint64(seed) % virtualNetworks)
	for taken[id] {
		id = (id + 1) % virtualNetworks
	}
	taken[id], st.VirtualNetworkID = true, id
}

func (s *TrafficMirrorSession) validate(v *validation, name string) {
	path := field("trafficMirrorSessions", name)
	v.mirrorIPv4(field(path, "networkInterface"), s.NetworkInterface)
	switch {
	case s.SessionNumber == 0 && !v.w.Source.has(field(path, "sessionNumber")):
		v.missing(field(path, "sessionNumber"), fmt.Sprintf("number the session, 1 to %d", lastRule))
	case s.SessionNumber < 1 || s.SessionNumber > lastRule:
		v.reportf(field(path, "sessionNumber"), "InvalidParameterValue", fmt.Sprintf("write 1 to %d", lastRule),
			"Value (%d) for parameter sessionNumber is invalid.", s.SessionNumber)
	}
	if n := s.PacketLength; n < 0 || n > mostMirrorLength {
		v.reportf(field(path, "packetLength"), "InvalidParameterValue", fmt.Sprintf("write 1 to %d, or leave it out for whole packets", mostMirrorLength),
			"Value (%d) for parameter packetLength is invalid.", n)
	}
	if id := s.VirtualNetworkID; id != nil && (*id < 0 || *id >= virtualNetworks) {
		v.reportf(field(path, "virtualNetworkId"), "InvalidParameterValue", fmt.Sprintf("write 0 to %d", virtualNetworks-1),
			"Value (%d) for parameter virtualNetworkId is invalid.", *id)
	}
	s.validateEnds(v, path)
	s.validateOthers(v, path, name)
}

// validateEnds checks source and target against each other.
func (s *TrafficMirrorSession) validateEnds(v *validation, path string) {
	source := s.Status.NetworkInterface
	for _, name := range sorted(v.w.TrafficMirrorTargets) {
		if source != "" && v.w.TrafficMirrorTargets[name].Status.NetworkInterface == source { // M2
			v.reportf(field(path, "networkInterface"), "InvalidParameterValue", "write another network interface here or for the target",
				"Network interface %s is in use by traffic mirror target %s and cannot be a source", source, name)
		}
	}
	t := v.w.TrafficMirrorTargets[s.Target]
	if t == nil {
		return
	}
	from, to := v.w.NetworkInterfaces[source], v.w.NetworkInterfaces[t.Status.NetworkInterface]
	if from != nil && to != nil && v.w.placeOf(from.VPC).region != v.w.placeOf(to.VPC).region { // M3
		v.reportf(field(path, "target"), "InvalidTrafficMirrorTargetId.NotFound", "write a target in the source's Region",
			"The traffic mirror target '%s' does not exist in %s", s.Target, v.w.placeOf(from.VPC).region)
	}
}

// validateOthers counts the sessions of the source, and finds one of the same number.
func (s *TrafficMirrorSession) validateOthers(v *validation, path, name string) {
	before, source := 0, s.Status.NetworkInterface
	if source == "" {
		return
	}
	for _, other := range sorted(v.w.TrafficMirrorSessions) {
		if other == name {
			break
		}
		o := v.w.TrafficMirrorSessions[other]
		if o.Status.NetworkInterface != source {
			continue
		}
		before++
		if o.SessionNumber == s.SessionNumber {
			v.reportf(field(path, "sessionNumber"), "TrafficMirrorSessionAlreadyExists", "give each session of a source its own number",
				"%s has a traffic mirror session with number %d: %s", source, s.SessionNumber, other)
		}
	}
	if before == mirrorSessionsPerSource {
		v.reportKey(path, "TrafficMirrorSessionsPerInterfaceLimitExceeded", "The maximum number of traffic mirror sessions per network interface has been reached.",
			fmt.Sprintf("%s has %d already, the quota; AWS does not raise it", source, mirrorSessionsPerSource))
	}
}

func (s *TrafficMirrorSession) compile(c *compilation, name string) {
	_, source := c.w.mirrorInterface(s.NetworkInterface)
	_, target := c.w.mirrorInterface(c.w.TrafficMirrorTargets[s.Target].NetworkInterface)
	f := c.w.TrafficMirrorFilters[s.Filter]
	c.b.TrafficMirrorSessions = append(c.b.TrafficMirrorSessions, dataplane.TrafficMirrorSession{
		Object: object(dataplane.KindTrafficMirrorSession, name, s.Status.Identity),
		Source: dataplane.Handle(source.Status.Handle), Target: dataplane.Handle(target.Status.Handle),
		Number: s.SessionNumber, PacketLength: s.PacketLength, VirtualNetworkID: uint32(s.Status.VirtualNetworkID),
		Ingress: compileMirrorRules(f.Ingress), Egress: compileMirrorRules(f.Egress), AmazonDNS: f.mirrorsDNS(),
	})
}
