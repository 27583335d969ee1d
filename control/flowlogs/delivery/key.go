package delivery

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"path"
	"time"

	"github.com/vpcsim/vpcsim/control/flowlogs"
)

// slotSeconds is how much time the records of one file cover (F14).
const slotSeconds = 300

// slotOf is the beginning of the slot that a record's end falls in.
func slotOf(end time.Time) int64 { return end.Unix() - end.Unix()%slotSeconds }

// stem is the key of a destination's objects for a slot, as far as it is the same for
// all of them: what is missing is the hash and the ending (F12, F13).
func stem(d *flowlogs.Destination, logID string, slot int64) string {
	t := time.Unix(slot, 0).UTC()
	parts := []string{"AWSLogs", d.Account, "vpcflowlogs", d.Region, t.Format("2006"), t.Format("01"), t.Format("02"), t.Format("15")}
	if d.Hive {
		for i, name := range []string{"", "aws-account-id", "aws-service", "aws-region", "year", "month", "day", "hour"} {
			if name != "" {
				parts[i] = name + "=" + parts[i]
			}
		}
	}
	if !d.Hourly {
		parts = parts[:len(parts)-1]
	}
	name := fmt.Sprintf("%s_vpcflowlogs_%s_%s_%s", d.Account, d.Region, logID, t.Format("20060102T1504Z"))
	return path.Join(append(append([]string{d.Prefix}, parts...), name)...)
}

// ending is what AWS's names end with.
func ending(d *flowlogs.Destination) string {
	if d.Parquet {
		return ".log.parquet"
	}
	return ".log.gz"
}

// newHash tells the objects of one slot apart: eight digits, as AWS has them.
func newHash() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
