package port

import (
	"encoding/binary"

	"github.com/cilium/ebpf/asm"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// The programs in the kernel, written down instruction by instruction: nothing but Go
// is needed to build them. Registers R6 to R9 keep their value over calls, R10 is the
// end of the stack.

// Offsets in struct __sk_buff.
const (
	skbLen         = 0
	skbVLANPresent = 20
	skbIfindex     = 40
	skbGSOSize     = 176
)

// decision is what the filter tells the redirecting program about the frame, in a value
// of the CPU's own.
const (
	decisionPlace   = 0 // place + 1, 0: the frame is not ours
	decisionPushed  = 4
	decisionPackets = 8
	decisionBytes   = 16
	decisionSize    = 24
)

// The filter's stack. A frame's beginning lies so that the IP header is aligned, as the
// kernel demands of what is read from the stack.
const (
	stackFrame = -70             // Ethernet and 40 bytes of IP
	stackIP    = stackFrame + 14 // -56
	stackTCP   = -96
	stackKey   = -136
	stackIndex = -140 // an array's index
	stackL3Len = -144 // of the IP header
)

// wire16 is a number of a header as a load gives it.
func wire16(v uint16) int32 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], v)
	return int32(binary.NativeEndian.Uint16(b[:]))
}

// filterProgram is the socket's filter: the frames that it refuses are forwarded by the
// other program. It takes nothing from the socket but plain TCP segments of flows in the
// table, and asks of them whatever packet.Parse would.
func filterProgram(flows, slots, control, decision int) asm.Instructions {
	const miss = "miss"
	program := asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		// R7: the decision, none so far.
		asm.StoreImm(asm.RFP, stackIndex, 0, asm.Word),
	}
	program = append(program, element(decision, stackIndex, asm.R7, miss)...)
	program = append(program,
		asm.StoreImm(asm.R7, decisionPlace, 0, asm.Word),
		asm.LoadMem(asm.R1, asm.R6, skbVLANPresent, asm.Word),
		asm.JNE.Imm(asm.R1, 0, miss))
	load := func(offset asm.Instruction, to, length int32) {
		program = append(program,
			asm.Mov.Reg(asm.R1, asm.R6), offset,
			asm.Mov.Reg(asm.R3, asm.RFP), asm.Add.Imm(asm.R3, to),
			asm.Mov.Imm(asm.R4, length),
			asm.FnSkbLoadBytes.Call(),
			asm.JNE.Imm(asm.R0, 0, miss))
	}
	load(asm.Mov.Imm(asm.R2, 0), stackFrame, 54)
	program = append(program, asm.Mov.Imm(asm.R1, 0))
	for at := int16(stackKey); at < stackKey+int16(shortcutKeySize); at += 8 {
		program = append(program, asm.StoreMem(asm.RFP, at, asm.R1, asm.DWord))
	}
	program = append(program,
		asm.LoadMem(asm.R1, asm.RFP, stackFrame+12, asm.Half),
		asm.JEq.Imm(asm.R1, wire16(packet.EtherTypeIPv4), "ipv4"),
		asm.JEq.Imm(asm.R1, wire16(packet.EtherTypeIPv6), "ipv6"),
		asm.Ja.Label(miss))
	program = append(program, filterIPv4(miss)...)
	program = append(program, filterIPv6(miss)...)
	// R8: the packet's length by its own header. R9: its TTL. Padding behind a packet is
	// for the engine, and so is what its TTL may not take a hop of.
	program = append(program,
		asm.LoadMem(asm.R1, asm.R6, skbLen, asm.Word).WithSymbol("ip"),
		asm.Sub.Imm(asm.R1, ethernetHeaderLen),
		asm.JNE.Reg(asm.R1, asm.R8, miss),
		asm.JLE.Imm(asm.R9, 1, miss),
		asm.LoadMem(asm.R2, asm.RFP, stackL3Len, asm.Word))
	load(asm.Add.Imm(asm.R2, ethernetHeaderLen), stackTCP, 20)
	program = append(program, filterTCP(miss)...)
	program = append(program, findShortcut(flows, slots, control, miss)...)
	program = append(program, measure(miss)...)
	return append(program,
		asm.Mov.Imm(asm.R0, 0), // not for the socket
		asm.Return(),
		asm.Mov.Imm(asm.R0, -1).WithSymbol(miss), // all of it
		asm.Return())
}

