// Package packet knows headers as bytes: it parses a frame into a reused
// struct, rewrites addresses and ports in place, cuts superframes into
// segments, and builds the few packets the core originates.
//
// It knows the virtio-net facts of a frame (partial checksums, GSO), because a
// rewrite that ignores them corrupts packets silently. It refuses to know AWS:
// no word of a VPC appears here.
package packet
