package services

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vpcsim/vpcsim/control"
)

// Headers of the instance metadata service.
const (
	tokenHeader    = "X-Aws-Ec2-Metadata-Token"
	tokenTTLHeader = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
)

// maxMetadataRequest is the largest request, headers and body, in bytes.
const maxMetadataRequest = 16 << 10

// serveMetadata answers one request and closes, as AWS does: so nothing of the
// response to a token PUT, not even its FIN, travels further than the hop limit.
// It reads HTTP itself because no http.Server lets a handler do that.
func (s *server) serveMetadata(conn net.Conn, client streamClient) {
	in := bufio.NewReader(io.LimitReader(conn, maxMetadataRequest))
	request, err := http.ReadRequest(in)
	if err != nil {
		if err != io.EOF { // a client that only connects and leaves is no error
			s.respond(conn, nil, failure(http.StatusBadRequest))
		}
		return
	}
	expects := request.Header.Get("Expect") != ""
	if !expects {
		// Closing on a body that nobody has read would take the response with it.
		io.Copy(io.Discard, request.Body)
	}
	// The view of now and not that of the connection's begin: options of the
	// metadata service take effect at once.
	d := s.Directory.Load()
	asker := d.interfaceBy(client.handle)
	if asker == nil {
		return
	}
	answer := failure(http.StatusExpectationFailed) // AWS's answer to older curls, which expect 100-continue
	if !expects {
		answer = s.answerMetadata(d, asker, client.ipv6, request)
	}
	// Every answer to a PUT is limited, refusals too: a client too far away must
	// not learn even that there is a service.
	if request.Method == http.MethodPut {
		if err := s.SetTTL(conn, asker.instance.Status.MetadataOptions.HTTPPutResponseHopLimit); err != nil { // A53
			s.Log.Error("no metadata token: the hop limit cannot be set", "instance", asker.instance.Status.ID, "error", err)
			return
		}
	}
	s.respond(conn, request, answer)
}

// response is what a request comes to.
type response struct {
	status int
	body   string
	// tokenTTL is how long the token of the request, or in the body, has left,
	// sent in a header in whole seconds, rounded up; 0 if there is no token.
	tokenTTL time.Duration
	// allow lists the methods, if the one used is not among them.
	allow string
}

func failure(status int) response { return response{status: status} }

func notAllowed(allow string) response {
	return response{status: http.StatusMethodNotAllowed, allow: allow}
}

// answerMetadata decides by AWS's rules A51 to A54, in this order: is there an
// endpoint, may the client ask, is there such an item.
func (s *server) answerMetadata(d *Directory, asker *networkInterface, ipv6 bool, request *http.Request) response {
	options := asker.instance.Status.MetadataOptions
	path := strings.FieldsFunc(request.URL.Path, func(r rune) bool { return r == '/' })
	switch {
	case options.HTTPEndpoint == control.Disabled || ipv6 && options.HTTPProtocolIPv6 != control.Enabled:
		return failure(http.StatusForbidden) // A54
	case request.Method == http.MethodPut:
		return s.putToken(asker, path, request)
	case isTokenPath(path):
		return notAllowed("PUT")
	case request.Method != http.MethodGet && request.Method != http.MethodHead:
		return notAllowed("GET, HEAD")
	}
	left := time.Duration(0)
	// An empty header is a token too, and a wrong one: whoever sends it means
	// version 2, and must not slip back to version 1 unnoticed.
	if _, present := request.Header[tokenHeader]; present {
		if forwarded(request) {
			return failure(http.StatusForbidden) // observed on AWS: also where no PUT is
		}
		var ok bool
		if left, ok = s.tokens.check(request.Header.Get(tokenHeader), asker.instance, s.now()); !ok {
			return failure(http.StatusUnauthorized) // A52
		}
	} else if options.HTTPTokens != control.TokensOptional {
		return failure(http.StatusUnauthorized) // A52
	}
	body, ok := s.metadataItem(d, asker.instance, path)
	if !ok {
		return failure(http.StatusNotFound) // A54
	}
	return response{status: http.StatusOK, body: body, tokenTTL: left}
}

// Limits of a token's life in seconds (A51).
const (
	shortestTokenTTL = 1
	longestTokenTTL  = 21600
)

// putToken begins a session (A51).
func (s *server) putToken(asker *networkInterface, path []string, request *http.Request) response {
	switch {
	case !isTokenPath(path):
		return notAllowed("GET, HEAD")
	case path[0] != latest, forwarded(request): // only /latest has tokens (A51)
		return failure(http.StatusForbidden)
	}
	// ParseUint takes no sign and no space: "+60" is not 60 here.
	ttl, err := strconv.ParseUint(request.Header.Get(tokenTTLHeader), 10, 32)
	if err != nil || ttl < shortestTokenTTL || ttl > longestTokenTTL {
		return failure(http.StatusBadRequest)
	}
	life := time.Duration(ttl) * time.Second
	return response{status: http.StatusOK, body: s.tokens.issue(asker.instance, s.now(), life), tokenTTL: life}
}

func isTokenPath(path []string) bool {
	return len(path) == 3 && slices.Contains(metadataVersions, path[0]) && path[1] == "api" && path[2] == "token"
}

// forwarded reports whether a proxy passed the request on: one that was meant for
// other things, and is being abused to read an instance's credentials.
func forwarded(request *http.Request) bool {
	_, yes := request.Header["X-Forwarded-For"]
	return yes
}

// respond writes a response with the headers that AWS's has. The body of an
// error is a page for people, as there.
func (s *server) respond(conn net.Conn, request *http.Request, answer response) {
	header := http.Header{
		"Content-Type":  {"text/plain"},
		"Accept-Ranges": {"none"},
		"Date":          {s.now().UTC().Format(http.TimeFormat)},
		"Server":        {"EC2ws"},
	}
	if answer.status == http.StatusOK {
		header.Set("Last-Modified", s.started.UTC().Format(http.TimeFormat))
	} else {
		title := fmt.Sprintf("%d - %s", answer.status, http.StatusText(answer.status))
		answer.body = `<?xml version="1.0" encoding="iso-8859-1"?>` + "\n<html><head><title>" + title +
			"</title></head><body><h1>" + title + "</h1></body></html>\n"
		header.Set("Content-Type", "text/html")
	}
	if answer.allow != "" {
		header.Set("Allow", answer.allow)
	}
	if answer.tokenTTL > 0 {
		header.Set(tokenTTLHeader, strconv.Itoa(int((answer.tokenTTL+time.Second-1)/time.Second)))
	}
	message := http.Response{
		StatusCode: answer.status, ProtoMajor: 1, ProtoMinor: 1, Close: true, Header: header,
		Request: request, // HEAD gets no body
		Body:    io.NopCloser(strings.NewReader(answer.body)), ContentLength: int64(len(answer.body)),
	}
	out := bufio.NewWriter(conn)
	if err := message.Write(out); err == nil {
		out.Flush()
	}
}
