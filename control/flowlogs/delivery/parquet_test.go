package delivery

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"github.com/vpcsim/vpcsim/control/flowlogs"
)

func parse(t *testing.T, format string, transit bool) flowlogs.Format {
	t.Helper()
	f, err := flowlogs.ParseFormat(format, transit)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// readParquet reads a file with another implementation: its schema, and its rows as
// records.
func readParquet(t *testing.T, file []byte) (schema string, records []string) {
	t.Helper()
	f, err := parquet.OpenFile(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	for _, group := range f.RowGroups() {
		rows := group.Rows()
		buffer := make([]parquet.Row, 100)
		for {
			n, err := rows.ReadRows(buffer)
			for _, row := range buffer[:n] {
				words := make([]string, len(row))
				for _, v := range row {
					words[v.Column()] = v.String()
				}
				records = append(records, strings.Join(words, " "))
			}
			if err != nil {
				break
			}
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return f.Schema().String(), records
}

func TestParquetFileHasTheTypesOfTheUserGuide(t *testing.T) {
	const records = "2 123456789012 eni-1 10.0.1.5 10.0.2.6 40000 443 6 20 4249 1418530010 1418530070 ACCEPT OK\n" +
		"2 123456789012 eni-1 - - - - - - - 1431280876 1431280934 - NODATA\n" +
		"2 123456789012 eni-1 10.0.2.6 10.0.1.5 443 40000 6 4294967296 9007199254740993 1418530010 1418530070 REJECT OK\n"
	var file bytes.Buffer
	if err := writeParquet(&file, flowlogs.DefaultFormat(false), strings.NewReader(records)); err != nil {
		t.Fatal(err)
	}
	schema, got := readParquet(t, file.Bytes())
	if want := strings.TrimSpace(strings.ReplaceAll(strings.NewReplacer( // a number that is not there is null
		"eni-1 - - - - - - - 1431280876", "eni-1 - - <null> <null> <null> <null> <null> 1431280876").Replace(records), "\n", "|")); strings.Join(got, "|")+"|" != want {
		t.Errorf("records (-want +got):\n%s", cmp.Diff(strings.Split(want, "|"), got))
	}
	want := `message vpcflowlogs {
	optional int32 version (INT(32,true));
	optional binary account_id (STRING);
	optional binary interface_id (STRING);
	optional binary srcaddr (STRING);
	optional binary dstaddr (STRING);
	optional int32 srcport (INT(32,true));
	optional int32 dstport (INT(32,true));
	optional int32 protocol (INT(32,true));
	optional int64 packets (INT(64,true));
	optional int64 bytes (INT(64,true));
	optional int64 start (INT(64,true));
	optional int64 end (INT(64,true));
	optional binary action (STRING);
	optional binary log_status (STRING);
}`
	if diff := cmp.Diff(want, schema); diff != "" {
		t.Errorf("schema (-want +got):\n%s", diff)
	}
}

func TestParquetFileHasSeveralRowGroups(t *testing.T) {
	format := parse(t, "${srcport} ${action} ${traffic-path} ${action}", false)
	var text strings.Builder
	var want []string
	for i := range 2*rowsPerGroup + 7 {
		path, null := fmt.Sprint(i%9), i%3 == 0
		if null {
			path = "-"
		}
		fmt.Fprintf(&text, "%d A%d %s A%d\n", i%65536, i, path, i)
		if null {
			path = "<null>"
		}
		want = append(want, fmt.Sprintf("%d A%d %s", i%65536, i, path))
	}
	var file bytes.Buffer
	if err := writeParquet(&file, format, strings.NewReader(text.String())); err != nil {
		t.Fatal(err)
	}
	if _, got := readParquet(t, file.Bytes()); !cmp.Equal(want, got) {
		t.Errorf("%d records, of %d", len(got), len(want))
	}
}

func TestParquetRefusesADamagedRecord(t *testing.T) {
	format := parse(t, "${srcport} ${action}", false)
	for record, want := range map[string]string{"1": "record 1: 1 fields are too few", "x ACCEPT": "field srcport", "9999999999 ACCEPT": "field srcport"} {
		if err := writeParquet(&bytes.Buffer{}, format, strings.NewReader(record+"\n")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", record, err)
		}
	}
}
