package control

import "fmt"

// endpointOperations are what the owner of an endpoint service does to the endpoints
// that connect to it (E16, E17).
var endpointOperations = map[string]operation{
	"accept": {do: acceptEndpoint},
	"reject": {do: rejectEndpoint},
}

func acceptEndpoint(w *World, op Operation) error {
	return answerEndpoint(w, op, EndpointAvailable, EndpointPendingAcceptance)
}

// rejectEndpoint also cuts off an endpoint that was accepted.
func rejectEndpoint(w *World, op Operation) error {
	return answerEndpoint(w, op, EndpointRejected, EndpointPendingAcceptance, EndpointAvailable)
}

func answerEndpoint(w *World, op Operation, answer EndpointState, from ...EndpointState) error {
	e := w.VPCEndpoints[op.Name]
	if e.Status.EndpointService == "" {
		return op.problemf("InvalidParameter", "its service is AWS's own, which accepts by itself", "VPC endpoint %s connects to no endpoint service", op.Name)
	}
	for _, state := range from {
		if e.Status.State == state {
			e.State = answer
			return nil
		}
	}
	return op.problemf("InvalidState", fmt.Sprintf("it is %s", e.Status.State), "VPC endpoint %s is not in the correct state for the request.", op.Name)
}
