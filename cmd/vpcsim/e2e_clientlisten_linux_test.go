package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// listenScenario is a VPC with a server, and an endpoint at a port of the machine.
const listenScenario = `name: listens
vpcs: {app: {cidr: 10.90.0.0/16}}
subnets: {a: {vpc: app, cidr: 10.90.1.0/24}}
securityGroups: {web: {vpc: app, ingress: [{protocol: all, from: 10.90.0.0/16}]}}
instances: {web: {subnet: a, ip: 10.90.1.10, securityGroups: [web], serve: [http/80]}}
clientVpnEndpoints:
  corp:
    clientCidr: 172.22.0.0/22
    splitTunnel: true
    connectionLog: true
    listen: %s
    associations: [a]
    authorizationRules: [{cidr: 10.90.0.0/16, groups: all}]
vpnClients:
  phone: {endpoint: corp, inLab: false}
  anna: {endpoint: corp}
`

// streetMachine is a machine that is no lab's: a network namespace, and a cable to that
// of the caller, which gets one of its own here, too. It lasts as long as the test,
// whose goroutine must start every program that belongs to the caller.
func streetMachine(t *testing.T) (pid int) {
	t.Helper()
	runtime.LockOSThread() // for good: the thread ends with the goroutine, and the namespace with it
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	holder := exec.Command("unshare", "-n", "sleep", "600")
	holder.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = holder.Process.Kill(); _ = holder.Wait() })
	pid = holder.Process.Pid
	own, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	within := func() bool {
		other, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid))
		return err == nil && other != own && !strings.Contains(programOf(pid), "unshare")
	}
	newUser(t, nil).eventually("the machine has its namespace", within)
	for _, line := range []string{
		"ip link set lo up", fmt.Sprintf("ip link add cable type veth peer name cable netns %d", pid),
		"ip address add 192.0.2.1/24 dev cable", "ip link set cable up",
		onMachine(pid, "ip link set lo up"), onMachine(pid, "ip address add 192.0.2.2/24 dev cable"), onMachine(pid, "ip link set cable up"),
	} {
		if out, err := exec.Command("sh", "-c", line).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
	}
	return pid
}

func programOf(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)) // "": it has just ended
	return string(text)
}

func onMachine(pid int, line string) string { return "nsenter -t " + strconv.Itoa(pid) + " -n " + line }

// TestClientVPNListensForMachinesOutside: somebody who is in no lab's namespace connects
// with the configuration that client-config writes, and Debian's tools, to a real UDP
// port of the machine. The port comes and goes with the file.
func TestClientVPNListensForMachinesOutside(t *testing.T) {
	requirePrograms(t, "curl", "wg", "wg-quick", "ip", "unshare", "nsenter")
	if os.Geteuid() != 0 {
		t.Skip("namespaces beside the lab's, and /dev/net/tun, are for root alone")
	}
	implementation := wireGuardGo(t)
	u := newUser(t, nil)
	machine := streetMachine(t)
	at := netip.MustParseAddrPort("192.0.2.1:51820")
	write := func(name, listen string) string {
		path := filepath.Join(u.dir, name)
		if err := os.WriteFile(path, fmt.Appendf(nil, listenScenario, listen), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	free := func() bool {
		socket, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		if err == nil {
			_ = socket.Close()
		}
		return err == nil
	}
	u.ok("up", "-d", write("listens.yaml", at.String()))
	if free() {
		t.Fatal("the port is not taken")
	}
	// Whoever wants the same port is told where in the file, and gets nothing.
	r := u.run("up", "-d", "--lab", "second", write("second.yaml", at.String()))
	if want := "second.yaml:11:13: clientVpnEndpoints.corp.listen: UDP port 51820 of 192.0.2.1 cannot be had: "; r.code == 0 || !strings.Contains(r.stderr, want) {
		t.Errorf("a port that is taken: %s; want %q", r, want)
	}
	if labs := u.labs(); len(labs) != 1 {
		t.Errorf("%d labs run", len(labs))
	}

	config := filepath.Join(u.dir, "vpcsimtest.conf")
	u.ok("client-config", "phone", "-o", config)
	text, _ := os.ReadFile(config)
	if !strings.Contains(string(text), "Endpoint = 192.0.2.1:51820\n") {
		t.Fatalf("%s", text)
	}
	run := func(line string) (string, error) {
		out, err := exec.Command("sh", "-c", onMachine(machine, "sh -c '"+line+"'")).CombinedOutput()
		return string(out), err
	}
	quick := func(verb string) {
		t.Helper()
		if out, err := run("WG_QUICK_USERSPACE_IMPLEMENTATION=" + implementation + " wg-quick " + verb + " " + config); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	quick("up")
	defer quick("down")
	reaches := func() bool {
		out, err := run("curl -sS -m 5 http://10.90.1.10/")
		return err == nil && strings.Contains(out, "answers 10.90.1.")
	}
	u.eventually("the machine reaches the server", reaches)
	u.eventually("the connection is listed", func() bool {
		out := u.ok("get", "clientVpnConnections", "phone").stdout
		return strings.Contains(out, "active") && strings.Contains(out, "192.0.2.2:")
	})
	u.eventually("a machine of the lab is connected by the emulated Internet at the same time", func() bool { return u.passes("anna", "10.90.1.10", "10.90.1.4") })
	if out := u.ok("client-vpn", "log", "corp").stdout; !strings.Contains(out, `"device-ip":"192.0.2.2"`) {
		t.Errorf("the connection log: %s", out)
	}

	// The port goes with the word in the file, and comes back with it.
	u.ok("apply", "--lab", "listens", write("listens.yaml", "127.0.0.1:51821"))
	if !free() {
		t.Error("the port is still taken")
	}
	u.ok("apply", "--lab", "listens", write("listens.yaml", at.String()))
	u.eventually("the machine reaches the server again", reaches)
	logs := filepath.Join(u.state, ".connectionlogs")
	defer os.RemoveAll(logs)
	u.ok("down", "listens")
	if text, err := os.ReadFile(filepath.Join(logs, "listens", "corp.log")); err != nil || !strings.Contains(string(text), `"connection-log-type":"connection-reset"`) {
		t.Errorf("the log that outlives the lab: %v\n%s", err, text)
	}
	u.eventually("the port goes with the lab", free)
}
