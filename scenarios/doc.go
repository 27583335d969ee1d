// Package scenarios knows labs: those that are embedded in the program, and
// what it takes to prove the checks of any lab. The same checks run on every
// [Driver]; this package holds the one that needs no kernel, [Memory], where
// small hosts exchange packets through a real forwarding core.
//
// It refuses to know namespaces and sockets: a driver that uses those lives
// beside what sets them up, and is handed to [Run].
package scenarios
