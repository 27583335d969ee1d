package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const captureFileLab = `
name: captured
vpcs: {v: {cidr: 10.0.0.0/16, ipv6: "2001:db8:5::/56"}}
internetGateways: {igw: {vpc: v}}
subnets:
  public: {vpc: v, cidr: 10.0.0.0/24, routeTable: public}
  private: {vpc: v, cidr: 10.0.1.0/24, ipv6: "2001:db8:5:1::/64", routeTable: private}
routeTables:
  public: {vpc: v, routes: {0.0.0.0/0: igw}}
  private: {vpc: v, routes: {0.0.0.0/0: nat}}
natGateways: {nat: {subnet: public, privateIp: 10.0.0.50}}
securityGroups:
  open: {vpc: v, ingress: [{protocol: all, from: 0.0.0.0/0}, {protocol: all, from: "::/0"}]}
  closed: {vpc: v}
instances:
  app: {subnet: private, ip: 10.0.1.10, ipv6: "2001:db8:5:1::10", securityGroups: [open]}
  peer: {subnet: private, ip: 10.0.1.20, ipv6: "2001:db8:5:1::20", securityGroups: [open], serve: [tcp/7]}
  shut: {subnet: private, ip: 10.0.1.30, ipv6: "2001:db8:5:1::30", securityGroups: [closed]}
internetHosts: {site: {ip: 203.0.113.5}}
`

// TestCaptureIsReadByTcpdump: what happened, at every place, with the reason of what
// was dropped; ended by Ctrl-C.
func TestCaptureIsReadByTcpdump(t *testing.T) {
	asEveryUser(t, func(t *testing.T, u *user) {
		path := filepath.Join(u.dir, "captured.yaml")
		if err := os.WriteFile(path, []byte(captureFileLab), 0o644); err != nil {
			t.Fatal(err)
		}
		u.ok("up", "-d", path)
		file := filepath.Join(u.dir, "lab.pcapng")
		capture := u.start(u.command("capture", "--all", "-w", file))
		lines := u.start(u.command("capture", "shut", "--filter", "drop and tcp", "-c", "1"))
		u.eventually("the file", func() bool { info, err := os.Stat(file); return err == nil && info.Size() > 0 })
		u.ok("exec", "app", "--", "ping", "-q", "-c", "2", "-i", "0.1", "203.0.113.5")
		u.ok("exec", "app", "--", "ping", "-q", "-c", "1", "2001:db8:5:1::20")
		u.run("exec", "app", "--", "ping", "-q", "-c", "1", "-W", "0.2", "2001:db8:5:1::30")
		const why = "DROP at securityGroup closed: no ingress rule allows tcp/22 from 10.0.1.10"
		tool := u.tool("app", "dial", "10.0.1.30:22")
		if got := lines.expect("tcp [S]"); !strings.HasSuffix(got, why) || !strings.Contains(got, " shut in ") {
			t.Errorf("the line of the dropped packet is %q", got)
		}
		_ = tool.cmd.Process.Kill()
		if code := capture.end(syscall.SIGINT); code != exitOK || !strings.Contains(capture.stderr.String(), "packets captured.") {
			t.Errorf("after Ctrl-C: exit code %d\n%s", code, capture.stderr)
		}

		requirePrograms(t, "tcpdump")
		tcpdump, err := exec.LookPath("tcpdump")
		if err != nil {
			t.Fatal(err)
		}
		for filter, want := range map[string]int{
			"icmp[0] == 8 and src host 10.0.1.10":                    2 + 2, // app, nat:inside
			"icmp[0] == 8 and src host 10.0.0.50":                    2 + 2, // nat:outside, igw:inside
			"icmp[0] == 0 and dst host 10.0.0.50":                    2 + 2, // igw:inside, nat:outside
			"icmp[0] == 0 and dst host 10.0.1.10":                    2 + 2, // nat:inside, app
			"icmp6 and ip6[40] == 128 and dst host 2001:db8:5:1::20": 2,
			"icmp6 and ip6[40] == 128 and dst host 2001:db8:5:1::30": 2, // one of them dropped
		} {
			out, err := exec.Command(tcpdump, "-nr", file, filter).Output()
			if got := bytes.Count(out, []byte("\n")); err != nil || got != want {
				t.Errorf("%s: %d packets, want %d: %v\n%s", filter, got, want, err, out)
			}
		}
		if out, err := exec.Command(tcpdump, "-vnr", file).CombinedOutput(); err != nil || bytes.Contains(out, []byte("incorrect")) || bytes.Contains(out, []byte("bad cksum")) {
			t.Errorf("a checksum is wrong: %v\n%s", err, out)
		}
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{why, "natGateway nat: source 10.0.1.10 id ", "nat:outside", "NAT gateway nat, after translation"} {
			if !bytes.Contains(content, []byte(want)) {
				t.Errorf("the file does not say %q", want)
			}
		}
	})
}

// TestCaptureEndsWithTheLab: what was written until then is a whole file.
func TestCaptureEndsWithTheLab(t *testing.T) {
	asEveryUser(t, func(t *testing.T, u *user) {
		u.ok("up", "-d", u.file("q.yaml"))
		capture := u.start(u.command("capture", "web", "-w", "-"))
		requirePrograms(t, "tcpdump")
		tcpdump, err := exec.LookPath("tcpdump")
		if err != nil {
			t.Fatal(err)
		}
		if r := u.run("capture", "web", "--filter", "tcp prot 80"); r.code != exitUsage || !strings.Contains(r.stderr, `filter, column 5: "prot" does not belong here`) {
			t.Errorf("a wrong filter: %s", r)
		}
		if r := u.run("capture", "wep"); r.code != exitUsage || !strings.Contains(r.stderr, "did you mean web?") {
			t.Errorf("a wrong place: %s", r)
		}
		read := exec.Command(tcpdump, "-nlr", "-", "icmp")
		var out bytes.Buffer
		read.Stdout = &out
		in, err := read.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := read.Start(); err != nil {
			t.Fatal(err)
		}
		head := make([]byte, 4)
		if _, err := io.ReadFull(capture.stdout, head); err != nil {
			t.Fatal(err)
		}
		u.ok("exec", "laptop", "--", "ping", "-q", "-c", "3", "-i", "0.1", "web")
		u.ok("down")
		_, _ = in.Write(head)
		if _, err := io.Copy(in, capture.stdout); err != nil {
			t.Error(err)
		}
		_ = in.Close()
		if err := capture.cmd.Wait(); err != nil || !strings.Contains(capture.stderr.String(), "captured.") {
			t.Errorf("the capture: %v\n%s", err, capture.stderr)
		}
		if err := read.Wait(); err != nil || strings.Count(out.String(), "\n") != 6 {
			t.Errorf("tcpdump: %v\n%s", err, out.String())
		}
	})
}
