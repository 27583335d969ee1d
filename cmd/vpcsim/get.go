package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/lab"
)

func (a *app) getCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "get [KIND [NAME]]",
		Short: "Show resources of a lab, and what AWS made of them",
		Long: `Show the resources of a kind, or one of them by name or ID: what the file says and
what follows from it, such as addresses, rules in force and the state of routes.
KIND is a plural or singular of the scenario file; without it, the kinds are
listed. For one route table, security group or network ACL its rules are shown.
KIND clientVpnConnections is who is connected to the Client VPN endpoints now, or was
within the last hour; as JSON it has the fields of DescribeClientVpnConnections.`,
		Example: `  vpcsim get
  vpcsim get instances -o wide
  vpcsim get routeTable public
  vpcsim get securityGroups -o yaml
  vpcsim get clientVpnConnections`,
		Args: cobra.MaximumNArgs(2),
		ValidArgsFunction: a.completeWorld(func(w *control.World, args []string) []string {
			if len(args) == 1 {
				if k, ok := kindNamed(args[0]); ok {
					return k.Names(w)
				}
			}
			if len(args) > 0 {
				return nil
			}
			return append(kindWords(), clientConnectionWords[0])
		}),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && isClientConnections(args[0]) {
				return a.getClientConnections(cmd.Context(), append(args, "")[1], output(cmd))
			}
			_, w, err := a.connectWorld(cmd.Context())
			if err != nil {
				return err
			}
			return a.get(w, args, output(cmd))
		},
	}
	outputFlag(c, formatTable, formatWide, formatJSON, formatYAML)
	return c
}

func (a *app) get(w *control.World, args []string, format string) error {
	if len(args) == 0 {
		return a.getKinds(w, format)
	}
	k, ok := kindNamed(args[0])
	if !ok {
		hint := "kinds: " + strings.Join(kindWords(), ", ")
		if near := lab.Closest(args[0], kindWords()); near != "" {
			hint = fmt.Sprintf("did you mean %s?", near)
		}
		return usage(fmt.Sprintf("%q is not a kind of resource", args[0]), hint)
	}
	names := k.Names(w)
	if len(args) > 1 {
		name, err := findResource(w, k, args[1])
		if err != nil {
			return err
		}
		names = []string{name}
	}
	switch format {
	case formatJSON, formatYAML:
		return a.getDocument(w, k, names, len(args) > 1, format)
	}
	if len(names) == 0 {
		fmt.Fprintf(a.stdout, "The lab has no %s.\n", k.Plural)
		return nil
	}
	header, rows := resourceTable(w, k, names, format == formatWide)
	writeTable(a.stdout, header, rows)
	if len(args) > 1 {
		writeDetail(a.stdout, w, k, names[0])
	}
	return nil
}

// kindNamed finds a kind however its letters are cased.
func kindNamed(word string) (control.Kind, bool) {
	for _, k := range control.Kinds() {
		if strings.EqualFold(word, k.Plural) || strings.EqualFold(word, k.Singular) {
			return k, true
		}
	}
	return control.Kind{}, false
}

func kindWords() []string {
	var words []string
	for _, k := range control.Kinds() {
		words = append(words, k.Plural)
	}
	return words
}

// findResource takes a name or an ID.
func findResource(w *control.World, k control.Kind, text string) (string, error) {
	names := k.Names(w)
	for _, name := range names {
		if name == text || k.Identity(w, name).ID == text {
			return name, nil
		}
	}
	hint := "there is " + strings.Join(names, ", ")
	if near := lab.Closest(text, names); near != "" {
		hint = fmt.Sprintf("did you mean %s?", near)
	} else if len(names) == 0 {
		hint = "there is none"
	}
	return "", &exitError{exitFailed, fmt.Sprintf("no %s named %q; %s", k.Noun, text, hint)}
}

func (a *app) getKinds(w *control.World, format string) error {
	type count struct {
		Kind  string `json:"kind"`
		Count int    `json:"count"`
	}
	var list []count
	var rows [][]string
	for _, k := range control.Kinds() {
		names := k.Names(w)
		list = append(list, count{k.Plural, len(names)})
		shown := slices.Clone(names)
		if most := 6; format != formatWide && len(shown) > most {
			shown = append(shown[:most], "…")
		}
		rows = append(rows, []string{k.Plural, strconv.Itoa(len(names)), strings.Join(shown, " ")})
	}
	switch format {
	case formatJSON:
		return writeJSON(a.stdout, list)
	case formatYAML:
		return writeYAML(a.stdout, list)
	}
	writeTable(a.stdout, []string{"KIND", "COUNT", "NAMES"}, rows)
	return nil
}

// getDocument writes resources whole: a list, or the one that was asked for.
func (a *app) getDocument(w *control.World, k control.Kind, names []string, single bool, format string) error {
	list := []json.RawMessage{}
	for _, name := range names {
		text, err := named(name, k.Get(w, name))
		if err != nil {
			return err
		}
		list = append(list, text)
	}
	var document any = list
	if single {
		document = list[0]
	}
	if format == formatYAML {
		return writeYAML(a.stdout, document)
	}
	return writeJSON(a.stdout, document)
}

// named is a resource as JSON, its name in front.
func named(name string, r control.Resource) (json.RawMessage, error) {
	head, err := json.Marshal(map[string]string{"name": name})
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(r)
	if err != nil || len(body) <= len("{}") {
		return head, err
	}
	return slices.Concat(head[:len(head)-1], []byte(","), body[1:]), nil
}
