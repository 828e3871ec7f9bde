// Package state keeps the small records that must outlive a process: sign-in
// tokens today, cursors, quotas and ledgers tomorrow.
//
// The contract of every Store:
//
//   - A record is replaced as a whole or not at all. After a crash at any moment a
//     reader finds the record before or the record after, never a mixture.
//   - Put is a compare-and-set on the record's version: of two writers that read
//     the same version one succeeds and the other gets ErrConflict. When Put has
//     returned nil the record is durable.
//   - A damaged record is reported as ErrDamaged and stays where it is. It is never
//     taken for a missing one, which would make a caller start from nothing.
//   - A lease is held by one holder at a time across all processes that share the
//     store, and is free again when its holder's process is gone.
//
// Stores may be used by many goroutines at once.
package state

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Errors that callers decide on.
var (
	// ErrNotFound: there is no record under that key.
	ErrNotFound = errors.New("no such record")
	// ErrConflict: the record's version is not the one expected; read it again.
	ErrConflict = errors.New("the record was changed by somebody else")
	// ErrDamaged: the record cannot be trusted. It has to be looked at by a person.
	ErrDamaged = errors.New("the record is damaged")
)

// Version numbers the writes of a record, from 1. 0 stands for "no record".
type Version uint64

// Record is a stored value with its version.
type Record struct {
	Value   []byte
	Version Version
}

// Store keeps records under keys. Keys are slash-separated words such as
// "tokens/1f0c/default"; any characters are allowed in them.
type Store interface {
	// Get returns the record under key, ErrNotFound or ErrDamaged.
	Get(ctx context.Context, key string) (Record, error)
	// Put writes value if the record's version still is expected (0: if there is no
	// record) and returns the new version, else ErrConflict.
	Put(ctx context.Context, key string, value []byte, expected Version) (Version, error)
	// Lease waits until name is free, takes it, and returns the function that frees
	// it. It gives up when ctx ends.
	Lease(ctx context.Context, name string) (release func(), err error)
	// String names the store for people, without secrets.
	String() string
	Close() error
}

// Open opens the store that a configuration names: "file:DIR" or "memory:". The
// directory is made when something is first written.
func Open(location string) (Store, error) {
	scheme, rest, ok := strings.Cut(location, ":")
	switch {
	case ok && scheme == "file":
		if rest = strings.TrimPrefix(rest, "//"); rest == "" {
			return nil, errors.New(`state "file:" names no directory: write file:/path/to/directory`)
		}
		return NewFile(rest), nil
	case ok && scheme == "memory" && rest == "":
		return NewMemory(), nil
	}
	return nil, fmt.Errorf("state %q is not known: write file:/path/to/directory", redact(location))
}

// redact leaves the scheme of a location that may hold a password.
func redact(location string) string {
	if scheme, _, ok := strings.Cut(location, ":"); ok {
		return scheme + ":…"
	}
	return location
}
