package control

import (
	"cmp"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
)

// publicPools is where AWS's choice of public IPv4 addresses comes from:
// documentation space, then the larger benchmarking space.
var publicPools = prefixes("198.51.100.0/24", "192.0.2.0/24", "203.0.113.0/24", "198.18.0.0/15")

// publicAddresses assigns public IPv4 addresses: the Elastic IPs that the file
// writes, those that NAT gateways leave to the lab, and addresses of AWS's choice
// to running instances (A22). What is picked is never an address that the file
// names anywhere, so that it cannot collide with an Internet host, a probe's
// target or a rule about somebody else.
func (a *allocation) publicAddresses() {
	taken := map[netip.Addr]bool{}
	for _, host := range a.w.InternetHosts {
		taken[host.IP] = true
	}
	for _, site := range a.w.Sites {
		taken[site.PublicIP] = true
	}
	for _, client := range a.w.VPNClients {
		taken[client.InternetIP] = true
	}
	var open []publicDemand
	for _, name := range sorted(a.w.NetworkInterfaces) {
		open = append(open, a.interfacePublic(name, taken)...)
	}
	for _, name := range sorted(a.w.NATGateways) {
		open = append(open, a.natGatewayPublic(name, taken)...)
	}
	open = append(open, a.sitePublic(taken)...)
	open = append(open, a.clientVPNPublic()...)
	for i := range open {
		d := &open[i]
		inPool := slices.ContainsFunc(publicPools, func(p netip.Prefix) bool { return p.Contains(d.had) })
		if inPool && !taken[d.had] && a.w.serviceWith(d.had) == "" {
			d.settle(d.had)
			d.settled, taken[d.had] = true, true
		}
	}
	var next func() netip.Addr // made only if needed: it reads the whole file
	for _, d := range open {
		if d.settled {
			continue
		}
		if next == nil {
			next = publicAddressSource(taken, namedAddresses(a.w), a.w.serviceWith)
		}
		ip := next()
		if !ip.IsValid() {
			a.v.report(d.path, "InsufficientAddressCapacity",
				"There are not enough free public IPv4 addresses", "the lab has those of "+joinPrefixes(publicPools))
			continue
		}
		d.settle(ip)
	}
}

// publicDemand is a wish for one public address of the lab's choice.
type publicDemand struct {
	path    string
	had     netip.Addr // in the previous world; invalid if there was none
	settle  func(netip.Addr)
	settled bool
}

// interfacePublic associates an interface's Elastic IPs and returns its wish for
// an address of AWS's choice, if it has one.
func (a *allocation) interfacePublic(name string, taken map[netip.Addr]bool) []publicDemand {
	eni := a.w.NetworkInterfaces[name]
	spec, s := a.w.interfaceSpec(eni), &eni.Status
	s.PublicIP, s.ElasticIP, s.Associations = netip.Addr{}, false, nil
	associate := func(public netip.Addr, place int) {
		taken[public] = true
		if place == 0 {
			s.PublicIP = public
		}
		if place < len(s.PrivateIPs) {
			s.Associations = append(s.Associations, AddressAssociation{PublicIP: public, PrivateIP: s.PrivateIPs[place]})
		}
	}
	if spec.PublicIP.Choice == Explicit {
		s.ElasticIP = true
		associate(spec.PublicIP.Addr, 0)
	}
	for i, secondary := range spec.SecondaryIPs {
		if secondary.PublicIP.Choice == Explicit {
			associate(secondary.PublicIP.Addr, 1+i)
		}
	}
	if spec.PublicIP.Choice == Explicit || !a.wantsPublicIP(eni, spec) {
		return nil
	}
	var had netip.Addr
	if old := a.previous.NetworkInterfaces[name]; old != nil && !old.Status.ElasticIP {
		had = old.Status.PublicIP
	}
	return []publicDemand{{
		path: interfacePath(eni.Instance, eni.DeviceIndex), had: had,
		settle: func(ip netip.Addr) {
			s.PublicIP = ip
			s.Associations = slices.Insert(s.Associations, 0, AddressAssociation{PublicIP: ip, PrivateIP: s.PrivateIPs[0]})
		},
	}}
}