// element lets a register point to the element of an array whose index is on the stack.
// Without one it goes to none.
func element(array int, index int32, to asm.Register, none string) asm.Instructions {
	return asm.Instructions{
		asm.LoadMapPtr(asm.R1, array),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, index),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, none),
		asm.Mov.Reg(to, asm.R0),
	}
}

// filterIPv4: no options, no fragment, TCP, and a header checksum that is right.
func filterIPv4(miss string) asm.Instructions {
	program := asm.Instructions{
		asm.LoadMem(asm.R1, asm.RFP, stackIP, asm.Byte).WithSymbol("ipv4"),
		asm.JNE.Imm(asm.R1, 0x45, miss),
		asm.LoadMem(asm.R1, asm.RFP, stackIP+6, asm.Half),
		asm.And.Imm(asm.R1, wire16(0xbfff)), // all but DF
		asm.JNE.Imm(asm.R1, 0, miss),
		asm.LoadMem(asm.R1, asm.RFP, stackIP+9, asm.Byte),
		asm.JNE.Imm(asm.R1, packet.ProtoTCP, miss),
		asm.LoadMem(asm.R8, asm.RFP, stackIP+2, asm.Half),
		asm.HostTo(asm.BE, asm.R8, asm.Half),
		asm.LoadMem(asm.R9, asm.RFP, stackIP+8, asm.Byte),
		asm.LoadMem(asm.R1, asm.RFP, stackIP, asm.Word),
	}
	for at := int16(stackIP + 4); at < stackIP+20; at += 4 {
		program = append(program, asm.LoadMem(asm.R2, asm.RFP, at, asm.Word), asm.Add.Reg(asm.R1, asm.R2))
	}
	// The sum of 16-bit words, whatever the order of their bytes (RFC 1071).
	for _, width := range []int32{32, 16, 16} {
		program = append(program, asm.Mov.Reg(asm.R2, asm.R1), asm.RSh.Imm(asm.R2, width))
		if width == 32 {
			program = append(program, asm.Mov.Reg32(asm.R1, asm.R1))
		} else {
			program = append(program, asm.And.Imm(asm.R1, 0xffff))
		}
		program = append(program, asm.Add.Reg(asm.R1, asm.R2))
		if width == 32 { // which may be 33 bits again
			program = append(program, asm.Mov.Reg(asm.R2, asm.R1), asm.RSh.Imm(asm.R2, 32), asm.Mov.Reg32(asm.R1, asm.R1), asm.Add.Reg(asm.R1, asm.R2))
		}
	}
	return append(program,
		asm.Mov.Reg(asm.R2, asm.R1), asm.RSh.Imm(asm.R2, 16), asm.And.Imm(asm.R1, 0xffff), asm.Add.Reg(asm.R1, asm.R2),
		asm.JNE.Imm(asm.R1, 0xffff, miss),
		asm.LoadMem(asm.R1, asm.RFP, stackIP+12, asm.Word),
		asm.StoreMem(asm.RFP, stackKey+8, asm.R1, asm.Word),
		asm.LoadMem(asm.R1, asm.RFP, stackIP+16, asm.Word),
		asm.StoreMem(asm.RFP, stackKey+24, asm.R1, asm.Word),
		asm.LoadMem(asm.R1, asm.R6, skbIfindex, asm.Word),
		asm.StoreMem(asm.RFP, stackKey, asm.R1, asm.Word),
		asm.StoreImm(asm.RFP, stackL3Len, 20, asm.Word),
		asm.Ja.Label("ip"))
}

// filterIPv6: TCP without an extension header before it.
func filterIPv6(miss string) asm.Instructions {
	program := asm.Instructions{
		asm.LoadMem(asm.R1, asm.RFP, stackIP, asm.Byte).WithSymbol("ipv6"),
		asm.And.Imm(asm.R1, 0xf0),
		asm.JNE.Imm(asm.R1, 0x60, miss),
		asm.LoadMem(asm.R1, asm.RFP, stackIP+6, asm.Byte),
		asm.JNE.Imm(asm.R1, packet.ProtoTCP, miss),
		asm.LoadMem(asm.R8, asm.RFP, stackIP+4, asm.Half),
		asm.HostTo(asm.BE, asm.R8, asm.Half),
		asm.Add.Imm(asm.R8, 40),
		asm.LoadMem(asm.R9, asm.RFP, stackIP+7, asm.Byte),
	}
	for i := int16(0); i < 32; i += 8 {
		program = append(program, asm.LoadMem(asm.R1, asm.RFP, stackIP+8+i, asm.DWord), asm.StoreMem(asm.RFP, stackKey+8+i, asm.R1, asm.DWord))
	}
	return append(program,
		asm.LoadMem(asm.R1, asm.R6, skbIfindex, asm.Word),
		asm.LoadImm(asm.R2, keyIPv6, asm.DWord),
		asm.Or.Reg(asm.R1, asm.R2),
		asm.StoreMem(asm.RFP, stackKey, asm.R1, asm.Word),
		asm.StoreImm(asm.RFP, stackL3Len, 40, asm.Word))
}

