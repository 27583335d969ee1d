package capture

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// A FilterError says what is wrong with a filter, and where.
type FilterError struct {
	Column     int // from 1
	What, Hint string
}

func (e *FilterError) Error() string {
	text := fmt.Sprintf("filter, column %d: %s", e.Column, e.What)
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	return text
}

// ParseFilter understands the part of pcap-filter(7) that is about addresses,
// protocols, ports and lengths, and what only this network knows:
//
//	ip, ip6, arp, tcp, udp, icmp, icmp6, proto NUMBER
//	[src|dst|src or dst|src and dst] host ADDRESS | net CIDR | port N | portrange N-M
//	less BYTES, greater BYTES
//	drop, reason WORD
//	not, and, or, !, &&, ||, parentheses
//
// A protocol may stand before what it qualifies ("tcp port 80"), and a value alone
// is asked like the one before it ("host a or b"). The empty filter keeps everything.
func ParseFilter(text string) (dataplane.CaptureFilter, error) {
	p := &filterParser{text: text}
	p.next()
	if p.word == "" {
		return nil, nil
	}
	if err := p.or(0); err != nil {
		return nil, err
	}
	if p.word != "" {
		return nil, p.wrong(fmt.Sprintf("%q does not belong here", p.word), "join two tests by and, or or")
	}
	return p.ops, nil
}

// filterParser reads a word ahead.
type filterParser struct {
	text       string
	word       string // lower case; "" at the end
	at, behind int    // where the word begins, and what follows
	ops        dataplane.CaptureFilter
	last       qualifier // of the value before
}

// qualifier says what a value is asked.
type qualifier struct {
	kind                      string // host, net, port, portrange; "" for a protocol or none yet
	source, destination, both bool
	protocol                  string
}

func (p *filterParser) wrong(what, hint string) error {
	return &FilterError{Column: p.at + 1, What: what, Hint: hint}
}

// next reads a word: a parenthesis, an operator's sign, or what is between blanks.
func (p *filterParser) next() {
	for p.behind < len(p.text) && strings.ContainsRune(" \t\n", rune(p.text[p.behind])) {
		p.behind++
	}
	p.at = p.behind
	rest := p.text[p.at:]
	switch {
	case rest == "":
	case strings.HasPrefix(rest, "&&"), strings.HasPrefix(rest, "||"):
		p.behind += 2
	case strings.ContainsRune("()!", rune(rest[0])):
		p.behind++
	default:
		n := strings.IndexAny(rest, " \t\n()!&|")
		switch {
		case n < 0:
			n = len(rest)
		case n == 0: // a lone & or |
			n = 1
		}
		p.behind += n
	}
	p.word = strings.ToLower(p.text[p.at:p.behind])
	switch p.word {
	case "&&":
		p.word = "and"
	case "||":
		p.word = "or"
	case "!":
		p.word = "not"
	}
}

// depth bounds how many results may be open, and the parser's own stack.
func (p *filterParser) or(depth int) error  { return p.chain("or", dataplane.FilterOr, depth, p.and) }
func (p *filterParser) and(depth int) error { return p.chain("and", dataplane.FilterAnd, depth, p.not) }

// chain reads operands that a word joins, from left to right. Each but the first is
// one result more that is open.
func (p *filterParser) chain(word string, op dataplane.FilterTest, depth int, operand func(int) error) error {
	if err := operand(depth); err != nil {
		return err
	}
	for p.word == word {
		p.next()
		if err := operand(depth + 1); err != nil {
			return err
		}
		p.ops = append(p.ops, dataplane.FilterOp{Test: op})
	}
	return nil
}

