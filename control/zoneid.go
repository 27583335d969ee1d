package control

import (
	"strconv"
	"strings"
)

// ZoneID is the Availability Zone's ID, such as use1-az1 for us-east-1a. AWS
// shuffles the letters per account; in a lab a is az1. It is "" for a zone that is
// not the Region's.
func ZoneID(region, zone string) string {
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