// filterTCP: ACK and perhaps PSH, nothing else; a header that fits. The headers' length
// replaces that of IP's.
func filterTCP(miss string) asm.Instructions {
	return asm.Instructions{
		asm.LoadMem(asm.R1, asm.RFP, stackTCP+13, asm.Byte),
		asm.Mov.Reg(asm.R2, asm.R1),
		asm.And.Imm(asm.R2, packet.TCPFlagPSH),
		asm.RSh.Imm(asm.R2, 3),
		asm.StoreMem(asm.R7, decisionPushed, asm.R2, asm.Word),
		asm.And.Imm(asm.R1, 0xff&^packet.TCPFlagPSH),
		asm.JNE.Imm(asm.R1, packet.TCPFlagACK, miss),
		asm.LoadMem(asm.R1, asm.RFP, stackTCP+12, asm.Byte),
		asm.Mov.Reg(asm.R2, asm.R1),
		asm.And.Imm(asm.R2, 0x0f), // reserved bits
		asm.JNE.Imm(asm.R2, 0, miss),
		asm.RSh.Imm(asm.R1, 2), // the data offset, in bytes
		asm.JLT.Imm(asm.R1, 20, miss),
		asm.LoadMem(asm.R2, asm.RFP, stackL3Len, asm.Word),
		asm.Add.Reg(asm.R1, asm.R2),
		asm.JGT.Reg(asm.R1, asm.R8, miss),
		asm.StoreMem(asm.RFP, stackL3Len, asm.R1, asm.Word),
		asm.LoadMem(asm.R1, asm.RFP, stackTCP, asm.Word),
		asm.StoreMem(asm.RFP, stackKey+4, asm.R1, asm.Word),
	}
}

// findShortcut leaves the flow's slot in R0 if it is of this generation, came as the
// walked packet came, and has more hops left than it will lose.
func findShortcut(flows, slots, control int, miss string) asm.Instructions {
	program := asm.Instructions{
		asm.LoadMapPtr(asm.R1, flows),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, stackKey),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, miss),
		asm.LoadMem(asm.R1, asm.R0, 0, asm.Word),
		asm.StoreMem(asm.RFP, stackIndex, asm.R1, asm.Word),
		asm.LoadMapPtr(asm.R1, slots),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, stackIndex),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, miss),
		asm.LoadMapValue(asm.R1, control, 0),
		asm.LoadMem(asm.R1, asm.R1, 0, asm.Word),
		asm.LoadMem(asm.R2, asm.R0, int16(slotGeneration), asm.Word),
		asm.JNE.Reg(asm.R1, asm.R2, miss),
		asm.LoadMem(asm.R1, asm.R0, int16(slotHops), asm.Word),
		asm.JLE.Reg(asm.R9, asm.R1, miss),
	}
	for _, part := range []struct {
		at   int16
		size asm.Size
	}{{0, asm.Half}, {2, asm.Word}, {6, asm.DWord}} {
		program = append(program,
			asm.LoadMem(asm.R1, asm.RFP, stackFrame+part.at, part.size),
			asm.LoadMem(asm.R2, asm.R0, int16(slotMatch)+part.at, part.size),
			asm.JNE.Reg(asm.R1, asm.R2, miss))
	}
	return program
}

