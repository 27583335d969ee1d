package services

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vpcsim/vpcsim/control"
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

// every changes every instance.
func every(edit func(*control.Instance)) func(*Directory) {
	return func(d *Directory) {
		for _, i := range d.instances {
			edit(i.Instance)
		}
	}
}

// changed is text with its last character replaced by another.
func changed(text string) string {
	last := map[bool]string{true: "B", false: "A"}[strings.HasSuffix(text, "A")]
	return text[:len(text)-1] + last
}

func required(i *control.Instance) { i.Status.MetadataOptions.HTTPTokens = control.TokensRequired }

func TestTokensAreRequired_AC5_AC6_AC7_AC8(t *testing.T) {
	l := startLab(t, fixture, every(required))
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
		{"A52 one letter changed", "GET", "/latest/meta-data/instance-id", []string{changed(own)}, 401},
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

func TestTokensMayBeOptionalA52(t *testing.T) {
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
	l.ask("o1/eth0") // says nothing: tokens are required
	if status, _, _ := l.send("GET", "/latest/meta-data/instance-id"); status != 401 {
		t.Errorf("by default: %d", status)
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
	l := startLab(t, fixture, every(func(i *control.Instance) { i.Status.MetadataOptions.HTTPPutResponseHopLimit = 2 }))
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
	l := startLab(t, fixture, every(func(i *control.Instance) { i.Status.MetadataOptions.HTTPEndpoint = control.Disabled }))
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
