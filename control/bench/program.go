package bench

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// findProgram also looks where an ordinary user's PATH does not reach: in the
// namespaces of a row everybody is root.
func findProgram(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", err
}

// pipeOf is a file that reads as text, which must fit a pipe.
func pipeOf(text string) (*os.File, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer write.Close()
	_, err = write.WriteString(text)
	return read, err
}

func firstLine(text []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	return line
}
