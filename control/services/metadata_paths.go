package services

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vpcsim/vpcsim/control"
)

const latest = "latest"

// metadataVersions are the versions that AWS still serves. All show the same
// tree here.
var metadataVersions = []string{
	"1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15", "2008-02-01", "2008-09-01",
	"2009-04-04", "2011-01-01", "2011-05-01", "2012-01-12", "2014-02-25", "2014-11-05", "2015-10-20", "2016-04-19",
	"2016-06-30", "2016-09-02", "2018-03-28", "2018-08-17", "2018-09-24", "2019-10-01", "2020-10-27", "2021-01-03",
	"2021-03-23", "2021-07-15", "2022-09-24", "2024-04-11", latest,
}

// metadataItem is the text at a path: an item, or the list of a directory. A
// slash at the end makes no difference; many scripts have one too many.
func (s *server) metadataItem(d *Directory, i *instance, path []string) (string, bool) {
	if len(path) == 0 {
		return strings.Join(metadataVersions, "\n"), true
	}
	if !slices.Contains(metadataVersions, path[0]) {
		return "", false
	}
	// All items are made for each request: there are a few dozen, and so none can
	// be stale after an apply.
	tree := items{}
	d.describeInstance(tree, i)
	d.describeRole(tree, i, s.now())
	for _, eni := range i.interfaces {
		d.describeInterface(tree, eni)
	}
	tree.set("dynamic/instance-identity/document", d.identityDocument(i, s.started))
	tree.set("user-data", i.UserData)
	// Below, directories end in a slash (A54).
	if len(path) == 1 { // AWS lists these three without slashes
		names := slices.Collect(maps.Keys(tree.list("")))
		for n := range names {
			names[n] = strings.TrimSuffix(names[n], "/")
		}
		slices.Sort(names)
		return strings.Join(names, "\n"), true
	}
	item := strings.Join(path[1:], "/")
	if text, ok := tree[item]; ok {
		return text, true
	}
	entries := tree.list(item + "/")
	return strings.Join(slices.Sorted(maps.Keys(entries)), "\n"), len(entries) > 0
}

// items are the texts below a version, by their path.
type items map[string]string

// set adds an item; what has no value does not exist (A54).
func (t items) set(path, text string) {
	if text != "" {
		t[path] = text
	}
}

// list is a directory: what follows the prefix up to the next slash, with it.
func (t items) list(prefix string) map[string]bool {
	entries := map[string]bool{}
	for path := range t {
		if rest, ok := strings.CutPrefix(path, prefix); ok {
			if end := strings.IndexByte(rest, '/'); end >= 0 {
				rest = rest[:end+1]
			}
			entries[rest] = true
		}
	}
	return entries
}

// describeInstance adds what is the instance's own, or its primary interface's.
func (d *Directory) describeInstance(tree items, i *instance) {
	eni, zone := i.primary(), i.primary().subnet.Status.AvailabilityZone
	region := eni.vpc.Status.Region
	set := func(path, text string) { tree.set("meta-data/"+path, text) }
	set("ami-id", imageID(i))
	set("ami-launch-index", "0")
	set("ami-manifest-path", "(unknown)")
	// Nothing happens to instances of a lab: no maintenance, no shelving, no spot
	// market. Programs that watch for it find what they find on a quiet day.
	set("events/maintenance/history", "[]")
	set("events/maintenance/scheduled", "[]")
	set("hostname", eni.privateName())
	set("instance-action", "none")
	set("instance-id", i.Status.ID)
	set("instance-life-cycle", "on-demand")
	set("instance-type", instanceType)
	set("ipv6", text(first(eni.Status.IPv6s)))
	set("local-hostname", eni.privateName())
	set("local-ipv4", text(eni.privateIPv4()))
	set("mac", eni.Status.MAC.String())
	set("placement/availability-zone", zone)
	set("placement/availability-zone-id", control.ZoneID(region, zone))
	set("placement/region", region)
	set("profile", "default-hvm")
	// A public name needs the VPC's attributes, the address does not (A-C24).
	set("public-hostname", eni.publicName())
	set("public-ipv4", text(eni.Status.PublicIP))
	set("reservation-id", "r-"+strings.TrimPrefix(i.Status.ID, "i-"))
	set("security-groups", eni.groupNames())
	set("services/domain", serviceDomain(region))
	set("services/partition", partition(region))
	set("system", "nitro")
	if i.Status.MetadataOptions.InstanceMetadataTags == control.Enabled { // opt-in, as on AWS: tags may say too much
		for key, value := range i.Tags {
			tree["meta-data/tags/instance/"+key] = value // a tag may be empty
		}
	}
}

