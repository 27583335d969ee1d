// Package awsapi speaks to AWS's own clients: `aws logs tail`, boto3, whatever takes
// AWS_ENDPOINT_URL. It knows the protocols (JSON, CBOR, forms answered with XML), the
// shapes of requests and answers, and AWS's errors.
//
//   - handler.go is the way of a request, and who may ask.
//   - protocol*.go are the protocols, of which each operation knows nothing.
//   - logs*.go is CloudWatch Logs, alarms.go and metrics.go is CloudWatch, and
//     flowlogs.go the one question to EC2 that belongs to them.
//
// It only reads, but for SetAlarmState: what a lab is stands in its scenario file.
// Whatever credentials a client has are accepted and not looked at.
//
// It refuses to know what events and alarms are (control/cloudwatch), and where the
// sockets are (control/lab).
package awsapi
