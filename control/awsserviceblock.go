package control

import (
	"maps"
	"net/netip"
	"slices"
)

// Where services of AWS's have their addresses. AWS's own ranges are many and
// change by the week; a lab has a block of each family per Region and service, always
// the same: 198.18.0.0/15 in pieces of /22, and 2001:db8:fe00::/40 in pieces of /56.
var (
	awsServicesIPv4 = netip.MustParsePrefix("198.18.0.0/15")
	awsServicesIPv6 = netip.MustParsePrefix("2001:db8:fe00::/40")
)

const (
	// serviceSlots is how many Regions there is room for.
	serviceSlots = 64
	// servicesPerSlot are the /22 of one Region.
	servicesPerSlot = 2
)

// slotRegions have the slots 0, 1 and so on. The order is for good: a new Region
// goes to the end, lest addresses change.
var slotRegions = []string{
	"us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "ca-west-1", "mx-central-1", "sa-east-1",
	"eu-west-1", "eu-west-2", "eu-west-3", "eu-central-1", "eu-central-2", "eu-north-1", "eu-south-1", "eu-south-2",
	"ap-south-1", "ap-south-2", "ap-east-1", "ap-east-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3",
	"ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "ap-southeast-6", "ap-southeast-7",
	"af-south-1", "il-central-1", "me-central-1", "me-south-1", "cn-north-1", "cn-northwest-1", "us-gov-east-1", "us-gov-west-1",
}

// serviceSlot is a Region of a lab and its slot.
type serviceSlot struct {
	region string
	slot   int
}

// slotsOf gives Regions their slots. Those that nobody knows get the last ones, in
// the order of their names; where there are too many of them, some have none.
func slotsOf(regions map[string]bool) (slots []serviceSlot) {
	last := serviceSlots
	for _, region := range slices.Sorted(maps.Keys(regions)) {
		slot := slices.Index(slotRegions, region)
		if slot < 0 {
			last--
			slot = last
		}
		if slot >= len(slotRegions) || slices.Contains(slotRegions, region) {
			slots = append(slots, serviceSlot{region, slot})
		}
	}
	return slots
}

// awsServiceBlocks are the blocks of the service with this number in a slot.
func awsServiceBlocks(slot, number int) (v4, v6 netip.Prefix) {
	four := awsServicesIPv4.Addr().As4()
	third := (slot*servicesPerSlot + number) * 4 // a /22 is four of the third byte
	four[1], four[2] = four[1]+byte(third>>8), byte(third)
	six := awsServicesIPv6.Addr().As16()
	six[5], six[6] = byte(slot), byte(number)
	return netip.PrefixFrom(netip.AddrFrom4(four), 22), netip.PrefixFrom(netip.AddrFrom16(six), 56)
}
