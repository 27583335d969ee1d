package main

import (
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os/exec"
	"slices"
	"strings"

	"github.com/vpcsim/vpcsim/control"
)

// writeOverview is the table that up and demo end with: who is there.
func writeOverview(out io.Writer, w *control.World) {
	header := []string{"INSTANCE", "PRIVATE IP", "PUBLIC IP", "IPV6", "SUBNET", "SECURITY GROUPS", "SERVES"}
	var rows [][]string
	for _, name := range slices.Sorted(maps.Keys(w.Instances)) {
		i := w.Instances[name]
		shown := name
		if i.Down() {
			shown += " (" + i.Status.State + ")"
		}
		rows = append(rows, []string{
			shown, address(i.Status.PrivateIP), address(i.Status.PublicIP), address(i.Status.IPv6), i.Subnet,
			strings.Join(groupsOf(w, i), ","), runs(i.Serve, i.Run),
		})
	}
	for _, name := range slices.Sorted(maps.Keys(w.InternetHosts)) {
		h := w.InternetHosts[name]
		rows = append(rows, []string{name, "", address(h.IP), address(h.Status.IPv6), "(Internet)", "", runs(h.Serve, h.Run)})
	}
	for _, name := range slices.Sorted(maps.Keys(w.Sites)) {
		s := w.Sites[name]
		// A site is a machine, too: its name is its router's in exec, trace and checks.
		rows = append(rows, []string{name, "", address(s.Status.PublicIP), address(s.Status.IPv6), "(router)", "", ""})
	}
	for _, name := range slices.Sorted(maps.Keys(w.SiteHosts)) {
		h := w.SiteHosts[name]
		rows = append(rows, []string{name, address(h.Status.IP), "", address(h.Status.IPv6), "(" + h.Site + ")", "", runs(h.Serve, h.Run)})
	}
	for _, name := range slices.Sorted(maps.Keys(w.VPNClients)) {
		c := w.VPNClients[name]
		rows = append(rows, []string{name, address(c.Status.Address), address(c.Status.InternetIP), address(c.Status.IPv6), "(" + c.Endpoint + ")", "", runs(c.Serve, c.Run)})
	}
	writeTable(out, header, rows)
}

func address(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// groupsOf are the groups of an instance's first interface.
func groupsOf(w *control.World, i *control.Instance) []string {
	if len(i.Status.NetworkInterfaces) == 0 {
		return nil
	}
	if n := w.NetworkInterfaces[i.Status.NetworkInterfaces[0]]; n != nil {
		return n.SecurityGroups
	}
	return nil
}

// runs lists built-in servers, and how many other programs there are.
func runs(serve []control.Service, run []string) string {
	var list []string
	for _, s := range serve {
		list = append(list, s.String())
	}
	if len(run) > 0 {
		list = append(list, counted(len(run), "program"))
	}
	return strings.Join(list, ",")
}

// suggestions are three commands that work in this very lab: what its checks
// claim, tried by hand.
func suggestions(w *control.World, labFlag string) []string {
	var list []string
	if c := findCheck(w, func(c *control.Check) bool { return c.Expect == control.ExpectPass && byHand(w, c) != "" }); c != nil {
		list = append(list, fmt.Sprintf("vpcsim exec%s %s -- %s", labFlag, c.From, byHand(w, c)))
	}
	if c := findCheck(w, func(c *control.Check) bool { return c.Expect == control.ExpectDrop }); c != nil {
		list = append(list, traceCommandLine(c, labFlag))
	}
	if c := findCheck(w, func(c *control.Check) bool { return c.Expect == control.ExpectPass }); c != nil && len(list) < 2 {
		list = append(list, traceCommandLine(c, labFlag))
	}
	if len(w.Checks) > 0 {
		list = append(list, "vpcsim check"+labFlag)
	}
	for _, command := range []string{"vpcsim get%s instances", "vpcsim get%s routeTables", "vpcsim get%s securityGroups"} {
		list = append(list, fmt.Sprintf(command, labFlag))
	}
	return list[:3]
}

func findCheck(w *control.World, holds func(*control.Check) bool) *control.Check {
	for i := range w.Checks {
		if c := &w.Checks[i]; !c.Observes() && holds(c) {
			return c
		}
	}
	return nil
}

func traceCommandLine(c *control.Check, labFlag string) string {
	text := fmt.Sprintf("vpcsim trace%s %s %s %s", labFlag, c.From, c.To, c.Network())
	if c.Family == control.IPv6 {
		text += " --family ipv6"
	}
	return text
}

// byHand is the program that does by hand what a check does, if the machine has
// it; "" otherwise.
func byHand(w *control.World, c *control.Check) string {
	has := func(program string) bool {
		_, err := exec.LookPath(program)
		return err == nil
	}
	target := c.To
	if _, host := w.InternetHosts[target]; w.Instances[target] == nil && !host {
		return "" // an interface's name is not in /etc/hosts
	}
	name := target
	if c.Family == control.IPv6 {
		name += ".ipv6"
	}
	switch {
	case c.TCP != 0 && has("curl") && servesHTTP(w, target, c.TCP):
		if c.TCP == 80 {
			return "curl -s http://" + name
		}
		return fmt.Sprintf("curl -s http://%s:%d", name, c.TCP)
	case c.Ping && has("ping"):
		return "ping -c 3 " + name
	}
	return ""
}

func servesHTTP(w *control.World, name string, port control.Port) bool {
	var serve []control.Service
	if i := w.Instances[name]; i != nil {
		serve = i.Serve
	} else if h := w.InternetHosts[name]; h != nil {
		serve = h.Serve
	}
	return slices.Contains(serve, control.Service{Protocol: "http", Port: port})
}
