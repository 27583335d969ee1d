package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// useOwnHooks makes Debian's script of dhclient leave /etc/resolv.conf alone, by
// the hook that it has for the purpose, in a directory that only this program
// sees. To replace the file it makes a second one in /etc: in an ordinary user's
// lab it may not, and in root's lab that is the machine's /etc.
const useOwnHooks = `
mount -t tmpfs hooks /etc/dhcp/dhclient-enter-hooks.d
echo 'make_resolv_conf() { :; }' >/etc/dhcp/dhclient-enter-hooks.d/resolvconf
`

// leaseIPv4 takes everything away that DHCP gives, asks a real dhclient to get it
// back, and shows its lease and what the kernel has.
const leaseIPv4 = useOwnHooks + `
ip -4 address flush dev eth0
ip link set eth0 mtu 1500
timeout 10 dhclient -4 -1 -v -lf "$PWD/$(hostname).lease" -pf "$PWD/$(hostname).pid" eth0
cat "$PWD/$(hostname).lease"
ip -4 address show dev eth0
ip -4 route show
`

// leaseIPv6 does the same with DHCPv6.
const leaseIPv6 = useOwnHooks + `
ip -6 address flush dev eth0 scope global
timeout 10 dhclient -6 -1 -v -lf "$PWD/$(hostname).lease6" -pf "$PWD/$(hostname).pid6" eth0
cat "$PWD/$(hostname).lease6"
ip -6 address show dev eth0 scope global
ip -6 route show
`

// advertised makes the kernel take its default route from a router advertisement,
// as AWS's images do; the lab's own routes are gone before.
const advertised = `
ip -6 route flush dev eth0 proto static
echo 2 >/proc/sys/net/ipv6/conf/eth0/accept_ra
ip link set eth0 down
ip link set eth0 up
for i in $(seq 100); do ip -6 route show default | grep -q 'proto ra' && break; sleep 0.05; done
`

func TestDHCPClientGetsItsLease(t *testing.T) {
	requirePrograms(t, "dhclient", "ip", "ping")
	before, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		t.Fatal(err)
	}
	asEveryUser(t, func(t *testing.T, u *user) {
		t.Parallel() // with the other user: it mostly waits
		u.vpcLab()
		tests := []struct {
			networkCase
			lines, never []string
		}{
			{
				networkCase: networkCase{"A37 A38 A40 the defaults", "web", leaseIPv4, ""},
				lines: []string{
					"DHCPACK of 10.0.1.10 from 10.0.1.1", "fixed-address 10.0.1.10;", "option subnet-mask 255.255.255.0;", "option routers 10.0.1.1;",
					"option domain-name-servers 10.0.0.2;", `option domain-name "ec2.internal";`, "option interface-mtu 9001;",
					"option dhcp-lease-time 3600;", `option host-name "ip-10-0-1-10";`,
					"inet 10.0.1.10/24 ", " mtu 9001 ", "default via 10.0.1.1 dev eth0",
				},
				never: []string{"10.0.1.11"}, // A37: secondary addresses are not handed out
			}, {
				networkCase: networkCase{"A38 A41 a set of one's own", "corp", leaseIPv4, ""},
				lines: []string{
					"fixed-address 10.7.1.10;", "option domain-name-servers 10.7.1.53,10.7.0.2;", `option domain-name "corp.example";`,
					"option ntp-servers 169.254.169.123;", "inet 10.7.1.10/24 ", "default via 10.7.1.1 dev eth0",
				},
			}, {
				networkCase: networkCase{"A39 no option set", "bare", leaseIPv4, ""},
				lines:       []string{"fixed-address 10.8.1.10;", "option domain-name-servers 169.254.169.253;", "inet 10.8.1.10/24 "},
				never:       []string{"option domain-name \""},
			}, {
				networkCase: networkCase{"NA-06 neither groups nor ACLs filter DHCP", "mute", leaseIPv4, ""},
				lines:       []string{"fixed-address 10.0.3.10;", "inet 10.0.3.10/24 "},
			}, {
				networkCase: networkCase{"A35 A40 DHCPv6 of a set of one's own", "corp", leaseIPv6, ""},
				lines: []string{
					"iaaddr 2001:db8:c:1::10 {", "preferred-life 600;", "max-life 600;", "option dhcp6.name-servers fd00:ec2::253;",
					`option dhcp6.domain-search "corp.example.";`, "inet6 2001:db8:c:1::10/128 scope global dynamic",
				},
			}, {
				networkCase: networkCase{"A13 A35 A40 an IPv6-only subnet", "six", advertised + leaseIPv6 + "ping -c 1 -W 5 2001:db8:ff00::10\n", ""},
				lines: []string{
					"iaaddr 2001:db8:a:6::10 {", "preferred-life 140;", "max-life 450;", "option dhcp6.name-servers fd00:ec2::253;",
					`option dhcp6.domain-search "ec2.internal.";`, "inet6 2001:db8:a:6::10/128 scope global dynamic",
					"default via fe80::", "proto ra", " 0% packet loss",
				},
				never: []string{"proto static"},
			},
		}
		var cases []networkCase
		for _, test := range tests {
			cases = append(cases, test.networkCase)
		}
		got := u.outputs(cases)
		for i, test := range tests {
			// The kernel may still be looking for a duplicate of the address.
			got[i] = strings.ReplaceAll(got[i], " tentative", "")
			t.Run(test.name, func(t *testing.T) {
				for _, line := range test.lines {
					if !strings.Contains(got[i], line) {
						t.Errorf("no %q in\n%s", line, got[i])
					}
				}
				for _, never := range test.never {
					if strings.Contains(got[i], never) {
						t.Errorf("%q in\n%s", never, got[i])
					}
				}
			})
		}
		if after, _ := os.ReadFile("/etc/resolv.conf"); string(after) != string(before) {
			t.Error("the machine's own /etc/resolv.conf has changed")
		}
	})
}

