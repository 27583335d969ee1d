package services

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"
)

// tokenKey makes and checks session tokens. A token proves itself, by a keyed
// hash over its instance and its expiry, so that there is no store to fill: a
// client may ask for as many as it likes.
//
// The key lives as long as the server; tokens do not survive a restart of the
// lab, and neither do its instances.
type tokenKey [32]byte

func newTokenKey() (key tokenKey) {
	rand.Read(key[:]) // never fails: it crashes the program first
	return key
}

// A token is 42 bytes: expiry in Unix milliseconds, a nonce, and the hash. In
// base64 these are the 56 characters that AWS's tokens have.
const (
	tokenNonce = 8
	tokenHash  = 16 + tokenNonce
	tokenSize  = 42
)

// issue makes a token for one instance.
func (key *tokenKey) issue(i *instance, now time.Time, life time.Duration) string {
	token := make([]byte, tokenHash, tokenSize)
	binary.BigEndian.PutUint64(token, uint64(now.Add(life).UnixMilli()))
	rand.Read(token[tokenNonce:])
	return base64.URLEncoding.EncodeToString(append(token, key.hash(i, token)...))
}

// check reports whether a token was made for this instance, and how much of its
// life is left.
func (key *tokenKey) check(text string, i *instance, now time.Time) (left time.Duration, ok bool) {
	token, err := base64.URLEncoding.DecodeString(text)
	if err != nil || len(token) != tokenSize || !hmac.Equal(token[tokenHash:], key.hash(i, token[:tokenHash])) {
		return 0, false
	}
	left = time.UnixMilli(int64(binary.BigEndian.Uint64(token))).Sub(now)
	return left, left > 0
}

// hash covers the handle beside the ID: an instance that is made anew keeps its
// ID in a lab, but is another instance.
func (key *tokenKey) hash(i *instance, token []byte) []byte {
	mac := hmac.New(sha256.New, key[:])
	mac.Write(token)
	mac.Write([]byte(i.Status.ID))
	mac.Write(binary.BigEndian.AppendUint32(nil, i.Status.Handle))
	return mac.Sum(nil)[:tokenSize-tokenHash]
}
