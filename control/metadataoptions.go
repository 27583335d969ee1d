package control

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
)

// MetadataOptions say who may read an instance's metadata, and how (A51 to A54).
type MetadataOptions struct {
	// required (only with a session token) or optional; required unless written.
	HTTPTokens HTTPTokens `json:"httpTokens,omitempty"`
	// Whether the metadata service answers: enabled or disabled; enabled unless
	// written.
	HTTPEndpoint Toggle `json:"httpEndpoint,omitempty"`
	// How many hops the answer with the token lives, 1 to 64; 1 unless written.
	HTTPPutResponseHopLimit int `json:"httpPutResponseHopLimit,omitempty"`
	// Whether fd00:ec2::254 answers: enabled or disabled; disabled unless written.
	HTTPProtocolIPv6 Toggle `json:"httpProtocolIpv6,omitempty"`
	// Whether the instance's tags can be read: enabled or disabled; disabled
	// unless written.
	InstanceMetadataTags Toggle `json:"instanceMetadataTags,omitempty"`
}

// orDefault is o with AWS's default for everything that is not written.
func (o MetadataOptions) orDefault() MetadataOptions {
	return MetadataOptions{
		HTTPTokens:              cmp.Or(o.HTTPTokens, TokensRequired),
		HTTPEndpoint:            cmp.Or(o.HTTPEndpoint, Enabled),
		HTTPPutResponseHopLimit: cmp.Or(o.HTTPPutResponseHopLimit, 1), // A53
		HTTPProtocolIPv6:        cmp.Or(o.HTTPProtocolIPv6, Disabled),
		InstanceMetadataTags:    cmp.Or(o.InstanceMetadataTags, Disabled),
	}
}

// validate holds the hop limit to AWS's range; 0 that is written is told from one
// that is not by looking into the file.
func (o MetadataOptions) validate(v *validation, path string) {
	at := field(path, "httpPutResponseHopLimit")
	if n := o.HTTPPutResponseHopLimit; n < 0 || n > 64 || n == 0 && v.w.Source.has(at) {
		v.reportf(at, "InvalidParameterValue", "write 1 to 64", "Value (%d) for parameter HttpPutResponseHopLimit is invalid.", n)
	}
}

// Bounds on what a user may hang on an instance.
const (
	mostTags        = 50
	longestTagKey   = 128
	longestTagValue = 256
	longestUserData = 16 << 10
)

// metadataTagKey is what a tag's key has to be to become a path of the metadata
// service.
var metadataTagKey = regexp.MustCompile(`^[0-9a-zA-Z\-_+=,.@:]{1,255}$`)

// validateTags checks an instance's tags; the metadata service can show fewer
// keys than AWS takes.
func (i *Instance) validateTags(v *validation, path string) {
	if len(i.Tags) > mostTags {
		v.reportf(path, "TagLimitExceeded", "", "More than %d tags specified", mostTags)
	}
	for key, value := range i.Tags {
		at := field(path, key)
		switch {
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			v.reportKey(at, "InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use", "")
		case len([]rune(key)) > longestTagKey:
			v.reportKey(at, "InvalidParameterValue", fmt.Sprintf("Tag key exceeds the maximum length of %d characters", longestTagKey), "")
		case len([]rune(value)) > longestTagValue:
			v.reportf(at, "InvalidParameterValue", "", "Tag value exceeds the maximum length of %d characters", longestTagValue)
		case i.MetadataOptions.InstanceMetadataTags == Enabled && (!metadataTagKey.MatchString(key) || key == "." || key == ".." || key == "_index"):
			v.reportKey(at, "InvalidParameterValue",
				fmt.Sprintf(`'%s' is not a valid tag key. Tag keys must match pattern ([0-9a-zA-Z\-_+=,.@:]{1,255}), and must not be a reserved name ('.', '..', '_index')`, key),
				"rename it, or remove instanceMetadataTags")
		}
	}
}

// roleName is what IAM accepts as the name of a role.
var roleName = regexp.MustCompile(`^[A-Za-z0-9+=,.@_-]{1,64}$`)

// validateMetadata checks what the metadata service will say about the instance.
func (i *Instance) validateMetadata(v *validation, path string) {
	i.MetadataOptions.validate(v, field(path, "metadataOptions"))
	i.validateTags(v, field(path, "tags"))
	if i.Role != "" && !roleName.MatchString(i.Role) {
		v.reportf(field(path, "role"), "InvalidParameterValue", "write the name of a role alone: letters, digits and +=,.@_-, at most 64",
			"Value (%s) for parameter iamInstanceProfile.name is invalid.", i.Role)
	}
	if len(i.UserData) > longestUserData {
		v.reportf(field(path, "userData"), "InvalidParameterValue", "", "User data is limited to %d bytes", longestUserData)
	}
}
