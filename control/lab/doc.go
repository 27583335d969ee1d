// Package lab runs a lab: it joins what the other packages know to one program
// that can be brought up, asked, changed and taken down.
//
//	control      what the user asked for        ─┐
//	host         namespaces, veths, processes    ├─▶ the daemon (lab.go)
//	port, engine frames in, frames out           │      ▲ API, a socket (api.go)
//	scenarios    checks                         ─┘      │
//	                                                 Client ◀── cmd/vpcsim
//
// A lab is one process, the daemon, in namespaces of its own. Everything else
// talks to it over a socket in the lab's directory that only its owner can
// open: HTTP with JSON, and file descriptors for programs' input and output.
// The package's own parts, one file each:
//
//   - lab.go is the daemon's life from the first call to the last.
//   - plumbing.go says which namespaces and addresses a world needs.
//   - servers.go and run.go are what runs inside the instances.
//   - endpoint.go and trace.go understand what users write after "trace".
//   - capture.go streams what the engine's captures take; captureplace.go knows
//     where one can look.
//   - probe.go holds the checks' claims against real sockets.
//   - api.go is the socket's language; server.go, fetch.go and
//     exec.go answer it, client.go and clientexec.go ask.
//   - start.go and find.go start daemons and find those that run.
//
// It refuses to know what a packet's way is (dataplane), what AWS allows
// (control), how Linux is asked (host), and how results look on a terminal
// (cmd/vpcsim).
package lab
