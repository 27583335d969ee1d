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
// writes, and addresses of AWS's choice to running instances (A22). Those are
// never ones that the file names anywhere, so that they cannot collide with an
// Internet host, a probe's target or a rule about somebody else.
func (a *allocation) publicAddresses() {
	taken := map[netip.Addr]bool{}
	for _, host := range a.w.InternetHosts {
		taken[host.IP] = true
	}
	var open []string
	for _, name := range sorted(a.w.NetworkInterfaces) {
		eni := a.w.NetworkInterfaces[name]
		spec := a.w.interfaceSpec(eni)
		eni.Status.PublicIP, eni.Status.ElasticIP = netip.Addr{}, false
		if spec.PublicIP.Choice == Explicit {
			eni.Status.PublicIP, eni.Status.ElasticIP = spec.PublicIP.Addr, true
			taken[spec.PublicIP.Addr] = true
		} else if a.wantsPublicIP(eni, spec) {
			open = append(open, name)
		}
	}
	for _, name := range open {
		old := a.previous.NetworkInterfaces[name]
		if old == nil || old.Status.ElasticIP || taken[old.Status.PublicIP] {
			continue
		}
		if slices.ContainsFunc(publicPools, func(p netip.Prefix) bool { return p.Contains(old.Status.PublicIP) }) {
			a.w.NetworkInterfaces[name].Status.PublicIP = old.Status.PublicIP
			taken[old.Status.PublicIP] = true
		}
	}
	var next func() netip.Addr // made only if needed: it reads the whole file
	for _, name := range open {
		eni := a.w.NetworkInterfaces[name]
		if eni.Status.PublicIP.IsValid() {
			continue
		}
		if next == nil {
			next = publicAddressSource(taken, namedAddresses(a.w))
		}
		if eni.Status.PublicIP = next(); !eni.Status.PublicIP.IsValid() {
			a.v.report(interfacePath(eni.Instance, eni.DeviceIndex), "InsufficientAddressCapacity",
				"There are not enough free public IPv4 addresses", "the lab has those of "+joinPrefixes(publicPools))
		}
	}
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
func publicAddressSource(taken map[netip.Addr]bool, named []netip.Prefix) func() netip.Addr {
	type place struct {
		pool   int
		strict bool
	}
	at, next := place{0, true}, publicPools[0].Addr()
	return func() netip.Addr {
		for {
			for ; publicPools[at.pool].Contains(next); next = next.Next() {
				low := next.As4()[3]
				if low == 0 || low == 255 || taken[next] {
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
