package control

import "slices"

// faultOperations break things and repair them. The operation's name is that of
// the thing.
var faultOperations = map[string]operation{
	"inject": {do: injectFault, parameters: []string{"kind", "direction"}, creates: true},
	"clear":  {do: clearFaults, parameters: []string{"kind", "direction"}, creates: true},
}

// fault is what the operation is about.
func (op Operation) fault(w *World) (Fault, error) {
	f := Fault{Kind: op.Parameters["kind"], Name: op.Name, Direction: op.Parameters["direction"]}
	f.spell(w)
	if bad := f.problem(w); bad != nil {
		return f, op.problem(bad.code, bad.message, bad.hint)
	}
	return f, nil
}

func injectFault(w *World, op Operation) error {
	f, err := op.fault(w)
	if err == nil {
		w.Break(f)
	}
	return err
}

// clearFaults repairs one thing, or without a name everything. Of a link without
// a direction both are repaired.
func clearFaults(w *World, op Operation) error {
	if op.Name == "" {
		w.Faults = nil
		return nil
	}
	f, err := op.fault(w)
	if err != nil {
		return err
	}
	both := Fault{Kind: f.Kind, Name: f.Name}
	other := Fault{f.Kind, f.Name, opposite(f.Direction)}
	switch whole := slices.Contains(w.Faults, both); {
	case f.Direction == "":
		w.Repair(both, Fault{f.Kind, f.Name, directionForward}, Fault{f.Kind, f.Name, directionReverse})
	case whole:
		w.Repair(both, f)
		w.Break(other)
	default:
		w.Repair(f)
	}
	return nil
}

// Break adds faults to the world and returns those that it did not have, for
// Repair to take away again.
func (w *World) Break(faults ...Fault) (added Faults) {
	for _, f := range faults {
		f.spell(w)
		if !slices.Contains(w.Faults, f) {
			w.Faults = append(w.Faults, f)
			added = append(added, f)
		}
	}
	return added
}

// Repair takes faults away from the world.
func (w *World) Repair(faults ...Fault) {
	w.Faults = slices.DeleteFunc(w.Faults, func(f Fault) bool { return slices.Contains(faults, f) })
	if len(w.Faults) == 0 {
		w.Faults = nil
	}
}
