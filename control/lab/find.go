package lab

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/vpcsim/vpcsim/control/host"
)

// ErrNone says that no lab runs.
var ErrNone = errors.New("no lab is running; start one with: vpcsim up quickstart")

// Names are the labs of this user that are up, sorted.
func Names() ([]string, error) { return host.RunningLabs() }

// Lasting are the labs of [Names] that are up for their user, not for a command that
// runs: a check elsewhere must not make "the lab" ambiguous, nor end with "all labs".
func Lasting() ([]string, error) {
	names, err := Names()
	return slices.DeleteFunc(names, func(name string) bool {
		l, err := host.OpenLab(name)
		return err == nil && l.Borrower() != ""
	}), err
}

// Select finds the lab that is meant by name, or by the lack of one: the only
// lab that runs, commands' own aside.
func Select(name string) (string, error) {
	if name != "" {
		if _, err := host.OpenLab(name); errors.Is(err, os.ErrNotExist) {
			return "", notRunning(name)
		} else if err != nil {
			return "", err
		}
		return name, nil
	}
	names, err := Lasting()
	if err != nil {
		return "", err
	}
	switch len(names) {
	case 0:
		return "", ErrNone
	case 1:
		return names[0], nil
	}
	return "", &UsageError{
		fmt.Sprintf("%d labs are running: %s", len(names), strings.Join(names, ", ")),
		"say which one with --lab NAME",
	}
}

func notRunning(name string) error {
	names, err := Names()
	switch {
	case err != nil:
		return err
	case len(names) == 0:
		return fmt.Errorf("lab %s is not running, and no other is; start one with: vpcsim up FILE", name)
	}
	hint := "running: " + strings.Join(names, ", ")
	if near := Closest(name, names); near != "" {
		hint = fmt.Sprintf("did you mean %s?", near)
	}
	return fmt.Errorf("lab %s is not running; %s", name, hint)
}

// Closest is the candidate that word was probably meant to be, or "": the one
// that the fewest edits lead to, if they are few for the word's length; among
// equals the one that begins most like it.
func Closest(word string, candidates []string) string {
	word = strings.ToLower(word)
	best, limit, longest := "", 1+max(1, len(word)/3), 0
	for _, c := range candidates {
		d, common := edits(word, strings.ToLower(c)), commonPrefix(word, strings.ToLower(c))
		if d < limit || d == limit && best != "" && common > longest {
			best, limit, longest = c, d, common
		}
	}
	return best
}

func commonPrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// edits counts insertions, deletions, substitutions and swaps of neighbours
// (optimal string alignment).
func edits(a, b string) int {
	d := make([][]int, len(a)+1)
	for i := range d {
		d[i] = make([]int, len(b)+1)
		d[i][0] = i
	}
	for j := range d[0] {
		d[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, d[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}
