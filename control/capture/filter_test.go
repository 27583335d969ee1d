package capture

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// samples are frames by what they are called in the tables.
func samples() map[string][]byte {
	address := func(s string) packet.Addr { return packet.AddrFrom(netip.MustParseAddr(s)) }
	build := func(src, dst string, proto uint8, srcPort, dstPort uint16, payload int) []byte {
		s := packet.Spec{Tuple: packet.Tuple{Src: address(src), Dst: address(dst), Proto: proto, SrcPort: srcPort, DstPort: dstPort}, Payload: make([]byte, payload)}
		if proto == packet.ProtoICMP {
			s.ICMPType = 8
		}
		return packet.Append(nil, s)
	}
	mac := packet.MAC{2, 0, 0, 0, 0, 1}
	return map[string][]byte{
		"web":   build("10.0.1.10", "10.0.2.20", packet.ProtoTCP, 40000, 80, 0),
		"reply": build("10.0.2.20", "10.0.1.10", packet.ProtoTCP, 80, 40000, 1000),
		"dns":   build("10.0.1.10", "10.0.0.2", packet.ProtoUDP, 5353, 53, 20),
		"ping":  build("10.0.1.10", "10.0.2.20", packet.ProtoICMP, 7, 7, 0),
		"web6":  build("2001:db8::1", "2001:db8:1::2", packet.ProtoTCP, 40000, 443, 0),
		"ping6": build("2001:db8::1", "2001:db8:1::2", packet.ProtoICMPv6, 7, 7, 0),
		"gre":   build("10.0.1.10", "10.0.2.20", 47, 0, 0, 0),
		"arp":   packet.AppendARP(nil, 1, mac, mac, mac, address("10.0.1.10"), packet.MAC{}, address("10.0.1.1")),
	}
}

