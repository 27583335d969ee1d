package flowlogs

// Destination is where the records of a flow log go, and as what. It is not changed
// after it was handed over: every entry of the log points to it, and may be delivered
// when the log is no more.
type Destination struct {
	// Bucket of S3 that the records go to; "" for CloudWatch Logs.
	Bucket string
	// Prefix of the keys in the bucket, without slashes at its ends; may be "".
	Prefix string
	// Account and Region of the flow log, which keys name (F12).
	Account, Region string
	// Parquet files rather than text.
	Parquet bool
	// Hive and Hourly are AWS's hiveCompatiblePartitions and perHourPartition (F13).
	Hive, Hourly bool
	// Format of the records.
	Format Format
	// IntervalSeconds of aggregation: so much later than its end a record can come.
	IntervalSeconds int64
}

// ColumnType is a type of Parquet's, of which flow logs need three.
type ColumnType uint8

// The types of fields.
const (
	ColumnString ColumnType = iota
	ColumnInt32
	ColumnInt64
)

// Column is a field as a Parquet file has it.
type Column struct {
	Name string // with _ where the field has -, as in AWS's table definitions
	Type ColumnType
}

// Columns are the fields in the format's order.
func (f Format) Columns() []Column {
	list := make([]Column, len(f.fields))
	for i := range f.fields {
		name := f.fields[i].name
		list[i] = Column{columnName(name), columnTypes[name]}
	}
	return list
}

func columnName(field string) string {
	name := []byte(field)
	for i, c := range name {
		if c == '-' {
			name[i] = '_'
		}
	}
	return string(name)
}

// columnTypes are those of the fields that are no text (section 5 of AWS's list).
var columnTypes = map[string]ColumnType{
	"version": ColumnInt32, "srcport": ColumnInt32, "dstport": ColumnInt32, "protocol": ColumnInt32, "tcp-flags": ColumnInt32,
	"traffic-path": ColumnInt32, "encryption-status": ColumnInt32,
	"packets": ColumnInt64, "bytes": ColumnInt64, "start": ColumnInt64, "end": ColumnInt64,
	"packets-lost-no-route": ColumnInt64, "packets-lost-blackhole": ColumnInt64,
	"packets-lost-mtu-exceeded": ColumnInt64, "packets-lost-ttl-expired": ColumnInt64,
}

// TransitGateway reports whether the format is one of a transit gateway's logs.
func (f Format) TransitGateway() bool { return f.transit }
