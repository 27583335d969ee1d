package awsapi

import "encoding/xml"

// ClientVPNConnection is EC2's ClientVpnConnection. Numbers and times are text in it,
// as in AWS's API, whose times have no zone and are UTC. The names in JSON are those
// that the AWS CLI shows, for whoever prints connections the same way.
type ClientVPNConnection struct {
	EndpointID     string        `json:"ClientVpnEndpointId" xml:"clientVpnEndpointId"`
	Timestamp      string        `json:"Timestamp" xml:"timestamp"` // of the answer
	ConnectionID   string        `json:"ConnectionId" xml:"connectionId"`
	Username       string        `json:"Username" xml:"username"`
	Established    string        `json:"ConnectionEstablishedTime" xml:"connectionEstablishedTime"`
	IngressBytes   string        `json:"IngressBytes" xml:"ingressBytes"`
	EgressBytes    string        `json:"EgressBytes" xml:"egressBytes"`
	IngressPackets string        `json:"IngressPackets" xml:"ingressPackets"`
	EgressPackets  string        `json:"EgressPackets" xml:"egressPackets"`
	ClientIP       string        `json:"ClientIp" xml:"clientIp"`
	ClientIPv6     string        `json:"ClientIpv6Address,omitempty" xml:"clientIpv6Address,omitempty"`
	CommonName     string        `json:"CommonName" xml:"commonName"`
	Status         Status        `json:"Status" xml:"status"`
	Ended          string        `json:"ConnectionEndTime,omitempty" xml:"connectionEndTime,omitempty"`
	Posture        items[string] `json:"PostureComplianceStatuses" xml:"postureComplianceStatusSet"` // of a connect handler, which no lab has
}

// Status is a state and, where it is not the usual one, why.
type Status struct {
	Code    string `json:"Code" xml:"code"`
	Message string `json:"Message,omitempty" xml:"message,omitempty"`
}

type describeClientVPNConnectionsInput struct {
	ec2Describe
	EndpointID string `json:"ClientVpnEndpointId"`
}

type describeClientVPNConnectionsOutput struct {
	XMLName     xml.Name                   `xml:"http://ec2.amazonaws.com/doc/2016-11-15/ DescribeClientVpnConnectionsResponse"`
	ID          string                     `xml:"requestId"`
	Connections items[ClientVPNConnection] `xml:"connections"`
	NextToken   string                     `xml:"nextToken,omitempty"`
}

// describeClientVPNConnections answers for one endpoint, as AWS does: there is no way
// to ask for all of an account.
func (h *Handler) describeClientVPNConnections(in *describeClientVPNConnectionsInput) (any, *Error) {
	if err := in.allowed(); err != nil {
		return nil, err
	}
	if in.EndpointID == "" {
		return nil, refuse("MissingParameter", "The request must contain the parameter ClientVpnEndpointId")
	}
	all, exists := h.config.ClientVPNConnections(in.EndpointID)
	if !exists {
		return nil, refuse("InvalidClientVpnEndpointId.NotFound", "Endpoint %s does not exist", in.EndpointID)
	}
	var found []ClientVPNConnection
	for _, c := range all {
		wanted, err := in.wants(map[string]string{"connection-id": c.ConnectionID, "username": c.Username}, nil)
		if err != nil {
			return nil, err
		}
		if wanted {
			found = append(found, c)
		}
	}
	shown, next, err := cutDescribed(found, &in.ec2Describe)
	if err != nil {
		return nil, err
	}
	return describeClientVPNConnectionsOutput{ID: requestID(), Connections: shown, NextToken: next}, nil
}
