package scenarios

import (
	"embed"
	"fmt"
	"slices"
	"strings"
)

//go:embed *.yaml
var files embed.FS

// Names are the embedded scenarios, sorted.
func Names() []string {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(err) // the embedded directory always exists
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = strings.TrimSuffix(e.Name(), ".yaml")
	}
	slices.Sort(names) // not as the files are: a dash is less than a dot
	return names
}

// Read returns an embedded scenario: the name that its positions are reported
// under, and its text. The caller owns the bytes.
func Read(name string) (file string, src []byte, err error) {
	file = name + ".yaml"
	src, err = files.ReadFile(file)
	if err != nil {
		return "", nil, fmt.Errorf("no embedded scenario is called %q: there is %s", name, strings.Join(Names(), ", "))
	}
	return file, src, nil
}