// measure makes the decision: a superframe's segments, or the packet itself, must not be
// longer than what was walked. R0 is the slot, R8 the packet's length, R7 the decision.
func measure(miss string) asm.Instructions {
	return asm.Instructions{
		asm.LoadMem(asm.R5, asm.R0, int16(slotMaxLength), asm.Half),
		asm.LoadMem(asm.R1, asm.R6, skbGSOSize, asm.Word),
		asm.JNE.Imm(asm.R1, 0, "superframe"),
		asm.JGT.Reg(asm.R8, asm.R5, miss),
		asm.Mov.Imm(asm.R1, 1),
		asm.StoreMem(asm.R7, decisionPackets, asm.R1, asm.DWord),
		asm.StoreMem(asm.R7, decisionBytes, asm.R8, asm.DWord),
		asm.Ja.Label("decided"),
		// R2: the headers. R3: the payload. R4: segments.
		asm.LoadMem(asm.R2, asm.RFP, stackL3Len, asm.Word).WithSymbol("superframe"),
		asm.Mov.Reg(asm.R3, asm.R8),
		asm.Sub.Reg(asm.R3, asm.R2),
		asm.JEq.Imm(asm.R3, 0, miss),
		asm.Mov.Reg(asm.R4, asm.R3),
		asm.Add.Reg(asm.R4, asm.R1),
		asm.Sub.Imm(asm.R4, 1),
		asm.Div.Reg(asm.R4, asm.R1),
		asm.StoreMem(asm.R7, decisionPackets, asm.R4, asm.DWord),
		asm.Mul.Reg(asm.R4, asm.R2),
		asm.Add.Reg(asm.R4, asm.R3),
		asm.StoreMem(asm.R7, decisionBytes, asm.R4, asm.DWord),
		asm.JLE.Reg(asm.R1, asm.R3, "full"), // the first segment is full
		asm.Mov.Reg(asm.R1, asm.R3),
		asm.Add.Reg(asm.R1, asm.R2).WithSymbol("full"),
		asm.JGT.Reg(asm.R1, asm.R5, miss),
		asm.LoadMem(asm.R1, asm.RFP, stackIndex, asm.Word).WithSymbol("decided"),
		asm.StoreMem(asm.R7, decisionPlace, asm.R1, asm.Word),
	}
}

// redirectProgram is the tcx program at every interface: it does what the filter has
// decided about the frame. Everything else goes on to the namespace's own stack, as it
// does without a program.
func redirectProgram(slots, decision int) asm.Instructions {
	const index, word, next, drop = -4, -8, "next", "drop"
	program := asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.StoreImm(asm.RFP, index, 0, asm.Word),
	}
	program = append(program, element(decision, index, asm.R7, next)...)
	program = append(program,
		asm.LoadMem(asm.R1, asm.R7, decisionPlace, asm.Word),
		asm.JEq.Imm(asm.R1, 0, next),
		asm.StoreImm(asm.R7, decisionPlace, 0, asm.Word), // it is done once
		asm.StoreMem(asm.RFP, index, asm.R1, asm.Word))
	program = append(program, element(slots, index, asm.R8, drop)...)
	program = append(program,
		asm.LoadMem(asm.R9, asm.R8, int16(slotHops), asm.Word),
		asm.JEq.Imm(asm.R9, 0, "ethernet"),
		asm.LoadMem(asm.R1, asm.R8, int16(slotMatch)+12, asm.Half),
		asm.JNE.Imm(asm.R1, wire16(packet.EtherTypeIPv4), "ipv6"))
	program = append(program, lowerTTL(word, drop)...)
	program = append(program, lowerHopLimit(word, drop)...)
	program = append(program,
		asm.Mov.Reg(asm.R1, asm.R6).WithSymbol("ethernet"),
		asm.Mov.Imm(asm.R2, 0),
		asm.Mov.Reg(asm.R3, asm.R8),
		asm.Add.Imm(asm.R3, int32(slotRewrite)),
		asm.Mov.Imm(asm.R4, 12),
		asm.Mov.Imm(asm.R5, 0),
		asm.FnSkbStoreBytes.Call(),
		asm.JNE.Imm(asm.R0, 0, drop),
		// Until now it was for another host: its MAC is not the core-side veth's.
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.Mov.Imm(asm.R2, 0), // PACKET_HOST
		asm.FnSkbChangeType.Call(),
		asm.FnKtimeGetNs.Call(),
		asm.StoreMem(asm.R8, int16(slotSeen), asm.R0, asm.DWord),
		asm.Mov.Imm(asm.R1, 1),
		asm.AddAtomic.Mem(asm.R8, asm.R1, asm.DWord, int16(slotFrames)),
		asm.LoadMem(asm.R1, asm.R7, decisionPackets, asm.DWord),
		asm.AddAtomic.Mem(asm.R8, asm.R1, asm.DWord, int16(slotPackets)),
		asm.LoadMem(asm.R1, asm.R7, decisionBytes, asm.DWord),
		asm.AddAtomic.Mem(asm.R8, asm.R1, asm.DWord, int16(slotBytes)),
		asm.LoadMem(asm.R1, asm.R7, decisionPushed, asm.Word),
		asm.JEq.Imm(asm.R1, 0, "redirect"),
		asm.AddAtomic.Mem(asm.R8, asm.R1, asm.DWord, int16(slotPushed)),
		asm.LoadMem(asm.R1, asm.R8, int16(slotTarget), asm.Word).WithSymbol("redirect"),
		asm.Mov.Imm(asm.R2, 0),
		asm.FnRedirectPeer.Call(),
		asm.Return())
	return append(program,
		asm.Mov.Imm(asm.R0, -1).WithSymbol(next), // TCX_NEXT
		asm.Return(),
		asm.Mov.Imm(asm.R0, 2).WithSymbol(drop), // TCX_DROP: no memory to write to it
		asm.Return())
}

