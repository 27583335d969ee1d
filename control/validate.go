package control

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Validate reports everything that AWS would refuse about a world that
// Complete has seen, with AWS's error codes, in the order of the file. AWS's
// texts name resources by ID; here they go by their names in the file.
//
// Rules about addresses that AWS picks need Allocate to have run before; see
// Prepare.
func (w *World) Validate() Problems { return w.validateAfter(nil) }

// validateAfter is Validate of a world that follows another, or nil: what AWS refuses
// to create may stand if it was there before.
func (w *World) validateAfter(previous *World) Problems {
	v := &validation{w: w, previous: previous, quotas: w.Quotas.orDefault(), subnets: sorted(w.Subnets)}
	w.validate(v)
	for _, k := range Kinds() {
		for _, name := range k.Names(w) {
			r := k.Get(w, name)
			for _, ref := range r.references(w, name) {
				v.reference(ref)
			}
			r.validate(v, name)
		}
	}
	w.duplicateAttachments(v)
	w.insideCIDRClaims(v)
	w.connectClaims(v)
	w.duplicateAssociations(v)
	w.validateDistances(v)
	w.Faults.validate(v, "faults")
	v.addressClaims()
	for i := range w.Checks {
		w.Checks[i].validate(v, index("checks", i))
	}
	return v.problems.sorted()
}

// validation collects what is wrong with one world.
type validation struct {
	w        *World
	previous *World // that this one follows, or nil
	quotas   Quotas
	subnets  []string // names, sorted
	problems Problems
}

// report adds a problem with the value at path, unless that value could not
// even be read, which Load has reported.
func (v *validation) report(path, code, message, hint string) {
	v.reportAt(path, false, badValue{code, message, hint})
}

func (v *validation) reportf(path, code, hint, format string, args ...any) {
	v.report(path, code, fmt.Sprintf(format, args...), hint)
}

// reportKey is report for a problem with the key (a name, a destination) rather
// than with the value behind it.
func (v *validation) reportKey(path, code, message, hint string) {
	v.reportAt(path, true, badValue{code, message, hint})
}

// reportAt finds the place in the file and keeps texts short: a file may quote
// megabytes at us.
func (v *validation) reportAt(path string, key bool, bad badValue) {
	source := v.w.Source
	if source.unreadable(path) {
		return
	}
	p := Problem{Path: shorten(path), Code: bad.code, Message: shorten(bad.message), Hint: shorten(bad.hint)}
	if source != nil {
		p.File = source.File
	}
	if pos, ok := source.nearest(path, key); ok {
		p.Line, p.Column = pos.Line, pos.Column
	}
	v.problems = append(v.problems, p)
}

// missing reports a field without which AWS refuses the request.
func (v *validation) missing(path, hint string) {
	v.reportf(path, "MissingParameter", hint, "The request must contain the parameter %s", lastKey(path))
}

// lastKey is the last component of a path, the name of the parameter.
func lastKey(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }

// reference checks that a reference leads to an object of a kind that may stand
// there and of the right VPC.
func (v *validation) reference(ref reference) {
	if ref.value == "" {
		if ref.required != "" {
			v.missing(ref.path, ref.required)
		}
		return
	}
	for _, plural := range ref.kinds {
		k, _ := KindNamed(plural)
		if k.Get(v.w, ref.value) == nil {
			continue
		}
		owner := v.w.vpcOf(k.Plural, ref.value)
		if ref.vpc != "" && owner != "" && owner != ref.vpc && v.w.VPCs[ref.vpc] != nil && v.w.VPCs[owner] != nil {
			bad := ref.foreign
			if ref.across != nil {
				hint, ok := ref.across(owner)
				if bad.hint = hint; !ok {
					v.reportAt(ref.path, false, bad)
				}
				return
			}
			bad.hint = fmt.Sprintf("%s %s belongs to VPC %s, this to VPC %s", k.Noun, ref.value, owner, ref.vpc)
			v.reportAt(ref.path, false, bad)
		}
		return
	}
	v.reportAt(ref.path, false, v.w.dangling(ref.value, ref.kinds))
}

// idLike matches AWS's IDs: a prefix and 17 (formerly 8) hexadecimal digits.
var idLike = regexp.MustCompile(`^[a-z][a-z-]*-([0-9a-f]{8}|[0-9a-f]{17})$`)

// dangling words the error for a name that leads nowhere.
func (w *World) dangling(value string, plurals []string) badValue {
	var nouns, names []string
	code := ""
	for _, plural := range plurals {
		k, _ := KindNamed(plural)
		if code == "" {
			code = k.NotFound
		}
		if idLike.MatchString(value) && strings.HasPrefix(value, k.IDPrefix+"-") {
			return badValue{k.NotFound, fmt.Sprintf("The %s ID '%s' does not exist", k.Noun, value), "write the name of the object instead of an ID"}
		}
		if !k.Derived {
			nouns = append(nouns, k.Noun)
			names = append(names, k.Names(w)...)
		}
	}
	bad := badValue{code: code, message: fmt.Sprintf("no %s named %q", orList(nouns), value)}
	if near := closest(value, names); near != "" {
		bad.hint = fmt.Sprintf("did you mean %q?", near)
		return bad
	}
	for _, k := range Kinds() {
		if !slices.Contains(plurals, k.Plural) && k.Get(w, value) != nil {
			bad.hint = fmt.Sprintf("%q is the name of %s", value, article(k.Noun))
			return bad
		}
	}
	if len(names) == 0 {
		bad.hint = "the file defines none"
	} else {
		bad.hint = "there is " + someOf(names)
	}
	return bad
}

