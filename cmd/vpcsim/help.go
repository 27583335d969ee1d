package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// Widths of help, in columns. Nobody reads lines of 150 columns with pleasure, and a
// narrow terminal would break them in the middle of words.
const (
	helpWidth    = 80
	helpNarrowed = 40 // below that, the terminal may do as it likes
)

// fitHelp lets the help of every command fit the terminal, and 80 columns where there
// is none or a wider one.
func (a *app) fitHelp(root *cobra.Command) {
	width := helpWidth
	if f, ok := a.stdout.(*os.File); ok {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil {
			width = min(max(columns, helpNarrowed), helpWidth)
		}
	}
	// The flags are the only part of cobra's page that knows how to wrap itself.
	page := strings.NewReplacer(
		".LocalFlags.FlagUsages", fmt.Sprintf(".LocalFlags.FlagUsagesWrapped %d", width),
		".InheritedFlags.FlagUsages", fmt.Sprintf(".InheritedFlags.FlagUsagesWrapped %d", width),
		"for more information about a command.", "for more.",
	).Replace(root.UsageTemplate())
	root.SetUsageTemplate(page)
	root.SetHelpFunc(func(c *cobra.Command, _ []string) {
		text := c.Long
		if text == "" {
			text = c.Short + "."
		}
		fmt.Fprintf(c.OutOrStdout(), "%s\n\n%s", reflow(text, width), c.UsageString())
	})
}

// reflow breaks the paragraphs of a text anew, so that no line is wider than width.
// A line that begins with a space stands as it is written: it is an example, or part
// of a list.
func reflow(text string, width int) string {
	var out, words []string
	flush := func() {
		out = append(out, breakLines(words, width)...)
		words = nil
	}
	for line := range strings.Lines(strings.TrimSpace(text)) {
		line = strings.TrimRight(line, "\n")
		if line == "" || strings.HasPrefix(line, " ") {
			flush()
			out = append(out, line)
			continue
		}
		words = append(words, strings.Fields(line)...)
	}
	flush()
	return strings.Join(out, "\n")
}

// breakLines puts as many words into each line as fit; one that is longer than a line
// has one of its own.
func breakLines(words []string, width int) (lines []string) {
	line := ""
	for _, word := range words {
		switch {
		case line == "":
			line = word
		case len([]rune(line))+1+len([]rune(word)) > width:
			lines, line = append(lines, line), word
		default:
			line += " " + word
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
