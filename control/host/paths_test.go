//go:build linux

package host

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestStateDirIsWhereItBelongs(t *testing.T) {
	dir := privateDir(t)
	t.Setenv(StateDirVariable, filepath.Join(dir, "new", "state"))
	got, err := StateDir()
	if err != nil || got != filepath.Join(dir, "new", "state") {
		t.Errorf("from %s: %q, %v", StateDirVariable, got, err)
	}
	if st, err := os.Stat(got); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("its mode: %v, %v", st.Mode(), err)
	}
	t.Setenv(StateDirVariable, "")
	t.Setenv("XDG_RUNTIME_DIR", dir)
	want := filepath.Join(dir, "vpcsim")
	if os.Geteuid() == 0 {
		want = "/run/vpcsim"
	}
	if got, err := statePath(); err != nil || got != want {
		t.Errorf("from the user's run-time directory: %q, %v, want %q", got, err, want)
	}
}

func TestStateDirOfOthersIsRefused(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(dir string) error
		want    string
		root    bool
	}{
		{"others can read", func(d string) error { return errors.Join(os.Mkdir(d, 0o700), os.Chmod(d, 0o750)) }, "others can get in (mode 0750; chmod 700 it)", false},
		{"symlink", func(d string) error { return errors.Join(os.Mkdir(d+"x", 0o700), os.Symlink(d+"x", d)) }, "it is a symlink", false},
		{"dangling symlink", func(d string) error { return os.Symlink(d+"x", d) }, "it is a symlink", false},
		{"file", func(d string) error { return os.WriteFile(d, nil, 0o600) }, "it is not a directory", false},
		{"another owner", func(d string) error { return errors.Join(os.Mkdir(d, 0o700), os.Chown(d, nobody, nobody)) }, "it belongs to user 65534, not to you (0)", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.root && os.Geteuid() != 0 {
				t.Skip("giving a directory away needs root")
			}
			dir := filepath.Join(privateDir(t), "state")
			if err := tt.prepare(dir); err != nil {
				t.Fatal(err)
			}
			t.Setenv(StateDirVariable, dir)
			for what, f := range map[string]func() error{
				"StateDir": func() error { _, err := StateDir(); return err },
				"Lock":     func() error { _, err := Lock("lab"); return err },
			} {
				if err := f(); err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%s: %v, want %q", what, err, tt.want)
				}
			}
		})
	}
}

func TestLockIsHeldByTheLivingOnly(t *testing.T) {
	t.Setenv(StateDirVariable, filepath.Join(privateDir(t), "state"))
	if _, err := OpenLab("blue"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a lab that is not up: %v", err)
	}
	l, err := Lock("blue")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{l.Socket(), l.Log(), l.Description()} {
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Lock("blue"); !errors.Is(err, ErrRunning) || err.Error() != "lab blue: it is running" {
		t.Errorf("a second one: %v", err)
	}
	if names, err := RunningLabs(); err != nil || !cmp.Equal(names, []string{"blue"}) {
		t.Errorf("running: %v, %v", names, err)
	}
	if other, err := OpenLab("blue"); err != nil || other.Socket() != l.Socket() {
		t.Errorf("opening the running lab: %v", err)
	}
	// The daemon dies: its descriptors close, its files stay.
	l.lock.Close()
	if names, err := RunningLabs(); err != nil || len(names) != 0 {
		t.Errorf("after its death, running: %v, %v", names, err)
	}
	next, err := Lock("blue")
	if err != nil {
		t.Fatal(err)
	}
	if left := next.leftovers(); len(left) != 0 {
		t.Errorf("left by the dead: %v", left)
	}
	if err := os.WriteFile(next.Socket(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(next.Close(), next.Close()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(next.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory is still there: %v", err)
	}
}

func TestLabNamesAndPathsAreChecked(t *testing.T) {
	base := privateDir(t)
	t.Setenv(StateDirVariable, filepath.Join(base, "state"))
	for _, name := range []string{"", ".", "..", "a/b", "-x", "a b", strings.Repeat("a", 64)} {
		if l, err := Lock(name); err == nil {
			t.Errorf("%q was taken", name)
			l.Close()
		}
	}
	t.Setenv(StateDirVariable, filepath.Join(base, strings.Repeat("d", 90)))
	_, err := Lock("lab")
	if err == nil || !strings.Contains(err.Error(), "Linux allows 107") {
		t.Errorf("a path too long for a socket: %v", err)
	}
}

func privateDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "vpcsim-paths-") // 0700, as t.TempDir's are not
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
