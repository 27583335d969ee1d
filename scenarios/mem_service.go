package scenarios

import (
	"net/netip"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/dataplane"
)

// setServices makes hosts of AWS's services: one on the Internet, and one behind
// each gateway endpoint, with the same addresses.
func (m *Memory) setServices(w *control.World) {
	http := []control.Service{{Protocol: "http", Port: 80}}
	for name, s := range w.AWSServices {
		m.addHost(name, http).add(serviceInterface(name, &s.Status, s.Status.Handle))
		for endpoint, e := range w.VPCEndpoints {
			if e.Status.ServiceName == s.Status.ServiceName {
				m.addHost(endpoint, http).add(serviceInterface(endpoint, &s.Status, e.Status.Handle))
			}
		}
	}
}

func serviceInterface(name string, s *control.AWSServiceStatus, handle uint32) *memInterface {
	i := &memInterface{
		name: name, link: handle, mac: dataplane.InterfaceMAC(dataplane.Handle(handle)),
		gateways: []netip.Addr{dataplane.InternetRouter4, dataplane.InternetRouter6},
	}
	for _, a := range []netip.Addr{s.IP, s.IPv6} {
		i.addresses = append(i.addresses, netip.PrefixFrom(a, a.BitLen()))
	}
	return i
}