func TestResolverAnswersRealPrograms(t *testing.T) {
	requirePrograms(t, "dig", "getent")
	asEveryUser(t, func(t *testing.T, u *user) {
		t.Parallel() // with the other user: it mostly waits
		u.vpcLab()
		const dig, private = "dig +time=1 +tries=1 +short ", " ip-10-0-1-10.ec2.internal"
		const silent = `no servers could be reached`
		u.expectAll([]networkCase{
			{"A-C2 NA-06 VPC+2 past a closed ACL and an empty group", "mute", dig + "@10.0.0.2" + private, `^10\.0\.1\.10\n$`},
			{"A-C2 VPC+2 over TCP", "mute", dig + "+tcp @10.0.0.2" + private, `^10\.0\.1\.10\n$`},
			{"A-C3 the subnet's base+2 is silent", "mute", dig + "@10.0.3.2" + private, silent},
			{"A-C3 over TCP", "mute", dig + "+tcp @10.0.3.2" + private, silent},
			{"A-C4 link-local over UDP", "mute", dig + "@169.254.169.253" + private, `^10\.0\.1\.10\n$`},
			{"A-C4 link-local over TCP", "mute", dig + "+tcp @169.254.169.253" + private, `^10\.0\.1\.10\n$`},
			{"A42 IPv6 over UDP", "mute", dig + "@fd00:ec2::253" + private, `^10\.0\.1\.10\n$`},
			{"A42 IPv6 over TCP", "mute", dig + "+tcp @fd00:ec2::253" + private, `^10\.0\.1\.10\n$`},
			{"A44 no DNS support, VPC+2 is silent", "twin", dig + "@10.0.0.2" + private, silent},
			{"A44 over TCP", "twin", dig + "+tcp @10.0.0.2" + private, silent},
			{"A44 link-local", "twin", dig + "@169.254.169.253" + private, silent},
			{"A47 A48 a public name is the private address inside", "private", dig + "ec2-198-51-100-10.compute-1.amazonaws.com", `^10\.0\.1\.10\n$`},
			{"A46 PTR of a private address", "private", dig + "-x 10.0.1.10", `^ip-10-0-1-10\.ec2\.internal\.\n$`},
			{"A47 PTR of a public address", "private", dig + "-x 198.51.100.10", `^ec2-198-51-100-10\.compute-1\.amazonaws\.com\.\n$`},
			{"A50 nothing is forwarded", "private", "dig +time=1 +tries=1 example.com", `status: NXDOMAIN`},
			{"R54 DNS64 where there is no AAAA", "six", dig + "AAAA" + private, `^64:ff9b::a00:10a\n$`},
			{"R54 no DNS64 in another subnet", "private", dig + "AAAA" + private, `^$`},
			{"A38 the search domain, through /etc/resolv.conf", "private", "getent ahostsv4 ip-10-0-1-10", `^10\.0\.1\.10 +STREAM ip-10-0-1-10\.ec2\.internal`},
			{"A38 in an IPv6-only subnet", "six", "getent ahostsv6 ip-10-0-1-10", `^64:ff9b::a00:10a +STREAM`},
			{"the lab's own names", "private", "getent hosts web", `^10\.0\.1\.10 +web`},
		})
	})
}

