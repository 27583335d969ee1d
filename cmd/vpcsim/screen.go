package main

import (
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/term"

	"github.com/vpcsim/vpcsim/control/host"
)

// screen is a terminal that a command draws on: its alternate screen, in raw mode.
// The standard library and x/term are enough for a table that is drawn once a
// second; a framework for user interfaces would be larger than all of this program's
// commands.
type screen struct {
	in, out *os.File
	before  *term.State
	wake    *os.File // closing it ends the reading of keys
	reading sync.WaitGroup
	once    sync.Once

	keys    chan byte
	resized chan os.Signal
}

// The control sequences, as every terminal since the VT100 knows them (xterm's
// alternate screen besides).
const (
	screenEnter = "\x1b[?1049h\x1b[?25l"
	screenLeave = "\x1b[?25h\x1b[?1049l"
	screenHome  = "\x1b[H"
	lineRest    = "\x1b[K" // clears to the end of the line
	screenRest  = "\x1b[J" // clears all below
	reverse     = "\x1b[7m"
	plainText   = "\x1b[0m"
)

// openScreen takes the terminal over. Whatever happens then, close gives it back.
func openScreen(in, out *os.File) (*screen, error) {
	wakened, wake, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("terminal: %w", err)
	}
	s := &screen{in: in, out: out, wake: wake, keys: make(chan byte, 16), resized: make(chan os.Signal, 1)}
	if s.before, err = term.MakeRaw(int(in.Fd())); err != nil {
		_, _ = wakened.Close(), wake.Close()
		return nil, fmt.Errorf("terminal: raw mode: %w", err)
	}
	signal.Notify(s.resized, syscall.SIGWINCH)
	fmt.Fprint(out, screenEnter)
	s.reading.Go(func() {
		defer wakened.Close()
		defer s.rescue()
		s.read(wakened)
	})
	return s, nil
}

// read passes keys on until wake is closed.
func (s *screen) read(wakened *os.File) {
	defer close(s.keys)
	key := make([]byte, 1)
	for host.AwaitInput(s.in, wakened) {
		n, err := s.in.Read(key)
		if n == 0 || err != nil { // the terminal hung up
			return
		}
		select {
		case s.keys <- key[0]:
		default: // nobody types faster than a screen is drawn; a paste is no command
		}
	}
}

// draw shows lines from the top of the screen on; those that are too long are cut.
// The first is the title.
func (s *screen) draw(lines []string, width, height int) {
	var b strings.Builder
	b.WriteString(screenHome)
	for i, line := range lines[:min(len(lines), height)] {
		if i > 0 {
			b.WriteString("\r\n")
		}
		if line = cut(line, width); i == 0 {
			line = reverse + line + strings.Repeat(" ", max(width-len([]rune(line)), 0)) + plainText
		}
		b.WriteString(line + lineRest)
	}
	b.WriteString(screenRest)
	_, _ = s.out.WriteString(b.String()) // a terminal that is gone says so by SIGHUP
}

func cut(line string, width int) string {
	if runes := []rune(line); len(runes) > width {
		return string(runes[:width])
	}
	return line
}

// size of the terminal, in characters.
func (s *screen) size() (width, height int) {
	width, height, err := term.GetSize(int(s.out.Fd()))
	if err != nil || width <= 0 || height <= 0 {
		return 80, 24
	}
	return width, height
}

// giveBack sets the terminal back, once.
func (s *screen) giveBack() {
	s.once.Do(func() {
		_, _ = s.out.WriteString(screenLeave)
		_ = term.Restore(int(s.in.Fd()), s.before)
	})
}

// rescue is deferred in goroutines, whose panics end the program past all other
// deferred calls.
func (s *screen) rescue() {
	if p := recover(); p != nil {
		s.giveBack()
		panic(p)
	}
}

// close gives the terminal back and waits for the reading to end.
func (s *screen) close() {
	s.giveBack()
	signal.Stop(s.resized)
	_ = s.wake.Close()
	s.reading.Wait()
}
