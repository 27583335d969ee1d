package control

import (
	"fmt"
	"slices"
	"strings"
)

// VPCEndpointService offers what is behind Network Load Balancers to other VPCs.
type VPCEndpointService struct {
	// Network Load Balancers that connections go by, of one Region.
	LoadBalancers []string `json:"loadBalancers"`
	// Whether somebody has to accept each endpoint, which is AWS's default.
	AcceptanceRequired *bool `json:"acceptanceRequired,omitempty"`
	// Who may make endpoints: accounts, ARNs of theirs such as
	// arn:aws:iam::123456789012:root, or "*"; nobody unless written.
	AllowedPrincipals []string `json:"allowedPrincipals,omitempty"`
	// DNS name that endpoints with privateDnsEnabled resolve in their VPC.
	PrivateDNSName string `json:"privateDnsName,omitempty"`

	Status VPCEndpointServiceStatus `json:"status" yaml:"-"`
}

// VPCEndpointServiceStatus is what AWS makes of an endpoint service.
type VPCEndpointServiceStatus struct {
	Identity
	ServiceName        string `json:"serviceName"` // com.amazonaws.vpce.us-east-1.vpce-svc-…
	State              string `json:"serviceState"`
	AcceptanceRequired bool   `json:"acceptanceRequired"`
	// Region and Account are those of the load balancers' VPC.
	Region  string    `json:"region"`
	Account AccountID `json:"account"`
	// AvailabilityZones have a node.
	AvailabilityZones []string `json:"availabilityZones"`
	// Endpoints that connect to it, in any state; sorted.
	Endpoints []string `json:"vpcEndpoints"`
}

func (s *VPCEndpointService) identity() *Identity { return &s.Status.Identity }

func (s *VPCEndpointService) references(_ *World, name string) (refs []reference) {
	for i, b := range s.LoadBalancers {
		refs = append(refs, reference{
			path: index(field(field("vpcEndpointServices", name), "loadBalancers"), i), value: b, set: func(n string) { s.LoadBalancers[i] = n },
			kinds: []string{"loadBalancers"}, required: "write a load balancer",
		})
	}
	return refs
}

func (s *VPCEndpointService) computeStatus(w *World, name string) {
	st := &s.Status
	st.State, st.AcceptanceRequired = "Available", s.AcceptanceRequired == nil || *s.AcceptanceRequired
	at := w.placeOf("")
	st.AvailabilityZones, st.Endpoints = []string{}, []string{}
	for i, b := range s.LoadBalancers {
		if balancer := w.LoadBalancers[b]; balancer != nil {
			if i == 0 {
				at = w.placeOf(balancer.Status.VPC)
			}
			st.AvailabilityZones = append(st.AvailabilityZones, balancer.zones()...)
		}
	}
	slices.Sort(st.AvailabilityZones)
	st.AvailabilityZones = slices.Compact(st.AvailabilityZones)
	st.Region, st.Account = at.region, at.account
	st.ServiceName = "com.amazonaws.vpce." + at.region + "." + st.ID
	for _, e := range sorted(w.VPCEndpoints) {
		if w.endpointService(w.VPCEndpoints[e].Service) == name {
			st.Endpoints = append(st.Endpoints, e)
		}
	}
}

// endpointService is the name of the endpoint service that is called so in the file,
// by its ID or by its service name; "" if there is none.
func (w *World) endpointService(called string) string {
	for _, name := range sorted(w.VPCEndpointServices) {
		s := &w.VPCEndpointServices[name].Status
		if called == name || called == s.ID || called == s.ServiceName {
			return name
		}
	}
	return ""
}

func (s *VPCEndpointService) validate(v *validation, name string) {
	path := field("vpcEndpointServices", name)
	if len(s.LoadBalancers) == 0 {
		v.missing(field(path, "loadBalancers"), "write the load balancers that connections go by")
	}
	if slices.Contains(awsServices, name) {
		v.reportKey(path, "", fmt.Sprintf("%q is the name of a service of AWS's", name), "rename it: an endpoint's service could mean either")
	}
	for i, b := range s.LoadBalancers {
		if balancer := v.w.LoadBalancers[b]; balancer != nil && v.w.placeOf(balancer.Status.VPC).region != s.Status.Region {
			v.reportf(index(field(path, "loadBalancers"), i), "InvalidParameter", "make a service in each Region", "load balancer %s is not in %s", b, s.Status.Region)
		}
	}
	for i, p := range s.AllowedPrincipals {
		if _, ok := principalAccount(p); !ok {
			v.reportf(index(field(path, "allowedPrincipals"), i), "InvalidPrincipal", `write an account, an ARN such as arn:aws:iam::123456789012:root, or "*"`, "Invalid Principal: '%s'", p)
		}
	}
	if s.PrivateDNSName != "" && !domainName.MatchString(s.PrivateDNSName) {
		v.reportf(field(path, "privateDnsName"), "InvalidParameter", "write a name such as kv.example.com", "%q is not a DNS name", s.PrivateDNSName)
	}
}

// allows reports whether an account may make endpoints (E17). Users and roles are
// not emulated: an ARN of one lets its whole account in.
func (s *VPCEndpointService) allows(account AccountID) bool {
	return slices.ContainsFunc(s.AllowedPrincipals, func(p string) bool {
		allowed, _ := principalAccount(p)
		return allowed == "*" || allowed == string(account)
	})
}

// principalAccount is the account of a principal, or "*".
func principalAccount(p string) (account string, ok bool) {
	if parts := strings.SplitN(p, ":", 6); len(parts) == 6 && parts[0] == "arn" && parts[2] == "iam" {
		p = parts[4]
	}
	return p, p == "*" || accountDigits.MatchString(p)
}
