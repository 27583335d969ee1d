package control

import (
	"reflect"
	"strings"
)

// fileFields visits the fields of a struct that a file can contain, those of
// embedded structs included, with their names.
func fileFields(t reflect.Type, visit func(name string, index []int, f reflect.StructField)) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			fileFields(f.Type, func(name string, index []int, inner reflect.StructField) {
				visit(name, append([]int{i}, index...), inner)
			})
		case f.Tag.Get("yaml") != "-" && name != "-":
			visit(name, []int{i}, f)
		}
	}
}

// fieldNames are the keys that a struct of type t takes, in order of declaration.
func fieldNames(t reflect.Type) (names []string) {
	fileFields(t, func(name string, _ []int, _ reflect.StructField) { names = append(names, name) })
	return names
}

// fieldNamed is the field of v that a key stands for, settable if v is.
func fieldNamed(v reflect.Value, key string) (reflect.Value, bool) {
	var found reflect.Value
	fileFields(v.Type(), func(name string, index []int, _ reflect.StructField) {
		if name == key {
			found = v.FieldByIndex(index)
		}
	})
	return found, found.IsValid()
}
