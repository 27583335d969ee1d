package main

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The house rules that a compiler does not know, held by tests.

const module = "github.com/vpcsim/vpcsim"

// goPackage is what `go list -json` says about one of our packages.
type goPackage struct {
	ImportPath, Dir, Doc      string
	Imports, Deps             []string
	GoFiles, IgnoredGoFiles   []string
	TestImports, XTestImports []string
}

func ourPackages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-json", module+"/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var list []goPackage
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var p goPackage
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	return list
}

func TestEveryPackageSaysWhatItKnows(t *testing.T) {
	for _, p := range ourPackages(t) {
		if p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

// TestDataplaneKnowsNeitherControlNorTheOS: the core imports the standard
// library, bart and packet; it never learns where its frames come from.
func TestDataplaneKnowsNeitherControlNorTheOS(t *testing.T) {
	allowed := []string{module + "/dataplane/packet", "github.com/gaissmai/bart"}
	for _, p := range ourPackages(t) {
		if p.ImportPath != module+"/dataplane" && p.ImportPath != module+"/dataplane/packet" {
			continue
		}
		for _, i := range p.Imports {
			if strings.Contains(strings.SplitN(i, "/", 2)[0], ".") && !slices.Contains(allowed, i) {
				t.Errorf("%s imports %s", p.ImportPath, i)
			}
			if i == "os" || i == "syscall" || i == "log/slog" {
				t.Errorf("%s imports %s", p.ImportPath, i)
			}
		}
	}
}

// TestOneDoorToTheOS: only dataplane/port and control/host make network calls
// of the operating system's own kind.
func TestOneDoorToTheOS(t *testing.T) {
	doors := []string{module + "/dataplane/port", module + "/control/host"}
	for _, p := range ourPackages(t) {
		if slices.Contains(doors, p.ImportPath) {
			continue
		}
		for _, i := range p.Imports {
			if strings.HasPrefix(i, "golang.org/x/sys/") || strings.HasPrefix(i, "github.com/vishvananda/") {
				t.Errorf("%s imports %s", p.ImportPath, i)
			}
		}
	}
}

// TestWireGuardIsAtTheEndsOfTunnels: wireguard-go is imported by AWS's end and by
// the customer's, and by nobody between them.
func TestWireGuardIsAtTheEndsOfTunnels(t *testing.T) {
	ends := []string{module + "/dataplane/port", module + "/control/wireguard"}
	for _, p := range ourPackages(t) {
		if slices.Contains(ends, p.ImportPath) {
			continue
		}
		for _, i := range p.Imports {
			if strings.HasPrefix(i, "golang.zx2c4.com/wireguard") {
				t.Errorf("%s imports %s", p.ImportPath, i)
			}
		}
	}
}

// TestOneDoorToBGP: only control/bgp imports GoBGP, and of it only the codec. The
// server behind it would bring gRPC and viper along, and double the program.
func TestOneDoorToBGP(t *testing.T) {
	for _, p := range ourPackages(t) {
		for _, i := range p.Imports {
			if strings.HasPrefix(i, "github.com/osrg/gobgp/") && (p.ImportPath != module+"/control/bgp" || !strings.HasSuffix(i, "/pkg/packet/bgp")) {
				t.Errorf("%s imports %s", p.ImportPath, i)
			}
		}
	}
}

// TestOneDoorToBPF: programs for the kernel are the port's.
func TestOneDoorToBPF(t *testing.T) {
	for _, p := range ourPackages(t) {
		for _, i := range p.Imports {
			if strings.HasPrefix(i, "github.com/cilium/ebpf") && p.ImportPath != module+"/dataplane/port" {
				t.Errorf("%s imports %s", p.ImportPath, i)
			}
		}
	}
}

// TestParquetLibraryStaysOutOfTheProgram: it would add 15 MB. It reads in tests what
// control/flowlogs/delivery writes.
func TestParquetLibraryStaysOutOfTheProgram(t *testing.T) {
	for _, p := range ourPackages(t) {
		for _, i := range p.Deps {
			if strings.HasPrefix(i, "github.com/parquet-go/") {
				t.Errorf("%s needs %s", p.ImportPath, i)
			}
		}
	}
}

// TestGopacketStaysOutOfThePacketPath: it allocates per packet, and is the
// oracle that the core is held against. The memory driver's hosts use it, so
// that they and the core do not share a misreading.
func TestGopacketStaysOutOfThePacketPath(t *testing.T) {
	for _, p := range ourPackages(t) {
		if !strings.HasPrefix(p.ImportPath, module+"/dataplane") {
			continue
		}
		for _, i := range p.Deps {
			if strings.HasPrefix(i, "github.com/google/gopacket") {
				t.Errorf("%s depends on %s", p.ImportPath, i)
			}
		}
	}
}

// maxFileLines keeps a file one room. Tests and tables may be longer.
const maxFileLines = 400

func TestNoFileIsTheProgram(t *testing.T) {
	eachGoFile(t, func(path string, src []byte) {
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		if lines := strings.Count(string(src), "\n"); lines > maxFileLines {
			t.Errorf("%s has %d lines: more than one room?", path, lines)
		}
	})
}

// TestNoForeignPaths: nothing of the machine a change was written on belongs
// into the tree.
func TestNoForeignPaths(t *testing.T) {
	foreign := regexp.MustCompile(`/(home|root|Users)/[a-z]|(proxy|sum)\.golang\.`)
	eachGoFile(t, func(path string, src []byte) {
		if strings.HasSuffix(path, "layout_test.go") {
			return
		}
		if at := foreign.FindIndex(src); at != nil {
			t.Errorf("%s names %q", path, src[at[0]:at[1]])
		}
	})
}

// TestFidelityRowsNameRealTests: a row of docs/fidelity.md that claims a test
// names one that exists.
func TestFidelityRowsNameRealTests(t *testing.T) {
	tests := map[string]bool{}
	eachGoFile(t, func(path string, src []byte) {
		if !strings.HasSuffix(path, "_test.go") {
			return
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, src, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				tests[f.Name.Name] = true
			}
		}
	})
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "fidelity.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9_]+)[^`]*`").FindAllStringSubmatch(string(page), -1)
	if len(named) == 0 {
		t.Fatal("docs/fidelity.md names no test")
	}
	for _, m := range named {
		if !tests[m[1]] {
			t.Errorf("docs/fidelity.md names %s, which does not exist", m[1])
		}
	}
}

func eachGoFile(t *testing.T, visit func(path string, src []byte)) {
	t.Helper()
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != root {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") {
			return nil
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		visit(path, src)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
