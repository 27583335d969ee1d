package awsapi

import (
	"encoding/json"
	"strings"
)

// jsonProtocol is AWS's JSON 1.0 and 1.1, which differ in the content type only.
type jsonProtocol struct{}

func (jsonProtocol) decode(c *call, into any) error {
	if len(c.body) == 0 {
		return nil
	}
	return json.Unmarshal(c.body, into)
}

func (jsonProtocol) reply(c *call, answer any) (string, []byte, error) {
	body, err := json.Marshal(answer)
	return jsonContentType(c), body, err
}

func (jsonProtocol) fail(c *call, err *Error) (string, []byte) {
	c.w.Header().Set("X-Amzn-Errortype", err.Code)
	body, _ := json.Marshal(failure{err.Code, err.Message}) // two strings
	return jsonContentType(c), body
}

// failure is an error in JSON and CBOR.
type failure struct {
	Type    string `json:"__type"`
	Message string `json:"message"`
}

func jsonContentType(c *call) string {
	if got := c.r.Header.Get("Content-Type"); strings.HasPrefix(got, "application/x-amz-json-") {
		return got
	}
	return "application/x-amz-json-1.1"
}
