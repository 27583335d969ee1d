package main

import (
	"context"
	"fmt"

	"github.com/vpcsim/vpcsim/control"
)

// operate does one operation to the lab that is meant and says what it changed.
// Say, if not nil, is asked for a line about the world after it, with whether
// anything has changed; "" is nothing to say.
func (a *app) operate(ctx context.Context, op control.Operation, format string, say func(w *control.World, changed bool) string) error {
	for name, value := range op.Parameters {
		if value == "" { // a flag that was not given: control knows what stands for it
			delete(op.Parameters, name)
		}
	}
	client, err := a.connect()
	if err != nil {
		return err
	}
	plan, err := client.Operate(ctx, op)
	if err != nil {
		return err
	}
	changed := len(plan.Changes) > 0
	if !changed {
		plan.Text = "No changes: it is so already.\n" // not FormatPlan's word about a file
	}
	if err := a.writeApplied(plan, format); err != nil || say == nil || format == formatJSON {
		return err
	}
	w, err := client.World(ctx)
	if err != nil {
		return err
	}
	if line := say(w, changed); line != "" {
		fmt.Fprintln(a.stdout, line)
	}
	return nil
}
