package control

import _ "embed"

// schema is generated from the resource structs and their comments by
//
//	go test ./control -run TestSchemaIsCurrent -update
//
// and kept as a file, so that editors can read it straight from the repository
// and the program needs no reflection over its own sources.
//
//go:embed schema.json
var schema []byte

// Schema is the JSON Schema (draft 2020-12) of scenario files, for completion
// and checks in editors. The caller owns the result.
func Schema() ([]byte, error) { return append([]byte(nil), schema...), nil }
