// Package control knows what the user asked for: the desired state of one lab,
// called the world, in AWS's nouns, one file per noun. It reads a world from a
// scenario file, adds what AWS would add by itself (main route tables, default
// groups, network interfaces, addresses), checks it by AWS's rules with AWS's
// error codes, explains how two worlds differ, and compiles a world to the
// immutable snapshot that the data plane forwards by.
//
// The way of a world:
//
//	Load ──► Complete ──► Allocate ──► Validate ──► Compile
//	file     AWS's own    addresses    AWS's rules  dataplane.Snapshot
//
// One struct per resource serves as document, stored value, API body and CLI
// row. What the user writes and what AWS computes are kept apart: a resource's
// fields are the former and never changed by this package, except that Complete
// spells every reference as the name of its object; Status is the latter and
// never read from a file.
//
// It refuses to know packets, sockets, namespaces and the operating system.
package control
