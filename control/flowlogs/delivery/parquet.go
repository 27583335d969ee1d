package delivery

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/vpcsim/vpcsim/control/flowlogs"
)

// Parquet, as much of it as rows of numbers and texts need: every column optional,
// one plain page of data per column and row group, gzip as AWS has it. A library
// for all of Parquet would add 15 MB to the program, more than half of it; the
// tests read what is written here with one.

// rowsPerGroup bounds what the writer keeps in memory.
const rowsPerGroup = 20_000

// parquetMagic is at both ends of a file.
const parquetMagic = "PAR1"

// The numbers that the format gives to what is used here.
const (
	parquetInt32, parquetInt64, parquetByteArray = 1, 2, 6   // physical types
	parquetUTF8, parquetAsInt32, parquetAsInt64  = 0, 17, 18 // what they stand for
	parquetOptional                              = 1
	parquetGzip                                  = 2
	parquetPlain, parquetRLE                     = 0, 3
)

// writeParquet writes the records as rows. A number that a record does not have is
// null; a text is AWS's "-".
func writeParquet(out io.Writer, format flowlogs.Format, records io.Reader) error {
	w := &parquetWriter{out: bufio.NewWriterSize(out, 64<<10), columns: columnsOf(format)}
	w.write([]byte(parquetMagic))
	scanner := bufio.NewScanner(records)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		if err := w.row(scanner.Text()); err != nil {
			return fmt.Errorf("record %d: %w", w.rows+1, err)
		}
	}
	if err := scanner.Err(); err != nil {
		return err
	}
	w.endGroup()
	w.footer()
	return errors.Join(w.err, w.out.Flush())
}

// parquetWriter is a file under way.
type parquetWriter struct {
	out     *bufio.Writer
	err     error // the first that out returned
	offset  int64
	columns []column
	rows    int64
	groups  []rowGroup
}

// column is a field of the records, and what the rows of the group have in it.
type column struct {
	flowlogs.Column
	word   int // which of a record's
	values []byte
	levels []byte // runs of rows with and without a value
	run    uint64 // rows in the last run
	given  byte   // whether they have a value: 1
	rows   int32
}

// rowGroup is what the footer says of one.
type rowGroup struct {
	rows   int64
	chunks []chunk
}

// chunk is where a column of a row group is, and in how many bytes.
type chunk struct {
	offset, plain, compressed int64
}

// columnsOf are a format's fields; one that it has twice makes one column.
func columnsOf(format flowlogs.Format) []column {
	var list []column
	seen := map[string]bool{}
	for i, c := range format.Columns() {
		if !seen[c.Name] {
			list = append(list, column{Column: c, word: i})
		}
		seen[c.Name] = true
	}
	return list
}

func (w *parquetWriter) write(b []byte) {
	if w.err == nil {
		_, w.err = w.out.Write(b)
	}
	w.offset += int64(len(b))
}

// row takes a record apart.
func (w *parquetWriter) row(record string) error {
	words := strings.Split(record, " ")
	for i := range w.columns {
		c := &w.columns[i]
		if c.word >= len(words) {
			return fmt.Errorf("%d fields are too few: %q", len(words), record)
		}
		if err := c.add(words[c.word]); err != nil {
			return fmt.Errorf("field %s: %w", c.Name, err)
		}
	}
	if w.rows++; w.rows%rowsPerGroup == 0 {
		w.endGroup()
	}
	return nil
}

// add takes a row's value.
func (c *column) add(word string) error {
	given := byte(1)
	switch {
	case c.Type == flowlogs.ColumnString:
		c.values = binary.LittleEndian.AppendUint32(c.values, uint32(len(word)))
		c.values = append(c.values, word...)
	case word == "-":
		given = 0
	case c.Type == flowlogs.ColumnInt32:
		n, err := strconv.ParseInt(word, 10, 32)
		if err != nil {
			return err
		}
		c.values = binary.LittleEndian.AppendUint32(c.values, uint32(n))
	default:
		n, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			return err
		}
		c.values = binary.LittleEndian.AppendUint64(c.values, uint64(n))
	}
	if c.run > 0 && given != c.given {
		c.endRun()
	}
	c.run, c.given, c.rows = c.run+1, given, c.rows+1
	return nil
}

