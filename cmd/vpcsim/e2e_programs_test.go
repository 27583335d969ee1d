package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/lab"
)

// These tests hold what a VPC does to packets against real programs inside real
// instances: the very ones that people use on AWS. Names carry the ids of the
// rules and cases of AWS's semantics; docs/fidelity.md lists them.

// vpcScenario is one lab for all of them. Addresses are written where a test
// names them.
const vpcScenario = `name: vpc
region: us-east-1
vpcs:
  app:  {cidr: 10.0.0.0/16, ipv6: "2001:db8:a::/56", enableDnsHostnames: true}
  twin: {cidr: 10.0.0.0/16, enableDnsSupport: false}   # the same addresses, and no resolver
  corp: {cidr: 10.7.0.0/16, ipv6: "2001:db8:c::/56", dhcpOptions: corp}
  bare: {cidr: 10.8.0.0/16, dhcpOptions: none}
dhcpOptions:
  corp:
    domainName: corp.example
    domainNameServers: [10.7.1.53, AmazonProvidedDNS]
    ntpServers: [169.254.169.123]
    ipv6PreferredLease: 600
internetGateways: {igw: {vpc: app}}
egressOnlyInternetGateways: {eigw: {vpc: app}}
natGateways: {nat: {subnet: public, privateIp: 10.0.1.5, eip: 198.51.100.50}}
routeTables:
  public:  {vpc: app, routes: {0.0.0.0/0: igw, "::/0": igw}}
  private: {vpc: app, routes: {0.0.0.0/0: nat, "64:ff9b::/96": nat, "::/0": eigw}}
networkAcls:
  closed: {vpc: app}
subnets:
  public:  {vpc: app, cidr: 10.0.1.0/24, routeTable: public, ipv6: "2001:db8:a:1::/64"}
  private: {vpc: app, cidr: 10.0.2.0/24, routeTable: private, ipv6: "2001:db8:a:2::/64"}
  shut:    {vpc: app, cidr: 10.0.3.0/24, networkAcl: closed, ipv6: "2001:db8:a:3::/64"}
  six:     {vpc: app, ipv6Native: true, ipv6: "2001:db8:a:6::/64", routeTable: private, enableDns64: true}
  twin:    {vpc: twin, cidr: 10.0.1.0/24}
  corp:    {vpc: corp, cidr: 10.7.1.0/24, ipv6: "2001:db8:c:1::/64"}
  bare:    {vpc: bare, cidr: 10.8.1.0/24}
securityGroups:
  open:    {vpc: app, ingress: [{protocol: all, from: [0.0.0.0/0, "::/0"]}]}
  none:    {vpc: app, ingress: [], egress: []}
  client:  {vpc: app, ingress: []}                                  # so that what it starts is tracked
  guarded: {vpc: app, ingress: [{protocol: all, from: 10.0.0.0/16}]}
  twin:    {vpc: twin, ingress: [{protocol: all, from: 0.0.0.0/0}]}
instances:
  web:     {subnet: public, ip: 10.0.1.10, secondaryIps: [{ip: 10.0.1.11, publicIp: 198.51.100.11}], publicIp: 198.51.100.10, ipv6: "2001:db8:a:1::10", securityGroups: [open], role: app-role, serve: [http/80, tcp/7]}
  spare:   {subnet: public, ip: 10.0.1.20, securityGroups: [open], serve: [http/80, tcp/7]}
  router:  {subnet: public, ip: 10.0.1.30, securityGroups: [open], forward: true, sourceDestCheck: false}
  private: {subnet: private, ip: 10.0.2.10, ipv6: "2001:db8:a:2::10", securityGroups: [open], serve: [http/80, tcp/7]}
  guarded: {subnet: private, ip: 10.0.2.20, securityGroups: [guarded], serve: [http/80, tcp/7, udp/53]}
  client:  {subnet: private, ip: 10.0.2.30, securityGroups: [client]}
  mute:    {subnet: shut, ip: 10.0.3.10, securityGroups: [none]}
  six:     {subnet: six, ipv6: "2001:db8:a:6::10", securityGroups: [open]}
  twin:    {subnet: twin, ip: 10.0.1.10, securityGroups: [twin], serve: [http/80, tcp/7]}
  corp:    {subnet: corp, ip: 10.7.1.10, ipv6: "2001:db8:c:1::10"}
  bare:    {subnet: bare, ip: 10.8.1.10}
  multi:
    subnet: public
    ip: 10.0.1.40
    securityGroups: [open]
    interfaces: [{subnet: private, ip: 10.0.2.40, securityGroups: [open]}]
internetHosts:
  outside: {ip: 203.0.113.10, ipv6: "2001:db8:ff00::10", serve: [http/80, tcp/7, udp/53]}
  farther: {ip: 203.0.113.20, ipv6: "2001:db8:ff00::20"}
`

// vpcLab brings the lab up.
func (u *user) vpcLab() {
	u.t.Helper()
	u.ok("up", "-d", u.vpcFile("vpc.yaml"))
}

