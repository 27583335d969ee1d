package flowlogs

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// The lines of AWS's own examples (FL-*), with its addresses, ports and counts.

func flow(src, dst string, srcPort, dstPort uint16, protocol uint8) dataplane.FlowRecord {
	return dataplane.FlowRecord{
		Tuple:     packet.Tuple{Src: addr(src), Dst: addr(dst), SrcPort: srcPort, DstPort: dstPort, Proto: protocol},
		Interface: hENI, Action: dataplane.FlowAccept, Packets: 20, Bytes: 4249,
	}
}

func write(t *testing.T, format string, at *Interface, r dataplane.FlowRecord, services ...ServiceRange) string {
	t.Helper()
	f := DefaultFormat(false)
	if format != "" {
		f = mustParse(t, format)
	}
	return f.line(&record{config: &Config{Services: services}, status: statusOK, start: 1418530010, end: 1418530070, flow: &r, at: at})
}

func eni(addresses ...string) *Interface {
	n := &Interface{ID: "eni-1235b8ca123456789", Account: "123456789010", VPC: "vpc-abcdefab012345678", Subnet: "subnet-aaaaaaaa012345678", Instance: "i-01234567890123456", Region: "us-east-1", ZoneID: "use1-az1"}
	for _, a := range addresses {
		n.Addresses = append(n.Addresses, netip.MustParseAddr(a))
	}
	return n
}

