package dataplane

// push and pop keep the heap: container/heap would allocate for every flight.

func (q *delayQueue) push(f *flight) {
	q.sequence++
	w := waiting{f.at, q.sequence, f}
	i := len(q.heap)
	q.heap = append(q.heap, w)
	for i > 0 {
		parent := (i - 1) / 4
		if !w.before(&q.heap[parent]) {
			break
		}
		q.heap[i] = q.heap[parent]
		i = parent
	}
	q.heap[i] = w
}

// pop takes the flight out that is due first. The heap must not be empty.
func (q *delayQueue) pop() *flight {
	earliest := q.heap[0].flight
	n := len(q.heap) - 1
	last := q.heap[n]
	q.heap[n] = waiting{}
	q.heap = q.heap[:n]
	if n == 0 {
		return earliest
	}
	i := 0
	for {
		first := 4*i + 1
		if first >= n {
			break
		}
		child := first
		for c := first + 1; c < min(first+4, n); c++ {
			if q.heap[c].before(&q.heap[child]) {
				child = c
			}
		}
		if !q.heap[child].before(&last) {
			break
		}
		q.heap[i] = q.heap[child]
		i = child
	}
	q.heap[i] = last
	return earliest
}
