package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vpcsim/vpcsim/control"
)

// clientConfigWorld is a lab with an endpoint that works, and one that does not.
const clientConfigWorld = `
name: lab
vpcs: {v: {cidr: 10.0.0.0/16}}
subnets: {a: {vpc: v, cidr: 10.0.1.0/24}}
clientVpnEndpoints:
  corp: {clientCidr: 172.20.0.0/22, associations: [a]}
  idle: {clientCidr: 172.24.0.0/22}
  near: {clientCidr: 172.28.0.0/22, associations: [a], listen: 51820}
  far:  {clientCidr: 172.29.0.0/22, associations: [a], listen: "192.0.2.1:51820"}
vpnClients:
  anna:  {endpoint: corp}
  phone: {endpoint: corp, inLab: false}
  near:  {endpoint: near, inLab: false}
  far:   {endpoint: far, inLab: false}
  ben:   {endpoint: idle}
`

func clientConfigHere(t *testing.T, name, file string, force bool) (stdout, stderr string, err error) {
	t.Helper()
	w, err := control.Open("lab.yaml", []byte(clientConfigWorld))
	if err != nil {
		t.Fatal(err)
	}
	var out, warned bytes.Buffer
	a := &app{stdout: &out, stderr: &warned}
	err = a.clientConfig(w.ClientConfig, w, name, file, force)
	return out.String(), warned.String(), err
}

func TestClientConfigSaysWhatIsMissing(t *testing.T) {
	for _, test := range []struct{ client, config, note, err string }{
		{client: "anna", config: "\n[Peer]\n", note: "anna is a machine of the lab, and connected with this key"},
		{client: "phone", config: "\n[Peer]\n", note: "add listen: 51820 to it in the file"},
		{client: "near", config: "\nEndpoint = 127.0.0.1:51820\n", note: "which only this machine reaches"},
		{client: "far", config: "\nEndpoint = 192.0.2.1:51820\n"},
		{client: "phnoe", err: `no VPN client named "phnoe"; did you mean phone?`},
		{client: "ben", err: "client ben: Client VPN endpoint idle has no target network that works; add a subnet under its associations, or a transitGateway"},
	} {
		t.Run(test.client, func(t *testing.T) {
			stdout, stderr, err := clientConfigHere(t, test.client, "", false)
			if !strings.Contains(stdout, test.config) || !strings.Contains(stderr, test.note) {
				t.Errorf("it writes %q, and notes %q", stdout, stderr)
			}
			if test.note == "" && stderr != "" {
				t.Errorf("it notes %q", stderr)
			}
			if got := errorText(err); got != test.err {
				t.Errorf("error %q, want %q", got, test.err)
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestClientConfigFileIsItsOwnersAndIsNotOverwritten(t *testing.T) {
	dir := t.TempDir()
	file, other := filepath.Join(dir, "wg0.conf"), filepath.Join(dir, "other")
	isSecret := func() {
		t.Helper()
		info, err := os.Lstat(file)
		if err != nil || info.Mode() != 0o600 {
			t.Fatalf("%v, %v", info, err)
		}
		if text, err := os.ReadFile(file); err != nil || !strings.Contains(string(text), "PrivateKey = ") {
			t.Errorf("%v: %s", err, text)
		}
	}
	stdout, _, err := clientConfigHere(t, "phone", file, false)
	if err != nil || strings.Contains(stdout, "PrivateKey") || !strings.Contains(stdout, "wg-quick up "+file) {
		t.Fatalf("%v: %s", err, stdout)
	}
	isSecret()
	if _, _, err := clientConfigHere(t, "phone", file, false); err == nil || !strings.Contains(err.Error(), "--force") {
		t.Errorf("the second time: %v", err)
	}

	// What others can read, and what is a link to it, is replaced and not written to.
	if err := os.WriteFile(other, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(other, file); err != nil {
		t.Fatal(err)
	}
	if _, _, err := clientConfigHere(t, "phone", file, true); err != nil {
		t.Fatal(err)
	}
	isSecret()
	if text, err := os.ReadFile(other); err != nil || string(text) != "mine" {
		t.Errorf("%v: the link's file has %q", err, text)
	}
	if _, _, err := clientConfigHere(t, "phone", os.DevNull, true); err == nil || !strings.Contains(err.Error(), "no file") {
		t.Errorf("a device: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("%v, %v", left, err)
	}
}
