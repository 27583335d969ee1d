package services

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// send makes one request to the lab's metadata service; header lines are "Name: value".
func (l *lab) send(method, path string, header ...string) (status int, body string, answer http.Header) {
	l.t.Helper()
	return l.sendTo(0, method, path, header...)
}

func (l *lab) sendTo(listener int, method, path string, header ...string) (int, string, http.Header) {
	l.t.Helper()
	request, err := http.NewRequest(method, "http://"+l.listeners.IMDS[listener].Addr().String()+path, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		request.Header.Set(name, value)
	}
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		l.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	return response.StatusCode, string(text), response.Header
}

// token begins a session for the asker.
func (l *lab) token() string {
	l.t.Helper()
	status, token, _ := l.send("PUT", "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds: 60")
	if status != 200 {
		l.t.Fatalf("token: %d", status)
	}
	return "X-aws-ec2-metadata-token: " + token
}

// options changes the metadata options of every instance.
func options(edit func(*instanceOptions)) func(*Directory) {
	return func(d *Directory) {
		for _, i := range d.instances {
			edit(&i.options)
		}
	}
}

func required(o *instanceOptions) { o.metadata.tokensRequired = true }

func TestTokensAreRequired_AC5_AC6_AC7_AC8(t *testing.T) {
	l := startLab(t, fixture, options(required))
	l.ask("i2/eth0")
	stolen := l.token()
	l.ask("i1/eth0")
	own := l.token()
	const ttl = "X-aws-ec2-metadata-token-ttl-seconds: "
	for _, test := range []struct {
		name, method, path string
		header             []string
		want               int
	}{
		{"A-C5 no token", "GET", "/latest/meta-data/instance-id", nil, 401},
		{"A-C5 no token, no such item", "GET", "/latest/meta-data/nothing", nil, 401},
		{"own token", "GET", "/latest/meta-data/instance-id", []string{own}, 200},
		{"HEAD", "HEAD", "/latest/meta-data/instance-id", []string{own}, 200},
		{"A52 garbage", "GET", "/latest/meta-data/instance-id", []string{"X-aws-ec2-metadata-token: abc"}, 401},
		{"A52 empty", "GET", "/latest/meta-data/instance-id", []string{"X-aws-ec2-metadata-token: "}, 401},
		{"A52 one letter changed", "GET", "/latest/meta-data/instance-id", []string{own[:len(own)-2] + "x" + own[len(own)-1:]}, 401},
		{"A-C8 token of i2", "GET", "/latest/meta-data/instance-id", []string{stolen}, 401},
		{"forwarded with a token", "GET", "/latest/meta-data/instance-id", []string{own, "X-Forwarded-For: 203.0.113.10"}, 403},
		{"A51 shortest", "PUT", "/latest/api/token", []string{ttl + "1"}, 200},
		{"A51 longest", "PUT", "/latest/api/token", []string{ttl + "21600"}, 200},
		{"A-C6 too long", "PUT", "/latest/api/token", []string{ttl + "21601"}, 400},
		{"A51 zero", "PUT", "/latest/api/token", []string{ttl + "0"}, 400},
		{"A51 negative", "PUT", "/latest/api/token", []string{ttl + "-1"}, 400},
		{"A51 signed", "PUT", "/latest/api/token", []string{ttl + "+60"}, 400},
		{"A51 not a number", "PUT", "/latest/api/token", []string{ttl + "1h"}, 400},
		{"A51 missing", "PUT", "/latest/api/token", nil, 400},
		{"A-C7 forwarded", "PUT", "/latest/api/token", []string{ttl + "60", "X-Forwarded-For: 203.0.113.10"}, 403},
		{"A51 version path", "PUT", "/2021-03-23/api/token", []string{ttl + "60"}, 403},
		{"PUT elsewhere", "PUT", "/latest/meta-data/instance-id", []string{own}, 405},
		{"GET of the token", "GET", "/latest/api/token", []string{own}, 405},
		{"POST", "POST", "/latest/meta-data/instance-id", []string{own}, 405},
		{"A54 no such item", "GET", "/latest/meta-data/nothing", []string{own}, 404},
		{"expects 100-continue", "PUT", "/latest/api/token", []string{ttl + "60", "Expect: 100-continue"}, 417},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, body, _ := l.send(test.method, test.path, test.header...)
			if status != test.want {
				t.Errorf("%s %s: %d %s, want %d", test.method, test.path, status, body, test.want)
			}
		})
	}
}

