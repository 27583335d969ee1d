package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/vpcsim/vpcsim/control/capture"
)

// captureFarewell is how long a capture that was told to stop may take to end.
const captureFarewell = 2 * time.Second

// CaptureFile writes the packets of a capture to out as a pcapng file, until the
// request's bounds, ctx or the lab ends it. Whatever happens, out has whole blocks.
func (c *Client) CaptureFile(ctx context.Context, request CaptureRequest, out io.Writer) (CaptureEnd, error) {
	request.Format = "pcapng"
	return c.capture(ctx, request, func(body io.Reader) error { return capture.CopyBlocks(out, body) })
}

// CapturePackets passes the packets of a capture to report.
func (c *Client) CapturePackets(ctx context.Context, request CaptureRequest, report func(CapturedPacket) error) (CaptureEnd, error) {
	request.Format = "json"
	return c.capture(ctx, request, func(body io.Reader) error {
		decoder := json.NewDecoder(body)
		for {
			var p CapturedPacket
			if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
			if err := report(p); err != nil {
				return err
			}
		}
	})
}

// capture reads an answer to its end. ctx does not tear it off: the daemon is told
// to stop, and what it has taken until then still comes.
func (c *Client) capture(ctx context.Context, request CaptureRequest, read func(io.Reader) error) (CaptureEnd, error) {
	reading, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	response, err := c.send(reading, http.MethodPost, "/v1/capture", request)
	if err != nil {
		return CaptureEnd{}, err
	}
	defer response.Body.Close()
	defer context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(captureFarewell, cancel)
		_ = c.call(reading, http.MethodPost, "/v1/capture/"+response.Header.Get(captureID)+"/stop", struct{}{}, nil)
		<-reading.Done()
		timer.Stop()
	})()
	err = read(response.Body)
	var end CaptureEnd
	end.Packets, _ = strconv.ParseUint(response.Trailer.Get(capturePackets), 10, 64)
	end.Lost, _ = strconv.ParseUint(response.Trailer.Get(captureLost), 10, 64)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("lab %s ended in the middle of a packet; what came before it is complete", c.lab.Name)
	}
	return end, err
}
