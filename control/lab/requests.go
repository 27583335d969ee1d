package lab

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync"

	"github.com/vpcsim/vpcsim/control/metrics"
)

// requestCounts counts what the API was asked, by the patterns of its paths: there
// are as many as the API has.
type requestCounts struct {
	mu     sync.Mutex
	counts map[requestKey]uint64
}

type requestKey struct {
	pattern string
	code    int
}

// counting lets handler answer, and counts how it did.
func (c *requestCounts) counting(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		recorder := &codeRecorder{ResponseWriter: w, code: http.StatusOK}
		defer func() { // even of one that panics
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.counts == nil {
				c.counts = map[requestKey]uint64{}
			}
			c.counts[requestKey{r.Pattern, recorder.code}]++
		}()
		handler.ServeHTTP(recorder, r)
	})
}

// codeRecorder remembers the answer's status.
type codeRecorder struct {
	http.ResponseWriter
	code int
}

func (r *codeRecorder) WriteHeader(code int) {
	r.code = code
	r.ResponseWriter.WriteHeader(code)
}

// Unwrap lets a ResponseController flush and hijack.
func (r *codeRecorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (c *requestCounts) measure(w *metrics.Writer) {
	w.Counter("vpcsim_api_requests_total", "Requests that the lab's API has answered, by path and status.", "path", "code")
	c.mu.Lock()
	defer c.mu.Unlock()
	order := func(a, b requestKey) int {
		return cmp.Or(cmp.Compare(a.pattern, b.pattern), cmp.Compare(a.code, b.code))
	}
	for _, k := range slices.SortedFunc(maps.Keys(c.counts), order) {
		w.Sample(float64(c.counts[k]), k.pattern, strconv.Itoa(k.code))
	}
}
