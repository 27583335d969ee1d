package delivery

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/vpcsim/vpcsim/control/flowlogs"
)

// onSmallDisk runs a test with a directory that holds 4 MB: a file system in
// memory, in a mount namespace of the test's own thread, which ends with it.
func onSmallDisk(t *testing.T, test func(dir string)) {
	t.Helper()
	if os.Geteuid() != 0 {
		asRootOfItsOwn(t)
		return
	}
	dir, done := t.TempDir(), make(chan error, 1)
	go func() {
		defer close(done)      // also where the test ends itself
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine, and the namespace with it
		err := syscall.Unshare(syscall.CLONE_NEWNS | syscall.CLONE_FS)
		if err == nil {
			err = syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
		}
		if err == nil {
			err = syscall.Mount("vpcsim", dir, "tmpfs", 0, "size=4m")
		}
		if err == nil {
			test(dir)
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// asRootOfItsOwn runs the test again, in a user namespace in which the caller is
// root and may mount.
func asRootOfItsOwn(t *testing.T) {
	t.Helper()
	c := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}},
	}
	out, err := c.CombinedOutput()
	switch {
	case err == nil:
	case len(out) > 0 || os.Getenv("CI") != "":
		t.Fatalf("%v\n%s", err, out)
	default:
		t.Skipf("no user namespace: %v", err)
	}
}

// fill takes all room of a disk but so many bytes.
func fill(t *testing.T, dir string, leave int64) (path string) {
	t.Helper()
	var disk syscall.Statfs_t
	if err := syscall.Statfs(dir, &disk); err != nil {
		t.Error(err)
	}
	path = filepath.Join(dir, "other")
	if err := os.WriteFile(path, make([]byte, int64(disk.Bavail)*disk.Bsize-leave), 0o600); err != nil {
		t.Error(err)
	}
	return path
}

func TestFullDiskDelaysRecordsAndLosesNone(t *testing.T) {
	onSmallDisk(t, func(dir string) {
		d, text := logged(t, dir)
		end := at("16:22:00")
		bucket, group := toS3(t, nil), toS3(t, func(d *flowlogs.Destination) { d.Bucket = "" })
		n := 0
		deliver := func(count int) {
			var files, texts []flowlogs.Entry // records of a log follow each other
			for range count {
				n++
				files, texts = append(files, record("files", bucket, n, end)), append(texts, record("text", group, n, end))
			}
			d.Deliver(end, append(files, texts...))
			d.Continue(end)
		}
		deliver(100)
		other := fill(t, dir, 8192)
		for range 20 {
			deliver(1000) // some fit, and half of a batch is never left behind
		}
		s := d.Status("text")
		if s.Message != "Unknown error" || s.Waiting == 0 || s.Skipped != 0 || !strings.Contains(s.Problem, "no space left on device; free space there: delivery goes on by itself") {
			t.Errorf("status %+v", s)
		}
		if count := strings.Count(text.String(), "cannot be delivered"); count != 2 { // once for each
			t.Errorf("told %d times:\n%s", count, text)
		}
		_ = os.Remove(other)
		d.Continue(end.Add(retryPause))
		if total := d.Total(); total.Problem != "" || total.Waiting != 0 || strings.Count(text.String(), "delivered again") != 2 {
			t.Errorf("there is room, and still %+v\n%s", total, text)
		}
		if err := d.Close(end); err != nil {
			t.Error(err)
		}
		for path, lines := range objects(t, dir) {
			if strings.HasSuffix(path, ".gz") {
				lines = lines[1:]
			}
			for i, line := range lines { // none missing, none twice, in order
				if want := fmt.Sprintf("eni-1 %d %d OK", i+1, end.Unix()); line != want || len(lines) != n {
					t.Fatalf("%s: line %d of %d is %q, not %q", path, i+1, len(lines), line, want)
				}
			}
		}
		if files := objects(t, dir); len(files) != 2 {
			t.Errorf("%d files", len(files))
		}
	})
}

func TestFullDiskAndFullMemoryAreSkipData(t *testing.T) { // F10
	onSmallDisk(t, func(dir string) {
		d, text := logged(t, dir)
		d.mostWaiting = 20 * (entryBytes + 40)
		first, last := at("16:22:00"), at("16:23:00")
		to := toS3(t, nil)
		d.Deliver(first, []flowlogs.Entry{record("a", to, 1, first)})
		other := fill(t, dir, 0)
		for i := 2; i <= 1000; i++ {
			e := record("a", to, i, last)
			e.Timestamp = first
			d.Deliver(last, []flowlogs.Entry{e})
		}
		s := d.Status("a")
		if s.Waiting == 0 || s.Waiting > 40 || s.Skipped == 0 || s.Waiting+s.Skipped > 999 {
			t.Errorf("status %+v", s)
		}
		if n := strings.Count(text.String(), "records are skipped"); n != 1 {
			t.Errorf("told %d times:\n%s", n, text)
		}
		_ = os.Remove(other)
		d.Continue(last.Add(retryPause))
		if err := d.Close(last); err != nil {
			t.Error(err)
		}
		var lines []string
		for _, list := range objects(t, d.BucketDir("my-logs")) {
			lines = append(lines, list[1:]...)
		}
		want := fmt.Sprintf("eni-1 - %d SKIPDATA", last.Unix())
		if got := uint64(len(lines)); got != 1000-s.Skipped+1 || lines[len(lines)-1] != want {
			t.Errorf("%d lines with %d skipped, the last %q, not %q", got, s.Skipped, lines[len(lines)-1], want)
		}
	})
}

func TestCloseOnAFullDiskSaysWhatIsLost(t *testing.T) {
	onSmallDisk(t, func(dir string) {
		d, _ := logged(t, dir)
		end, to := at("16:22:00"), toS3(t, nil)
		d.Deliver(end, []flowlogs.Entry{record("a", to, 1, end)})
		other := fill(t, dir, 0)
		var list []flowlogs.Entry
		for i := range 1000 {
			list = append(list, record("a", to, i+2, end))
		}
		d.Deliver(end, list)
		if err := d.Close(end); err == nil || !strings.Contains(err.Error(), "1000 flow log records are lost with the lab") {
			t.Errorf("closed: %v", err)
		}
		_ = os.Remove(other)
		next, _ := logged(t, dir) // what is in the spool is not lost
		next.Continue(end)
		for path, lines := range objects(t, next.BucketDir("my-logs")) {
			if len(lines) != 2 {
				t.Errorf("%s: %v", path, lines)
			}
		}
		if len(objects(t, next.BucketDir("my-logs"))) != 1 {
			t.Error("no object")
		}
	})
}
