package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

// TestHelpFitsTheTerminal: every page of help, as somebody reads it in a terminal.
func TestHelpFitsTheTerminal(t *testing.T) {
	pages := 0
	var look func(c *cobra.Command)
	look = func(c *cobra.Command) {
		var out strings.Builder
		c.SetOut(&out)
		if err := c.Help(); err != nil {
			t.Fatal(err)
		}
		pages++
		for line := range strings.Lines(out.String()) {
			if n := len([]rune(strings.TrimRight(line, "\n"))); n > helpWidth {
				t.Errorf("%s --help: %d columns: %s", c.CommandPath(), n, line)
			}
		}
		for _, sub := range c.Commands() {
			look(sub)
		}
	}
	look((&app{}).command())
	if pages < 40 {
		t.Errorf("only %d pages", pages)
	}
}

func TestReflow(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"a paragraph":        {"one two\nthree four", "one two\nthree four"},
		"lines are joined":   {"a\nb\nc d", "a b c d"},
		"paragraphs stay":    {"a b\n\nc", "a b\n\nc"},
		"examples stay":      {"see:\n  x: {much too wide for it}\nand on", "see:\n  x: {much too wide for it}\nand on"},
		"a word that is not": {"a verylongwordindeed b", "a\nverylongwordindeed\nb"},
		"by runes":           {"ääää ööööö", "ääää ööööö"},
		"surrounding space":  {"\na\n", "a"},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, reflow(test.text, 10)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
