package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/lab"
	"github.com/vpcsim/vpcsim/scenarios"
)

// openScenario reads what a FILE argument names: a file, an embedded scenario,
// or "-", the standard input. Something with a slash or an ending is a file.
func (a *app) openScenario(argument string) (lab.File, error) {
	if argument == "-" {
		text, err := io.ReadAll(io.LimitReader(a.stdin, control.MaxFileSize+1))
		return lab.File{Name: "standard input", Source: string(text)}, err
	}
	isPath := strings.ContainsAny(argument, `/`) || filepath.Ext(argument) != ""
	if !isPath {
		if name, text, err := scenarios.Read(argument); err == nil {
			return lab.File{Name: name, Source: string(text)}, nil
		}
	}
	text, err := readFile(argument)
	switch {
	case err == nil:
		dir, err := filepath.Abs(filepath.Dir(argument))
		return lab.File{Name: argument, Source: string(text), Dir: dir}, err
	case !errors.Is(err, fs.ErrNotExist):
		return lab.File{}, &exitError{exitFailed, fmt.Sprintf("%s; write a scenario file, or an embedded scenario: %s", err, strings.Join(scenarios.Names(), ", "))}
	}
	return lab.File{}, noScenario(argument, isPath)
}

// readFile reads no more than a scenario can have.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s is a directory", path)
	}
	return io.ReadAll(io.LimitReader(f, control.MaxFileSize+1))
}

func noScenario(argument string, isPath bool) error {
	candidates := scenarios.Names()
	what := fmt.Sprintf("there is neither a file nor an embedded scenario %q", argument)
	if isPath {
		what = fmt.Sprintf("there is no file %q", argument)
		candidates = slices.Concat(filesIn(filepath.Dir(argument)), candidates)
	} else {
		candidates = slices.Concat(candidates, filesIn("."))
	}
	if near := lab.Closest(argument, candidates); near != "" {
		return &exitError{exitFailed, fmt.Sprintf("%s; did you mean %s?", what, near)}
	}
	return &exitError{exitFailed, fmt.Sprintf("%s; embedded scenarios: %s", what, strings.Join(scenarios.Names(), ", "))}
}

// filesIn are the scenario files of a directory, as one would write them.
func filesIn(dir string) []string {
	var list []string
	for _, pattern := range []string{"*.yaml", "*.yml"} {
		found, _ := filepath.Glob(filepath.Join(dir, pattern)) // fails for bad patterns only
		list = append(list, found...)
	}
	slices.Sort(list)
	return list
}

// theScenario is openScenario for a command whose FILE may be left out: then it
// is the only scenario file of the current directory.
func (a *app) theScenario(args []string) (lab.File, error) {
	if len(args) > 0 {
		return a.openScenario(args[0])
	}
	switch here := filesIn("."); len(here) {
	case 0:
		return lab.File{}, usage("no scenario given, and no *.yaml file is here", "write a file or an embedded scenario: "+strings.Join(scenarios.Names(), ", "))
	case 1:
		return a.openScenario("./" + here[0])
	default:
		return lab.File{}, usage("no scenario given, and several files are here: "+strings.Join(here, ", "), "write which one")
	}
}