func TestLinesOfTheUserGuide(t *testing.T) {
	rejected := flow("172.31.9.69", "172.31.9.12", 49761, 3389, 6)
	rejected.Action = dataplane.FlowReject
	tcp := func(src, dst string, from, to uint16, flags uint8) dataplane.FlowRecord {
		r := flow(src, dst, from, to, 6)
		r.TCPFlags = flags
		return r
	}
	sent := func(r dataplane.FlowRecord, path uint8) dataplane.FlowRecord {
		r.Egress, r.TrafficPath = true, path
		return r
	}
	s3 := ServiceRange{netip.MustParsePrefix("52.95.128.0/21"), "S3"}
	nat := eni("10.0.0.220")
	nat.Instance = ""
	const custom = "${version} ${vpc-id} ${subnet-id} ${instance-id} ${interface-id} ${account-id} ${type} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${pkt-srcaddr} ${pkt-dstaddr} ${protocol} ${tcp-flags} ${log-status}"
	const head = "3 vpc-abcdefab012345678 subnet-aaaaaaaa012345678 i-01234567890123456 eni-1235b8ca123456789 123456789010 IPv4 "
	const pairs = "${instance-id} ${interface-id} ${srcaddr} ${dstaddr} ${pkt-srcaddr} ${pkt-dstaddr}"
	const paths = "${version} ${srcaddr} ${dstaddr} ${pkt-src-aws-service} ${pkt-dst-aws-service} ${flow-direction} ${traffic-path}"
	for _, c := range []struct {
		name, format string
		at           *Interface
		flow         dataplane.FlowRecord
		want         string
	}{
		{"FL-01 accepted SSH", "", eni("172.31.16.21"), flow("172.31.16.139", "172.31.16.21", 20641, 22, 6), "2 123456789010 eni-1235b8ca123456789 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK"},
		{"FL-02 rejected RDP", "", eni("172.31.9.12"), rejected, "2 123456789010 eni-1235b8ca123456789 172.31.9.69 172.31.9.12 49761 3389 6 20 4249 1418530010 1418530070 REJECT OK"},
		{"FL-05 IPv6", "", eni("10.0.0.9", "2001:db8:1234:a102:3304:8879:34cf:4071"), flow("2001:db8:1234:a100:8d6e:3477:df66:f105", "2001:db8:1234:a102:3304:8879:34cf:4071", 34892, 22, 6), "2 123456789010 eni-1235b8ca123456789 2001:db8:1234:a100:8d6e:3477:df66:f105 2001:db8:1234:a102:3304:8879:34cf:4071 34892 22 6 20 4249 1418530010 1418530070 ACCEPT OK"},
		{"FL-06 SYN", custom, eni("10.0.0.62"), tcp("52.213.180.42", "10.0.0.62", 43416, 5001, 2), head + "52.213.180.42 10.0.0.62 43416 5001 52.213.180.42 10.0.0.62 6 2 OK"},
		{"FL-06 SYN-ACK", custom, eni("10.0.0.62"), sent(tcp("10.0.0.62", "52.213.180.42", 5001, 43416, 18), 8), head + "10.0.0.62 52.213.180.42 5001 43416 10.0.0.62 52.213.180.42 6 18 OK"},
		{"FL-07 instance to NAT gateway", pairs, nat, flow("10.0.1.5", "203.0.113.5", 1, 2, 6), "- eni-1235b8ca123456789 10.0.1.5 10.0.0.220 10.0.1.5 203.0.113.5"},
		{"FL-07 NAT gateway to host", pairs, nat, sent(flow("10.0.0.220", "203.0.113.5", 1, 2, 6), 8), "- eni-1235b8ca123456789 10.0.0.220 203.0.113.5 10.0.0.220 203.0.113.5"},
		{"FL-07 host to NAT gateway", pairs, nat, flow("203.0.113.5", "10.0.0.220", 1, 2, 6), "- eni-1235b8ca123456789 203.0.113.5 10.0.0.220 203.0.113.5 10.0.0.220"},
		{"FL-07 NAT gateway to instance", pairs, nat, sent(flow("203.0.113.5", "10.0.1.5", 1, 2, 6), 1), "- eni-1235b8ca123456789 10.0.0.220 10.0.1.5 203.0.113.5 10.0.1.5"},
		{"FL-07 instance", pairs, eni("10.0.1.5"), sent(flow("10.0.1.5", "203.0.113.5", 1, 2, 6), 1), "i-01234567890123456 eni-1235b8ca123456789 10.0.1.5 203.0.113.5 10.0.1.5 203.0.113.5"},
		{"FL-09 to S3", paths, eni("10.0.0.71"), sent(flow("10.0.0.71", "52.95.128.179", 1, 443, 6), 8), "5 10.0.0.71 52.95.128.179 - S3 egress 8"},
		{"FL-09 from S3", paths, eni("10.0.0.71"), flow("52.95.128.179", "10.0.0.71", 443, 1, 6), "5 52.95.128.179 10.0.0.71 S3 - ingress -"},
		{"transit gateway's interface sends", pairs, eni("10.40.1.175"), sent(flow("10.20.33.164", "10.40.2.236", 1, 2, 6), 1), "i-01234567890123456 eni-1235b8ca123456789 10.40.1.175 10.40.2.236 10.20.33.164 10.40.2.236"},
		{"transit gateway's interface receives", pairs, eni("10.40.2.31"), flow("10.40.2.236", "10.20.33.164", 1, 2, 6), "i-01234567890123456 eni-1235b8ca123456789 10.40.2.236 10.40.2.31 10.40.2.236 10.20.33.164"},
		{"a second IPv6 address is its own", pairs, eni("2001:db8::1", "2001:db8::2"), flow("2001:db8:9::9", "2001:db8::2", 1, 2, 6), "i-01234567890123456 eni-1235b8ca123456789 2001:db8:9::9 2001:db8::2 2001:db8:9::9 2001:db8::2"},
	} {
		if got := write(t, c.format, c.at, c.flow, s3); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestLinesWithoutData(t *testing.T) { // FL-03
	f := DefaultFormat(false)
	for _, status := range []string{statusNoData, statusSkipData} {
		got := f.line(&record{config: &Config{}, status: status, start: 1431280876, end: 1431280934, at: eni()})
		if want := "2 123456789010 eni-1235b8ca123456789 - - - - - - - 1431280876 1431280934 - " + status; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	transit := DefaultFormat(true)
	got := transit.line(&record{config: &Config{}, status: statusNoData, start: 1, end: 2, gateway: &Gateway{ID: "tgw-1", Account: "1", Region: "r"}, attachment: &Attachment{ID: "tgw-attach-1"}})
	if want := "6 TransitGateway 1 tgw-1 tgw-attach-1 " + strings.Repeat("- ", 18) + "1 2 NODATA " + strings.Repeat("- ", 6) + "r - - -"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestEveryFieldIsWritten(t *testing.T) {
	r := flow("10.0.0.1", "10.0.0.2", 1, 2, 6)
	r.NextHop = hNAT
	next := &Interface{ID: "eni-next", VPC: "vpc-next", Subnet: "subnet-next", ZoneID: "use1-az2", Type: "nat_gateway"}
	for _, transit := range []bool{false, true} {
		for _, name := range Fields(transit) {
			f, err := ParseFormat("${"+name+"}", transit)
			if err != nil {
				t.Fatal(err)
			}
			if f.String() != "${"+name+"}" || f.Header() != name || f.Version() < 2 {
				t.Errorf("%s is %s %s, version %d", name, f, f.Header(), f.Version())
			}
			got := f.line(&record{config: &Config{Interfaces: map[dataplane.Handle]*Interface{hNAT: next}}, status: statusOK, flow: &r, at: eni("10.0.0.2"), gateway: &Gateway{}, attachment: &Attachment{}})
			if got == "" || strings.Contains(got, " ") {
				t.Errorf("%s is written %q", name, got)
			}
		}
	}
	if got := write(t, "${next-hop-interface-id} ${interface-type} ${reject-reason} ${ecs-task-id} ${sublocation-type} ${region} ${az-id} ${version}", eni(), r); got != "- - - - - us-east-1 use1-az1 11" {
		t.Errorf("got %s", got)
	}
}

func TestFormatErrorsNameThePlace(t *testing.T) {
	for _, c := range []struct {
		text    string
		transit bool
		want    string
	}{
		{"", false, "character 1: the format has no field"},
		{"${version} ${srcadr}", false, `character 14: "srcadr" is no field of a flow log`},
		{"${version}  ${srcaddr}", false, `character 12: "" is not a field: write ${name}`},
		{"${version},${srcaddr}", false, `character 11: "," between two fields: AWS takes one space`},
		{"${version} ", false, "character 11: a space at the end"},
		{"version ${srcaddr}", false, `character 1: "version" is not a field: write ${name}`},
		{"${version} ${srcaddr", false, "character 12: a field without its closing brace"},
		{"${tgw-id}", false, `character 3: "tgw-id" is a field of transit gateways (version 6) only`},
		{"${tgw-id} ${action}", true, `character 13: "action" is a field of VPCs, subnets and network interfaces, not of transit gateways`},
		{"${Version}", false, `character 3: "Version" is no field of a flow log`},
	} {
		_, err := ParseFormat(c.text, c.transit)
		var bad *FormatError
		if !errors.As(err, &bad) || err.Error() != c.want {
			t.Errorf("%q: %v, want %s", c.text, err, c.want)
		}
	}
}

func TestDefaultFormatIsAWSs(t *testing.T) {
	if diff := cmp.Diff("version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status", DefaultFormat(false).Header()); diff != "" {
		t.Error(diff)
	}
	const transit = "version resource-type account-id tgw-id tgw-attachment-id tgw-src-vpc-account-id tgw-dst-vpc-account-id tgw-src-vpc-id tgw-dst-vpc-id tgw-src-subnet-id tgw-dst-subnet-id tgw-src-eni tgw-dst-eni tgw-src-az-id tgw-dst-az-id tgw-pair-attachment-id srcaddr dstaddr srcport dstport protocol packets bytes start end log-status type packets-lost-no-route packets-lost-blackhole packets-lost-mtu-exceeded packets-lost-ttl-expired tcp-flags region flow-direction pkt-src-aws-service pkt-dst-aws-service"
	if diff := cmp.Diff(transit, DefaultFormat(true).Header()); diff != "" {
		t.Error(diff)
	}
	if v, w := DefaultFormat(false).Version(), DefaultFormat(true).Version(); v != 2 || w != 6 {
		t.Errorf("versions %d and %d", v, w)
	}
}