// Words of AWS's documentation of IMDSv2.
const (
	tokenURL    = "http://169.254.169.254/latest/api/token"
	metadataURL = "http://169.254.169.254/latest/meta-data/"
	takeToken   = `TOKEN=$(curl -sS -m 5 -X PUT "` + tokenURL + `" -H "X-aws-ec2-metadata-token-ttl-seconds: 21600")` + "\n"
	withToken   = `curl -sS -m 5 -w '\n%{http_code}\n' -H "X-aws-ec2-metadata-token: $TOKEN" ` + metadataURL
	code        = `curl -sS -m 3 -o /dev/null -w "%{http_code}\n" `
)

func TestInstanceMetadataWithCurl(t *testing.T) {
	requirePrograms(t, "curl")
	asEveryUser(t, func(t *testing.T, u *user) {
		t.Parallel() // with the other user: it mostly waits
		u.vpcLab()
		u.expectAll([]networkCase{
			{"A-C5 no token", "web", code + metadataURL, `^401\n$`},
			{"A51 as in the documentation", "web", takeToken + withToken, `(?s)^ami-id\n.*\nlocal-ipv4\n.*\n200\n$`},
			{"A52 an item", "web", takeToken + withToken + "local-ipv4", `^10\.0\.1\.10\n200\n$`},
			{"A54 an unknown item", "web", takeToken + withToken + "nothing", `\n404\n$`},
			{"A-C6 a ttl that is too long", "web", code + "-X PUT " + tokenURL + " -H 'X-aws-ec2-metadata-token-ttl-seconds: 21601'", `^400\n$`},
			{"A-C7 forwarded by a proxy", "web", code + "-X PUT " + tokenURL + " -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' -H 'X-Forwarded-For: 192.0.2.1'", `^403\n$`},
			{"A-C24 public address with DNS host names", "web", takeToken + withToken + "public-hostname", `^ec2-198-51-100-10\.compute-1\.amazonaws\.com\n200\n$`},
			{"A-C24 public-ipv4", "web", takeToken + withToken + "public-ipv4", `^198\.51\.100\.10\n200\n$`},
			{"A-C24 no public name without a public address", "private", takeToken + withToken + "public-hostname", `\n404\n$`},
			{"NA-06 A-C19 past a closed ACL and an empty group", "mute", takeToken + withToken + "local-ipv4", `^10\.0\.3\.10\n200\n$`},
			{"A42 instances of the same address in two VPCs", "twin", takeToken + withToken + "local-ipv4", `^10\.0\.1\.10\n200\n$`},
			{"every interface", "multi", takeToken + withToken + "network/interfaces/macs/ | grep -c :", `^2\n$`},
			{"role credentials", "web", takeToken + withToken + "iam/security-credentials/app-role", `(?s)"Code" *: *"Success".*"AccessKeyId" *: *"ASIA`},
			{"no role", "private", takeToken + withToken + "iam/security-credentials/", `\n404\n$`},
		})
		t.Run("A-C8 a token of another instance", func(t *testing.T) {
			u := u.with(t)
			token := u.shell("web", takeToken+"echo $TOKEN").stdout
			if u.expectOutput("twin", "TOKEN="+strings.TrimSpace(token)+"\n"+withToken, `\n401\n$`); len(token) < 20 {
				t.Errorf("token %q", token)
			}
		})
	})
}

