package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func (a *app) versionCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Long: `Print the version of this program and what it was built from, as the Go toolchain
recorded it. Nothing is asked over the network.`,
		Example:           `  vpcsim version`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := readVersion()
			if output(cmd) == formatJSON {
				return writeJSON(a.stdout, v)
			}
			fmt.Fprintf(a.stdout, "vpcsim %s\n", v.Version)
			if v.Commit != "" {
				fmt.Fprintf(a.stdout, "commit %s %s\n", v.Commit, v.Time)
			}
			fmt.Fprintf(a.stdout, "%s %s\n", v.Go, v.Platform)
			return nil
		},
	}
	outputFlag(c, formatText, formatJSON)
	return c
}

// version is what the toolchain recorded in the binary.
type version struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Time     string `json:"time,omitempty"`
	Modified bool   `json:"modified,omitempty"` // built from a checkout with changes
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func readVersion() version {
	v := version{Version: "unknown", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	v.Version = info.Main.Version
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.time":
			v.Time = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}
