package capture

import (
	"encoding/binary"
	"io"
	"time"
)

// Writer writes a pcapng file (draft-ietf-opsawg-pcapng): one section, whose
// interfaces are the places of a capture. Every call writes whole blocks, so that
// the file is valid whenever it ends. The standard's name of each field is beside it.
//
// The writer of the gopacket module writes no options of packets; the verdict has to
// stand in one.
type Writer struct {
	out        io.Writer
	block      []byte
	interfaces int
}

// Interface is a place as the file names it.
type Interface struct{ Name, Description string }

// The block types, the options used, and the end of a list of options.
const (
	blockSection    = 0x0a0d0d0a
	blockInterface  = 1
	blockStatistics = 5
	blockPacket     = 6

	optionComment     = 1
	optionApplication = 4 // shb_userappl
	optionName        = 2 // if_name
	optionDescription = 3 // if_description
	optionResolution  = 9 // if_tsresol
	optionFlags       = 2 // epb_flags
	optionStart       = 2 // isb_starttime
	optionEnd         = 3 // isb_endtime
	optionReceived    = 4 // isb_ifrecv
	optionDropped     = 5 // isb_ifdrop

	linkEthernet = 1
)

// NewWriter begins a file on out.
func NewWriter(out io.Writer) (*Writer, error) {
	w := &Writer{out: out}
	w.begin(blockSection)
	w.uint32(0x1a2b3c4d)
	w.uint32(1)          // version 1.0
	w.uint64(^uint64(0)) // of no length known beforehand
	w.option(optionApplication, "vpcsim")
	return w, w.end()
}

// AddInterface names another place, and returns the number that its packets bear.
func (w *Writer) AddInterface(i Interface) (int, error) {
	w.begin(blockInterface)
	w.uint32(linkEthernet)
	w.uint32(0) // packets are never cut
	w.option(optionName, i.Name)
	w.option(optionDescription, i.Description)
	w.option(optionResolution, "\x09") // nanoseconds
	w.interfaces++
	return w.interfaces - 1, w.end()
}

// Packet writes a packet that was at an interface: direction is 1 for inbound, 2
// for outbound and 0 for neither.
func (w *Writer) Packet(at int, when time.Time, direction uint8, data []byte, comments ...string) error {
	w.begin(blockPacket)
	w.uint32(uint32(at))
	w.time(when)
	w.uint32(uint32(len(data)))
	w.uint32(uint32(len(data)))
	w.block = append(w.block, data...)
	w.pad()
	for _, c := range comments {
		w.option(optionComment, c)
	}
	if direction != 0 {
		w.option(optionFlags, string([]byte{direction, 0, 0, 0}))
	}
	return w.end()
}

// Statistics writes how many packets an interface had between two times, and how
// many of them are not in the file because they were lost.
func (w *Writer) Statistics(at int, start, end time.Time, received, lost uint64) error {
	w.begin(blockStatistics)
	w.uint32(uint32(at))
	w.time(end)
	for _, o := range []struct {
		code uint16
		at   time.Time
	}{{optionStart, start}, {optionEnd, end}} {
		ns := uint64(o.at.UnixNano())
		value := binary.LittleEndian.AppendUint32(nil, uint32(ns>>32))
		w.option(o.code, string(binary.LittleEndian.AppendUint32(value, uint32(ns))))
	}
	w.option(optionReceived, string(binary.LittleEndian.AppendUint64(nil, received)))
	w.option(optionDropped, string(binary.LittleEndian.AppendUint64(nil, lost)))
	return w.end()
}

func (w *Writer) begin(kind uint32) {
	w.block = w.block[:0]
	w.uint32(kind)
	w.uint32(0) // the length, when it is known
}

// end closes the list of options and the block: its length stands on both sides.
func (w *Writer) end() error {
	w.uint32(0)
	length := uint32(len(w.block) + 4)
	w.uint32(length)
	binary.LittleEndian.PutUint32(w.block[4:], length)
	_, err := w.out.Write(w.block)
	return err
}

// option writes an option unless it is empty. One that is too long is cut.
func (w *Writer) option(code uint16, value string) {
	if value == "" {
		return
	}
	value = value[:min(len(value), 0xffff)]
	w.block = binary.LittleEndian.AppendUint16(w.block, code)
	w.block = binary.LittleEndian.AppendUint16(w.block, uint16(len(value)))
	w.block = append(w.block, value...)
	w.pad()
}

// time is in two halves, the high one first, whatever the order of bytes.
func (w *Writer) time(t time.Time) {
	ns := uint64(t.UnixNano())
	w.uint32(uint32(ns >> 32))
	w.uint32(uint32(ns))
}

func (w *Writer) uint32(v uint32) { w.block = binary.LittleEndian.AppendUint32(w.block, v) }
func (w *Writer) uint64(v uint64) { w.block = binary.LittleEndian.AppendUint64(w.block, v) }

func (w *Writer) pad() {
	for len(w.block)%4 != 0 {
		w.block = append(w.block, 0)
	}
}

// CopyBlocks copies a file to out block by block, so that what is written is a valid
// file even if its source ends in the middle of one. The error is that of out, or
// io.ErrUnexpectedEOF.
func CopyBlocks(out io.Writer, in io.Reader) error {
	var head [8]byte
	var block []byte
	for {
		if _, err := io.ReadFull(in, head[:]); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		length := binary.LittleEndian.Uint32(head[4:])
		if length < 12 || length > maxBlock {
			return io.ErrUnexpectedEOF
		}
		block = append(block[:0], head[:]...)
		block = append(block, make([]byte, length-8)...)
		if _, err := io.ReadFull(in, block[8:]); err != nil {
			return err
		}
		if _, err := out.Write(block); err != nil {
			return err
		}
	}
}

// maxBlock is more than any block of ours has: a packet of 64 KiB with comments.
const maxBlock = 1 << 20
