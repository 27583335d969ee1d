// Package awsapi speaks to AWS's own clients: `aws logs tail`, boto3, whatever takes
// AWS_ENDPOINT_URL. It knows the protocols (JSON, CBOR, forms answered with XML), the
// shapes of requests and answers, and AWS's errors.
//
//   - handler.go is the way of a request, and who may ask.
//   - protocol*.go are the protocols, of which each operation knows nothing.
//   - logs*.go is CloudWatch Logs, alarms.go and metrics.go is CloudWatch.
//   - ec2.go is what EC2's answers have in common; flowlogs.go and clientvpn.go are
//     the two questions to EC2 whose answers only a running network knows.
//
// It only reads, but for SetAlarmState: what a lab is stands in its scenario file.
// Whatever credentials a client has are accepted and not looked at.
//
// It refuses to know what events and alarms are (control/cloudwatch), how delivery or
// a client is doing, and where the sockets are (control/lab).
package awsapi
