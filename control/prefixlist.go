package control

import (
	"fmt"
	"net/netip"
	"strings"
)

// PrefixList is a named set of CIDR blocks of one family.
type PrefixList struct {
	// How many entries the list may grow to, which is what it costs in quotas;
	// as many as it has unless written.
	MaxEntries int `json:"maxEntries,omitempty"`
	// CIDR blocks, all IPv4 or all IPv6.
	Entries []netip.Prefix `json:"entries"`

	Status PrefixListStatus `json:"status" yaml:"-"`
}

// PrefixListStatus is what AWS makes of a prefix list.
type PrefixListStatus struct {
	Identity
	AddressFamily string `json:"addressFamily"` // "IPv4" or "IPv6"
	// MaxEntries is the weight of the list in rules and routes (Q5).
	MaxEntries int `json:"maxEntries"`
	// OwnerID is "AWS" for a list that AWS manages, or the account.
	OwnerID string `json:"ownerId,omitempty"`
}

// ownerAWS is who owns the lists that no file writes.
const ownerAWS = "AWS"

// managedPrefixList is a list of AWS's with one block. Its weight is 1, as that of
// the lists of S3 and DynamoDB is.
func managedPrefixList(block netip.Prefix) *PrefixList {
	return &PrefixList{Entries: []netip.Prefix{block}, Status: PrefixListStatus{OwnerID: ownerAWS}}
}

// managed reports whether the list is one of AWS's.
func (l *PrefixList) managed() bool { return l.Status.OwnerID == ownerAWS }

func (l *PrefixList) identity() *Identity { return &l.Status.Identity }

func (l *PrefixList) references(*World, string) []reference { return nil }

// computeStatus derives the family from the first entry; Validate holds the others
// to it.
func (l *PrefixList) computeStatus() {
	l.Status.AddressFamily = "IPv4"
	if len(l.Entries) > 0 && l.Entries[0].Addr().Is6() {
		l.Status.AddressFamily = "IPv6"
	}
	l.Status.MaxEntries = l.MaxEntries
	if l.MaxEntries == 0 {
		l.Status.MaxEntries = max(1, len(l.Entries))
	}
}

// isIPv6 reports the family of the list.
func (l *PrefixList) isIPv6() bool { return l.Status.AddressFamily == "IPv6" }

// validate bounds the list twice: by its own maxEntries, which is what rules and
// routes are charged for, and by the quota on that.
func (l *PrefixList) validate(v *validation, name string) {
	path := field("prefixLists", name)
	if l.managed() {
		return
	}
	if strings.HasPrefix(name, "com.amazonaws") || strings.HasPrefix(name, "pl-") {
		v.reportKey(path, "InvalidParameterValue", fmt.Sprintf("Invalid value '%s' for prefix list name", name),
			"names that begin with com.amazonaws or pl- are AWS's own")
	}
	if most := v.quotas.EntriesPerPrefixList; l.MaxEntries < 0 || l.MaxEntries > most {
		v.reportf(field(path, "maxEntries"), "PrefixListMaxEntriesExceeded", fmt.Sprintf("write 1 to %d", most),
			"%d is out of range for the maximum number of entries", l.MaxEntries)
	}
	if n, most := len(l.Entries), min(l.Status.MaxEntries, v.quotas.EntriesPerPrefixList); n > most {
		v.reportf(field(path, "entries"), "PrefixListMaxEntriesExceeded", fmt.Sprintf("it has %d, and may have %d; raise maxEntries", n, most),
			"You've reached the maximum number of entries for the prefix list.")
	}
	seen := map[netip.Prefix]bool{}
	for i, entry := range l.Entries {
		at := index(field(path, "entries"), i)
		switch {
		case !entry.IsValid():
		case entry.Addr().Is6() != l.isIPv6():
			v.reportf(at, "InvalidParameterValue", "make one list for IPv4 and one for IPv6",
				"The entry '%s' is not of the list's address family %s", entry, l.Status.AddressFamily)
		case seen[entry]:
			v.reportf(at, "InvalidParameterValue", "remove one", "The entry '%s' is in the list twice", entry)
		}
		seen[entry] = true
	}
}

// listInRegion refuses a list of AWS's in a VPC of another Region, where AWS knows
// another one.
func (v *validation) listInRegion(path, vpc, name string) {
	list, region := v.w.PrefixLists[name], v.w.placeOf(vpc).region
	if list == nil || !list.managed() || strings.HasPrefix(name, awsPrefixLists+region+".") {
		return
	}
	v.reportf(path, "InvalidPrefixListID.NotFound", fmt.Sprintf("VPC %s is in %s: write %s%s.…", vpc, region, awsPrefixLists, region),
		"The prefix list ID '%s' does not exist", name)
}
