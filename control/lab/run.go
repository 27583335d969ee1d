package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/host"
)

// programs are the commands that a world starts in its nodes with run:. They
// are not restarted: what ended, ended, and the log says how.
type programs struct {
	host *host.Host
	// sites and clients are the directories of what these have for themselves;
	// appliances are among the sites, whose names are other ones.
	sites, clients string
	log            *slog.Logger

	mu      sync.Mutex
	running map[programKey]*program
}

// programKey: the same command twice in one node is two programs.
type programKey struct {
	name       string // the instance or Internet host
	node       string // its node: in a replaced one everything starts again
	command    string
	repetition int
}

// program is a command of run: that was started, and may have ended.
type program struct {
	process *host.Process
	output  *os.File // our end of the pipe
	done    sync.WaitGroup
}

func newPrograms(h *host.Host, sites, clients string, log *slog.Logger) *programs {
	return &programs{host: h, sites: sites, clients: clients, log: log, running: map[programKey]*program{}}
}

// converge starts what w has and does not run yet, and stops what runs and w no
// longer has. Dir is where the commands start.
func (p *programs) converge(w *control.World, dir string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	wanted := wantedPrograms(w)
	var gone []*program
	for key, running := range p.running {
		if !slices.Contains(wanted, key) {
			gone = append(gone, running)
			delete(p.running, key)
		}
	}
	stopPrograms(gone)
	var errs []error
	for _, key := range wanted {
		if p.running[key] != nil {
			continue
		}
		started, err := p.start(key, w, dir)
		if err != nil {
			errs = append(errs, fmt.Errorf("run %q: %w", key.command, err))
			continue
		}
		p.running[key] = started
	}
	return errors.Join(errs...)
}

// close stops all programs and waits for them.
func (p *programs) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	stopPrograms(slices.Collect(maps.Values(p.running)))
	p.running = map[programKey]*program{}
}

func wantedPrograms(w *control.World) []programKey {
	var wanted []programKey
	for _, name := range NodeNames(w) {
		var commands []string
		if i := w.Instances[name]; i != nil {
			commands = i.Run
		} else {
			machine, _ := outsideMachine(w, name)
			commands = machine.run
		}
		count := map[string]int{}
		for _, command := range commands {
			wanted = append(wanted, programKey{name, nodeName(w, name), command, count[command]})
			count[command]++
		}
	}
	return wanted
}

func (p *programs) start(key programKey, w *control.World, dir string) (*program, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer write.Close()
	process, err := p.host.Command(key.node, host.ProcessSpec{
		Args: []string{"/bin/sh", "-c", key.command}, Dir: dir,
		Stdout: write, Stderr: write,
		Files: p.files(w, key.name),
	})
	if err != nil {
		_ = read.Close()
		return nil, err
	}
	started := &program{process: process, output: read}
	log := p.log.With("node", key.name)
	log.Debug("program started", "command", key.command, "pid", process.PID())
	started.done.Go(func() { logLines(read, log) })
	started.done.Go(func() {
		code, err := process.Wait()
		level := slog.LevelInfo
		if code != 0 || err != nil {
			level = slog.LevelWarn
		}
		log.Log(context.Background(), level, "program ended", "command", key.command, "code", code)
	})
	return started, nil
}

// files are what a node has in place of the machine's files.
func (p *programs) files(w *control.World, node string) host.NodeFiles {
	files := host.NodeFiles{Hosts: hostsFile(w, node), ResolvConf: resolvFile(w, node)}
	var err error
	switch {
	case w.Sites[node] != nil, w.Instances[node] != nil && w.Instances[node].Status.Appliance != nil:
		// What routes there is started with the same directories: here birdc and vtysh
		// find its sockets, and not those of the machine's own daemon.
		files.Directories, err = siteDirectories(filepath.Join(p.sites, node))
	case w.VPNClients[node] != nil:
		files.Directories, err = clientDirectories(filepath.Join(p.clients, node))
	}
	if err != nil {
		p.log.Warn("wg(8), birdc and vtysh will not find what is the node's own", "node", node, "error", err)
	}
	return files
}

// logLines writes a program's output to the log, a line an entry. Overlong
// lines are cut into pieces.
func logLines(output *os.File, log *slog.Logger) {
	lines := bufio.NewReaderSize(output, 8<<10)
	for {
		line, _, err := lines.ReadLine()
		if err != nil {
			return
		}
		log.Info("program wrote", "line", string(line))
	}
}

// stopGrace is how long a program may take to end by itself.
const stopGrace = time.Second

// stopPrograms asks the programs to end, and ends those that do not. What they
// left in the background dies with the node.
func stopPrograms(list []*program) {
	for _, p := range list {
		_ = p.process.Signal(syscall.SIGTERM)
	}
	deadline := time.After(stopGrace)
	for _, p := range list {
		select {
		case <-p.process.Done():
		case <-deadline:
			expired := make(chan time.Time)
			close(expired) // for all that follow, too
			deadline = expired
			_ = p.process.Kill()
		}
	}
	for _, p := range list {
		<-p.process.Done()
		_ = p.output.Close()
		p.done.Wait()
	}
}
