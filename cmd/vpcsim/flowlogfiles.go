package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/host"
	"github.com/vpcsim/vpcsim/control/lab"
)

// flowLogDestination is where records go, in a word: a log group or a bucket's ARN.
func flowLogDestination(l *control.FlowLog) string {
	if l.Status.Bucket != "" {
		return l.Status.LogDestination
	}
	return l.Status.LogGroup
}

// flowLogDetail is what "vpcsim get flowLog NAME" says below the table.
func flowLogDetail(l *control.FlowLog) (header []string, rows [][]string) {
	s := &l.Status
	add := func(key, value string) { rows = append(rows, []string{key, value}) }
	add("logDestinationType", s.LogDestinationType.String())
	add("logDestination", flowLogDestination(l))
	if o := s.DestinationOptions; o != nil {
		add("fileFormat", o.FileFormat.String())
		add("hiveCompatiblePartitions", fmt.Sprint(o.HiveCompatiblePartitions))
		add("perHourPartition", fmt.Sprint(o.PerHourPartition))
	}
	add("directory", cmp.Or(s.Directory, "-"))
	add("deliverLogsStatus", s.DeliverLogsStatus)
	if s.DeliverLogsErrorMessage != "" {
		add("deliverLogsErrorMessage", s.DeliverLogsErrorMessage)
		add("problem", s.DeliverLogsProblem)
	}
	return []string{"DELIVERY", "VALUE"}, rows
}

// flowLogFiles lists the files of a flow log, or of all, in the order of their names.
func (a *app) flowLogFiles(ctx context.Context, name string) error {
	client, err := a.connect()
	if err != nil {
		left, leftErr := host.FlowLogDirs()
		if leftErr == nil && (left[a.lab] != "" || errors.Is(err, lab.ErrNone) && len(left) > 0) {
			return a.leftFlowLogFiles(left, name)
		}
		return err
	}
	w, err := client.World(ctx)
	if err != nil {
		return err
	}
	if err := flowLogNamed(w, name); err != nil {
		return err
	}
	found := false
	k, _ := kindNamed("flowLogs")
	for _, n := range k.Names(w) {
		l := w.FlowLogs[n]
		if name != "" && n != name && l.Status.ID != name {
			continue
		}
		paths, err := filesOfFlowLog(n, l)
		if err != nil {
			return err
		}
		for _, path := range paths {
			found = true
			fmt.Fprintln(a.stdout, path)
		}
	}
	if !found {
		fmt.Fprintln(a.stderr, "No files yet. Text comes at the end of an interval; a file in S3 when its five minutes are over, or the lab ends.")
	}
	return nil
}

// filesOfFlowLog are those that are whole: what has no file yet is in a spool.
func filesOfFlowLog(name string, l *control.FlowLog) ([]string, error) {
	s := &l.Status
	if s.Bucket == "" {
		return filepath.Glob(filepath.Join(s.Directory, name+".log*"))
	}
	var paths []string
	err := filepath.WalkDir(s.Directory, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // no record yet
		}
		if err == nil && strings.Contains(filepath.Base(path), "_"+s.ID+"_") && entry.Type().IsRegular() {
			paths = append(paths, path)
		}
		return err
	})
	return paths, err
}

// leftFlowLogFiles lists the files of labs that have ended: of the one that --lab names,
// or of all. No world says here which flow log has which ID, so that objects are found by
// the ID that is in their names.
func (a *app) leftFlowLogFiles(dirs map[string]string, name string) error {
	found, spools := false, 0
	for _, of := range slices.Sorted(maps.Keys(dirs)) {
		if a.lab != "" && a.lab != of {
			continue
		}
		err := filepath.WalkDir(dirs[of], func(path string, entry fs.DirEntry, err error) error {
			base := filepath.Base(path)
			switch {
			case err != nil || !entry.Type().IsRegular():
				return err
			case filepath.Ext(base) == ".spool":
				spools++
			case name == "" || strings.HasPrefix(base, name+".log") || strings.Contains(base, "_"+name+"_"):
				found = true
				fmt.Fprintln(a.stdout, path)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if spools > 0 { // the daemon was killed
		fmt.Fprintf(a.stderr, "%s to be made yet: the lab was killed, and makes them when it is up again.\n", counted(spools, "file"))
	}
	if !found && name != "" {
		return &exitError{exitFailed, fmt.Sprintf("no lab is running, and none has left files of a flow log %q; those in a bucket are found by ID (fl-...) then", name)}
	}
	return nil
}
