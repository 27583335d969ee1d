//go:build linux

package host

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// KeySecret is what the keys of the user's labs are made from: random, the same for as
// long as the state directory lasts, and for its owner alone. It is made when it is
// first asked for.
func (l *Lab) KeySecret() (secret [32]byte, err error) {
	path := filepath.Join(filepath.Dir(l.Dir), ".keysecret") // no lab can have its name
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		text, err = makeSecret(path)
	}
	if err == nil && len(text) != len(secret) {
		err = fmt.Errorf("%s has %d bytes instead of %d: remove it", path, len(text), len(secret))
	}
	if err != nil {
		return secret, fmt.Errorf("the secret that keys are made from: %w", err)
	}
	return [32]byte(text), nil
}

// makeSecret writes a secret whole, and returns the one that is there: another lab
// may have written it at the same time.
func makeSecret(path string) ([]byte, error) {
	file, err := os.CreateTemp(filepath.Dir(path), ".keysecret*") // mode 0600
	if err != nil {
		return nil, err
	}
	defer os.Remove(file.Name())
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	_, err = file.Write(secret)
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	if err := os.Link(file.Name(), path); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	return os.ReadFile(path)
}
