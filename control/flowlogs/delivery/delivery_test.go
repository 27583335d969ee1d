package delivery

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vpcsim/vpcsim/control/flowlogs"
)

// lineFormat is what the tests' records are in.
const lineFormat = "${interface-id} ${srcport} ${end} ${log-status}"

// toS3 is a destination as tests change it.
func toS3(t *testing.T, change func(*flowlogs.Destination)) *flowlogs.Destination {
	t.Helper()
	d := &flowlogs.Destination{
		Bucket: "my-logs", Account: "123456789012", Region: "us-east-1", IntervalSeconds: 60, Format: parse(t, lineFormat, false),
	}
	if change != nil {
		change(d)
	}
	return d
}

// at is a time of the day in F-C20.
func at(clock string) time.Time {
	when, err := time.Parse("2006-01-02 15:04:05", "2025-06-20 "+clock)
	if err != nil {
		panic(err)
	}
	return when
}

// record is one of a log that ends at a time.
func record(log string, to *flowlogs.Destination, port int, end time.Time) flowlogs.Entry {
	return flowlogs.Entry{
		Log: log, LogID: "fl-" + log, Stream: "eni-1-all", Timestamp: end.Add(-time.Second), End: end, Destination: to,
		Message: fmt.Sprintf("eni-1 %d %d OK", port, end.Unix()),
	}
}

// logged is a delivery and what it told the log of the lab.
func logged(t *testing.T, dir string) (*Delivery, *bytes.Buffer) {
	t.Helper()
	var text bytes.Buffer
	return New(dir, slog.New(slog.NewTextHandler(&text, nil))), &text
}

// objects are the files of a directory by their path, with their hash written HASH.
func objects(t *testing.T, dir string) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	hash := regexp.MustCompile(`_[0-9a-f]{8}\.log`)
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		file, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		text := file
		switch filepath.Ext(path) {
		case ".gz":
			zip, err := gzip.NewReader(bytes.NewReader(file))
			if err != nil {
				return err
			}
			if text, err = io.ReadAll(zip); err != nil {
				return err
			}
		case ".parquet":
			_, rows := readParquet(t, file)
			text = []byte(strings.Join(rows, "\n") + "\n")
		}
		name, _ := filepath.Rel(dir, path)
		name = hash.ReplaceAllString(name, "_HASH.log")
		all[name] = append(all[name], strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")...)
		return nil
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return all
}