func TestTokensAreOptionalByDefaultA52(t *testing.T) {
	l := startLab(t, fixture, nil)
	l.ask("i2/eth0")
	stolen := l.token()
	l.ask("i1/eth0")
	want := l.directory.Load().eni(t, "i1/eth0").instance.Status.ID
	if status, body, _ := l.send("GET", "/latest/meta-data/instance-id"); status != 200 || body != want {
		t.Errorf("without a token: %d %s", status, body)
	}
	if status, _, _ := l.send("GET", "/latest/meta-data/instance-id", "X-Forwarded-For: 203.0.113.10"); status != 200 {
		t.Errorf("IMDSv1 behind a proxy: %d", status)
	}
	if status, _, _ := l.send("GET", "/latest/meta-data/instance-id", stolen); status != 401 {
		t.Errorf("with another instance's token: %d", status)
	}
}

func TestTokenBelongsToTheInstanceAndNotToAnInterface(t *testing.T) {
	l := startLab(t, fixture, nil)
	l.ask("i2/eth0")
	token := l.token()
	l.ask("i2/eth1")
	if status, _, _ := l.send("GET", "/latest/meta-data/mac", token); status != 200 {
		t.Errorf("over the other interface: %d", status)
	}
}

func TestTokenExpires(t *testing.T) {
	l := startLab(t, fixture, nil)
	l.ask("i1/eth0")
	begin := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	l.now.Store(&begin)
	token := l.token() // 60 s
	for _, test := range []struct {
		after  time.Duration
		status int
		left   string
	}{{0, 200, "60"}, {59 * time.Second, 200, "1"}, {60 * time.Second, 401, ""}, {time.Hour, 401, ""}} {
		now := begin.Add(test.after)
		l.now.Store(&now)
		status, _, header := l.send("GET", "/latest/meta-data/mac", token)
		if left := header.Get("X-aws-ec2-metadata-token-ttl-seconds"); status != test.status || left != test.left {
			t.Errorf("after %v: %d, %s s left; want %d, %s", test.after, status, left, test.status, test.left)
		}
	}
}

func TestTokenOfAnInstanceMadeAnewIsAnotherOne(t *testing.T) {
	d := NewDirectory(newWorld(t, fixture))
	key, now := newTokenKey(), time.Now()
	i := d.eni(t, "i1/eth0").instance
	token := key.issue(i, now, time.Minute)
	if len(token) != 56 {
		t.Errorf("a token of %d characters", len(token))
	}
	if _, ok := key.check(token, i, now); !ok {
		t.Error("the token does not hold")
	}
	i.Status.Handle++
	if _, ok := key.check(token, i, now); ok {
		t.Error("the token holds for the instance's successor")
	}
}

func TestOnlyTokenResponsesHaveTheHopLimit_AC9(t *testing.T) {
	l := startLab(t, fixture, options(func(o *instanceOptions) { o.metadata.hopLimit = 2 }))
	l.ask("i1/eth0")
	token := l.token()
	l.send("GET", "/latest/meta-data/mac", token)
	l.send("HEAD", "/latest/meta-data/mac", token)
	l.mu.Lock()
	defer l.mu.Unlock()
	if diff := cmp.Diff([]int{2}, l.hops); diff != "" {
		t.Errorf("hop limits set: %s", diff)
	}
}

func TestEndpointCanBeDisabledA54(t *testing.T) {
	l := startLab(t, fixture, options(func(o *instanceOptions) { o.metadata.disabled = true }))
	l.ask("i1/eth0")
	for _, method := range []string{"GET", "HEAD", "PUT"} {
		if status, _, _ := l.send(method, "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds: 60"); status != 403 {
			t.Errorf("%s: %d", method, status)
		}
	}
}

func TestIPv6EndpointIsOptIn(t *testing.T) {
	l := startLab(t, fixture, nil)
	l.ask("i1/eth0")
	if status, _, _ := l.sendTo(1, "GET", "/latest/meta-data/mac"); status != 403 {
		t.Errorf("not enabled: %d", status)
	}
	l.directory.Load().eni(t, "i2/eth0").instance.options.metadata.ipv6 = true
	l.ask("i2/eth0")
	if status, _, _ := l.sendTo(1, "GET", "/latest/meta-data/mac"); status != 200 {
		t.Errorf("enabled: %d", status)
	}
}