func (c *column) endRun() {
	if c.run > 0 {
		c.levels = append(binary.AppendUvarint(c.levels, c.run<<1), c.given)
	}
	c.run = 0
}

// endGroup writes the rows that are in memory.
func (w *parquetWriter) endGroup() {
	if len(w.columns) == 0 || w.columns[0].rows == 0 {
		return
	}
	group := rowGroup{rows: int64(w.columns[0].rows)}
	for i := range w.columns {
		group.chunks = append(group.chunks, w.page(&w.columns[i]))
	}
	w.groups = append(w.groups, group)
}

// page writes what a column has, and empties it.
func (w *parquetWriter) page(c *column) chunk {
	c.endRun()
	plain := binary.LittleEndian.AppendUint32(nil, uint32(len(c.levels)))
	plain = append(append(plain, c.levels...), c.values...)
	var compressed bytes.Buffer
	zip := gzip.NewWriter(&compressed)
	_, err := zip.Write(plain)
	if err = errors.Join(err, zip.Close()); w.err == nil {
		w.err = err
	}
	header := thrift{}
	header.begin()
	header.i32(1, 0) // a page of data
	header.i32(2, int32(len(plain)))
	header.i32(3, int32(compressed.Len()))
	header.structure(5)
	header.i32(1, c.rows)
	header.i32(2, parquetPlain)
	header.i32(3, parquetRLE)
	header.i32(4, parquetRLE)
	header.end()
	header.end()
	at := chunk{offset: w.offset, plain: int64(len(header.out) + len(plain)), compressed: int64(len(header.out) + compressed.Len())}
	w.write(header.out)
	w.write(compressed.Bytes())
	c.values, c.levels, c.rows = c.values[:0], c.levels[:0], 0
	return at
}

// footer says what the columns are, and where.
func (w *parquetWriter) footer() {
	t := thrift{}
	t.begin()
	t.i32(1, 1)
	t.list(2, thriftStruct, 1+len(w.columns))
	t.begin()
	t.text(4, "vpcflowlogs")
	t.i32(5, int32(len(w.columns)))
	t.end()
	for i := range w.columns {
		w.columns[i].describe(&t)
	}
	t.i64(3, w.rows)
	t.list(4, thriftStruct, len(w.groups))
	for i := range w.groups {
		w.describeGroup(&t, &w.groups[i])
	}
	t.text(6, "vpcsim version 1")
	t.end()
	w.write(t.out)
	w.write(binary.LittleEndian.AppendUint32(nil, uint32(len(t.out))))
	w.write([]byte(parquetMagic))
}

func (c *column) physical() (kind, meaning int32) {
	switch c.Type {
	case flowlogs.ColumnInt32:
		return parquetInt32, parquetAsInt32
	case flowlogs.ColumnInt64:
		return parquetInt64, parquetAsInt64
	}
	return parquetByteArray, parquetUTF8
}

func (c *column) describe(t *thrift) {
	kind, meaning := c.physical()
	t.begin()
	t.i32(1, kind)
	t.i32(3, parquetOptional)
	t.text(4, c.Name)
	t.i32(6, meaning)
	t.end()
}

func (w *parquetWriter) describeGroup(t *thrift, g *rowGroup) {
	size := int64(0)
	t.begin()
	t.list(1, thriftStruct, len(g.chunks))
	for i := range g.chunks {
		c, at := &w.columns[i], &g.chunks[i]
		kind, _ := c.physical()
		size += at.plain
		t.begin()
		t.i64(2, at.offset)
		t.structure(3)
		t.i32(1, kind)
		t.list(2, thriftI32, 2)
		t.out = binary.AppendVarint(binary.AppendVarint(t.out, parquetPlain), parquetRLE)
		t.list(3, thriftBinary, 1)
		t.element(c.Name)
		t.i32(4, parquetGzip)
		t.i64(5, g.rows)
		t.i64(6, at.plain)
		t.i64(7, at.compressed)
		t.i64(9, at.offset)
		t.end()
		t.end()
	}
	t.i64(2, size)
	t.i64(3, g.rows)
	t.end()
}