func (p *filterParser) not(depth int) error {
	if depth >= dataplane.MaxFilterDepth-1 {
		return p.wrong("the filter is nested too deep", "use fewer parentheses")
	}
	switch p.word {
	case "not":
		p.next()
		if err := p.not(depth + 1); err != nil {
			return err
		}
		p.ops = append(p.ops, dataplane.FilterOp{Test: dataplane.FilterNot})
		return nil
	case "(":
		open := p.at
		p.next()
		if err := p.or(depth + 1); err != nil {
			return err
		}
		if p.word != ")" {
			return &FilterError{Column: open + 1, What: "this parenthesis is not closed", Hint: "write ) where the group ends"}
		}
		p.next()
		return nil
	}
	return p.test()
}

// test reads one test with its qualifiers.
func (p *filterParser) test() error {
	switch p.word {
	case "":
		return p.wrong("a test is missing here", "write one such as host 10.0.1.10, tcp port 80 or drop")
	case "and", "or", ")":
		return p.wrong(fmt.Sprintf("a test is missing before %q", p.word), "write one such as host 10.0.1.10, tcp port 80 or drop")
	case "drop":
		p.next()
		p.emit(dataplane.FilterOp{Test: dataplane.FilterDrop})
		return nil
	case "reason":
		return p.reason()
	case "less", "greater", "proto":
		return p.number()
	}
	// "tcp" alone is a test; before "port 80" it narrows it, as in pcap-filter(7).
	q := qualifier{}
	if ops := protocolTests(p.word); ops != nil {
		q.protocol = p.word
		p.next()
		if !p.qualifies() {
			p.emit(ops...)
			p.last = qualifier{}
			return nil
		}
	}
	if err := p.ends(&q); err != nil {
		return err
	}
	return p.value(q)
}

// qualifies reports that the word goes on with the test that a protocol began.
func (p *filterParser) qualifies() bool {
	switch p.word {
	case "src", "dst", "host", "net", "port", "portrange":
		return true
	}
	return false
}

// protocolTests are the tests that a protocol's name stands for.
func protocolTests(word string) []dataplane.FilterOp {
	family := func(n uint16) dataplane.FilterOp { return dataplane.FilterOp{Test: dataplane.FilterFamily, Low: n} }
	protocol := func(n uint16) dataplane.FilterOp {
		return dataplane.FilterOp{Test: dataplane.FilterProtocol, Low: n}
	}
	switch word {
	case "ip":
		return []dataplane.FilterOp{family(4)}
	case "ip6":
		return []dataplane.FilterOp{family(6)}
	case "arp":
		return []dataplane.FilterOp{family(0)}
	case "tcp":
		return []dataplane.FilterOp{protocol(packet.ProtoTCP)}
	case "udp":
		return []dataplane.FilterOp{protocol(packet.ProtoUDP)}
	case "icmp":
		return []dataplane.FilterOp{protocol(packet.ProtoICMP)}
	case "icmp6":
		return []dataplane.FilterOp{protocol(packet.ProtoICMPv6)}
	}
	return nil
}

// ends reads which ends of the packet a value is about; either unless written.
func (p *filterParser) ends(q *qualifier) error {
	first := p.word
	if first != "src" && first != "dst" {
		q.source, q.destination = true, true
		return nil
	}
	q.source, q.destination = first == "src", first == "dst"
	p.next()
	if p.word != "or" && p.word != "and" {
		return nil
	}
	// "src or dst host A", but also "src host a or …": look at the next word.
	word, at, behind := p.word, p.at, p.behind
	p.next()
	if p.word != "src" && p.word != "dst" || p.word == first {
		p.word, p.at, p.behind = word, at, behind
		return p.wrong(fmt.Sprintf("a value is missing behind %q", first), "write "+first+" host ADDRESS")
	}
	q.source, q.destination, q.both = true, true, word == "and"
	p.next()
	return nil
}

