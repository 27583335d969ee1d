package control

import (
	"math"
	"strconv"
	"strings"
)

// parseDecimal reads a number without sign or exponent, as a multiple of the last
// of so many decimals: "1.5" with three is 1500. More decimals are refused rather
// than rounded, so that what a file says is what it gets.
func parseDecimal(text string, decimals int) (uint64, bool) {
	whole, part, point := strings.Cut(text, ".")
	if whole == "" || point && part == "" || len(part) > decimals {
		return 0, false
	}
	digits := whole + part + strings.Repeat("0", decimals-len(part))
	for _, c := range []byte(digits) {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil && n <= math.MaxInt64
}

// formatDecimal is what parseDecimal reads, without needless zeros.
func formatDecimal(n uint64, decimals int) string {
	text := strconv.FormatUint(n, 10)
	if len(text) <= decimals {
		text = strings.Repeat("0", decimals+1-len(text)) + text
	}
	point := len(text) - decimals
	part := strings.TrimRight(text[point:], "0")
	if part == "" {
		return text[:point]
	}
	return text[:point] + "." + part
}