func TestMetadataHeaders(t *testing.T) {
	l := startLab(t, fixture, nil)
	l.ask("i1/eth0")
	for _, method := range []string{"GET", "HEAD"} {
		_, body, header := l.send(method, "/latest/meta-data/local-ipv4")
		if header.Get("Content-Type") != "text/plain" || header.Get("Server") != "EC2ws" ||
			header.Get("Content-Length") != "9" || header.Get("Last-Modified") == "" {
			t.Errorf("%s: %v", method, header)
		}
		if want := map[string]string{"GET": "10.0.1.10"}[method]; body != want {
			t.Errorf("%s: body %q, want %q", method, body, want)
		}
	}
	_, body, header := l.send("GET", "/latest/nothing")
	if !strings.Contains(body, "404 - Not Found") || header.Get("Content-Type") != "text/html" {
		t.Errorf("error page: %v %s", header, body)
	}
	if _, _, header := l.send("POST", "/latest/api/token"); header.Get("Allow") != "PUT" {
		t.Errorf("Allow: %v", header)
	}
}

// tree reads every item below a path, as "path = text" with lines joined by "|".
func (l *lab) tree(path string) []string {
	l.t.Helper()
	_, list, _ := l.send("GET", path)
	var all []string
	for entry := range strings.SplitSeq(list, "\n") {
		if strings.HasSuffix(entry, "/") {
			all = append(all, l.tree(path+entry)...)
			continue
		}
		status, text, _ := l.send("GET", path+entry)
		if status != 200 {
			l.t.Errorf("%s is listed but is %d", path+entry, status)
		}
		all = append(all, path+entry+" = "+strings.ReplaceAll(text, "\n", "|"))
	}
	return all
}

func TestMetadataTree(t *testing.T) {
	l := startLab(t, fixture, func(d *Directory) {
		i := d.eni(t, "i1/eth0").instance
		i.options.metadata.instanceTags = true
		i.options.tags = map[string]string{"Name": "i1", "empty": ""}
	})
	l.ask("i1/eth0")
	eni := l.directory.Load().eni(t, "i1/eth0")
	mac, image := eni.Status.MAC.String(), eni.instance.options.imageID
	w := newWorld(t, fixture)
	want := strings.Split(strings.NewReplacer("MAC", mac, "AMI", image, "IID", eni.instance.Status.ID,
		"RID", strings.TrimPrefix(eni.instance.Status.ID, "i-"), "ENI", eni.Status.ID,
		"SUBNET", eni.subnet.Status.ID, "VPC", eni.vpc.Status.ID,
		"SG1", w.SecurityGroups["web"].Status.ID, "SG2", w.SecurityGroups["app/default"].Status.ID).Replace(
		`ami-id = AMI
ami-launch-index = 0
ami-manifest-path = (unknown)
events/maintenance/history = []
events/maintenance/scheduled = []
hostname = ip-10-0-1-10.ec2.internal
instance-action = none
instance-id = IID
instance-life-cycle = on-demand
instance-type = m5.large
ipv6 = 2001:db8:1:101::10
local-hostname = ip-10-0-1-10.ec2.internal
local-ipv4 = 10.0.1.10
mac = MAC
network/interfaces/macs/MAC/device-number = 0
network/interfaces/macs/MAC/interface-id = ENI
network/interfaces/macs/MAC/ipv4-associations/198.51.100.10 = 10.0.1.10
network/interfaces/macs/MAC/ipv6s = 2001:db8:1:101::10
network/interfaces/macs/MAC/local-hostname = ip-10-0-1-10.ec2.internal
network/interfaces/macs/MAC/local-ipv4s = 10.0.1.10
network/interfaces/macs/MAC/mac = MAC
network/interfaces/macs/MAC/owner-id = 123456789012
network/interfaces/macs/MAC/public-hostname = ec2-198-51-100-10.compute-1.amazonaws.com
network/interfaces/macs/MAC/public-ipv4s = 198.51.100.10
network/interfaces/macs/MAC/security-group-ids = SG1|SG2
network/interfaces/macs/MAC/security-groups = web|default
network/interfaces/macs/MAC/subnet-id = SUBNET
network/interfaces/macs/MAC/subnet-ipv4-cidr-block = 10.0.1.0/24
network/interfaces/macs/MAC/subnet-ipv6-cidr-blocks = 2001:db8:1:101::/64
network/interfaces/macs/MAC/vpc-id = VPC
network/interfaces/macs/MAC/vpc-ipv4-cidr-block = 10.0.0.0/16
network/interfaces/macs/MAC/vpc-ipv4-cidr-blocks = 10.0.0.0/16|100.64.0.0/24
network/interfaces/macs/MAC/vpc-ipv6-cidr-blocks = 2001:db8:1:100::/56
placement/availability-zone = us-east-1a
placement/availability-zone-id = use1-az1
placement/region = us-east-1
profile = default-hvm
public-hostname = ec2-198-51-100-10.compute-1.amazonaws.com
public-ipv4 = 198.51.100.10
reservation-id = r-RID
security-groups = web|default
services/domain = amazonaws.com
services/partition = aws
system = nitro
tags/instance/Name = i1
tags/instance/empty = `), "\n")
	for n := range want {
		want[n] = "/latest/meta-data/" + want[n]
	}
	if diff := cmp.Diff(want, l.tree("/latest/meta-data/")); diff != "" {
		t.Error(diff)
	}
}

