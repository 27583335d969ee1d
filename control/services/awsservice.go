package services

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
)

// Front is a place where a service of AWS's answers: on the Internet, or at a VPC
// endpoint. A request that comes in by an endpoint brings no more than its packets
// do, so it is the place that knows whose endpoint it was: what AWS's policies call
// aws:SourceVpce and aws:SourceVpc (E39).
//
// The service itself is not emulated: a Front says who asked, from where and which
// way. An API of a service belongs behind it.
type Front struct {
	// Service is its name in the lab, such as s3.us-east-1.
	Service string
	// EndpointID and VPCID are those of the VPC endpoint; "" on the Internet.
	EndpointID, VPCID string
}

// ServeHTTP answers every request with a line about it.
func (f Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	peer, _ := netip.ParseAddrPort(r.RemoteAddr)
	way := "over the Internet"
	if f.EndpointID != "" {
		way = fmt.Sprintf("through VPC endpoint %s of %s", f.EndpointID, f.VPCID)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintf(w, "%s (%s) answers %s %s\n", f.Service, ownAddress(local), netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port()), way)
}

// ownAddress is the address that was asked.
func ownAddress(local net.Addr) netip.Addr {
	if local == nil {
		return netip.Addr{}
	}
	own, _ := netip.ParseAddrPort(local.String())
	return own.Addr().Unmap()
}
