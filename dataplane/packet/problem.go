package packet

import "strconv"

var problemTexts = [...]string{
	ProblemNone:           "none",
	ProblemTruncated:      "truncated header",
	ProblemVersion:        "IP version contradicts the EtherType",
	ProblemHeaderLength:   "header length is impossible",
	ProblemTotalLength:    "IP length exceeds the frame",
	ProblemHeaderChecksum: "IPv4 header checksum is wrong",
	ProblemEtherType:      "EtherType is neither ARP, IPv4 nor IPv6",
	ProblemExtensionChain: "IPv6 extension header chain is too long",
	ProblemTinyFragment:   "fragment splits or overlaps the transport header",
	ProblemARP:            "ARP is not Ethernet/IPv4",
	ProblemMappedAddress:  "IPv6 header with an IPv4-mapped address",
}

// String is the problem in words, for traces and counters.
func (p Problem) String() string {
	if int(p) < len(problemTexts) {
		return problemTexts[p]
	}
	return "Problem(" + strconv.Itoa(int(p)) + ")"
}