// lowerTTL takes R9 off an IPv4 packet's TTL, which shares a word of the header checksum
// with the protocol.
func lowerTTL(word int16, drop string) asm.Instructions {
	const ttl, checksum = ethernetHeaderLen + 8, ethernetHeaderLen + 10
	return asm.Instructions{
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.Mov.Imm(asm.R2, ttl),
		asm.Mov.Reg(asm.R3, asm.RFP), asm.Add.Imm(asm.R3, int32(word)),
		asm.Mov.Imm(asm.R4, 2),
		asm.FnSkbLoadBytes.Call(),
		asm.JNE.Imm(asm.R0, 0, drop),
		asm.LoadMem(asm.R3, asm.RFP, word, asm.Half), // as it was
		asm.LoadMem(asm.R1, asm.RFP, word, asm.Byte),
		asm.Sub.Reg(asm.R1, asm.R9),
		asm.StoreMem(asm.RFP, word, asm.R1, asm.Byte),
		asm.LoadMem(asm.R4, asm.RFP, word, asm.Half), // as it is now
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.Mov.Imm(asm.R2, checksum),
		asm.Mov.Imm(asm.R5, 2),
		asm.FnL3CsumReplace.Call(),
		asm.JNE.Imm(asm.R0, 0, drop),
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.Mov.Imm(asm.R2, ttl),
		asm.Mov.Reg(asm.R3, asm.RFP), asm.Add.Imm(asm.R3, int32(word)),
		asm.Mov.Imm(asm.R4, 1),
		asm.Mov.Imm(asm.R5, 0),
		asm.FnSkbStoreBytes.Call(),
		asm.JNE.Imm(asm.R0, 0, drop),
		asm.Ja.Label("ethernet"),
	}
}

// lowerHopLimit takes R9 off an IPv6 packet's hop limit, which no checksum covers but
// that of a whole frame, if the kernel has one.
func lowerHopLimit(word int16, drop string) asm.Instructions {
	const hopLimit, recompute = ethernetHeaderLen + 7, 1 // BPF_F_RECOMPUTE_CSUM
	return asm.Instructions{
		asm.Mov.Reg(asm.R1, asm.R6).WithSymbol("ipv6"),
		asm.Mov.Imm(asm.R2, hopLimit),
		asm.Mov.Reg(asm.R3, asm.RFP), asm.Add.Imm(asm.R3, int32(word)),
		asm.Mov.Imm(asm.R4, 1),
		asm.FnSkbLoadBytes.Call(),
		asm.JNE.Imm(asm.R0, 0, drop),
		asm.LoadMem(asm.R1, asm.RFP, word, asm.Byte),
		asm.Sub.Reg(asm.R1, asm.R9),
		asm.StoreMem(asm.RFP, word, asm.R1, asm.Byte),
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.Mov.Imm(asm.R2, hopLimit),
		asm.Mov.Reg(asm.R3, asm.RFP), asm.Add.Imm(asm.R3, int32(word)),
		asm.Mov.Imm(asm.R4, 1),
		asm.Mov.Imm(asm.R5, recompute),
		asm.FnSkbStoreBytes.Call(),
		asm.JNE.Imm(asm.R0, 0, drop),
	}
}
