package host

import "os"

// EnterArgument is the first argument by which the binary knows that it was
// started to enter a node: main calls [EnterMain] when os.Args[1] is it, before
// it looks at anything else.
const EnterArgument = "__enter"

// ProcessSpec says what [Host.Command] starts and with what.
type ProcessSpec struct {
	Args []string // Args[0] is looked up in PATH
	Env  []string // the whole environment, and PATH with the sbin directories behind; nil: the daemon's own
	Dir  string   // empty: /

	// The standard files; nil is /dev/null. They are the caller's, who may
	// close them when Command has returned.
	Stdin, Stdout, Stderr *os.File
	// TTY is the slave of a PTY. It takes the place of the three and becomes
	// the controlling terminal.
	TTY *os.File

	Files NodeFiles
}

// NodeFiles are the contents of files that a node has for itself; an empty one
// leaves the machine's file in sight.
type NodeFiles struct {
	Hosts      string // /etc/hosts
	ResolvConf string // /etc/resolv.conf; names are then looked up in Hosts and by DNS only
	// Directories of the node's own, by where its programs see them: each is
	// one of the machine's, which must exist, and through which the programs
	// of the node can meet. /var/run/wireguard is where wg(8) looks for
	// sockets.
	Directories map[string]string `json:",omitempty"`
}

// SpawnConfig says how [Spawn] starts the lab's daemon.
type SpawnConfig struct {
	Args []string // after the program's name
	Env  []string // nil: the caller's
	Dir  string   // empty: the caller's

	Stdin, Stdout, Stderr *os.File   // nil: /dev/null
	ExtraFiles            []*os.File // descriptors 3, 4, … of the daemon

	// Detached lets the daemon outlive the caller. Otherwise it learns of the
	// caller's death, however sudden, from [Lifeline].
	Detached bool
}
