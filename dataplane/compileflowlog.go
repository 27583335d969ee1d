package dataplane

import "fmt"

// flowLogs gives interfaces and attachments what their flow logs want of them. It
// comes when all of these are there.
func (c *compiler) flowLogs() {
	for _, l := range c.b.FlowLogs {
		var want FlowAction
		if l.Accept {
			want |= FlowAccept
		}
		if l.Reject {
			want |= FlowReject
		}
		c.s.logged = true
		switch o := c.s.objects[l.Resource]; o.Kind {
		case KindNetworkInterface, KindNATGateway, KindTransitGatewayInterface, KindClientVPNInterface, KindVPCEndpointInterface, KindLoadBalancerNode:
			c.s.interfaces[c.index[l.Resource]].logs |= want
		case KindTransitGateway:
			for i := range c.s.attachments {
				a := &c.s.attachments[i]
				a.logged = a.logged || a.gateway == c.index[l.Resource]
			}
		case KindTransitGatewayAttachment:
			for i := range c.s.attachments {
				a := &c.s.attachments[i]
				a.logged = a.logged || a.handle == l.Resource
			}
		case KindNone: // it is no part of this snapshot: nothing passes it
		default:
			c.errs = append(c.errs, fmt.Errorf("flow log: handle %d is %s, which has none", l.Resource, o))
		}
	}
}
