package lab

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// poll reads what a request for news says: the sequence number that the caller has
// seen, and how long to wait for a later one. Either may be left out. If one is
// wrong, it answers that, and ok is false.
func poll(w http.ResponseWriter, r *http.Request) (after uint64, wait time.Duration, ok bool) {
	query := r.URL.Query()
	var err error
	if text := query.Get("after"); text != "" {
		if after, err = strconv.ParseUint(text, 10, 64); err != nil {
			fail(w, &UsageError{fmt.Sprintf("after=%q is no sequence number", text), ""})
			return 0, 0, false
		}
	}
	if text := query.Get("wait"); text != "" {
		if wait, err = time.ParseDuration(text); err != nil {
			fail(w, &UsageError{fmt.Sprintf("wait=%q is no duration", text), ""})
			return 0, 0, false
		}
	}
	return after, wait, true
}
