package services

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"fmt"
	"strings"
	"time"
)

// Credentials live six hours and are replaced every hour, so that those one reads
// are always good for five hours more; AWS promises five minutes.
const (
	credentialsLife  = 6 * time.Hour
	credentialsRenew = time.Hour
)

// describeRole adds the instance profile and the credentials of its role. Without
// a role there is no iam/ at all.
func (d *Directory) describeRole(tree items, i *instance, now time.Time) {
	role := i.Role
	if role == "" {
		return
	}
	owner := &i.primary().vpc.Status
	issued := now.Truncate(credentialsRenew)
	tree.set("meta-data/iam/info", document(struct {
		Code, LastUpdated, InstanceProfileArn, InstanceProfileId string
	}{
		"Success", timestamp(issued),
		fmt.Sprintf("arn:%s:iam::%s:instance-profile/%s", partition(owner.Region), owner.Account, role),
		"AIPA" + identifier("profile", role),
	}))
	seed := i.Status.ID + "\x00" + role + "\x00" + timestamp(issued)
	tree.set("meta-data/iam/security-credentials/"+role, document(struct {
		Code, LastUpdated, Type, AccessKeyId, SecretAccessKey, Token, Expiration string
	}{
		"Success", timestamp(issued), "AWS-HMAC", "ASIA" + identifier("key", seed),
		secret("secret", seed, 30), secret("session", seed, 264), timestamp(issued.Add(credentialsLife)),
	}))
}

// identifier is what follows the four letters of an AWS identifier: 16 capital
// letters and digits.
func identifier(purpose, seed string) string {
	sum := sha256.Sum256([]byte(purpose + "\x00" + seed))
	return base32.StdEncoding.EncodeToString(sum[:10])
}

// secret is size bytes in base64 that look like chance. They follow from the
// seed alone: nothing in the lab or elsewhere accepts them, and a test gets the
// same ones in every run.
func secret(purpose, seed string, size int) string {
	var b strings.Builder
	for n := 0; b.Len() < size; n++ {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%d", purpose, seed, n))
		b.Write(sum[:])
	}
	return base64.StdEncoding.EncodeToString([]byte(b.String()[:size]))
}