// vpcOf is the VPC that an object belongs to, "" if that is unknown or the kind
// belongs to none.
func (w *World) vpcOf(plural, name string) string {
	switch plural {
	case "internetGateways":
		if r := w.InternetGateways[name]; r != nil {
			return r.VPC
		}
	case "egressOnlyInternetGateways":
		if r := w.EgressOnlyInternetGateways[name]; r != nil {
			return r.VPC
		}
	case "vpnGateways":
		if r := w.VPNGateways[name]; r != nil {
			return r.VPC
		}
	case "natGateways":
		if r := w.NATGateways[name]; r != nil {
			return w.vpcOf("subnets", r.Subnet)
		}
	case "routeTables":
		if r := w.RouteTables[name]; r != nil {
			return r.VPC
		}
	case "networkAcls":
		if r := w.NetworkACLs[name]; r != nil {
			return r.VPC
		}
	case "subnets":
		if r := w.Subnets[name]; r != nil {
			return r.VPC
		}
	case "securityGroups":
		if r := w.SecurityGroups[name]; r != nil {
			return r.VPC
		}
	case "clientVpnEndpoints":
		if r := w.ClientVPNEndpoints[name]; r != nil {
			return r.Status.VPC
		}
	case "targetGroups":
		if r := w.TargetGroups[name]; r != nil {
			return r.VPC
		}
	case "loadBalancers":
		if r := w.LoadBalancers[name]; r != nil {
			return r.vpc(w)
		}
	case "vpcEndpoints":
		if r := w.VPCEndpoints[name]; r != nil {
			return r.VPC
		}
	case "networkInterfaces":
		if r := w.NetworkInterfaces[name]; r != nil {
			return r.VPC
		}
	}
	return ""
}

var resourceName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// longestName bounds names; instances and Internet hosts become host names.
const longestName = 63

// sharedNames are the kinds among which a bare name must tell one object: the
// ends of checks and the targets of routes; the peers of rules.
var sharedNames = [][]string{
	{"instances", "internetHosts", "internetGateways", "natGateways", "egressOnlyInternetGateways", "vpcPeerings", "transitGateways", "vpnGateways", "vpcEndpoints", "loadBalancers", "sites", "siteHosts", "vpnClients", "awsServices"},
	{"securityGroups", "prefixLists"},
}

// validateNames checks how resources are called.
func (w *World) validateNames(v *validation) {
	for _, k := range Kinds() {
		if k.Derived || k.Plural == "links" || k.Plural == "regions" { // their names mean something, and are looked at elsewhere
			continue
		}
		for _, name := range k.Names(w) {
			if a, ok := k.Get(w, name).(*TransitGatewayAttachment); ok && a.implicit() {
				continue // its name is that of what made it
			}
			path := field(k.Plural, name)
			base, own := name, false
			if vpc, suffix, ok := strings.Cut(name, "/"); ok && w.VPCs[vpc] != nil {
				own = (suffix == "main" && k.Plural == "routeTables") ||
					(suffix == "default" && (k.Plural == "securityGroups" || k.Plural == "networkAcls"))
				base = vpc
			}
			if gateway, suffix, ok := strings.Cut(name, "/"); ok && suffix == "default" && k.Plural == "transitGatewayRouteTables" {
				if g := w.TransitGateways[gateway]; g != nil && g.hasDefaultTable() {
					base, own = gateway, true
				}
			}
			switch {
			case strings.Contains(name, "/") && !own && k.Plural == "transitGatewayRouteTables":
				v.reportKey(path, "", fmt.Sprintf("%q is not a name", name), "only the default table of a transit gateway in this file has a slash in its name: TRANSITGATEWAY/default, unless both default switches are off")
			case strings.Contains(name, "/") && !own:
				v.reportKey(path, "", fmt.Sprintf("%q is not a name", name), "only what AWS makes by itself has a slash in its name: VPC/main, VPC/default, of a VPC in this file")
			case len(base) > longestName:
				v.reportKey(path, "", fmt.Sprintf("the name has %d characters", len(name)), fmt.Sprintf("at most %d", longestName))
			case !resourceName.MatchString(base):
				v.reportKey(path, "", fmt.Sprintf("%q is not a name", name), "use letters, digits, dots, hyphens and underscores, and begin with a letter or digit")
			}
		}
	}
	for _, plurals := range sharedNames {
		first := map[string]Kind{}
		for _, plural := range plurals {
			k, _ := KindNamed(plural)
			for _, name := range k.Names(w) {
				if other, taken := first[name]; taken {
					v.reportKey(field(k.Plural, name), "", fmt.Sprintf("%q is also the name of %s", name, article(other.Noun)),
						"rename one: a reference could mean either")
				}
				first[name] = k
			}
		}
	}
}

// article puts "a" or "an" before a noun.
func article(noun string) string {
	if strings.ContainsRune("aeiouI", rune(noun[0])) {
		return "an " + noun
	}
	return "a " + noun
}

// orList joins words: "a", "a or b", "a, b or c".
func orList(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

// someOf lists a few names and says if there are more.
func someOf(names []string) string {
	const few = 6
	if len(names) > few {
		return strings.Join(names[:few], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}
