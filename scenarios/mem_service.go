package scenarios

import (
	"net/netip"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/dataplane"
)

// setServices makes hosts of AWS's services: one on the Internet, one behind each
// gateway endpoint, with the same addresses, and one at each interface of an interface
// endpoint, with the interface's.
func (m *Memory) setServices(w *control.World) {
	http := []control.Service{{Protocol: "http", Port: 80}}
	for name, s := range w.AWSServices {
		m.addHost(name, http).add(serviceInterface(name, s.Status.Handle, s.Status.IP, s.Status.IPv6))
		for endpoint, e := range w.VPCEndpoints {
			switch {
			case e.Status.ServiceName != s.Status.ServiceName:
			case e.Status.Type == control.EndpointGateway:
				m.addHost(endpoint, http).add(serviceInterface(endpoint, e.Status.Handle, s.Status.IP, s.Status.IPv6))
			default:
				for i := range e.Status.Interfaces {
					n := &e.Status.Interfaces[i]
					m.addHost(endpoint+"/"+n.Subnet, http).add(serviceInterface(endpoint, n.Handle, n.PrivateIP, n.IPv6))
				}
			}
		}
	}
}

func serviceInterface(name string, handle uint32, addresses ...netip.Addr) *memInterface {
	i := &memInterface{
		name: name, link: handle, mac: dataplane.InterfaceMAC(dataplane.Handle(handle)),
		gateways: []netip.Addr{dataplane.InternetRouter4, dataplane.InternetRouter6},
	}
	for _, a := range addresses {
		if a.IsValid() {
			i.addresses = append(i.addresses, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	return i
}