func TestMetadataPaths(t *testing.T) {
	l := startLab(t, fixture, func(d *Directory) { d.eni(t, "i1/eth0").instance.options.userData = []byte("#!/bin/sh\n") })
	l.ask("i1/eth0")
	for path, want := range map[string]string{
		"/latest":                                     "dynamic\nmeta-data\nuser-data",
		"/latest/":                                    "dynamic\nmeta-data\nuser-data",
		"/2021-03-23/meta-data/placement":             "availability-zone\navailability-zone-id\nregion",
		"/latest/meta-data/placement/region/":         "us-east-1",
		"//latest//meta-data/local-ipv4":              "10.0.1.10",
		"/latest/user-data":                           "#!/bin/sh\n",
		"/latest/dynamic/":                            "instance-identity/",
		"/latest/meta-data/network/interfaces/macs":   l.directory.Load().eni(t, "i1/eth0").Status.MAC.String() + "/",
		"/latest/meta-data/mac?irrelevant=yes":        l.directory.Load().eni(t, "i1/eth0").Status.MAC.String(),
		"/latest/meta-data/services/domain":           "amazonaws.com",
		"/2009-04-04/meta-data/public-ipv4":           "198.51.100.10",
		"/latest/dynamic/instance-identity":           "document",
		"/latest/meta-data/events/maintenance/":       "history\nscheduled",
		"/latest/meta-data/network/interfaces/macs/x": "404",
		"/latest/meta-data/iam/":                      "404",
		"/latest/meta-data/iam/info":                  "404",
		"/latest/meta-data/tags/instance/":            "404",
		"/latest/meta-data/spot/instance-action":      "404",
		"/latest/meta":                                "404",
		"/2030-01-01/meta-data/mac":                   "404",
		"/latest/meta-data/mac/x":                     "404",
	} {
		status, body, _ := l.send("GET", path)
		if got := map[bool]string{true: body, false: fmt.Sprint(status)}[status == 200]; got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	if _, body, _ := l.send("GET", "/"); !strings.HasPrefix(body, "1.0\n2007-01-19\n") || !strings.HasSuffix(body, "\nlatest") {
		t.Errorf("versions: %s", body)
	}
	l.ask("i3/eth0")
	if status, _, _ := l.send("GET", "/latest/user-data"); status != 404 {
		t.Errorf("user data that there is not: %d", status)
	}
	if _, body, _ := l.send("GET", "/latest/"); body != "dynamic\nmeta-data" {
		t.Errorf("top without user data: %s", body)
	}
}

func TestPublicNameNeedsHostnames_AC24(t *testing.T) {
	l := startLab(t, fixture, nil)
	l.ask("p1/eth0")
	if status, _, _ := l.send("GET", "/latest/meta-data/public-hostname"); status != 404 {
		t.Errorf("public-hostname: %d", status)
	}
	if _, body, _ := l.send("GET", "/latest/meta-data/public-ipv4"); body != "198.51.100.30" {
		t.Errorf("public-ipv4: %s", body)
	}
	if _, body, _ := l.send("GET", "/latest/meta-data/hostname"); body != "ip-10-3-1-10.ec2.internal" {
		t.Errorf("hostname: %s", body)
	}
}

func TestMetadataOfSeveralInterfaces(t *testing.T) {
	l := startLab(t, fixture, nil)
	l.ask("i2/eth1") // whichever asks, the instance is the same
	d := l.directory.Load()
	eth0, eth1 := d.eni(t, "i2/eth0").Status.MAC.String(), d.eni(t, "i2/eth1").Status.MAC.String()
	want := []string{eth0 + "/", eth1 + "/"}
	slices.Sort(want)
	_, macs, _ := l.send("GET", "/latest/meta-data/network/interfaces/macs/")
	if diff := cmp.Diff(want, strings.Split(macs, "\n")); diff != "" {
		t.Error(diff)
	}
	for path, want := range map[string]string{
		"mac": eth0, "local-ipv4": "10.0.1.20",
		"network/interfaces/macs/" + eth1 + "/device-number": "1",
		"network/interfaces/macs/" + eth1 + "/local-ipv4s":   "10.0.1.21\n10.0.1.22",
	} {
		if _, got, _ := l.send("GET", "/latest/meta-data/"+path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

func TestIdentityDocument(t *testing.T) {
	l := startLab(t, fixture, nil)
	l.ask("i1/eth0")
	_, text, _ := l.send("GET", "/latest/dynamic/instance-identity/document")
	var document map[string]any
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		t.Fatal(err)
	}
	i := l.directory.Load().eni(t, "i1/eth0").instance
	if _, err := time.Parse(time.RFC3339, document["pendingTime"].(string)); err != nil {
		t.Error(err)
	}
	delete(document, "pendingTime")
	want := map[string]any{
		"accountId": "123456789012", "architecture": "x86_64", "availabilityZone": "us-east-1a", "billingProducts": nil,
		"devpayProductCodes": nil, "marketplaceProductCodes": nil, "imageId": i.options.imageID, "instanceId": i.Status.ID,
		"instanceType": "m5.large", "kernelId": nil, "privateIp": "10.0.1.10", "ramdiskId": nil, "region": "us-east-1", "version": "2017-09-30",
	}
	if diff := cmp.Diff(want, document); diff != "" {
		t.Error(diff)
	}
}

func TestRoleCredentials(t *testing.T) {
	l := startLab(t, fixture, options(func(o *instanceOptions) { o.role = "web-role" }))
	l.ask("i1/eth0")
	if _, roles, _ := l.send("GET", "/latest/meta-data/iam/security-credentials/"); roles != "web-role" {
		t.Errorf("roles: %q", roles)
	}
	if _, info, _ := l.send("GET", "/latest/meta-data/iam/info"); !strings.Contains(info, "arn:aws:iam::123456789012:instance-profile/web-role") {
		t.Error(info)
	}
	read := func(now time.Time) map[string]string {
		l.now.Store(&now)
		_, text, _ := l.send("GET", "/latest/meta-data/iam/security-credentials/web-role")
		var c map[string]string
		if err := json.Unmarshal([]byte(text), &c); err != nil {
			t.Fatal(err)
		}
		return c
	}
	begin := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	c := read(begin)
	if c["Code"] != "Success" || c["Type"] != "AWS-HMAC" || len(c["AccessKeyId"]) != 20 || !strings.HasPrefix(c["AccessKeyId"], "ASIA") ||
		len(c["SecretAccessKey"]) != 40 || len(c["Token"]) < 300 || c["LastUpdated"] != "2026-01-02T03:00:00Z" || len(c) != 7 {
		t.Errorf("%v", c)
	}
	if again := read(begin.Add(59 * time.Minute)); !cmp.Equal(c, again) {
		t.Error("credentials change while they are new")
	}
	previous := c
	for after := time.Duration(0); after < 12*time.Hour; after += 7 * time.Minute {
		now := begin.Add(after)
		c := read(now)
		expires, err := time.Parse(time.RFC3339, c["Expiration"])
		if err != nil || expires.Sub(now) < 5*time.Minute {
			t.Fatalf("at %v: expire at %v, %v", now, expires, err)
		}
		previous = c
	}
	if previous["AccessKeyId"] == c["AccessKeyId"] {
		t.Error("credentials are never replaced")
	}
}

func TestBrokenHTTPIsRefused(t *testing.T) {
	l := startLab(t, fixture, nil)
	l.ask("i1/eth0")
	for name, test := range map[string]struct {
		request, want string
	}{
		"not HTTP":           {"\x16\x03\x01\x00\x00\r\n\r\n", "HTTP/1.1 400 "},
		"endless headers":    {"GET / HTTP/1.1\r\n" + strings.Repeat("X: "+strings.Repeat("y", 1000)+"\r\n", 20), "HTTP/1.1 400 "},
		"HTTP/1.0":           {"GET /latest/meta-data/local-ipv4 HTTP/1.0\r\n\r\n", "HTTP/1.1 200 "},
		"PUT with a body":    {"PUT /latest/api/token HTTP/1.1\r\nHost: x\r\nX-aws-ec2-metadata-token-ttl-seconds: 60\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 200 "},
		"pipelined":          {strings.Repeat("GET /latest/meta-data/local-ipv4 HTTP/1.1\r\nHost: x\r\n\r\n", 2), "HTTP/1.1 200 "},
		"path with dots":     {"GET /latest/meta-data/../user-data HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 "},
		"nothing but an ask": {"GET", "HTTP/1.1 400 "},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", l.listeners.IMDS[0].Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(5 * time.Second))
			io.WriteString(conn, test.request)
			conn.(*net.TCPConn).CloseWrite()
			line, err := bufio.NewReader(conn).ReadString('\n')
			if !strings.HasPrefix(line, test.want) {
				t.Errorf("%q, %v; want %s", line, err, test.want)
			}
		})
	}
}
