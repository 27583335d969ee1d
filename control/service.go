package control

import (
	"fmt"
	"strings"
)

// Service is a small built-in server of an instance or Internet host.
type Service struct {
	Protocol string // "http", "tcp" or "udp"
	Port     Port
}

func (s Service) String() string { return fmt.Sprintf("%s/%d", s.Protocol, s.Port) }

// Transport is the protocol that the server listens on.
func (s Service) Transport() Protocol {
	if s.Protocol == "udp" {
		return ProtocolUDP
	}
	return ProtocolTCP
}

// parse knows the three servers that the lab has built in.
func (s *Service) parse(text string) error {
	protocol, port, _ := strings.Cut(text, "/")
	var p Port
	if (protocol != "http" && protocol != "tcp" && protocol != "udp") || p.parse(port) != nil {
		return badValue{
			message: fmt.Sprintf("%q is not a built-in server", text),
			hint:    "write http/80, tcp/5432 or udp/53; for any other program use run",
		}
	}
	*s = Service{protocol, p}
	return nil
}

// validateServices checks the programs of an instance or Internet host.
func validateServices(v *validation, path string, serve []Service, run []string) {
	type listener struct {
		transport Protocol
		port      Port
	}
	seen := map[listener]Service{}
	for i, s := range serve {
		l := listener{s.Transport(), s.Port}
		if earlier, taken := seen[l]; taken {
			v.reportf(index(field(path, "serve"), i), "", "remove one of the two",
				"%s and %s listen on the same port", earlier, s)
		}
		seen[l] = s
	}
	for i, command := range run {
		if strings.TrimSpace(command) == "" {
			v.report(index(field(path, "run"), i), "", "an empty command", "write a program and its arguments")
		}
	}
}
