package packet

// TranslatedICMP is the type and code that p's ICMP message has in the other
// family, for those who must judge the packet before its bytes are translated.
// It reports false for what has no counterpart there.
func TranslatedICMP(p *Packet) (typ, code uint8, ok bool) {
	if p.ICMPError {
		m, ok := p.translatedError(0)
		return m.typ, m.code, ok
	}
	typ, ok = p.translatedEcho()
	return typ, 0, ok
}