// natGatewayPublic gives a public NAT gateway the Elastic IPs that the file
// writes and returns its wishes for others (R39).
func (a *allocation) natGatewayPublic(name string, taken map[netip.Addr]bool) (open []publicDemand) {
	g := a.w.NATGateways[name]
	if !g.public() {
		return nil
	}
	old := a.previous.NATGateways[name]
	for i := range g.Status.Addresses {
		public := &g.Status.Addresses[i].PublicIP
		if eip := g.EIP.at(i); eip.IsValid() {
			*public = eip
			taken[eip] = true
			continue
		}
		d := publicDemand{path: field("natGateways", name), settle: func(ip netip.Addr) { *public = ip }}
		if old != nil && i < len(old.Status.Addresses) && !old.EIP.at(i).IsValid() {
			d.had = old.Status.Addresses[i].PublicIP
		}
		open = append(open, d)
	}
	return open
}

// wantsPublicIP reports whether AWS picks a public address for an interface. It is
// the primary private address that is translated, so there has to be one.
func (a *allocation) wantsPublicIP(eni *NetworkInterface, spec *NetworkInterfaceSpec) bool {
	instance, subnet := a.w.Instances[eni.Instance], a.w.Subnets[eni.Subnet]
	if eni.DeviceIndex > 0 || len(instance.Interfaces) > 0 || instance.Stopped || len(eni.Status.PrivateIPs) == 0 {
		return false // A22: only a running instance with one interface
	}
	return spec.PublicIP.Choice == Auto || spec.PublicIP.Choice == Unset && subnet != nil && subnet.MapPublicIP
}

// publicAddressSource returns a function that hands out one free address after
// the other, first those outside every block that the file names.
func publicAddressSource(taken map[netip.Addr]bool, named []netip.Prefix, serviceWith func(netip.Addr) string) func() netip.Addr {
	type place struct {
		pool   int
		strict bool
	}
	at, next := place{0, true}, publicPools[0].Addr()
	return func() netip.Addr {
		for {
			for ; publicPools[at.pool].Contains(next); next = next.Next() {
				low := next.As4()[3]
				if low == 0 || low == 255 || taken[next] || serviceWith(next) != "" {
					continue
				}
				if slices.ContainsFunc(named, func(p netip.Prefix) bool {
					return p.Contains(next) && (at.strict || p.IsSingleIP())
				}) {
					continue
				}
				taken[next] = true
				return next
			}
			if at.pool++; at.pool == len(publicPools) {
				if !at.strict {
					return netip.Addr{}
				}
				at = place{0, false}
			}
			next = publicPools[at.pool].Addr()
		}
	}
}

// namedAddresses are all IPv4 addresses and blocks in what the user wrote, in
// commands and descriptions too. Very wide blocks name nobody in particular.
func namedAddresses(w *World) []netip.Prefix {
	found := map[netip.Prefix]bool{}
	add := func(p netip.Prefix) {
		if p.IsValid() && p.Addr().Is4() && p.Bits() > 8 && overlapsAny(publicPools, p) {
			found[p.Masked()] = true
		}
	}
	walkDocument(reflect.ValueOf(w), func(value any) {
		switch x := value.(type) {
		case netip.Prefix:
			add(x)
		case netip.Addr:
			if x.IsValid() {
				add(netip.PrefixFrom(x, x.BitLen()))
			}
		case string:
			for _, word := range strings.FieldsFunc(x, func(r rune) bool { return !strings.ContainsRune("0123456789./", r) }) {
				word = strings.Trim(word, "./")
				if p, err := netip.ParsePrefix(word); err == nil {
					add(p)
				} else if a, err := netip.ParseAddr(word); err == nil {
					add(netip.PrefixFrom(a, a.BitLen()))
				}
			}
		}
	})
	return slices.SortedFunc(maps.Keys(found), func(a, b netip.Prefix) int {
		return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
	})
}

// walkDocument visits every string, address and block in the fields that a
// file can contain.
func walkDocument(v reflect.Value, visit func(any)) {
	switch x := v.Interface().(type) {
	case netip.Prefix, netip.Addr:
		visit(x)
		return
	}
	switch v.Kind() {
	case reflect.String:
		visit(v.String())
	case reflect.Pointer:
		if !v.IsNil() {
			walkDocument(v.Elem(), visit)
		}
	case reflect.Slice:
		for i := range v.Len() {
			walkDocument(v.Index(i), visit)
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			walkDocument(it.Key(), visit)
			walkDocument(it.Value(), visit)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && f.Tag.Get("yaml") != "-" {
				walkDocument(v.Field(i), visit)
			}
		}
	}
}
