package delivery

import (
	"bufio"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/vpcsim/vpcsim/control/flowlogs"
)

// complete makes the object of a spool and removes the spool. The object is made
// beside the spool and renamed, so that a bucket never shows half of one; it has the
// name that the spool began with, so that doing it twice makes it once.
func (d *Delivery) complete(s *spool) error {
	object := d.object(s)
	size, err := s.make(object)
	if err != nil {
		return explain("completing "+object, err)
	}
	s.close()
	if err := os.Remove(s.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return explain("removing the spool of "+object, err)
	}
	// Counted once the spool is gone: until then the object would be made again.
	b := d.made[s.header.Bucket]
	d.made[s.header.Bucket] = Bucket{Objects: b.Objects + 1, Bytes: b.Bytes + uint64(size)}
	return nil
}

// object is the path of what becomes of a spool.
func (d *Delivery) object(s *spool) string {
	return filepath.Join(d.BucketDir(s.header.Bucket), filepath.FromSlash(s.header.Key))
}

// probe says whether the object of a spool could be made where it belongs.
func (d *Delivery) probe(s *spool) error {
	dir := filepath.Dir(d.object(s))
	err := makeDir(dir)
	if err == nil {
		var file *os.File
		if file, err = os.CreateTemp(dir, ".probe-*"); err == nil {
			err = errors.Join(file.Close(), os.Remove(file.Name()))
		}
	}
	if err != nil {
		return explain("the bucket "+s.header.Bucket, err)
	}
	return nil
}

// make writes the object, whose size in bytes it returns.
func (s *spool) make(object string) (size int64, err error) {
	records, format, err := s.records()
	if err != nil {
		return 0, err
	}
	if err := makeDir(filepath.Dir(object)); err != nil {
		return 0, err
	}
	making := s.path + ".making"
	file, err := os.OpenFile(making, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	write := writeText
	if s.header.Parquet {
		write = writeParquet
	}
	err = write(file, format, records)
	if err == nil {
		err = file.Sync() // the spool goes next
	}
	if err == nil {
		size, err = file.Seek(0, io.SeekCurrent)
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(making, object)
	}
	if err != nil {
		return 0, errors.Join(err, os.Remove(making))
	}
	return size, nil
}

// writeText writes a header line and the records, gzipped.
func writeText(out io.Writer, format flowlogs.Format, records io.Reader) error {
	buffered := bufio.NewWriterSize(out, 64<<10)
	zip := gzip.NewWriter(buffered)
	if _, err := io.WriteString(zip, format.Header()+"\n"); err != nil {
		return err
	}
	if _, err := io.Copy(zip, records); err != nil {
		return err
	}
	return errors.Join(zip.Close(), buffered.Flush())
}
