package cloudwatch

import (
	"errors"
	"strings"
	"testing"
)

const (
	rejectedSSH = "2 123456789010 eni-1235b8ca123456789 172.31.9.69 172.31.9.12 49761 22 6 20 4249 1418530010 1418530070 REJECT OK"
	apacheLine  = `127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534`
	jsonLine    = `{"a":{"b":[1,"two",null]},"port":443,"ok":true,"user":null,"name":"x y","odd key":"v","text":"null"}`
	// awsExample is the one of AWS's user guide for VPC flow logs (F-C22).
	awsExample = `[version, account, eni, source, destination, srcport, destport="22", protocol="6", packets, bytes, windowstart, windowend, action="REJECT", flowlogstatus]`
)

func TestPatternsMatchWhatAWSsDo(t *testing.T) {
	cases := []struct {
		name, pattern, message string
		want                   bool
	}{
		{"nothing matches everything", "", apacheLine, true},
		{"a term", "REJECT", rejectedSSH, true},
		{"case matters", "reject", rejectedSSH, false},
		{"all terms", "REJECT OK", rejectedSSH, true},
		{"not all terms", "REJECT NODATA", rejectedSSH, false},
		{"one of several", "?ACCEPT ?REJECT", rejectedSSH, true},
		{"none of several", "?ACCEPT ?NODATA", rejectedSSH, false},
		{"? beside a term is ignored", "?ACCEPT REJECT", rejectedSSH, true},
		{"without a term", "REJECT -OK", rejectedSSH, false},
		{"without a term that is not there", "REJECT -NODATA", rejectedSSH, true},
		{"only without", "-NODATA", rejectedSSH, true},
		{"a phrase", `"REJECT OK"`, rejectedSSH, true},
		{"a phrase with quotes in it", `"\"GET /index"`, apacheLine, true},
		{"an expression", `%eni-[0-9a-f]{17}%`, rejectedSSH, true},
		{"an expression that is not there", `%eni-[g-z]+%`, rejectedSSH, false},

		{"AWS's example for flow logs", awsExample, rejectedSSH, true},
		{"AWS's example, accepted", awsExample, strings.Replace(rejectedSSH, "REJECT", "ACCEPT", 1), false},
		{"AWS's example, another port", awsExample, strings.Replace(rejectedSSH, " 22 ", " 443 ", 1), false},
		{"too few names", "[a, b, c]", rejectedSSH, false},
		{"too many names", "[a, b, c]", "x y", false},
		{"the rest in front", `[..., action="REJECT", status]`, rejectedSSH, true},
		{"the rest between", `[version, ..., action="REJECT", status]`, rejectedSSH, true},
		{"the rest behind", `[version=2, ...]`, rejectedSSH, true},
		{"the rest may be nothing", `[a, ..., b]`, "x y", true},
		{"brackets and quotes make one field", `[ip, id, user, time, request=*.html*, status=4*, size]`, apacheLine, true},
		{"numbers compare", "[..., size > 1500 && size < 1600]", apacheLine, true},
		{"numbers compare as such", "[..., size >= 999]", apacheLine, true},
		{"a number is no text", "[..., status>3, size]", "OK 5", false},
		{"an equal number in another spelling", "[a = 22.0]", "22", true},
		{"or", "[..., status=404||status=410, size]", apacheLine, true},
		{"and binds more than or", "[a = 1 || a = 2 && a = 3]", "1", true},
		{"parentheses", "[(a = 1 || a = 2) && a != 1]", "1", false},
		{"unequal", "[..., action != REJECT, status]", rejectedSSH, false},
		{"an expression in a field", `[ip = %127\.0\.0\.[1-9]%, ...]`, apacheLine, true},
		{"not an expression", `[ip != %127\.%, ...]`, apacheLine, false},
		{"a quoted wildcard", `[..., b="x*"]`, "1 xyz", true},
		{"several wildcards", `[a=a*c*e]`, "abcde", true},
		{"wildcards do not overlap", `[a=ab*ba]`, "aba", false},
		{"a quote that never closes is a field", `[a, b]`, `"x y`, true},

		{"JSON number", "{ $.port = 443 }", jsonLine, true},
		{"JSON text with a wildcard", `{ $.name = "x*" }`, jsonLine, true},
		{"JSON path", `{ $.a.b[1] = two }`, jsonLine, true},
		{"JSON name that is no word", `{ $.["odd key"] = v || $.port = 1 }`, jsonLine, true},
		{"JSON null", "{ $.user IS NULL }", jsonLine, true},
		{"JSON text null is no null", "{ $.text IS NULL }", jsonLine, false},
		{"JSON missing is no null", "{ $.missing IS NULL }", jsonLine, false},
		{"JSON missing", "{ $.missing NOT EXISTS && $.ok IS TRUE }", jsonLine, true},
		{"JSON missing differs from nothing", "{ $.missing != 1 }", jsonLine, false},
		{"JSON parentheses", "{ ($.port = 1 || $.port = 443) && $.ok IS FALSE }", jsonLine, false},
		{"JSON expression", "{ $.name = %^x.y$% }", jsonLine, true},
		{"JSON asks JSON", "{ $.port = 443 }", rejectedSSH, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p, err := ParsePattern(c.pattern)
			if err != nil {
				t.Fatalf("%s: %v", c.pattern, err)
			}
			if _, got := p.Match(c.message); got != c.want {
				t.Errorf("%s on %s: %v, want %v", c.pattern, c.message, got, c.want)
			}
		})
	}
}

