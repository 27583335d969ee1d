package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/vpcsim/vpcsim/control"
)

func (a *app) clientConfigCommand() *cobra.Command {
	var file string
	var force bool
	c := &cobra.Command{
		Use:   "client-config CLIENT",
		Short: "Write a VPN client's configuration for wg-quick",
		Long: `Write the configuration with which a client of a Client VPN endpoint connects: what
AWS's export of a client configuration is, as WireGuard's tools and apps read it. It
holds the client's private key: a file gets mode 0600, and is not overwritten unless
--force says so. Your labs of the same name have the same keys whenever they are
brought up.

Clients stand in the scenario file:
  vpnClients:
    anna: {endpoint: corp, groups: [engineering]}
    phone: {endpoint: corp, inLab: false}
A client without inLab: false is a machine of the lab, which has connected already.
For others the endpoint needs a UDP port of this machine, such as listen: 51820.`,
		Example: `  vpcsim client-config phone
  vpcsim client-config phone -o wg0.conf
  vpcsim client-config phone | qrencode -t ansiutf8`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeFirst("vpnClients"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, w, err := a.connectWorld(cmd.Context())
			if err != nil {
				return err
			}
			config := func(name string) (string, error) { return client.ClientConfig(cmd.Context(), name) }
			return a.clientConfig(config, w, args[0], file, force)
		},
	}
	c.Flags().StringVarP(&file, "output", "o", "", "the `file` to write; the standard output unless given")
	c.Flags().BoolVar(&force, "force", false, "replace a file that is there")
	return c
}

func (a *app) clientConfig(config func(name string) (string, error), w *control.World, name, file string, force bool) error {
	k, _ := kindNamed("vpnClients")
	if len(w.VPNClients) == 0 {
		return &exitError{exitFailed, "the lab has no VPN clients; add some to the file, such as: vpnClients: {anna: {endpoint: NAME}}, and vpcsim apply it"}
	}
	name, err := findResource(w, k, name)
	if err != nil {
		return err
	}
	text, err := config(name)
	if err != nil {
		return &exitError{exitFailed, err.Error()}
	}
	if file == "" || file == "-" { // "-" is the standard output wherever a command writes a file
		fmt.Fprint(a.stdout, text)
	} else if err := writeSecret(file, text, force); err != nil {
		return err
	} else {
		fmt.Fprintf(a.stdout, "Wrote %s, which holds the private key of %s. Connect with: wg-quick up %s\n", file, name, quickPath(file))
	}
	if note := clientConfigNote(w, name); note != "" {
		fmt.Fprintln(a.stderr, "Note: "+note)
	}
	return nil
}

// quickPath is how wg-quick takes a file for one, and not for a name.
func quickPath(file string) string {
	if filepath.Base(file) == file {
		return "./" + file
	}
	return file
}

// clientConfigNote says why the configuration will not do for what it may be meant
// for, "" if it will.
func clientConfigNote(w *control.World, name string) string {
	c := w.VPNClients[name]
	if c.Status.InLab {
		return fmt.Sprintf("%s is a machine of the lab, and connected with this key; for a machine of yours write another client, with inLab: false.", name)
	}
	switch e := w.ClientVPNEndpoints[c.Endpoint]; {
	case e == nil || e.Listen.IsZero():
		return fmt.Sprintf("%s is on the emulated Internet, where only machines of the lab are; for a machine of yours add listen: 51820 to it in the file, and vpcsim apply it.", c.Endpoint)
	case e.Listen.AddrPort().Addr().IsLoopback():
		return fmt.Sprintf("%s listens at %s, which only this machine reaches; for others write an address of it under listen.", c.Endpoint, e.Listen)
	}
	return ""
}

// writeSecret makes a file that its owner alone can read. One that is there is
// replaced as a whole: what it, or a link, says about others does not count.
func writeSecret(path, text string, force bool) error {
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() != 0 && info.Mode().Type() != fs.ModeSymlink {
		return &exitError{exitFailed, fmt.Sprintf("%s is there, and no file; write to another one", path)} // a device, a directory
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".client-config-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // unless it was renamed
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if force {
		return os.Rename(f.Name(), path)
	}
	if err = os.Link(f.Name(), path); errors.Is(err, fs.ErrExist) { // a rename would replace it
		return &exitError{exitFailed, fmt.Sprintf("%s is there already; write to another file, or add --force to replace it", path)}
	}
	return err
}
