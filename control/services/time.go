package services

import (
	"encoding/binary"
	"time"
)

const (
	// timeMessage is an NTP message without extension fields or authentication.
	timeMessage    = 48
	maxTimeRequest = 1024
)

// Modes of NTP messages.
const (
	timeClient = 3
	timeServer = 4
)

// answerTime is the Time Sync Service: the clock of this machine, as a server of
// stratum 3, which is what chrony sees on AWS. Seconds are never smeared here.
// Authentication is ignored, as by a server that has no key.
func (s *server) answerTime(_ *Directory, _ *networkInterface, request []byte, received time.Time) []byte {
	if len(request) < timeMessage {
		return nil
	}
	version, mode := request[0]>>3&7, request[0]&7
	if mode != timeClient || version < 1 || version > 4 {
		return nil // servers and control messages: an answer would invite loops
	}
	answer := make([]byte, timeMessage)
	answer[0] = version<<3 | timeServer // no leap second in sight
	answer[1] = 3                       // stratum
	answer[2] = request[2]              // poll interval: the client's
	answer[3] = 0xec                    // precision: 2^-20 s
	binary.BigEndian.PutUint32(answer[4:], 1<<16/4000)
	binary.BigEndian.PutUint32(answer[8:], 1<<16/4000) // root delay, dispersion: 0.25 ms
	upstream := TimeIPv4.Prev().As4()
	copy(answer[12:], upstream[:]) // reference ID: a stratum 2 server that nobody can be
	putTimestamp(answer[16:], received.Truncate(16*time.Second))
	copy(answer[24:], request[40:48]) // origin: the client's transmit time, as it wrote it
	putTimestamp(answer[32:], received)
	putTimestamp(answer[40:], s.now())
	return answer
}

// putTimestamp writes seconds since 1900 and their fraction. The seconds start
// again at 0 in 2036; clients know.
func putTimestamp(b []byte, t time.Time) {
	const from1900to1970 = 2208988800
	binary.BigEndian.PutUint32(b, uint32(t.Unix()+from1900to1970))
	binary.BigEndian.PutUint32(b[4:], uint32(uint64(t.Nanosecond())<<32/1e9))
}
