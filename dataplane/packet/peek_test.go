package packet

import "testing"

func TestPeekAgreesWithParse(t *testing.T) {
	for _, k := range kinds {
		r := random()
		for range 100 {
			f := Frame{Data: Append(nil, k.spec(k.randomTuple(r), nil))}
			p := mustParse(t, &f)
			var got Tuple
			ok := Peek(f.Data, &got)
			if want := k.proto == ProtoTCP || k.proto == ProtoUDP; ok != want {
				t.Fatalf("%s: Peek says %v", k.name, ok)
			}
			if ok && got != p.Tuple {
				t.Fatalf("%s: got %v, want %v", k.name, got, p.Tuple)
			}
		}
	}
}

func TestPeekRefusesWhatItCannotRead(t *testing.T) {
	whole := Append(nil, Spec{Tuple: tuple6})
	var got Tuple
	for n := range len(whole) {
		Peek(whole[:n], &got) // must not read behind the end
	}
	options := Append(nil, Spec{Tuple: tuple4})
	options[ethernetLen] = 0x46
	if Peek(options, &got) {
		t.Error("read the options for ports")
	}
}
