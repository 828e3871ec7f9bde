package state

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// Digester is a Store that can also keep a digest for each of millions of keys.
type Digester interface {
	// Digests opens the set of that name, which may be any text. It is made at the first
	// Save, and may be open in many processes at once. Close it before the store.
	Digests(ctx context.Context, name string) (Digests, error)
}

// Digest is that of a record's content. All zeros stand for none.
type Digest [16]byte

// DigestEntry is what is kept of a record.
type DigestEntry struct {
	// Key is the record's key as text: any bytes but none at all.
	Key string
	// Object is kept beside it: the JSON object of its key columns.
	Object []byte
	// Digest is that of its content. In Save a zero one means that the record was seen with
	// the content that is stored: only the mark is raised, and where nothing is stored
	// nothing is.
	Digest Digest
}

// Digests is a set of digests. Each entry has a mark, the number of the last sweep that has
// seen it. Digests may be used by many goroutines and processes at once, and every call can
// be repeated: what it did is then done already.
type Digests interface {
	// Lookup returns what is stored for keys, in their order; a zero Digest where nothing is.
	Lookup(ctx context.Context, keys []string) ([]Digest, error)
	// Save writes entries and marks them as seen in the sweep: all of them or none, durable
	// when it returns. A mark never falls: of two sweeps the higher stays. Of two entries
	// with one key the later counts.
	Save(ctx context.Context, sweep int64, entries []DigestEntry) error
	// Count returns how many entries the sweep and those after it have not seen, and how
	// many there are.
	Count(ctx context.Context, sweep int64) (unseen, all int64, err error)
	// Unseen returns up to n of the entries that Count counts as unseen and whose key sorts
	// after `after`, by bytes and in that order; "" is the beginning. (A store whose index
	// takes no longer ones may order keys by their first 1,900 bytes: in one order always.)
	Unseen(ctx context.Context, sweep int64, after string, n int) ([]DigestEntry, error)
	// Remove deletes those of the keys that the sweep has not seen. One that was seen since
	// stays.
	Remove(ctx context.Context, sweep int64, keys []string) error
	// Drop deletes all entries.
	Drop(ctx context.Context) error
	// Close ends the use of the set, which stays.
	Close() error
}

// parted makes of entries those that are to be written and the keys of those that are only
// to be marked, each key once and in the order of the keys: that is the order they are stored in.
func parted(entries []DigestEntry) (write []DigestEntry, mark []string, err error) {
	at := make(map[string]int, len(entries)) // in write, from 1; 0 for those to be marked
	for _, e := range entries {
		if e.Key == "" {
			return nil, nil, errors.New("a record without a key has no digest: nothing could tell it from another")
		}
		i, seen := at[e.Key]
		switch {
		case e.Digest == (Digest{}):
			if !seen {
				at[e.Key] = 0
			}
		case i > 0:
			write[i-1] = e
		default:
			write = append(write, e)
			at[e.Key] = len(write)
		}
	}
	for key, i := range at {
		if i == 0 {
			mark = append(mark, key)
		}
	}
	slices.Sort(mark)
	slices.SortFunc(write, func(a, b DigestEntry) int { return strings.Compare(a.Key, b.Key) })
	return write, mark, nil
}
