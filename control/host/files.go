//go:build linux

package host

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Everything here happens in a mount namespace of one process: the machine's
// files are covered for that process, never changed.

// placeFiles puts the node's own files in front of the machine's.
func placeFiles(files NodeFiles) error {
	put := map[string]string{}
	if files.Hosts != "" {
		put["/etc/hosts"] = files.Hosts
	}
	if files.ResolvConf != "" {
		put["/etc/resolv.conf"] = files.ResolvConf
		// Without these two, programs would ask a resolver or a cache of
		// the machine, over a socket file that no namespace separates.
		if conf, err := os.ReadFile("/etc/nsswitch.conf"); err == nil {
			put["/etc/nsswitch.conf"] = filesAndDNS(string(conf))
		}
		if err := coverIfThere("/run/nscd"); err != nil {
			return err
		}
	}
	for _, path := range sortedNames(put) {
		if err := placeFile(path, put[path]); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	for _, path := range sortedNames(files.Directories) {
		if err := placeDirectory(path, files.Directories[path]); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// placeDirectory makes source seen at path, too, which need not exist.
func placeDirectory(path, source string) error {
	// By descriptor: making room for path may cover what source is in.
	dir, err := os.OpenFile(source, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer dir.Close()
	target, err := resolve(path)
	if err != nil {
		return err
	}
	if st, err := os.Stat(target); err != nil || !st.IsDir() {
		if err := makeRoom(target); err != nil {
			return err
		}
		if err := os.MkdirAll(target, 0o755); err != nil {
			return err
		}
	}
	if err := unix.Mount(descriptorPath(dir), target, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind mount of %s: %w", source, err)
	}
	return nil
}

// filesAndDNS rewrites the way host names are looked up in an nsswitch.conf.
func filesAndDNS(conf string) string {
	var out strings.Builder
	for line := range strings.Lines(conf) {
		if strings.HasPrefix(strings.TrimSpace(line), "hosts:") {
			line = "hosts: files dns\n"
		}
		out.WriteString(line)
	}
	return out.String()
}

func coverIfThere(dir string) error {
	if st, err := os.Stat(dir); err != nil || !st.IsDir() {
		return nil
	}
	return mountTmpfs(dir)
}

// placeFile makes path read as content. Where path is a symlink, as
// /etc/resolv.conf often is, its target is covered. A missing file, or a target
// in a directory that is not there, gets a covered directory to be created in.
func placeFile(path, content string) error {
	target, err := resolve(path)
	if err != nil {
		return err
	}
	if _, err := os.Stat(target); err == nil {
		return bindContent(target, content)
	}
	if err := makeRoom(target); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	return writeFile(target, content)
}

// makeRoom covers the nearest directory above target that is there, so that names
// can be made in it.
func makeRoom(target string) error {
	above := filepath.Dir(target)
	for {
		if _, err := os.Stat(above); err == nil {
			break
		}
		above = filepath.Dir(above)
	}
	if err := shadow(above); err != nil {
		return fmt.Errorf("making room in %s: %w", above, err)
	}
	return nil
}

// resolve follows symlinks by hand, since the last target may be missing.
func resolve(path string) (string, error) {
	for range 40 { // as many as the kernel follows
		dir, err := filepath.EvalSymlinks(filepath.Dir(path))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", err
		}
		if err == nil {
			path = filepath.Join(dir, filepath.Base(path))
		}
		to, err := os.Readlink(path)
		if err != nil {
			return path, nil // a file, or nothing
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(path), to)
		}
		path = filepath.Clean(to)
	}
	return "", unix.ELOOP
}

// bindContent covers the file target with one that reads content. The new file
// lives in a tmpfs that is mounted over a directory for a moment (nobody else is
// in this mount namespace) and then kept by the bind mount alone.
func bindContent(target, content string) error {
	dir, err := coverableDir(target)
	if err != nil {
		return err
	}
	if err := mountTmpfs(dir); err != nil {
		return err
	}
	source := filepath.Join(dir, "content")
	err = writeFile(source, content)
	if err == nil {
		if err = unix.Mount(source, target, "", unix.MS_BIND, ""); err != nil {
			err = fmt.Errorf("bind mount: %w", err)
		}
	}
	return errors.Join(err, unix.Unmount(dir, unix.MNT_DETACH))
}

// coverableDir is a directory that every machine has and that target is not in.
func coverableDir(target string) (string, error) {
	for _, dir := range []string{"/tmp", "/run", "/mnt", "/var", "/home"} {
		st, err := os.Stat(dir)
		if err == nil && st.IsDir() && !strings.HasPrefix(target, dir+"/") {
			return dir, nil
		}
	}
	return "", errors.New("this machine has none of /tmp, /run, /mnt, /var, /home")
}

// shadow covers dir with a tmpfs that shows all that dir has, by bind mounts and
// copies of its symlinks, and in which new names can be made.
func shadow(dir string) error {
	old, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer old.Close()
	entries, err := old.ReadDir(-1)
	if err != nil {
		return err
	}
	if err := mountTmpfs(dir); err != nil {
		return err
	}
	for _, e := range entries {
		from, to := filepath.Join(descriptorPath(old), e.Name()), filepath.Join(dir, e.Name())
		switch {
		case e.Type()&os.ModeSymlink != 0:
			if link, err := os.Readlink(from); err == nil {
				_ = os.Symlink(link, to)
			}
			continue
		case e.IsDir():
			err = os.Mkdir(to, 0o755)
		default:
			err = writeFile(to, "")
		}
		if err != nil {
			return err
		}
		// What cannot be bound (a stale network mount) is left empty.
		_ = unix.Mount(from, to, "", unix.MS_BIND|unix.MS_REC, "")
	}
	return nil
}

func mountTmpfs(dir string) error {
	err := unix.Mount("vpcsim", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755,size=1m")
	if err != nil {
		return fmt.Errorf("tmpfs over %s: %w", dir, err)
	}
	return nil
}

// writeFile makes a file that every user of the node can read, whatever the
// umask.
func writeFile(path, content string) error {
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		return err
	}
	return os.Chmod(path, 0o644)
}

// descriptorPath names an open file for mount(2), which takes paths only.
func descriptorPath(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }

// showOwnInterfaces makes /sys/class/net list the node's interfaces. Programs
// that matter ask the kernel by netlink, so that a machine which forbids the
// mount (as containers do) only shows the core's interfaces there.
func showOwnInterfaces() {
	groups, err := os.OpenFile("/sys/fs/cgroup", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err := unix.Mount("sysfs", "/sys", "sysfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return
	}
	if err != nil {
		return
	}
	defer groups.Close()
	// Runtimes read their memory and CPU limits below it.
	_ = unix.Mount(descriptorPath(groups), "/sys/fs/cgroup", "", unix.MS_BIND|unix.MS_REC, "")
}
