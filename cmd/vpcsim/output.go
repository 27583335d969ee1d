package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
)

// Formats of -o.
const (
	formatTable = "table"
	formatWide  = "wide"
	formatJSON  = "json"
	formatYAML  = "yaml"
	formatText  = "text"
	formatJUnit = "junit"
)

// outputFlag adds -o with the formats that the command knows, its default
// first.
func outputFlag(c *cobra.Command, formats ...string) {
	c.Flags().StringP("output", "o", formats[0], "`format`: "+strings.Join(formats, ", "))
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	check := func(cmd *cobra.Command, _ []string) error {
		if got := output(cmd); !slices.Contains(formats, got) {
			return usage(fmt.Sprintf("-o %s is not a format of %s", got, cmd.Name()), "use "+strings.Join(formats, ", "))
		}
		return nil
	}
	c.PreRunE = check
}

func output(c *cobra.Command) string { return c.Flag("output").Value.String() }

// writeTable aligns rows of cells. An empty cell shows as "-", so that columns
// can be told apart by machines, too.
func writeTable(w io.Writer, header []string, rows [][]string) {
	all := append([][]string{header}, rows...)
	width := make([]int, len(header))
	for _, row := range all {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(shown(cell)))
		}
	}
	for _, row := range all {
		var line strings.Builder
		for i, cell := range row {
			cell = shown(cell)
			line.WriteString(cell)
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell)+2))
			}
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}

func shown(cell string) string {
	if cell == "" {
		return "-"
	}
	return cell
}

// writeJSON writes v for machines, in a form that people can read.
func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// writeYAML writes v with the names and the order of its JSON form.
func writeYAML(w io.Writer, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var node yaml.Node
	if err := yaml.Unmarshal(text, &node); err != nil { // JSON is YAML
		return err
	}
	plain(&node)
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	if err := encoder.Encode(&node); err != nil {
		return err
	}
	_, err = b.WriteTo(w)
	return err
}

// plain takes off JSON's brackets and quotes; the encoder puts back those that
// are needed.
func plain(n *yaml.Node) {
	if n.Kind != yaml.ScalarNode && len(n.Content) > 0 {
		n.Style = 0
	}
	if n.Kind == yaml.ScalarNode {
		n.Style = 0
	}
	for _, child := range n.Content {
		plain(child)
	}
}