// behindInstance makes a network namespace behind the instance, as a container
// has one, and reads metadata from there.
const behindInstance = `
unshare --net sleep 60 & inner=$!
trap 'kill $inner' EXIT
while [ "$(readlink /proc/$inner/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
ip link add outer type veth peer name inner netns $inner
ip address add 172.31.0.1/24 dev outer
ip link set outer up
nsenter -t $inner -n sh -c '
	ip address add 172.31.0.2/24 dev inner; ip link set inner up; ip route add default via 172.31.0.1
	echo "put $(` + code + `-X PUT ` + tokenURL + ` -H "X-aws-ec2-metadata-token-ttl-seconds: 60" 2>/dev/null)"
	echo "get $(` + code + metadataURL + `)"
' 2>&1
`

// masquerade makes a container host of the instance.
const masquerade = `
echo 1 >/proc/sys/net/ipv4/ip_forward
nft -f - <<EOF
table ip nat { chain post { type nat hook postrouting priority 100; oifname "eth0" masquerade; }; }
EOF
`

func TestMetadataTokenHopLimit(t *testing.T) {
	requirePrograms(t, "curl", "ip", "nft", "nsenter", "unshare")
	asEveryUser(t, func(t *testing.T, u *user) {
		t.Parallel() // with the other user: it mostly waits
		two := ", metadataOptions: {httpPutResponseHopLimit: 2}"
		u.ok("up", "-d", u.vpcFile("vpc.yaml", "forward: true, sourceDestCheck: false", "forward: true, sourceDestCheck: false"+two,
			"serve: [http/80, tcp/7]}\n  router", "serve: [http/80, tcp/7]"+two+"}\n  router"))
		u.expectAll([]networkCase{
			// The answer to GET is not limited: it says 401, the PUT says nothing.
			{"A-C9 A53 hop limit 1 ends in the container's host", "web", masquerade + behindInstance, `^put 000\nget 401\n`},
			{"A-C9 A53 hop limit 2 reaches the container", "spare", masquerade + behindInstance, `^put 200\nget 401\n`},
			{"A55 a forwarding instance's hosts reach its metadata", "router", behindInstance, `^put 200\nget 401\n`},
		})
	})
}

// TestAWSCLIFindsTheRolesCredentials asks AWS's own library, the way every program
// of its users asks.
func TestAWSCLIFindsTheRolesCredentials(t *testing.T) {
	if _, err := exec.LookPath("aws"); err != nil {
		t.Skip("the AWS CLI is not installed")
	}
	asEveryUser(t, func(t *testing.T, u *user) {
		t.Parallel() // with the other user: it mostly waits
		u.vpcLab()
		aws := func(instance string) result {
			cmd := u.command("exec", instance, "--", "aws", "configure", "list")
			cmd.Env = append(cmd.Env, "PATH="+os.Getenv("PATH"))
			return u.finish(cmd)
		}
		r := aws("web")
		if r.code == 126 || r.code == 127 {
			t.Skipf("the AWS CLI is not this user's to run: %s", r)
		}
		if got := strings.Join(strings.Fields(r.stdout), " "); r.code != 0 || !strings.Contains(got, "iam-role secret_key") {
			t.Errorf("with a role: %s", r)
		}
	})
}

func TestTimeServiceAnswersRealPrograms(t *testing.T) {
	requirePrograms(t, "ntpdig")
	asEveryUser(t, func(t *testing.T, u *user) {
		t.Parallel() // with the other user: it mostly waits
		u.vpcLab()
		for _, address := range []string{"169.254.169.123", "fd00:ec2::123"} { // it only asks: nothing sets a clock
			u.expectOutput("mute", "ntpdig -j -t 2 "+address, `"offset":-?0\.0\d+,.*"ip":"`+address+`","stratum":3,"leap":"no-leap","adjusted":false`)
		}
	})
}
