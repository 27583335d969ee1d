package awsapi

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// Error is a refusal, in AWS's words.
type Error struct {
	Code    string
	Message string
	Status  int // of HTTP; 400 unless given
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

func (e *Error) status() int {
	if e.Status != 0 {
		return e.Status
	}
	return http.StatusBadRequest
}

func refuse(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// call is one request, whatever its protocol.
type call struct {
	service, operation string
	protocol           protocol

	w    http.ResponseWriter
	r    *http.Request
	body []byte
	form url.Values // of the query protocol
	id   string     // of the request
}

// protocol is how a request and its answer are written.
type protocol interface {
	decode(c *call, into any) error
	reply(c *call, answer any) (contentType string, body []byte, err error)
	fail(c *call, err *Error) (contentType string, body []byte)
}

// targets are the services by what stands before the point of X-Amz-Target.
var targets = map[string]string{
	"Logs_20140328":                 serviceLogs,
	"GraniteServiceVersion20100801": serviceCloudWatch,
}

// callOf finds out what is asked, and how; nil if it is none of AWS's protocols.
func callOf(w http.ResponseWriter, r *http.Request) *call {
	c := &call{w: w, r: r, id: requestID()}
	if service, operation, ok := strings.Cut(r.Header.Get("X-Amz-Target"), "."); ok {
		c.service, c.operation, c.protocol = targets[service], operation, jsonProtocol{}
	} else if r.Header.Get("Smithy-Protocol") == "rpc-v2-cbor" {
		// /service/NAME/operation/NAME
		if parts := strings.Split(r.URL.Path, "/"); len(parts) == 5 && parts[1] == "service" && parts[3] == "operation" {
			c.service, c.operation, c.protocol = targets[parts[2]], parts[4], cborProtocol{}
		}
	} else if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		c.service, c.protocol = serviceCloudWatch, queryProtocol{} // until the form says so
	}
	if c.service == "" {
		return nil
	}
	return c
}

// read takes the whole request, before anything is done for it: the query protocol
// says in the body what is asked.
func (c *call) read() *Error {
	var err error
	if c.body, err = io.ReadAll(c.r.Body); err != nil {
		var long *http.MaxBytesError
		if errors.As(err, &long) {
			return &Error{Code: "RequestEntityTooLarge", Message: fmt.Sprintf("a request has at most %d bytes", maxBody), Status: http.StatusRequestEntityTooLarge}
		}
		return refuse("RequestAborted", "the request could not be read: %v", err)
	}
	if _, ok := c.protocol.(queryProtocol); ok {
		return c.readForm()
	}
	return nil
}

// decode reads the input. An unknown member is no error: a client that is younger than
// this program may send some, and AWS adds them all the time.
func (c *call) decode(into any) *Error {
	if err := c.protocol.decode(c, into); err != nil {
		return refuse("SerializationException", "%v", err)
	}
	return nil
}

func (c *call) reply(answer any) {
	contentType, body, err := c.protocol.reply(c, answer)
	if err != nil {
		c.fail(&Error{Code: "InternalFailure", Message: err.Error(), Status: http.StatusInternalServerError})
		return
	}
	c.write(http.StatusOK, contentType, body)
}

func (c *call) fail(err *Error) {
	contentType, body := c.protocol.fail(c, err)
	c.write(err.status(), contentType, body)
}

// write sends a number of the request along: clients expect it in every answer.
func (c *call) write(status int, contentType string, body []byte) {
	header := c.w.Header()
	header.Set("Content-Type", contentType)
	header.Set("X-Amzn-Requestid", c.id)
	c.w.WriteHeader(status)
	_, _ = c.w.Write(body) // the client may be gone
}

// requestID is a number of its own for each request, in the form of AWS's.
func requestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand ends the program instead)
	text := hex.EncodeToString(b[:])
	return strings.Join([]string{text[:8], text[8:12], text[12:16], text[16:20], text[20:]}, "-")
}
