package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestTrafficMirrorIsSeenByTcpdump: the target gets VXLAN with the source's packets in
// it, on its own interface and behind a peering.
func TestTrafficMirrorIsSeenByTcpdump(t *testing.T) {
	asEveryUser(t, func(t *testing.T, u *user) {
		requirePrograms(t, "tcpdump")
		tcpdump, err := exec.LookPath("tcpdump")
		if err != nil {
			t.Fatal(err)
		}
		u.ok("up", "-d", "traffic-mirroring")
		file := filepath.Join(u.dir, "far.pcapng")
		capture := u.start(u.command("capture", "far", "web-to-far", "-w", file))
		u.eventually("the file", func() bool { info, err := os.Stat(file); return err == nil && info.Size() > 0 })
		var inside *program
		if u.credential == nil && os.Geteuid() == 0 { // see docs/programs.md
			inside = u.start(u.command("exec", "far", "--", "sh", "-c", "exec tcpdump -nl -i eth0 udp port 4789 2>&1"))
			inside.expect("listening on")
		}
		conn := u.tool("client", "dial", "web:443")
		conn.send("copied\n")
		conn.expect("copied")
		if inside != nil {
			inside.expect("vni 443")
			inside.expect("10.20.1.10.443 > 203.0.113.10.")
		}
		if code := capture.end(syscall.SIGINT); code != exitOK {
			t.Errorf("the capture: exit code %d\n%s", code, capture.stderr)
		}
		out, err := exec.Command(tcpdump, "-vnr", file, "udp port 4789 and src host 10.20.1.10 and dst host 10.21.1.20").CombinedOutput()
		text := string(out)
		for want, least := range map[string]int{
			"VXLAN, flags [I] (0x08), vni 443": 2, // at the session, and at the target
			"203.0.113.10.":                    4,
			" > 10.20.1.10.443: Flags [S]":     2,
			"10.20.1.10.443 > 203.0.113.10.":   2,
		} {
			if strings.Count(text, want) < least {
				t.Errorf("%q is not there %d times", want, least)
			}
		}
		if err != nil || strings.Contains(text, "incorrect") || strings.Contains(text, "bad") || t.Failed() {
			t.Errorf("tcpdump: %v\n%s", err, text)
		}
	})
}
