// Package state keeps the small records that must outlive a process: sign-in
// tokens, quotas and cursors; and the digests of the records that a read compares with
// its last one.
//
// The contract of every Store:
//
//   - A record is replaced as a whole or not at all. After a crash at any moment a
//     reader finds the record before or the record after, never a mixture.
//   - Put is a compare-and-set on the record's version: of two writers that read
//     the same version one succeeds and the other gets ErrConflict. When Put has
//     returned nil the record is as durable as the store can make it. When it has
//     returned another error, the record may have been written all the same. Delete is
//     the same with nothing in the record's place.
//   - A damaged record is reported as ErrDamaged and stays where it is. It is never
//     taken for a missing one, which would make a caller start from nothing. SetAside,
//     on a person's request, is the only way past it.
//   - A lease is held by one holder at a time across all processes that share the
//     store, is free again by itself when its holder's process is gone, and is never
//     taken from a live one that reaches the store.
//   - Now is one clock for all processes that share the store.
//
// Stores may be used by many goroutines at once.
package state

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
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
	// Reserve prepares for a Put of that key on which much depends: it does not fail for
	// want of space, if its value has size bytes at most, and a store that would otherwise
	// be durable a moment later waits for that. It fails where there is no space, and does
	// no more than it can.
	Reserve(ctx context.Context, key string, size int) error
	// SetAside moves the record under key, damaged or not, to where no reader looks for
	// it, and says where; ErrNotFound where there is none. Afterwards the key is free.
	SetAside(ctx context.Context, key string) (where string, err error)
	// Keys returns the keys that begin with prefix, sorted by their bytes; those set aside
	// are not among them, damaged records are. It is an error where the key of a damaged
	// record is not known: nothing is left out in silence. Of a record that is made or
	// deleted meanwhile it may say either.
	Keys(ctx context.Context, prefix string) ([]string, error)
	// Delete removes the record under key if its version still is expected, else
	// ErrConflict; ErrNotFound where there is none, and ErrDamaged where it cannot be
	// trusted. The next Put of that key expects version 0. When Delete has returned another
	// error, the record may be gone all the same.
	Delete(ctx context.Context, key string, expected Version) error
	// Lease waits until name is free and takes it. It gives up when ctx ends, with an
	// error that wraps the context's.
	Lease(ctx context.Context, name string) (Lease, error)
	// TryLease takes name if it is free now, and returns nil, nil where somebody else has it.
	TryLease(ctx context.Context, name string) (Lease, error)
	// Now returns the time by the store's clock, which may be another than this
	// machine's.
	Now(ctx context.Context) (time.Time, error)
	// String names the store for people, without secrets.
	String() string
	Close() error
}

// Lease is a lease that was taken. A store whose leases run out by time prolongs it in
// the background until Release.
type Lease interface {
	// Held reports whether nobody else can have the lease within d from now: false
	// after Release, and where it could not be prolonged for too long.
	Held(d time.Duration) bool
	// Release frees the lease. It may be called more than once.
	Release()
}

// Open opens the store that a configuration names: "file:DIR", "memory:", or the URL of
// a server, redis://, rediss://, postgres:// or postgresql://. Nothing is made and nobody
// is called until the store is used. Errors never show what follows the scheme, which
// may hold a password.
func Open(location string) (Store, error) {
	scheme, rest, ok := strings.Cut(location, ":")
	if !ok {
		return nil, errUnknown("the state is not known")
	}
	switch scheme = strings.ToLower(scheme); scheme {
	case "file":
		if rest = strings.TrimPrefix(rest, "//"); rest == "" {
			return nil, errors.New(`state "file:" names no directory: write file:/path/to/directory`)
		}
		return openFile(rest)
	case "memory":
		if rest == "" {
			return NewMemory(), nil
		}
		return nil, errors.New(`state "memory:…" is not known: write memory: and nothing after it`)
	case "redis", "rediss":
		return OpenRedis(location)
	case "postgres", "postgresql":
		return OpenPostgres(location)
	}
	// An unknown scheme may be the user name of an address that was pasted by half.
	return nil, errUnknown("the state names a store that is not known")
}

// openFile makes a path absolute, so that people see which directory it is.
func openFile(path string) (Store, error) {
	if inHome, ok := strings.CutPrefix(path, "~/"); ok { // no shell has seen it
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, fmt.Errorf("state file:~/… names a home directory that is not known: %w", err)
		}
		path = filepath.Join(home, inHome)
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("state file:%s: %w", path, err)
	}
	return NewFile(absolute), nil
}

func errUnknown(what string) error {
	return errors.New(what + ": write file:/path/to/directory, redis://host:6379/0, postgres://user:password@host:5432/database, or memory: for a state that ends with the process")
}
