package sweep

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp/paging"
	"github.com/benthos-ebp/benthos-ebp/internal/state"
)

// version identifies what a row held: its key, its date and its content.
type version [versionBytes]byte

const versionBytes = 16

func versionOf(r *paging.Record, date Stamp) version {
	h := sha256.New()
	h.Write([]byte(r.Key))
	h.Write([]byte{0})
	h.Write([]byte(date.String()))
	h.Write([]byte{0})
	h.Write(r.Raw)
	var v version
	copy(v[:], h.Sum(nil))
	return v
}

// window says where the versions of a sweep are: the last ones in the cursor itself, so
// that they and the place they belong to are written as one; those before in records of
// their own, which never change once they are written. A version written and not counted
// here does not count.
type window struct {
	// Sweep numbers the sweep that made it; its chunks go by that number.
	Sweep  int64  `json:"sweep,omitempty"`
	Chunks int    `json:"chunks,omitempty"`
	Tail   []byte `json:"tail,omitempty"`
}

const (
	// chunkVersions is how many versions a chunk holds.
	chunkVersions = 1024
	// mostChunks bounds a window to a million versions, 16 MB. What is beyond is
	// delivered again.
	mostChunks = 1000
)

func (w window) check() error {
	if w.Sweep < 0 || w.Chunks < 0 || w.Chunks > mostChunks || len(w.Tail)%versionBytes != 0 || len(w.Tail) > chunkVersions*versionBytes {
		return errors.New("its window makes no sense")
	}
	return nil
}

func chunkKey(unit string, sweep int64, chunk int) string {
	return windowPrefix + unit + "/" + strconv.FormatInt(sweep, 10) + "/" + strconv.Itoa(chunk)
}

// builder collects the versions of a sweep.
type builder struct {
	window
	full bool
}

// snapshot is the window as it is now; what is added later does not change it.
func (b *builder) snapshot() window {
	w := b.window
	w.Tail = slices.Clip(w.Tail)
	return w
}

// chunk is a full chunk, to be written before the cursor that counts it.
type chunk struct {
	key  string
	data []byte
}

// add adds a version and returns the chunk that it completed. What was returned as the
// window before stays valid: the tail is only ever appended to.
func (b *builder) add(unit string, v version) *chunk {
	if b.full {
		return nil
	}
	b.Tail = append(b.Tail, v[:]...) // behind what snapshots see
	if len(b.Tail) < chunkVersions*versionBytes {
		return nil
	}
	c := &chunk{chunkKey(unit, b.Sweep, b.Chunks), b.Tail}
	b.Tail = nil
	b.Chunks++
	b.full = b.Chunks == mostChunks
	return c
}

// versions are those of a window, sorted: a million of them take 16 MB.
type versions []version

func (s versions) has(v version) bool {
	_, ok := slices.BinarySearchFunc(s, v, version.compare)
	return ok
}

func (v version) compare(o version) int { return bytes.Compare(v[:], o[:]) }

func (s versions) add(data []byte) versions {
	for ; len(data) >= versionBytes; data = data[versionBytes:] {
		s = append(s, version(data))
	}
	return s
}

// load reads a window.
func (w window) load(ctx context.Context, store state.Store, unit string) (versions, error) {
	out := make(versions, 0, w.Chunks*chunkVersions+len(w.Tail)/versionBytes)
	for i := range w.Chunks {
		key := chunkKey(unit, w.Sweep, i)
		r, err := store.Get(ctx, key)
		if err != nil {
			return nil, fmt.Errorf("%w: reading what was delivered already: the record %q in %s: %w", ErrCursor, key, store, err)
		}
		if len(r.Value) != chunkVersions*versionBytes {
			return nil, fmt.Errorf("%w: the record %q in %s has %d bytes instead of %d", ErrCursor, key, store, len(r.Value), chunkVersions*versionBytes)
		}
		out = out.add(r.Value)
	}
	out = out.add(w.Tail)
	slices.SortFunc(out, version.compare)
	return out, nil
}
