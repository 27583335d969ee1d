//go:build linux

package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// probeChild is the process that Probe starts in a lab's namespaces: it tries
// each ability as a lab would use it and writes its findings to out.
func probeChild(out io.Writer) (int, error) {
	tries := []struct {
		name, works string
		// Without it labs run, and this is missing; empty: no lab runs.
		without string
		fix     string // where the machine's policy is not what stands against it
		try     func() error
	}{
		{"mounts", "separate from the machine's", "", "", func() error {
			return InitCore(slog.New(slog.DiscardHandler))
		}},
		{"own /proc", "ps inside the lab shows the lab", "ps and top inside the lab show other processes",
			"docker run --security-opt systempaths=unconfined", ownProc},
		{"files of a node", "tmpfs and bind mounts work", "", "", probeBindMount},
		{"node", "network namespace, veth pair, IPv4", "", "", func() error { return probeNode("192.0.2.1/24") }},
		{"IPv6", "addresses can be set", "a lab that uses IPv6 will not start",
			"boot without ipv6.disable=1", func() error { return probeNode("2001:db8::1/64") }},
		{"packet socket", "frames can be received and sent", "", "", probePacketSocket},
		{"TUN device", "can be made", "kernel tunnels (TUN devices) cannot be used in nodes",
			"give your user access to /dev/net/tun (modprobe tun; docker run --device /dev/net/tun)", probeTUN},
	}
	var findings []Finding
	for _, t := range tries {
		f := Finding{Name: t.name, State: OK, Detail: t.works}
		if err := t.try(); err != nil {
			f = failed(f, err)
			var policy *ForbiddenError
			if t.fix != "" && !errors.As(err, &policy) {
				f.Detail, f.Fix = err.Error(), t.fix
			}
			if t.without != "" {
				f.State = Warn
				f.Detail += ": " + t.without
			}
		}
		findings = append(findings, f)
	}
	return 0, json.NewEncoder(out).Encode(findings)
}

// probeBindMount places a file as a node's /etc/hosts would be. The mount goes
// with the process.
func probeBindMount() error {
	return probeThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_NEWUTS); err != nil {
			return err
		}
		return placeFile("/etc/hosts", "127.0.0.1 localhost\n")
	})
}

// probeNode makes and removes a node with one address.
func probeNode(address string) error {
	h, err := New(Config{})
	if err != nil {
		return err
	}
	node := Node{Name: "probe", Forward: true, Interfaces: []Interface{{
		Link: 1, Name: "eth0", MAC: packet.MAC{0x02, 0, 0, 0, 1, 0},
		Addresses: []netip.Prefix{netip.MustParsePrefix(address)},
	}}}
	err = h.Ensure(context.Background(), []Node{node})
	return errors.Join(err, h.Close())
}

// probePacketSocket opens the kind of socket that the forwarding core reads all
// interfaces with.
func probePacketSocket() error {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("AF_PACKET socket: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1); err != nil {
		return fmt.Errorf("AF_PACKET socket: virtio headers: %w", err)
	}
	return nil
}

func probeTUN() error {
	const device = "/dev/net/tun"
	fd, err := unix.Open(device, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: device, Err: err}
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("probe0")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr); err != nil {
		return fmt.Errorf("%s: %w", device, err)
	}
	return nil
}