// value reads what is asked for, by the word before it or like the value before.
func (p *filterParser) value(q qualifier) error {
	switch p.word {
	case "host", "net", "port", "portrange":
		q.kind = p.word
		p.next()
	default:
		// "host a or b": without a word of its own, b is asked like a.
		if q.protocol == "" && p.last.kind != "" && q.source && q.destination && !q.both {
			q = p.last
		} else {
			q.kind = "host"
		}
	}
	op := dataplane.FilterOp{Source: q.source, Destination: q.destination, Both: q.both}
	var err error
	switch q.kind {
	case "host", "net":
		err = p.network(q.kind, &op)
	default:
		err = p.ports(q.kind, &op)
	}
	if err != nil {
		return err
	}
	p.next()
	p.last = q
	if q.protocol == "" {
		p.emit(op)
		return nil
	}
	p.emit(append(protocolTests(q.protocol), op, dataplane.FilterOp{Test: dataplane.FilterAnd})...)
	return nil
}

func (p *filterParser) network(kind string, op *dataplane.FilterOp) error {
	op.Test = dataplane.FilterNet
	if a, err := netip.ParseAddr(p.word); err == nil && a.Zone() == "" {
		op.Prefix = packet.PrefixFrom(netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()))
		return nil
	}
	// An address that is no network's first is a slip of the pen, as in tcpdump.
	if prefix, err := netip.ParsePrefix(p.word); err == nil && kind == "net" {
		if prefix != prefix.Masked() {
			return p.wrong(fmt.Sprintf("%s has bits set behind its prefix", p.word), "write "+prefix.Masked().String())
		}
		if prefix.Addr().Is4In6() {
			return p.wrong(fmt.Sprintf("%s is neither an IPv4 nor an IPv6 network", p.word), "write it as IPv4")
		}
		op.Prefix = packet.PrefixFrom(prefix)
		return nil
	}
	if kind == "net" {
		return p.wrong(p.saw("a network"), "write a CIDR such as 10.0.0.0/16")
	}
	return p.wrong(p.saw("a test or an address"), "write a test such as host 10.0.1.10, net 10.0.0.0/16, tcp port 80, drop or reason no-route")
}

func (p *filterParser) ports(kind string, op *dataplane.FilterOp) error {
	op.Test = dataplane.FilterPort
	low, high, isRange := strings.Cut(p.word, "-")
	if !isRange {
		high = low
	}
	first, err1 := strconv.ParseUint(low, 10, 16)
	last, err2 := strconv.ParseUint(high, 10, 16)
	if err1 != nil || err2 != nil || first > last || isRange != (kind == "portrange") {
		if kind == "port" {
			return p.wrong(p.saw("a port"), "write a number from 0 to 65535, or portrange 8000-8999")
		}
		return p.wrong(p.saw("a range of ports"), "write two numbers such as 8000-8999")
	}
	op.Low, op.High = uint16(first), uint16(last)
	return nil
}

func (p *filterParser) number() error {
	test := map[string]dataplane.FilterTest{
		"less": dataplane.FilterLess, "greater": dataplane.FilterGreater, "proto": dataplane.FilterProtocol,
	}[p.word]
	most := uint64(0xffff)
	if test == dataplane.FilterProtocol {
		most = 0xff
	}
	p.next()
	n, err := strconv.ParseUint(p.word, 10, 16)
	if err != nil || n > most {
		return p.wrong(p.saw("a number"), fmt.Sprintf("write one from 0 to %d", most))
	}
	p.next()
	p.emit(dataplane.FilterOp{Test: test, Low: uint16(n)})
	return nil
}

func (p *filterParser) reason() error {
	p.next()
	reason, ok := dataplane.ReasonNamed(p.word)
	if !ok {
		return p.wrong(p.saw("a reason"), "reasons are "+strings.Join(dataplane.Reasons(), ", "))
	}
	p.next()
	p.emit(dataplane.FilterOp{Test: dataplane.FilterReason, Reason: reason})
	return nil
}

// saw words what stands where something else should.
func (p *filterParser) saw(wanted string) string {
	if p.word == "" {
		return wanted + " is missing here"
	}
	return fmt.Sprintf("%q is not %s", p.word, wanted)
}

func (p *filterParser) emit(ops ...dataplane.FilterOp) { p.ops = append(p.ops, ops...) }
