package services

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/vpcsim/vpcsim/control"
)

// internalDomain is where private names live (A46).
func internalDomain(region string) string { return domainOf(control.ResourceName(region, "i-0")) }

// publicDomain is where public names live (A47).
func publicDomain(region string) string {
	return domainOf(control.PublicName(region, netip.IPv4Unspecified()))
}

func domainOf(name string) string {
	_, domain, _ := strings.Cut(name, ".")
	return domain
}

// serviceDomain is the domain of AWS's services, which differs in China.
func serviceDomain(region string) string {
	if partition(region) == "aws-cn" {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}

// partition is the group of Regions that share accounts and ARNs.
func partition(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

// zoneID is the Availability Zone's ID, such as use1-az1 for us-east-1a. AWS
// shuffles the letters per account; in a lab a is az1.
func zoneID(region, zone string) string {
	letter, ok := strings.CutPrefix(zone, region)
	if !ok || len(letter) != 1 || letter[0] < 'a' || letter[0] > 'z' {
		return ""
	}
	words := strings.Split(region, "-")
	short := words[0]
	for _, word := range words[1:] {
		short += shortWord(word)
	}
	return short + "-az" + strconv.Itoa(int(letter[0]-'a')+1)
}

// shortWord shortens a word of a Region's name as zone IDs do: south and east to
// se, gov to g, a number to itself.
func shortWord(word string) string {
	short := ""
	for _, direction := range []string{"north", "south", "east", "west", "central", "gov"} {
		if rest, ok := strings.CutPrefix(word, direction); ok {
			word, short = rest, short+direction[:1]
		}
	}
	return short + word
}