// vpcFile writes the scenario with replacements.
func (u *user) vpcFile(name string, replacements ...string) string {
	u.t.Helper()
	for i := 0; i < len(replacements); i += 2 {
		if !strings.Contains(vpcScenario, replacements[i]) {
			u.t.Fatalf("the scenario has no %q any more", replacements[i])
		}
	}
	path := filepath.Join(u.dir, name)
	if err := os.WriteFile(path, []byte(strings.NewReplacer(replacements...).Replace(vpcScenario)), 0o644); err != nil {
		u.t.Fatal(err)
	}
	return path
}

// with is the same user for a test of his own.
func (u *user) with(t *testing.T) *user {
	same := *u
	same.t = t
	return &same
}

// shell runs a script inside an instance. What it prints on both its outputs is
// the result's stdout, so that an error of a program is seen where it happened.
func (u *user) shell(instance, script string) result {
	u.t.Helper()
	return u.run("exec", instance, "--", "/bin/sh", "-c", "exec 2>&1\n"+script)
}

// requirePrograms skips the test where a program is missing that it talks to. In
// CI nothing is skipped.
func requirePrograms(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		_, err := exec.LookPath(name)
		if _, sbin := os.Stat("/usr/sbin/" + name); err == nil || sbin == nil {
			continue
		}
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is not installed, and in CI it must be", name)
		}
		t.Skipf("%s is not installed", name)
	}
}

// askTool sends a datagram and prints the answer.
func askTool(address string) error {
	conn, err := net.Dial("udp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("anybody?")); err != nil {
		return err
	}
	_ = conn.SetReadDeadline(time.Now().Add(2 * time.Second))
	buffer := make([]byte, 1500)
	n, err := conn.Read(buffer)
	fmt.Printf("%s\n", buffer[:n])
	return err
}

// ask sends a datagram from an instance; the result is the answer, or why there
// is none.
func (u *user) ask(instance, address string) string {
	u.t.Helper()
	cmd := u.command("exec", instance, "--", shared.tool)
	cmd.Env = append(cmd.Env, toolVariable+"=ask "+address)
	r := u.finish(cmd)
	return r.stdout + r.stderr
}

// status is the only lab's.
func (u *user) status() lab.Status {
	u.t.Helper()
	labs := u.labs()
	if len(labs) != 1 {
		u.t.Fatalf("%d labs run", len(labs))
	}
	return labs[0]
}

// drops is how many packets were dropped for a reason.
func (u *user) drops(reason string) uint64 { return u.status().Packets.Drops[reason] }

// networkCase is a program in an instance, and the regular expression that its
// output must match.
type networkCase struct{ name, instance, script, want string }

// expectOutput runs one program.
func (u *user) expectOutput(instance, script, want string) {
	u.t.Helper()
	if r := u.shell(instance, script); !regexp.MustCompile(want).MatchString(r.stdout) {
		u.t.Errorf("%s in %s:\n%s\nwant %s", script, instance, r.stdout, want)
	}
}

// expectAll runs all programs at once, since most of their time is waiting for what
// must not come, and holds their outputs against what is wanted.
func (u *user) expectAll(cases []networkCase) {
	u.t.Helper()
	got := u.outputs(cases)
	for i, c := range cases {
		u.t.Run(c.name, func(t *testing.T) {
			if !regexp.MustCompile(c.want).MatchString(got[i]) {
				t.Errorf("%s in %s:\n%s\nwant %s", c.script, c.instance, got[i], c.want)
			}
		})
	}
}

// outputs runs all programs at once and returns what they print.
func (u *user) outputs(cases []networkCase) []string {
	got := make([]string, len(cases))
	var running sync.WaitGroup
	for i, c := range cases {
		running.Go(func() {
			cmd := u.command("exec", c.instance, "--", "timeout", "20", "/bin/sh", "-c", c.script)
			out, err := cmd.CombinedOutput()
			if got[i] = string(out); err != nil && cmd.ProcessState == nil {
				got[i] = err.Error()
			}
		})
	}
	running.Wait()
	return got
}

// networkInterface is what the lab says about an instance's eth0.
func (u *user) networkInterface(instance string) control.NetworkInterface {
	u.t.Helper()
	var eni control.NetworkInterface
	if err := json.Unmarshal([]byte(u.ok("get", "networkInterfaces", instance+"/eth0", "-o", "json").stdout), &eni); err != nil {
		u.t.Fatal(err)
	}
	return eni
}

// receivedPost is a request that the tool received, on one line.
type receivedPost struct{ Path, From, MessageType, Body string }

// receiveTool answers HTTP until it is killed.
func receiveTool(address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	fmt.Println("listening")
	return http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		from, _, _ := net.SplitHostPort(r.RemoteAddr)
		line, _ := json.Marshal(receivedPost{r.URL.Path, from, r.Header.Get("X-Amz-Sns-Message-Type"), string(body)}) // texts
		fmt.Println(string(line))
	}))
}