// kept are the samples that a filter keeps, in the order of the alphabet.
func kept(t *testing.T, filter dataplane.CaptureFilter) string {
	t.Helper()
	var names []string
	for _, name := range []string{"arp", "dns", "gre", "ping", "ping6", "reply", "web", "web6"} {
		if filter.Keeps(samples()[name], dataplane.VerdictPass, dataplane.ReasonDelivered) {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

func TestFilterKeepsWhatTcpdumpWould(t *testing.T) {
	for filter, want := range map[string]string{
		"":                                   "arp dns gre ping ping6 reply web web6",
		"ip":                                 "dns gre ping reply web",
		"ip6":                                "ping6 web6",
		"arp":                                "arp",
		"tcp":                                "reply web web6",
		"udp or icmp":                        "dns ping",
		"icmp6":                              "ping6",
		"proto 47":                           "gre",
		"host 10.0.2.20":                     "gre ping reply web",
		"10.0.2.20":                          "gre ping reply web",
		"src host 10.0.2.20":                 "reply",
		"dst 10.0.2.20":                      "gre ping web",
		"src or dst host 10.0.0.2":           "dns",
		"src and dst net 10.0.0.0/22":        "arp dns gre ping reply web",
		"src and dst net 10.0.0.0/23":        "arp dns",
		"net 2001:db8:1::/48":                "ping6 web6",
		"host 10.0.0.2 or 2001:db8::1":       "dns ping6 web6",
		"host 10.0.1.1":                      "arp",
		"port 80":                            "reply web",
		"dst port 80":                        "web",
		"port 80 or 53":                      "dns reply web",
		"src port 80 or 40000":               "reply web web6",
		"portrange 400-500":                  "web6",
		"tcp port 443":                       "web6",
		"udp port 80":                        "",
		"ip host 10.0.2.20 and not tcp":      "gre ping",
		"not (tcp or udp) && !icmp":          "arp gre ping6",
		"tcp and (port 80 || port 443)":      "reply web web6",
		"TCP and PORT 80":                    "reply web",
		"greater 1000":                       "reply",
		"less 60 and ip":                     "gre ping web",
		"not tcp and not udp and not icmp6":  "arp gre ping",
		"tcp or udp and port 53":             "dns reply web web6",
		"drop":                               "",
		"reason delivered and tcp":           "reply web web6",
		"not not ip6":                        "ping6 web6",
		" ( ( ip6 ) ) ":                      "ping6 web6",
		"ip6 and src net 2001:db8::/32":      "ping6 web6",
		"host 10.0.1.10 and port 80 or ip6 ": "ping6 reply web web6",
	} {
		program, err := ParseFilter(filter)
		if err != nil {
			t.Errorf("%q: %v", filter, err)
			continue
		}
		if got := kept(t, program); got != want {
			t.Errorf("%q keeps %q, want %q", filter, got, want)
		}
	}
}

func TestFilterSaysWhereItIsWrong(t *testing.T) {
	for filter, want := range map[string]string{
		"tcp prot 80":           `filter, column 5: "prot" does not belong here; join two tests by and, or or`,
		"tcp and":               "filter, column 8: a test is missing here; write one such as host 10.0.1.10, tcp port 80 or drop",
		"(tcp or udp":           "filter, column 1: this parenthesis is not closed; write ) where the group ends",
		"tcp)":                  `filter, column 4: ")" does not belong here; join two tests by and, or or`,
		"port web":              `filter, column 6: "web" is not a port; write a number from 0 to 65535, or portrange 8000-8999`,
		"port 70000":            `filter, column 6: "70000" is not a port; write a number from 0 to 65535, or portrange 8000-8999`,
		"portrange 9-8":         `filter, column 11: "9-8" is not a range of ports; write two numbers such as 8000-8999`,
		"net 10.0.0.1/16":       "filter, column 5: 10.0.0.1/16 has bits set behind its prefix; write 10.0.0.0/16",
		"host 10.0.0.0/8":       `filter, column 6: "10.0.0.0/8" is not a test or an address; write a test such as host 10.0.1.10, net 10.0.0.0/16, tcp port 80, drop or reason no-route`,
		"reason tired":          `filter, column 8: "tired" is not a reason; reasons are ok, rule`,
		"src and host 10.0.0.1": `filter, column 5: a value is missing behind "src"; write src host ADDRESS`,
		"or tcp":                `filter, column 1: a test is missing before "or"; write one such as host 10.0.1.10, tcp port 80 or drop`,
		"less":                  "filter, column 5: a number is missing here; write one from 0 to 65535",
	} {
		_, err := ParseFilter(filter)
		var wrong *FilterError
		if !errors.As(err, &wrong) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v\nwant %s", filter, err, want)
		}
	}
	deep := strings.Repeat("(", 100) + "tcp" + strings.Repeat(")", 100)
	if _, err := ParseFilter(deep); err == nil || !strings.Contains(err.Error(), "nested too deep") {
		t.Errorf("a deep filter: %v", err)
	}
}

// FuzzFilter: whatever is written is refused at a column of it, or is a filter that
// needs no more room than there is.
func FuzzFilter(f *testing.F) {
	for _, s := range []string{"tcp port 80", "not (src or dst host 10.0.0.1) && drop", "reason no-route or portrange 1-2", "ip6 net ::/0 || less 9"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		program, err := ParseFilter(text)
		var wrong *FilterError
		if errors.As(err, &wrong) {
			if wrong.Column < 1 || wrong.Column > len(text)+1 || wrong.What == "" {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		depth, most := 0, 0
		for _, op := range program {
			switch op.Test {
			case dataplane.FilterNot:
			case dataplane.FilterAnd, dataplane.FilterOr:
				depth--
			default:
				depth++
			}
			most = max(most, depth)
			if depth < 1 {
				t.Fatalf("%q: a word joins what is not there: %v", text, program)
			}
		}
		if len(program) > 0 && depth != 1 || most > dataplane.MaxFilterDepth {
			t.Errorf("%q: %d results are left, %d were open", text, depth, most)
		}
		kept(t, program)
	})
}
