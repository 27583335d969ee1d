package lab

import (
	"context"
	"log/slog"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/scenarios"
)

// OpenFile reads and checks a file as Start would, and touches nothing.
func OpenFile(file File) (*control.World, error) {
	return control.Open(file.Name, []byte(file.Source))
}

// TraceFile answers a trace from a file alone: the same code as a lab's, on an
// engine that is connected to nothing.
func TraceFile(ctx context.Context, file File, q TraceQuery) (*Trace, error) {
	next, err := OpenFile(file)
	if err != nil {
		return nil, err
	}
	engine := dataplane.NewEngine(dataplane.Config{})
	store := control.NewStore(slog.New(slog.DiscardHandler), nil, engine.Publish)
	if _, err := store.Apply(ctx, next); err != nil {
		return nil, err
	}
	w, _ := store.World()
	return RunTrace(engine, w, q)
}

// CheckFile proves a file's checks in memory, without the kernel, and passes
// each result to report when it is known.
func CheckFile(ctx context.Context, file File, report func(CheckResult)) error {
	w, err := OpenFile(file)
	if err != nil {
		return err
	}
	driver, err := scenarios.NewMemory(ctx, w)
	if err != nil {
		return err
	}
	scenarios.Run(ctx, w, driver, func(r scenarios.Result) { report(checkResult(r)) })
	return nil
}