// describeInterface adds the tree of one interface.
func (d *Directory) describeInterface(tree items, eni *networkInterface) {
	set := func(path, text string) {
		tree.set("meta-data/network/interfaces/macs/"+eni.Status.MAC.String()+"/"+path, text)
	}
	ids := make([]string, len(eni.groups))
	for n, g := range eni.groups {
		ids[n] = g.id
	}
	set("device-number", strconv.Itoa(eni.DeviceIndex))
	set("interface-id", eni.Status.ID)
	set("ipv6s", lines(eni.Status.IPv6s...))
	set("local-hostname", eni.privateName())
	set("local-ipv4s", lines(eni.Status.PrivateIPs...))
	set("mac", eni.Status.MAC.String())
	set("owner-id", eni.vpc.Status.Account.String())
	set("security-group-ids", strings.Join(ids, "\n"))
	set("security-groups", eni.groupNames())
	set("subnet-id", eni.subnet.Status.ID)
	set("subnet-ipv4-cidr-block", block(eni.subnet.CIDR))
	set("subnet-ipv6-cidr-blocks", block(eni.subnet.Status.IPv6CIDR))
	set("vpc-id", eni.vpc.Status.ID)
	set("vpc-ipv4-cidr-block", block(eni.vpc.CIDR))
	set("vpc-ipv4-cidr-blocks", lines(eni.vpc.Status.CIDRs...))
	set("vpc-ipv6-cidr-blocks", block(eni.vpc.Status.IPv6CIDR))
	set("public-hostname", eni.publicName())
	public := make([]netip.Addr, len(eni.Status.Associations))
	for n, a := range eni.Status.Associations {
		public[n] = a.PublicIP
		set("ipv4-associations/"+text(a.PublicIP), text(a.PrivateIP))
	}
	set("public-ipv4s", lines(public...))
}

// instanceType is the one that every machine of a lab claims to be: with enough
// interfaces and addresses for any of them.
const instanceType = "m5.large"

// imageID follows from the instance's ID, as all IDs of a lab follow from names.
func imageID(i *instance) string {
	sum := sha256.Sum256([]byte("image\x00" + i.Status.ID))
	return "ami-" + hex.EncodeToString(sum[:])[:17]
}

// identityDocument describes the instance to programs that identify it to AWS.
func (d *Directory) identityDocument(i *instance, launched time.Time) string {
	return document(struct {
		Account      string  `json:"accountId"`
		Architecture string  `json:"architecture"`
		Zone         string  `json:"availabilityZone"`
		Billing      *string `json:"billingProducts"`
		Devpay       *string `json:"devpayProductCodes"`
		Image        string  `json:"imageId"`
		ID           string  `json:"instanceId"`
		Type         string  `json:"instanceType"`
		Kernel       *string `json:"kernelId"`
		Marketplace  *string `json:"marketplaceProductCodes"`
		Pending      string  `json:"pendingTime"`
		PrivateIP    string  `json:"privateIp,omitempty"`
		Ramdisk      *string `json:"ramdiskId"`
		Region       string  `json:"region"`
		Version      string  `json:"version"`
	}{
		Account: i.primary().vpc.Status.Account.String(), Architecture: "x86_64", Zone: i.primary().subnet.Status.AvailabilityZone,
		Image: imageID(i), ID: i.Status.ID, Type: instanceType,
		Pending: timestamp(launched), PrivateIP: text(i.primary().privateIPv4()),
		Region: i.primary().vpc.Status.Region, Version: "2017-09-30",
	})
}

// document is v as JSON, indented for people, as AWS does.
func document(v any) string {
	bytes, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return "" // structs of strings cannot fail
	}
	return string(bytes)
}

// timestamp is a time as AWS writes it: to the second, in UTC.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// groupNames lists the names of the interface's security groups.
func (e *networkInterface) groupNames() string {
	names := make([]string, len(e.groups))
	for n, g := range e.groups {
		names[n] = g.name
	}
	return strings.Join(names, "\n")
}

// text is an address, "" if there is none.
func text(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// block is a block, "" if there is none.
func block(p netip.Prefix) string {
	if !p.IsValid() {
		return ""
	}
	return p.String()
}

func lines[T fmt.Stringer](list ...T) string {
	texts := make([]string, len(list))
	for n, item := range list {
		texts[n] = item.String()
	}
	return strings.Join(texts, "\n")
}
