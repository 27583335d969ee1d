package control

import "github.com/vpcsim/vpcsim/dataplane"

// ServicesHandle is the handle of the interface behind which the platform's own
// services listen: name resolution, instance metadata, time and DHCP. A lab has
// one, and it belongs to no VPC.
const ServicesHandle = InternetHandle + 1

// firstFreeHandle is the first that the store may give to a resource.
const firstFreeHandle = ServicesHandle + 1

var platformServices = dataplane.Services{
	Object: dataplane.Object{Handle: ServicesHandle, Kind: dataplane.KindServices},
	MAC:    dataplane.InterfaceMAC(ServicesHandle),
}