func TestKeysAreThoseOfS3(t *testing.T) { // F-C20, F12, F13
	for _, c := range []struct {
		name   string
		change func(*flowlogs.Destination)
		want   string
	}{
		{"F12 a day", nil, "AWSLogs/123456789012/vpcflowlogs/us-east-1/2025/06/20/123456789012_vpcflowlogs_us-east-1_fl-a_20250620T1620Z_HASH.log.gz"},
		{"F12 a prefix", func(d *flowlogs.Destination) { d.Prefix = "net/prod" }, "net/prod/AWSLogs/123456789012/vpcflowlogs/us-east-1/2025/06/20/123456789012_vpcflowlogs_us-east-1_fl-a_20250620T1620Z_HASH.log.gz"},
		{"F12 an hour", func(d *flowlogs.Destination) { d.Hourly = true }, "AWSLogs/123456789012/vpcflowlogs/us-east-1/2025/06/20/16/123456789012_vpcflowlogs_us-east-1_fl-a_20250620T1620Z_HASH.log.gz"},
		{"F13 Hive", func(d *flowlogs.Destination) { d.Hive = true }, "AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=us-east-1/year=2025/month=06/day=20/123456789012_vpcflowlogs_us-east-1_fl-a_20250620T1620Z_HASH.log.gz"},
		{"F-C20 Hive and an hour", func(d *flowlogs.Destination) { d.Hive, d.Hourly = true, true }, "AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=us-east-1/year=2025/month=06/day=20/hour=16/123456789012_vpcflowlogs_us-east-1_fl-a_20250620T1620Z_HASH.log.gz"},
		{"F14 Parquet", func(d *flowlogs.Destination) { d.Parquet = true }, "AWSLogs/123456789012/vpcflowlogs/us-east-1/2025/06/20/123456789012_vpcflowlogs_us-east-1_fl-a_20250620T1620Z_HASH.log.parquet"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			d, _ := logged(t, dir)
			to, end := toS3(t, c.change), at("16:22:00")
			d.Deliver(end, []flowlogs.Entry{record("a", to, 1, end)})
			if err := d.Close(end); err != nil {
				t.Fatal(err)
			}
			line := fmt.Sprintf("eni-1 1 %d OK", end.Unix())
			want := map[string][]string{c.want: {"interface-id srcport end log-status", line}}
			if to.Parquet {
				want[c.want] = []string{line}
			}
			if diff := cmp.Diff(want, objects(t, d.BucketDir("my-logs"))); diff != "" {
				t.Errorf("objects (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFileCoversFiveMinutesByTheRecordsEnd(t *testing.T) { // F14
	d, _ := logged(t, t.TempDir())
	to := toS3(t, nil)
	var list []flowlogs.Entry
	for i, clock := range []string{"16:19:59", "16:20:00", "16:24:59", "16:25:00"} {
		list = append(list, record("a", to, i, at(clock)))
	}
	d.Deliver(at("16:25:00"), list)
	if got := objects(t, d.BucketDir("my-logs")); len(got) != 0 {
		t.Errorf("before a file is due there is %v", got)
	}
	// A record may come as long as a window is that began within the five minutes.
	due, ok := d.Next()
	if !ok || !due.Equal(at("16:21:00")) {
		t.Errorf("the first is due at %v, %v", due, ok)
	}
	d.Continue(at("16:26:00"))
	const name = "AWSLogs/123456789012/vpcflowlogs/us-east-1/2025/06/20/123456789012_vpcflowlogs_us-east-1_fl-a_20250620T%sZ_HASH.log.gz"
	want := map[string]int{fmt.Sprintf(name, "1615"): 2, fmt.Sprintf(name, "1620"): 3}
	got := map[string]int{}
	for path, lines := range objects(t, d.BucketDir("my-logs")) {
		got[path] = len(lines)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lines by file (-want +got):\n%s", diff)
	}
	if due, _ = d.Next(); !due.Equal(at("16:31:00")) {
		t.Errorf("the last is due at %v", due)
	}
}

func TestKilledProcessLeavesSpoolsThatTheNextCompletes(t *testing.T) {
	dir := t.TempDir()
	killed, _ := logged(t, dir)
	to, end := toS3(t, func(d *flowlogs.Destination) { d.Parquet = true }), at("16:22:00")
	killed.Deliver(end, []flowlogs.Entry{record("a", to, 1, end), record("a", to, 2, end)})
	spools, _ := filepath.Glob(filepath.Join(dir, "s3", ".spool", "*.spool"))
	if len(spools) != 1 {
		t.Fatalf("spools %v", spools)
	}
	// It died in the middle of a write, and while it made another object.
	file, err := os.OpenFile(spools[0], os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = file.WriteString("eni-1 3 17504")
	_ = file.Close()
	before, err := os.ReadFile(spools[0])
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time it died between the object and the end of the spool
		if err := os.WriteFile(spools[0], before, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "s3", ".spool", "x.making"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		next, text := logged(t, dir)
		if due, ok := next.Next(); !ok || due.After(end) {
			t.Errorf("nothing is due: %v", due)
		}
		next.Continue(end)
		if err := next.Close(end); err != nil || text.Len() > 0 {
			t.Errorf("the next: %v\n%s", err, text)
		}
	}
	got := objects(t, filepath.Join(dir, "s3"))
	if len(got) != 1 {
		t.Errorf("files: %v", got)
	}
	for _, lines := range got {
		want := []string{fmt.Sprintf("eni-1 1 %d OK", end.Unix()), fmt.Sprintf("eni-1 2 %d OK", end.Unix())}
		if diff := cmp.Diff(want, lines); diff != "" {
			t.Errorf("records (-want +got):\n%s", diff)
		}
	}
}

func TestSpoolThatIsFullBeginsAnotherFile(t *testing.T) {
	d, _ := logged(t, t.TempDir())
	d.mostSpool = 300
	to, end := toS3(t, nil), at("16:22:00")
	for i := range 20 {
		d.Deliver(end, []flowlogs.Entry{record("a", to, i, end)})
	}
	if err := d.Close(end); err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(d.BucketDir("my-logs"), "AWSLogs/*/*/*/*/*/*/*"))
	lines := 0
	for _, list := range objects(t, d.BucketDir("my-logs")) {
		lines += len(list)
	}
	if len(files) < 2 || lines != 20+len(files) { // a header in each
		t.Errorf("%d files, %d lines", len(files), lines)
	}
}

func TestTextFilesAreAppendedToAndBounded(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs", "lab")
	to := toS3(t, func(d *flowlogs.Destination) { d.Bucket = "" })
	list := func(from, to int, d *flowlogs.Destination) (entries []flowlogs.Entry) {
		for i := from; i <= to; i++ {
			entries = append(entries, flowlogs.Entry{Log: "a", Message: fmt.Sprintf("a %d", i), Destination: d})
		}
		return entries
	}
	for range 2 { // the lab comes up twice
		d, _ := logged(t, dir)
		d.Deliver(at("16:00:00"), append(list(1, 2, to), flowlogs.Entry{Log: "b", Message: "b 1", Destination: to}))
		if err := d.Close(at("16:00:00")); err != nil {
			t.Fatal(err)
		}
	}
	d, _ := logged(t, dir)
	d.mostText = 10
	for i := 3; i < 7; i++ {
		d.Deliver(at("16:00:00"), list(i, i, to))
	}
	// What was full when the third came up made room: a 1 and a 2 went with a 3.
	want := map[string][]string{"a.log.1": {"a 3", "a 4", "a 5"}, "a.log": {"a 6"}, "b.log": {"b 1", "b 1"}}
	if diff := cmp.Diff(want, objects(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory: %v, %v", info.Mode(), err)
	}
}

func TestTextFileMayBeCollectedMeanwhile(t *testing.T) {
	dir := t.TempDir()
	d, _ := logged(t, dir)
	to, path := toS3(t, func(d *flowlogs.Destination) { d.Bucket = "" }), filepath.Join(dir, "a.log")
	deliver := func(i int) { d.Deliver(at("16:00:00"), []flowlogs.Entry{record("a", to, i, at("16:00:00"))}) }
	deliver(1)
	if err := os.Rename(path, path+".moved"); err != nil {
		t.Fatal(err)
	}
	deliver(2)
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	deliver(3)
	line := func(i int) []string { return []string{fmt.Sprintf("eni-1 %d %d OK", i, at("16:00:00").Unix())} }
	if diff := cmp.Diff(map[string][]string{"a.log.moved": line(1), "a.log": line(3)}, objects(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestBucketThatCannotBeWrittenIsAnAccessError(t *testing.T) { // F16
	dir := t.TempDir()
	d, text := logged(t, dir)
	to, end := toS3(t, nil), at("16:22:00")
	if err := os.MkdirAll(filepath.Join(dir, "s3"), 0o700); err != nil {
		t.Fatal(err)
	}
	bucket := d.BucketDir("my-logs")
	if err := os.WriteFile(bucket, nil, 0o600); err != nil { // root may write into every directory, but not into a file
		t.Fatal(err)
	}
	for i := range 3 {
		d.Deliver(end, []flowlogs.Entry{record("a", to, i, end)})
		d.Continue(end)
	}
	s := d.Status("a")
	if s.Message != "Access error" || s.Waiting != 0 || !strings.Contains(s.Problem, "my-logs") || !strings.Contains(s.Problem, "let the lab's owner write there") {
		t.Errorf("status %+v", s)
	}
	if n := strings.Count(text.String(), "cannot be delivered"); n != 1 {
		t.Errorf("told %d times:\n%s", n, text)
	}
	if err := os.Remove(bucket); err != nil {
		t.Fatal(err)
	}
	retry, ok := d.Next()
	d.Deliver(end.Add(retryPause/2), []flowlogs.Entry{record("a", to, 3, end)})
	if again, _ := d.Next(); again != retry {
		t.Errorf("another record put off the next try from %v to %v", retry, again)
	}
	if !ok || retry.After(end.Add(retryPause)) {
		t.Errorf("tried again at %v, %v", retry, ok)
	}
	d.Continue(retry)
	if s := d.Status("a"); s.Message != "" || !strings.Contains(text.String(), "delivered again") {
		t.Errorf("status %+v\n%s", s, text)
	}
	d.Continue(at("16:26:00"))
	for _, lines := range objects(t, bucket) {
		if len(lines) != 5 {
			t.Errorf("lines %v", lines)
		}
	}
}
