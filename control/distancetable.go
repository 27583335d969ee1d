package control

import (
	"math"
	"time"
)

// coordinates are degrees north and east.
type coordinates struct{ latitude, longitude float64 }

// regionPlaces is where AWS's Regions are: the city or the state that AWS names
// them after. Within a metropolitan area it makes no difference to a round trip.
var regionPlaces = map[string]coordinates{
	"af-south-1":     {-33.9, 18.4},  // Cape Town
	"ap-east-1":      {22.3, 114.2},  // Hong Kong
	"ap-east-2":      {25.0, 121.5},  // Taipei
	"ap-northeast-1": {35.7, 139.7},  // Tokyo
	"ap-northeast-2": {37.6, 127.0},  // Seoul
	"ap-northeast-3": {34.7, 135.5},  // Osaka
	"ap-south-1":     {19.1, 72.9},   // Mumbai
	"ap-south-2":     {17.4, 78.5},   // Hyderabad
	"ap-southeast-1": {1.4, 103.8},   // Singapore
	"ap-southeast-2": {-33.9, 151.2}, // Sydney
	"ap-southeast-3": {-6.2, 106.8},  // Jakarta
	"ap-southeast-4": {-37.8, 145.0}, // Melbourne
	"ap-southeast-5": {3.1, 101.7},   // Kuala Lumpur
	"ap-southeast-6": {-36.8, 174.8}, // Auckland
	"ap-southeast-7": {13.8, 100.5},  // Bangkok
	"ca-central-1":   {45.5, -73.6},  // Montreal
	"ca-west-1":      {51.0, -114.1}, // Calgary
	"cn-north-1":     {39.9, 116.4},  // Beijing
	"cn-northwest-1": {38.5, 106.2},  // Ningxia
	"eu-central-1":   {50.1, 8.7},    // Frankfurt
	"eu-central-2":   {47.4, 8.5},    // Zurich
	"eu-north-1":     {59.3, 18.1},   // Stockholm
	"eu-south-1":     {45.5, 9.2},    // Milan
	"eu-south-2":     {41.6, -0.9},   // Aragon
	"eu-west-1":      {53.3, -6.3},   // Dublin
	"eu-west-2":      {51.5, -0.1},   // London
	"eu-west-3":      {48.9, 2.4},    // Paris
	"il-central-1":   {32.1, 34.8},   // Tel Aviv
	"me-central-1":   {24.5, 54.4},   // Abu Dhabi
	"me-south-1":     {26.1, 50.6},   // Manama
	"mx-central-1":   {20.6, -100.4}, // Querétaro
	"sa-east-1":      {-23.5, -46.6}, // São Paulo
	"us-east-1":      {39.0, -77.5},  // Northern Virginia
	"us-east-2":      {40.0, -83.0},  // Ohio
	"us-gov-east-1":  {40.0, -83.0},  // Ohio
	"us-gov-west-1":  {45.8, -119.7}, // Oregon
	"us-west-1":      {37.4, -121.9}, // Northern California
	"us-west-2":      {45.8, -119.7}, // Oregon
}

// wellKnownRoundTrips are pairs whose usual round trip many people know, in
// milliseconds. AWS promises none of them; each pair stands in the order of the
// alphabet.
var wellKnownRoundTrips = map[[2]string]float64{
	{"ap-northeast-1", "ap-northeast-2"}: 34,
	{"ap-northeast-1", "ap-southeast-1"}: 70,
	{"ap-northeast-1", "ap-southeast-2"}: 105,
	{"ap-northeast-1", "us-east-1"}:      150,
	{"ap-northeast-1", "us-west-2"}:      98,
	{"ap-south-1", "ap-southeast-1"}:     60,
	{"ap-south-1", "eu-central-1"}:       125,
	{"ap-southeast-1", "ap-southeast-2"}: 92,
	{"ap-southeast-1", "eu-central-1"}:   160,
	{"ap-southeast-1", "us-east-1"}:      220,
	{"ap-southeast-1", "us-west-2"}:      165,
	{"ap-southeast-2", "us-east-1"}:      200,
	{"ap-southeast-2", "us-west-2"}:      140,
	{"ca-central-1", "us-east-1"}:        15,
	{"eu-central-1", "eu-north-1"}:       22,
	{"eu-central-1", "eu-west-1"}:        25,
	{"eu-central-1", "eu-west-2"}:        15,
	{"eu-central-1", "eu-west-3"}:        10,
	{"eu-central-1", "us-east-1"}:        92,
	{"eu-central-1", "us-west-2"}:        142,
	{"eu-north-1", "us-east-1"}:          110,
	{"eu-west-1", "eu-west-2"}:           11,
	{"eu-west-1", "eu-west-3"}:           18,
	{"eu-west-1", "us-east-1"}:           68,
	{"eu-west-1", "us-west-2"}:           125,
	{"eu-west-2", "us-east-1"}:           76,
	{"eu-west-3", "us-east-1"}:           82,
	{"sa-east-1", "us-east-1"}:           114,
	{"us-east-1", "us-east-2"}:           12,
	{"us-east-1", "us-west-1"}:           62,
	{"us-east-1", "us-west-2"}:           68,
	{"us-east-2", "us-west-2"}:           50,
	{"us-west-1", "us-west-2"}:           21,
}

// What turns a great circle into a round trip: light in glass makes 200 km in a
// millisecond, cables do not lie straight, and at both ends some routers take
// their time. The detour is what fits the well-known pairs best.
const (
	earthRadius  = 6371.0 // km
	glassSpeed   = 200.0  // km/ms
	cableDetour  = 1.35
	metroLatency = 2.0 // ms
)

// typicalRoundTrip is the usual time between two different Regions and back,
// false for one that this table does not have.
func typicalRoundTrip(a, b string) (Duration, bool) {
	if a > b {
		a, b = b, a
	}
	if ms, ok := wellKnownRoundTrips[[2]string{a, b}]; ok {
		return milliseconds(ms), true
	}
	from, knownA := regionPlaces[a]
	to, knownB := regionPlaces[b]
	if !knownA || !knownB {
		return 0, false
	}
	return milliseconds(math.Round(2*from.distance(to)*cableDetour/glassSpeed + metroLatency)), true
}

func milliseconds(ms float64) Duration { return Duration(ms * float64(time.Millisecond)) }

// distance is the great circle in kilometres.
func (c coordinates) distance(d coordinates) float64 {
	const degree = math.Pi / 180
	north := math.Sin((d.latitude - c.latitude) * degree / 2)
	east := math.Sin((d.longitude - c.longitude) * degree / 2)
	h := north*north + math.Cos(c.latitude*degree)*math.Cos(d.latitude*degree)*east*east
	return 2 * earthRadius * math.Asin(math.Sqrt(h))
}

// typicalZoneRoundTrip is the usual time between two Availability Zones of a
// Region and back. AWS says "single-digit milliseconds"; most are below one.
const typicalZoneRoundTrip = Duration(600 * time.Microsecond)
