package scenarios

import (
	"net/netip"
	"slices"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// memTunnel is the appliance's end of a Connect peer. The GRE is real, so that the
// core's is tried, but nobody speaks BGP: the appliance knows what control says that
// it would learn.
type memTunnel struct{ local, remote netip.Addr }

// setAppliance gives an instance its tunnels and its routes.
func (m *Memory) setAppliance(w *control.World, name string, h *memHost) {
	s := w.Instances[name].Status.Appliance
	if s == nil {
		return
	}
	h.forward = true
	for _, n := range slices.Clone(h.interfaces) {
		for _, p := range n.addresses { // a kernel prefers what is on its link
			h.routes = append(h.routes, memRoute{destination: p.Masked(), via: n})
		}
	}
	tunnels := map[string]*memInterface{}
	for _, peer := range s.ConnectPeers {
		p := w.TransitGatewayConnectPeers[peer]
		t := &memInterface{
			name: peer, link: p.Status.Handle, // which the tracer begins at
			tunnel: &memTunnel{p.PeerAddress, p.Status.TransitGatewayAddress},
		}
		for _, own := range s.LAN {
			t.addresses = append(t.addresses, singles(own.Addr())...)
		}
		t.addresses = append(t.addresses, singles(p.Status.PeerIP, p.Status.PeerIPv6)...)
		h.add(t)
		tunnels[peer] = t
		h.routes = append(h.routes, h.pastTunnels(p.Status.TransitGatewayAddress))
		for _, session := range p.Status.Sessions {
			for _, amazon := range singles(session.AmazonIP, session.AmazonIPv6) {
				h.routes = append(h.routes, memRoute{destination: amazon, via: t})
			}
		}
	}
	for _, r := range w.ApplianceRoutes(name) {
		h.routes = append(h.routes, memRoute{destination: r.Destination, via: tunnels[r.Tunnel]})
	}
	slices.SortStableFunc(h.routes, func(a, b memRoute) int { return b.destination.Bits() - a.destination.Bits() })
}

// pastTunnels is the route to the gateway's end of a tunnel, which no learned route
// may lead into a tunnel itself.
func (h *memHost) pastTunnels(remote netip.Addr) memRoute {
	r := memRoute{destination: netip.PrefixFrom(remote, remote.BitLen()), via: h.interfaces[0]}
	for _, g := range h.interfaces[0].gateways {
		if g.Is4() == remote.Is4() {
			r.hop = g
		}
	}
	return r
}

// sendInto puts what the host sends into a tunnel.
func (h *memHost) sendInto(t *memTunnel, f packet.Frame) {
	for _, part := range h.m.segmenter.Segment(nil, &f) {
		gre := &layers.GRE{Protocol: layers.EthernetTypeIPv4}
		if part.Data[ethernetHeader]>>4 == 6 {
			gre.Protocol = layers.EthernetTypeIPv6
		}
		b := gopacket.NewSerializeBuffer()
		mustBeNil(gopacket.SerializeLayers(b, gopacket.SerializeOptions{}, gre, gopacket.Payload(slices.Clone(part.Data[ethernetHeader:]))))
		h.output(message{src: t.local, dst: t.remote, proto: packet.ProtoGRE, payload: b.Bytes(), dontFragment: true})
	}
}

// unwrapped is what a message has in it, with an Ethernet header of zeros, and the
// tunnel it came by; nil if it is none of a tunnel's.
func (h *memHost) unwrapped(msg *message) (t *memInterface, data []byte) {
	if msg.proto != packet.ProtoGRE {
		return nil, nil
	}
	for _, n := range h.interfaces {
		if n.tunnel == nil || n.tunnel.local != msg.dst || n.tunnel.remote != msg.src {
			continue
		}
		var gre layers.GRE
		if err := gre.DecodeFromBytes(msg.payload, gopacket.NilDecodeFeedback); err != nil {
			h.m.fail("the core sent %s a broken GRE packet: %v", h.name, err)
			return nil, nil
		}
		eth := &layers.Ethernet{SrcMAC: make([]byte, 6), DstMAC: make([]byte, 6), EthernetType: gre.Protocol}
		b := gopacket.NewSerializeBuffer()
		mustBeNil(gopacket.SerializeLayers(b, gopacket.SerializeOptions{}, eth, gopacket.Payload(gre.Payload)))
		if err := verifyChecksums(b.Bytes()); err != nil {
			h.m.fail("the core sent %s a broken packet in GRE: %v", h.name, err)
		}
		return n, b.Bytes()
	}
	return nil, nil
}

// addConnectSpeakers gives the BGP speakers of transit gateways AWS's addresses inside
// Connect peers.
func (m *Memory) addConnectSpeakers(w *control.World, speakers map[string]*memInterface) {
	for _, p := range w.TransitGatewayConnectPeers {
		g := w.TransitGateways[p.Status.TransitGateway]
		if g == nil || g.Status.SpeakerHandle == 0 {
			continue
		}
		speaker := m.speaker(speakers, "transitGateway "+p.Status.TransitGateway, g.Status.SpeakerHandle)
		for _, s := range p.Status.Sessions {
			speaker.addresses = append(speaker.addresses, singles(s.AmazonIP, s.AmazonIPv6)...)
		}
	}
}

// speaker is the interface of a gateway's BGP speaker.
func (m *Memory) speaker(speakers map[string]*memInterface, name string, handle uint32) *memInterface {
	speaker := speakers[name]
	if speaker == nil {
		speaker = &memInterface{
			name: name, link: handle, mac: dataplane.InterfaceMAC(dataplane.Handle(handle)),
			gateways: []netip.Addr{dataplane.InternetRouter4, dataplane.InternetRouter6},
		}
		speakers[name] = speaker
		m.newHost(name, nil).add(speaker)
	}
	return speaker
}
