package control

import (
	"cmp"
	"fmt"
	"regexp"
)

// DefaultRegion is the Region of a world that names none.
const DefaultRegion = "us-east-1"

// DefaultAccount owns everything in a world that names no account. It is the
// account of AWS's own examples.
const DefaultAccount AccountID = "123456789012"

// AccountID is an AWS account: twelve digits, of which the first may be zeros.
type AccountID string

var accountDigits = regexp.MustCompile(`^[0-9]{12}$`)

func (a AccountID) String() string { return string(a) }

func (a *AccountID) parse(text string) error {
	if !accountDigits.MatchString(text) {
		return badValue{
			code:    "InvalidParameterValue",
			message: fmt.Sprintf("%q is not an AWS account", text),
			hint:    "an account ID has twelve digits, such as " + string(DefaultAccount),
		}
	}
	*a = AccountID(text)
	return nil
}

// place is where a resource lives: what AWS counts "per Region" it counts per
// account too.
type place struct {
	account AccountID
	region  string
}

// home is the place of everything that names no other.
func (w *World) home() place {
	return place{cmp.Or(w.Account, DefaultAccount), cmp.Or(w.Region, DefaultRegion)}
}

// placeOf is where a VPC lives and all that is in it; without a VPC, home.
func (w *World) placeOf(vpc string) place {
	p := w.home()
	if v := w.VPCs[vpc]; v != nil {
		p = place{cmp.Or(v.Account, p.account), cmp.Or(v.Region, p.region)}
	}
	return p
}

// validateRegion checks a Region that the file writes. AWS opens new ones all the
// time, so it is the form that counts.
func validateRegion(v *validation, path, region string) {
	if region != "" && !awsRegion.MatchString(region) {
		v.reportf(path, "InvalidParameterValue", "write a Region such as us-east-1", "%q is not an AWS Region", region)
	}
}
