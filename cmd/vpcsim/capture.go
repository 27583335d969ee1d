package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/lab"
)

func (a *app) captureCommand() *cobra.Command {
	var request lab.CaptureRequest
	var path string
	c := &cobra.Command{
		Use:   "capture [PLACE...] [-w FILE]",
		Short: "See packets at any place of the network, and what drops them",
		Long: `See the packets that pass a place of the running lab: a line each, or a pcapng file
for Wireshark and tcpdump, in which every place is an interface and a dropped
packet carries what dropped it as its comment, in the words of vpcsim trace. A
packet that is dropped further on its way carries it wherever it was before.

PLACE is an instance or one of its interfaces (web/eth1), a NAT gateway or internet
gateway (NAME is both sides of the translation, NAME:inside and NAME:outside one of
them), a transit gateway or attachment, another gateway or peering connection, a VPN
tunnel or client (:inside its packets, :outside what is encrypted), an Internet host,
or internet. Where two things share a name, write the kind too: "natGateway nat".

A packet is shown as the wire would carry it: large ones that the kernel hands over
in one piece are cut into segments, with their checksums. --filter knows what
tcpdump knows of addresses, protocols and ports, and drop and reason WORD. The
capture never slows the network down; what its reader is too slow for is counted,
and told at the end. Ctrl-C ends it, or the end of the lab.`,
		Example: `  vpcsim capture web
  vpcsim capture web nat -w lab.pcapng
  vpcsim capture --all --filter drop
  vpcsim capture web --filter 'tcp port 443 and not host 10.0.1.10' -c 20
  vpcsim capture internet -w - | wireshark -k -i -`,
		ValidArgsFunction: a.completeWorld(func(w *control.World, _ []string) []string { return lab.CapturePlaceNames(w) }),
		RunE: func(cmd *cobra.Command, args []string) error {
			request.Places = args
			return a.capture(cmd.Context(), request, path, output(cmd) == formatJSON)
		},
	}
	f := c.Flags()
	f.StringVarP(&path, "write", "w", "", "write a pcapng `FILE`; - is the standard output")
	f.BoolVar(&request.All, "all", false, "at every place, and at those that are made meanwhile")
	f.StringVar(&request.Filter, "filter", "", "only packets for which `EXPR` holds, such as: tcp port 443 and drop")
	f.IntVarP(&request.Count, "count", "c", 0, "end after `N` packets")
	f.DurationVar(&request.Duration, "duration", 0, "end after a time such as 10s")
	outputFlag(c, formatText, formatJSON)
	return c
}

func (a *app) capture(ctx context.Context, request lab.CaptureRequest, path string, asJSON bool) error {
	switch {
	case request.Count < 0:
		return usage(fmt.Sprintf("--count %d is none", request.Count), "write how many packets, or leave it out")
	case request.Duration < 0:
		return usage(fmt.Sprintf("--duration %s is none", request.Duration), "write a time such as 10s, or leave it out")
	case path != "" && asJSON:
		return usage("-w writes pcapng, not JSON", "leave -w or -o out")
	// A terminal that is sent a binary file is unusable afterwards.
	case path == "-" && isTerminal(a.stdout):
		return usage("a pcapng file is not for a terminal", "write -w FILE, or leave -w out for text")
	}
	client, err := a.connect()
	if err != nil {
		return err
	}
	var end lab.CaptureEnd
	if path == "" {
		end, err = client.CapturePackets(ctx, request, a.packetWriter(asJSON))
	} else {
		end, err = a.captureFile(ctx, client, request, path)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stderr, "%s captured.\n", counted(int(end.Packets), "packet"))
	if end.Lost > 0 {
		fmt.Fprintf(a.stderr, "%s more were lost, because the reader was too slow: use --filter or fewer places.\n", counted(int(end.Lost), "frame"))
	}
	return nil
}

// captureFile writes a file that is there only if the capture could begin.
func (a *app) captureFile(ctx context.Context, client *lab.Client, request lab.CaptureRequest, path string) (lab.CaptureEnd, error) {
	if path == "-" {
		return client.CaptureFile(ctx, request, a.stdout)
	}
	file := &lateFile{path: path}
	end, err := client.CaptureFile(ctx, request, file)
	if closed := file.close(); err == nil {
		err = closed
	}
	return end, err
}

// lateFile is created by the first write to it.
type lateFile struct {
	path string
	file *os.File
}

func (f *lateFile) Write(b []byte) (int, error) {
	if f.file == nil {
		file, err := os.Create(f.path)
		if err != nil {
			return 0, err
		}
		f.file = file
	}
	return f.file.Write(b)
}

func (f *lateFile) close() error {
	if f.file == nil {
		return nil
	}
	return f.file.Close()
}

// packetWriter shows packets as they come.
func (a *app) packetWriter(asJSON bool) func(lab.CapturedPacket) error {
	if asJSON {
		encoder := json.NewEncoder(a.stdout)
		encoder.SetEscapeHTML(false)
		return func(p lab.CapturedPacket) error { return encoder.Encode(p) }
	}
	return func(p lab.CapturedPacket) error { return writePacket(a.stdout, &p) }
}

// writePacket is a packet in one line: when, where, what, and what was said of it.
func writePacket(w io.Writer, p *lab.CapturedPacket) error {
	text := fmt.Sprintf("%s %s %-3s  %s → %s %s %d", p.Time.Format("15:04:05.000000"), p.Place, p.Direction,
		endpoint(p.Addresses.Src, p.Addresses.SrcPort), endpoint(p.Addresses.Dst, p.Addresses.DstPort), p.What, p.Length)
	if p.Translation != "" {
		text += "  [" + p.Translation + "]"
	}
	if p.Decision != "" {
		text += "  DROP at " + p.Decision
	}
	_, err := fmt.Fprintln(w, text)
	return err
}

func endpoint(address string, port uint16) string {
	if port == 0 {
		return address
	}
	return fmt.Sprintf("%s.%d", address, port) // as tcpdump writes it: one form for both families
}
