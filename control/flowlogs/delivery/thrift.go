package delivery

import "encoding/binary"

// thrift writes structures in Thrift's compact protocol, in which Parquet has its
// page headers and its footer. Fields are written in the order of their numbers.
type thrift struct {
	out  []byte
	last []int // the last field's number in every structure that is open
}

// The types of fields in the compact protocol.
const (
	thriftI32    = 5
	thriftI64    = 6
	thriftBinary = 8
	thriftList   = 9
	thriftStruct = 12
)

func (t *thrift) field(number int, kind byte) {
	last := &t.last[len(t.last)-1]
	t.out = append(t.out, byte(number-*last)<<4|kind) // numbers here are never 16 apart
	*last = number
}

func (t *thrift) i32(number int, v int32) {
	t.field(number, thriftI32)
	t.out = binary.AppendVarint(t.out, int64(v))
}

func (t *thrift) i64(number int, v int64) {
	t.field(number, thriftI64)
	t.out = binary.AppendVarint(t.out, v)
}

func (t *thrift) text(number int, s string) {
	t.field(number, thriftBinary)
	t.element(s)
}

// element is a text without a field of its own, in a list.
func (t *thrift) element(s string) {
	t.out = binary.AppendUvarint(t.out, uint64(len(s)))
	t.out = append(t.out, s...)
}

func (t *thrift) list(number int, kind byte, n int) {
	t.field(number, thriftList)
	if n < 15 {
		t.out = append(t.out, byte(n)<<4|kind)
		return
	}
	t.out = append(t.out, 0xf0|kind)
	t.out = binary.AppendUvarint(t.out, uint64(n))
}

// begin opens a structure that is an element of a list, or the outermost.
func (t *thrift) begin() { t.last = append(t.last, 0) }

// structure opens one that is a field.
func (t *thrift) structure(number int) {
	t.field(number, thriftStruct)
	t.begin()
}

func (t *thrift) end() {
	t.out = append(t.out, 0)
	t.last = t.last[:len(t.last)-1]
}
