package control

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// Operation is a verb of AWS's on one resource of a world in force: accept a
// peering, break a link. It says what to do where a scenario file says what shall
// be. Commands and the API of a lab send it; Store.Update applies it like any
// other change, all or nothing, while traffic runs.
//
// A new verb is an entry in operations and a function beside the resource that
// it changes. The function changes what the file could say (never a Status), so
// that Prepare works out all that follows, and refuses with Problems, in AWS's
// words and with AWS's codes, whatever AWS refuses in the resource's present
// state. What an operation changed lasts until a file is applied that says
// otherwise.
type Operation struct {
	// Kind is a plural, such as "vpcPeerings".
	Kind string `json:"kind"`
	// Name of the resource; an ID will do, unless the operation creates it.
	Name string `json:"name"`
	// Action is the verb, such as "accept".
	Action string `json:"action"`
	// Parameters are what the action needs to know beside the name.
	Parameters map[string]string `json:"parameters,omitempty"`

	// document is the world as it was applied last, for operations that go back
	// to it; nil if that is not known.
	document *World
}

// operation is how one action is done.
type operation struct {
	do func(w *World, op Operation) error
	// parameters that the action knows; others are refused.
	parameters []string
	// creates: the resource need not be there, or is of none of Kinds.
	creates bool
}

// operations are all actions, by kind and by verb. The table is never changed.
var operations = map[string]map[string]operation{
	"faults":                    faultOperations,
	"links":                     linkOperations,
	"vpcEndpoints":              endpointOperations,
	"vpcPeerings":               peeringOperations,
	"transitGateways":           transitGatewayOperations,
	"transitGatewayAttachments": attachmentOperations,
	"vpnConnections":            vpnOperations,
}

// Operate does op to a world that Prepare has seen and must see again. An error
// that AWS would give is a Problems; a world that an operation failed on is to be
// thrown away, as Store does.
func (w *World) Operate(op Operation) error {
	actions, known := operations[op.Kind]
	if !known {
		return op.problem("", fmt.Sprintf("there are no operations on %q", op.Kind), "there are on "+someOf(slices.Sorted(maps.Keys(operations))))
	}
	how, known := actions[op.Action]
	if !known {
		return op.problem("", fmt.Sprintf("%q is not an operation on %s", op.Action, op.Kind), "there is "+someOf(slices.Sorted(maps.Keys(actions))))
	}
	for _, name := range slices.Sorted(maps.Keys(op.Parameters)) {
		if !slices.Contains(how.parameters, name) {
			return op.problem("", fmt.Sprintf("%s has no parameter %q", op.Action, name), "it has "+cmp.Or(someOf(how.parameters), "none"))
		}
	}
	if !how.creates {
		op.Name = w.resolve(reference{value: op.Name, kinds: []string{op.Kind}})
		if k, ok := KindNamed(op.Kind); !ok || k.Get(w, op.Name) == nil {
			bad := w.dangling(op.Name, []string{op.Kind})
			return op.problem(bad.code, bad.message, bad.hint)
		}
	}
	return how.do(w, op)
}

// problem is a refusal, at the resource that the operation is about.
func (op Operation) problem(code, message, hint string) error {
	return Problems{{Path: shorten(field(op.Kind, op.Name)), Code: code, Message: shorten(message), Hint: shorten(hint)}}
}

func (op Operation) problemf(code, hint, format string, args ...any) error {
	return op.problem(code, fmt.Sprintf(format, args...), hint)
}

// boolean reads a parameter that is true or false; given is false without it.
func (op Operation) boolean(parameter string) (value, given bool, err error) {
	switch text := op.Parameters[parameter]; text {
	case "":
		return false, false, nil
	case "true", "false":
		return text == "true", true, nil
	default:
		return false, false, op.problemf("InvalidParameterValue", "write true or false", "Value (%s) for parameter %s is invalid.", text, parameter)
	}
}
