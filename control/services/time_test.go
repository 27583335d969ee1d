package services

import (
	"bytes"
	"encoding/binary"
	"net"
	"testing"
	"time"
)

func TestTimeAnswersOverBothFamilies(t *testing.T) {
	l := startLab(t, fixture, nil)
	l.ask("i1/eth0")
	begin := time.Date(2026, 1, 2, 3, 4, 5, 500_000_000, time.UTC)
	l.now.Store(&begin)
	for n, conn := range l.listeners.Time {
		for version := byte(1); version <= 4; version++ {
			request := make([]byte, 48)
			request[0] = version<<3 | 3
			request[2] = 6
			copy(request[40:], "transmit")
			answer := askTime(t, conn.LocalAddr(), request)
			if answer[0] != version<<3|4 || answer[1] != 3 || answer[2] != 6 {
				t.Errorf("listener %d, version %d: begins %x", n, version, answer[:4])
			}
			if !bytes.Equal(answer[24:32], []byte("transmit")) {
				t.Errorf("origin timestamp %x", answer[24:32])
			}
			for name, at := range map[string]int{"receive": 32, "transmit": 40} {
				if got := readTimestamp(answer[at:]); !got.Equal(begin) {
					t.Errorf("%s timestamp %v, want %v", name, got, begin)
				}
			}
			if age := begin.Sub(readTimestamp(answer[16:])); age < 0 || age > time.Minute {
				t.Errorf("last set %v ago", age)
			}
		}
	}
}

func askTime(t *testing.T, server net.Addr, request []byte) []byte {
	t.Helper()
	conn, err := net.Dial("udp", server.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := conn.Write(request); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 100)
	n, err := conn.Read(answer)
	if err != nil || n != 48 {
		t.Fatalf("%d bytes, %v", n, err)
	}
	return answer[:n]
}

// readTimestamp is the inverse of putTimestamp, to the microsecond.
func readTimestamp(b []byte) time.Time {
	seconds, fraction := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	return time.Unix(int64(seconds)-2208988800, int64(uint64(fraction)*1e9>>32)).Round(time.Microsecond)
}

func TestTimeIgnoresWhatIsNoClientsRequest(t *testing.T) {
	s := newServer(Config{})
	for name, request := range map[string][]byte{
		"short": make([]byte, 47), "server": timeRequest(4, 4), "broadcast": timeRequest(4, 5), "control": timeRequest(4, 6),
		"version 0": timeRequest(0, 3), "version 7": timeRequest(7, 3), "empty": nil,
	} {
		if answer := s.answerTime(nil, nil, request, time.Now()); answer != nil {
			t.Errorf("%s is answered", name)
		}
	}
	if answer := s.answerTime(nil, nil, append(timeRequest(4, 3), make([]byte, 20)...), time.Now()); len(answer) != 48 {
		t.Errorf("a request with authentication: %d bytes", len(answer))
	}
}

func timeRequest(version, mode byte) []byte {
	request := make([]byte, 48)
	request[0] = version<<3 | mode
	return request
}
