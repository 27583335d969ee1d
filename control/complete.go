package control

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
)

// Complete adds what AWS makes by itself: per VPC a main route table, a default
// security group and a default network ACL; network interfaces for the
// instances; an ID for everything; and in every Status what follows from the
// document. It spells every reference by ID, and the word "default" for a
// group, as the name of the object, and leaves alone what leads nowhere, for
// Validate to report. It is idempotent, and takes away what it once added and
// is no longer wanted.
func (w *World) Complete() {
	if w.Region == "" {
		w.Region = DefaultRegion
	}
	if w.Account == "" {
		w.Account = DefaultAccount
	}
	for _, k := range Kinds() {
		k.fill(w)
	}
	// Twice, because an ID may name what the first round makes.
	for range 2 {
		w.assignIDs()
		w.resolveReferences()
		w.completeVPCs()
		w.completeAWSServices()
		w.completeTransitGateways()
		w.completeVPNAttachments()
		w.completeClientVPNAttachments()
		w.deriveNetworkInterfaces()
		w.completeDistances()
	}
	w.assignIDs()
	w.computeStatus()
}

// Prepare is Complete, Allocate and Validate in the order in which they need
// each other. Previous is the world whose addresses are to be kept, or nil.
func (w *World) Prepare(previous *World) Problems {
	w.Complete()
	problems := w.Allocate(previous)
	return append(problems, w.validateAfter(previous)...).sorted()
}

// resourceID is the ID that AWS would draw at random: here it follows from the
// names, so that labs, docs and golden files keep theirs.
func resourceID(prefix, lab, kind, name string) string {
	sum := sha256.Sum256([]byte(lab + "\x00" + kind + "\x00" + name))
	return prefix + "-" + hex.EncodeToString(sum[:])[:17]
}

// assignIDs gives every resource its ID, again on every call: the lab's name, which
// is part of it, may have changed.
func (w *World) assignIDs() {
	for _, k := range Kinds() {
		for _, name := range k.Names(w) {
			k.Identity(w, name).ID = resourceID(k.IDPrefix, w.Name, k.Plural, name)
		}
	}
}

// reference is one place where a resource names another.
type reference struct {
	path  string // full path of the value
	value string
	set   func(string) // spells it anew
	// kinds that may be meant, as plurals.
	kinds []string
	// vpc is the VPC that the object must belong to, "" if any; it is also the
	// one whose default group the word "default" means.
	vpc string
	// foreign is what AWS says about an object of another VPC.
	foreign badValue
	// across says whether the object may be of that other VPC after all, and if
	// not, what would allow it; nil: never.
	across func(vpc string) (hint string, ok bool)
	// required says what is missing if value is "".
	required string
}

// resolveReferences spells every reference as the name of its object.
func (w *World) resolveReferences() {
	for _, k := range Kinds() {
		for _, name := range k.Names(w) {
			for _, ref := range k.Get(w, name).references(w, name) {
				ref.set(w.resolve(ref))
			}
		}
	}
}

// resolve is the name of the object that a reference means. A name wins over an ID
// and over the word "default", and what means nothing stays as it is.
func (w *World) resolve(ref reference) string {
	kinds := make([]Kind, 0, len(ref.kinds))
	if name, ok := w.ownAccount(ref); ok && slices.Contains(ref.kinds, "securityGroups") {
		return name
	}
	for _, plural := range ref.kinds {
		k, _ := KindNamed(plural)
		if k.Get(w, ref.value) != nil {
			return ref.value
		}
		kinds = append(kinds, k)
	}
	for _, k := range kinds {
		if k.Plural == "securityGroups" && ref.value == "default" && ref.vpc != "" {
			return ref.vpc + "/default"
		}
		if !strings.HasPrefix(ref.value, k.IDPrefix+"-") {
			continue
		}
		for _, name := range k.Names(w) {
			if k.Identity(w, name).ID == ref.value {
				return name
			}
		}
	}
	return ref.value
}

// completeVPCs makes each VPC's main route table, default security group and
// default network ACL, and removes those that have lost their VPC.
func (w *World) completeVPCs() {
	for name, table := range w.RouteTables {
		if vpc, ok := strings.CutSuffix(name, "/main"); ok {
			table.VPC, table.Main = cmp.Or(table.VPC, vpc), true
			if table.implicit(name) && (w.VPCs[vpc] == nil || w.mainRouteTable(vpc) != name) {
				delete(w.RouteTables, name)
			}
		}
	}
	for name, group := range w.SecurityGroups {
		if vpc, ok := strings.CutSuffix(name, "/default"); ok {
			group.VPC = cmp.Or(group.VPC, vpc)
			if group.implicit(name) && w.VPCs[vpc] == nil {
				delete(w.SecurityGroups, name)
			}
		}
	}
	for name, acl := range w.NetworkACLs {
		if vpc, ok := strings.CutSuffix(name, "/default"); ok {
			acl.VPC = cmp.Or(acl.VPC, vpc)
			if acl.implicit(name) && w.VPCs[vpc] == nil {
				delete(w.NetworkACLs, name)
			}
		}
	}
	for name := range w.VPCs {
		if main := name + "/main"; w.mainRouteTable(name) == main && w.RouteTables[main] == nil {
			w.RouteTables[main] = &RouteTable{VPC: name, Main: true}
		}
		if group := name + "/default"; w.SecurityGroups[group] == nil {
			w.SecurityGroups[group] = &SecurityGroup{VPC: name, Description: defaultGroupDescription}
		}
		if acl := name + "/default"; w.NetworkACLs[acl] == nil {
			w.NetworkACLs[acl] = &NetworkACL{VPC: name}
		}
	}
}

