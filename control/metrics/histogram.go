package metrics

import (
	"slices"
	"strconv"
	"sync"
)

// Histogram counts values by ranges. It may be used by any goroutine.
type Histogram struct {
	bounds []float64 // upper ones, each included

	mu     sync.Mutex
	counts []uint64 // of each range, and of what is above all bounds
	sum    float64
}

// NewHistogram returns a histogram with these upper bounds, in ascending order.
func NewHistogram(bounds ...float64) *Histogram {
	return &Histogram{bounds: bounds, counts: make([]uint64, len(bounds)+1)}
}

// Observe counts a value.
func (h *Histogram) Observe(value float64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	i, _ := slices.BinarySearch(h.bounds, value)
	h.counts[i]++
	h.sum += value
}

// Histogram writes a family that is one histogram.
func (w *Writer) Histogram(name, help string, h *Histogram) {
	w.begin(name, "histogram", help, nil)
	h.mu.Lock()
	defer h.mu.Unlock()
	total := uint64(0)
	for i, n := range h.counts {
		total += n
		le := "+Inf"
		if i < len(h.bounds) {
			le = strconv.FormatFloat(h.bounds[i], 'g', -1, 64)
		}
		w.sample(name+"_bucket", float64(total), nil, le)
	}
	w.sample(name+"_sum", h.sum, nil, "")
	w.sample(name+"_count", float64(total), nil, "")
}
