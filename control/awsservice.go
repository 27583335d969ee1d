package control

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/vpcsim/vpcsim/dataplane"
)

// AWSService is a service of AWS's own in one Region, as a network sees it: a few
// public addresses on the Internet, and lists of them. Nobody writes one in a file;
// see completeAWSServices for when a lab has them.
type AWSService struct {
	Status AWSServiceStatus `json:"status" yaml:"-"`
}

// AWSServiceStatus is all there is to a service.
type AWSServiceStatus struct {
	Identity
	// ServiceName is how endpoints call it: com.amazonaws.us-east-1.s3.
	ServiceName string `json:"serviceName"`
	Region      string `json:"region"`
	// PrefixList and PrefixListIPv6 are AWS's lists of its addresses.
	PrefixList     string `json:"prefixList"`
	PrefixListIPv6 string `json:"prefixListIpv6"`
	// IP and IPv6 answer for it, of all the addresses in the lists.
	IP   netip.Addr `json:"ip"`
	IPv6 netip.Addr `json:"ipv6"`
	// DNSNames are its public ones. The first has IPv4 addresses only, the second
	// both (E8).
	DNSNames []string `json:"dnsNames"`
}

// awsServices are the services that have gateway endpoints, in the order of their
// blocks of addresses.
var awsServices = []string{serviceS3, serviceDynamoDB}

const (
	serviceS3       = "s3"
	serviceDynamoDB = "dynamodb"
	// awsPrefixLists begins the names of AWS's own prefix lists.
	awsPrefixLists = "com.amazonaws."
)

func awsServiceName(region, service string) string { return awsPrefixLists + region + "." + service }

func (s *AWSService) identity() *Identity { return &s.Status.Identity }

func (s *AWSService) references(*World, string) []reference { return nil }

func (s *AWSService) validate(*validation, string) {}

// dynamoDB tells the service through whose endpoint every flow is tracked (E10).
func (s *AWSService) dynamoDB() bool {
	return strings.HasSuffix(s.Status.ServiceName, "."+serviceDynamoDB)
}

// flowLogName is the service in flow logs (F-C14).
func (s *AWSService) flowLogName() string {
	if s.dynamoDB() {
		return "DYNAMODB"
	}
	return "S3"
}

// prefixLists are the lists of the families that an endpoint serves.
func (s *AWSService) prefixLists(t IPAddressType) []string {
	switch t {
	case IPAddressTypeDualstack:
		return []string{s.Status.PrefixList, s.Status.PrefixListIPv6}
	case IPAddressTypeIPv6:
		return []string{s.Status.PrefixListIPv6}
	}
	return []string{s.Status.PrefixList}
}

// completeAWSServices makes the services of every Region in use, with their prefix
// lists, if the lab has anything to do with one: an endpoint, one of AWS's lists in
// a rule or a route, or a check. Other labs do without, and without the machines
// that stand for them.
func (w *World) completeAWSServices() {
	services := map[string]*AWSService{}
	lists := map[string]*PrefixList{}
	for _, at := range w.awsServiceRegions() {
		for number, service := range awsServices {
			name := service + "." + at.region
			s := &AWSService{}
			if old := w.AWSServices[name]; old != nil {
				s.Status.Identity = old.Status.Identity
			}
			s.settle(at, number, service, lists)
			services[name] = s
		}
	}
	w.AWSServices = services
	for name, l := range w.PrefixLists {
		if l.managed() && lists[name] == nil {
			delete(w.PrefixLists, name)
		}
	}
	for name, l := range lists {
		if old := w.PrefixLists[name]; old == nil || old.managed() {
			if old != nil {
				l.Status.Identity = old.Status.Identity
			}
			w.PrefixLists[name] = l // a list of the user's with this name Validate refuses
		}
	}
}

// settle gives a service its names and addresses, and makes its lists.
func (s *AWSService) settle(at serviceSlot, number int, service string, lists map[string]*PrefixList) {
	v4, v6 := awsServiceBlocks(at.slot, number)
	id, region := s.Status.Identity, at.region
	s.Status = AWSServiceStatus{
		Identity: id, ServiceName: awsServiceName(region, service), Region: region,
		PrefixList: awsServiceName(region, service), PrefixListIPv6: awsServiceName(region, "ipv6."+service),
		DNSNames: []string{service + "." + region + ".amazonaws.com", service + ".dualstack." + region + ".amazonaws.com"},
	}
	if service == serviceDynamoDB {
		s.Status.DNSNames[1] = service + "." + region + ".api.aws"
	}
	s.Status.IP, s.Status.IPv6 = v4.Addr(), v6.Addr()
	for range serviceHost {
		s.Status.IP, s.Status.IPv6 = s.Status.IP.Next(), s.Status.IPv6.Next()
	}
	lists[s.Status.PrefixList] = managedPrefixList(v4)
	lists[s.Status.PrefixListIPv6] = managedPrefixList(v6)
}

// serviceHost is the place in its block of the address that answers for a service.
const serviceHost = 5

// awsServiceRegions are the Regions that have services; none in a lab that has
// nothing to do with them.
func (w *World) awsServiceRegions() []serviceSlot {
	wanted := len(w.VPCEndpoints) > 0
	named := map[string]bool{w.home().region: true}
	note := func(name string) { wanted = wanted || strings.HasPrefix(name, awsPrefixLists) }
	for _, g := range w.SecurityGroups {
		for _, rules := range [][]SecurityGroupRule{g.Ingress, g.Egress} {
			for i := range rules {
				for _, peer := range slices.Concat(rules[i].From, rules[i].To) {
					note(peer.Name)
				}
			}
		}
	}
	for _, t := range w.RouteTables {
		for d := range t.Routes {
			note(d.PrefixList)
		}
	}
	for i := range w.Checks {
		service, region, ok := strings.Cut(w.Checks[i].To, ".")
		if ok && slices.Contains(awsServices, service) && awsRegion.MatchString(region) {
			wanted, named[region] = true, true
		}
	}
	if !wanted {
		return nil
	}
	for _, region := range w.regionsInUse() {
		named[region] = true
	}
	return slotsOf(named)
}

// compile puts the service on the Internet.
func (s *AWSService) compile(c *compilation, name string) {
	c.b.InternetHosts = append(c.b.InternetHosts, dataplane.InternetHost{
		Object:    object(dataplane.KindAWSService, name, s.Status.Identity),
		MAC:       dataplane.InterfaceMAC(dataplane.Handle(s.Status.Handle)),
		Addresses: []netip.Addr{s.Status.IP, s.Status.IPv6},
	})
}

// serviceWith names the service that an address belongs to, "" if to none.
func (w *World) serviceWith(a netip.Addr) string {
	for _, name := range sorted(w.AWSServices) {
		for _, list := range w.AWSServices[name].prefixLists(IPAddressTypeDualstack) {
			if l := w.PrefixLists[list]; l != nil && l.managed() && slices.ContainsFunc(l.Entries, func(p netip.Prefix) bool { return p.Contains(a) }) {
				return fmt.Sprintf("%s (%s)", name, list)
			}
		}
	}
	return ""
}