// mainRouteTable is the name of the VPC's main table: the one that the user
// marked, the first by name if there are several (an error), else the one that
// AWS makes.
func (w *World) mainRouteTable(vpc string) string {
	own := vpc + "/main"
	main := ""
	for name, table := range w.RouteTables {
		if table.Main && table.VPC == vpc && name != own && (main == "" || name < main) {
			main = name
		}
	}
	if main != "" {
		return main
	}
	return own
}

// deriveNetworkInterfaces rebuilds the interfaces of the instances; one that
// stays keeps its Status.
func (w *World) deriveNetworkInterfaces() {
	interfaces := make(map[string]*NetworkInterface, len(w.Instances))
	for name, instance := range w.Instances {
		for i, spec := range instance.interfaceSpecs() {
			eni := &NetworkInterface{
				Instance:        name,
				DeviceIndex:     i,
				Subnet:          spec.Subnet,
				SecurityGroups:  slices.Clone(spec.SecurityGroups),
				SourceDestCheck: spec.SourceDestCheck == nil || *spec.SourceDestCheck,
			}
			if subnet := w.Subnets[spec.Subnet]; subnet != nil {
				eni.VPC = subnet.VPC
			}
			if len(eni.SecurityGroups) == 0 && eni.VPC != "" {
				eni.SecurityGroups = []string{eni.VPC + "/default"} // S3
			}
			eniName := NetworkInterfaceName(name, i)
			if old := w.NetworkInterfaces[eniName]; old != nil {
				eni.Status = old.Status
			}
			eni.Status.State = "in-use"
			eni.Status.ConnectionTracking = spec.ConnectionTracking.orDefault()
			interfaces[eniName] = eni
		}
	}
	w.NetworkInterfaces = interfaces
}

// computeStatus fills every Status from the document and from the addresses
// that have been allocated so far.
func (w *World) computeStatus() {
	for name, vpc := range w.VPCs {
		vpc.computeStatus(w, name)
	}
	for _, peering := range w.VPCPeerings {
		peering.computeStatus(w)
	}
	for name, gateway := range w.InternetGateways {
		gateway.computeStatus(w, name)
	}
	for _, gateway := range w.EgressOnlyInternetGateways {
		gateway.computeStatus()
	}
	for _, list := range w.PrefixLists {
		list.computeStatus()
	}
	for _, subnet := range w.Subnets {
		subnet.computeStatus(w)
	}
	w.computeFaults() // before whatever a fault has down
	for name, gateway := range w.NATGateways {
		gateway.computeStatus(w, name)
	}
	for name, endpoint := range w.ClientVPNEndpoints {
		endpoint.computeStatus(w, name)
	}
	for _, client := range w.VPNClients {
		client.computeStatus(w)
	}
	w.computeVPN()
	w.computeConnectPeers()
	w.computeTransitGateways()
	w.countAnnouncements()
	for name, acl := range w.NetworkACLs {
		acl.computeStatus(w, name)
	}
	for name, group := range w.SecurityGroups {
		group.computeStatus(w, name)
	}
	for name, instance := range w.Instances {
		instance.computeStatus(w, name)
	}
	w.computeEndpoints()
	for name, table := range w.RouteTables {
		table.computeStatus(w, name)
	}
	w.collectMembers()
	w.computeRegions()
	w.computeLinks()
	for _, l := range w.FlowLogs {
		l.computeStatus(w)
	}
	w.computeTrafficMirrors()
	for _, f := range w.MetricFilters {
		f.computeStatus()
	}
	for _, a := range w.Alarms {
		a.computeStatus()
	}
}

// collectMembers fills the lists that point backwards: which subnets use a
// table or ACL, which interfaces carry a group (those of Client VPN endpoints come
// last), which VPCs use an option set. All are sorted.
func (w *World) collectMembers() {
	for _, set := range w.DHCPOptions {
		set.Status.VPCs = []string{}
	}
	for _, name := range sorted(w.VPCs) {
		if set := w.DHCPOptions[w.VPCs[name].Status.DHCPOptions.Set]; set != nil {
			set.Status.VPCs = append(set.Status.VPCs, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.Subnets)) {
		status := &w.Subnets[name].Status
		if table := w.RouteTables[status.RouteTable]; table != nil {
			table.Status.Subnets = append(table.Status.Subnets, name)
		}
		if acl := w.NetworkACLs[status.NetworkACL]; acl != nil {
			acl.Status.Subnets = append(acl.Status.Subnets, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.NetworkInterfaces)) {
		for _, g := range w.NetworkInterfaces[name].SecurityGroups {
			if group := w.SecurityGroups[g]; group != nil {
				group.Status.NetworkInterfaces = append(group.Status.NetworkInterfaces, name)
			}
		}
	}
	for _, name := range sorted(w.VPCEndpoints) {
		s := &w.VPCEndpoints[name].Status
		w.collectManaged(name, s.Interfaces, s.SecurityGroups)
	}
	for _, name := range sorted(w.LoadBalancers) {
		w.collectManaged(name, w.LoadBalancers[name].Status.Nodes, w.LoadBalancers[name].SecurityGroups)
	}
	for _, name := range sorted(w.ClientVPNEndpoints) {
		s := &w.ClientVPNEndpoints[name].Status
		for _, a := range s.Associations {
			if a.Subnet == "" {
				continue // no interface, and no groups (C11)
			}
			for _, g := range s.SecurityGroups {
				if group := w.SecurityGroups[g]; group != nil {
					group.Status.NetworkInterfaces = append(group.Status.NetworkInterfaces, name+"/"+a.Subnet)
				}
			}
		}
	}
}
