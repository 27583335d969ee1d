package dataplane

import "testing"

// TestNATGatewayThatIsDownDropsBothWays holds that a broken gateway is still there,
// and that its connections go on when it is repaired.
func TestNATGatewayThatIsDownDropsBothWays(t *testing.T) {
	n := newNATNetwork(t).publish()
	n.want("out", hI3, datagram("203.0.113.10", 53), VerdictPass, ReasonDelivered)
	answer := n.back()
	n.b.NATGateways[0].Stopped = true
	n.publish()
	n.want("out, down", hI3, datagram("203.0.113.10", 53), VerdictDrop, ReasonInterfaceDown)
	n.want("back, down", hHost, answer, VerdictDrop, ReasonInterfaceDown)
	n.b.NATGateways[0].Stopped = false
	n.publish()
	n.want("back, repaired", hHost, answer, VerdictPass, ReasonDelivered)
}