func TestPatternErrorsNameThePlace(t *testing.T) {
	cases := []struct {
		pattern, message string
		position         int
	}{
		{"10.0.0.1", "Invalid character(s) in term '10.0.0.1'", 3},
		{`ok "never`, "never closed", 4},
		{"a -", "a term is missing", 4},
		{"[a, b", `"," or "]"`, 6},
		{"[a, , b]", "the name of a field", 5},
		{"[a, a]", "two fields", 5},
		{"[..., a, ...]", "second time", 10},
		{"[a = ]", "a value is expected", 6},
		{"[a ~ 1]", "one of = != > < >= <=", 4},
		{"[a > x]", "> compares numbers", 6},
		{"[a = 1 && b = 2]", "a condition on field a", 11},
		{"[(a = 1]", "parenthesis is never closed", 2},
		{"[a] b", "nothing may follow", 5},
		{"[a = %(x)%]", "no groups", 7},
		{"[a = %x!%]", `'!' is not supported`, 8},
		{"[a = %x]", "never closed", 6},
		{"%a% %b% %c%", "at most 2 regular expressions", 9},
		{"%a**%", "invalid nested repetition", 1},
		{"{ port = 1 }", "a selector such as", 3},
		{"{ $ = 1 }", `"." is expected`, 4},
		{"{ $.a[x] = 1 }", "an index is expected", 7},
		{"{ $.a = 1 ", `"&&", "||" or "}"`, 11},
		{strings.Repeat("a", maxPattern+1), "at most 1024", maxPattern + 1},
	}
	for _, c := range cases {
		_, err := ParsePattern(c.pattern)
		var bad *PatternError
		if !errors.As(err, &bad) || !strings.Contains(bad.Message, c.message) || bad.Position != c.position {
			t.Errorf("%.40s: %v; want %q at %d", c.pattern, err, c.message, c.position)
		}
	}
}

func TestPatternsSelectValues(t *testing.T) {
	cases := []struct{ pattern, message, selector, want string }{
		{awsExample, rejectedSSH, "$bytes", "4249"},
		{"[ip, ..., status, size]", apacheLine, "$status", "404"},
		{"[ip, x, user, time, ...]", apacheLine, "$time", "10/Oct/2000:13:25:15 -0700"},
		{"{ $.port = * }", jsonLine, "$.name", "x y"},
		{"{ $.port = 443 }", jsonLine, "$.port", "443"},
		{"{ $.port = 443 }", jsonLine, "$.user", ""},
		{"REJECT", rejectedSSH, "$bytes", ""},
	}
	for _, c := range cases {
		p, err := ParsePattern(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		get, ok := p.Match(c.message)
		if !ok {
			t.Errorf("%s does not match", c.pattern)
			continue
		}
		if got, _ := get(c.selector); got != c.want {
			t.Errorf("%s, %s: %q, want %q", c.pattern, c.selector, got, c.want)
		}
	}
}

// FuzzParsePattern: whatever is written, there is a pattern or a place in it.
func FuzzParsePattern(f *testing.F) {
	for _, seed := range []string{awsExample, "?a -b \"c d\"", "[..., (a>3&&a<9)||a=\"x*\", b=%y%]", "{ ($.a[0].b = 1 || $.c NOT EXISTS) && $.[\"d e\"] IS NULL }"} {
		f.Add(seed, rejectedSSH)
		f.Add(seed, jsonLine)
	}
	f.Fuzz(func(t *testing.T, pattern, message string) {
		p, err := ParsePattern(pattern)
		var bad *PatternError
		switch {
		case err == nil:
			p.Match(message)
		case !errors.As(err, &bad):
			t.Fatalf("%q: %v", pattern, err)
		case bad.Position < 1 || bad.Position > len(pattern)+1:
			t.Fatalf("%q: position %d", pattern, bad.Position)
		}
	})
}
