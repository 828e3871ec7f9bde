package state

import (
	"context"
	"slices"
	"strings"
	"sync"
)

// memoryDigests is a set of digests that dies with the process.
type memoryDigests struct {
	mu      sync.Mutex
	entries map[string]markedEntry
}

type markedEntry struct {
	DigestEntry
	mark int64
}

// Digests implements Digester.
func (m *Memory) Digests(_ context.Context, name string) (Digests, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, ok := m.digests[name]
	if !ok {
		d = &memoryDigests{entries: map[string]markedEntry{}}
		m.digests[name] = d
	}
	return d, nil
}

// Lookup implements Digests.
func (d *memoryDigests) Lookup(_ context.Context, keys []string) ([]Digest, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	found := make([]Digest, len(keys))
	for i, key := range keys {
		found[i] = d.entries[key].Digest
	}
	return found, nil
}

// Save implements Digests.
func (d *memoryDigests) Save(_ context.Context, sweep int64, entries []DigestEntry) error {
	write, mark, err := parted(entries)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range write {
		if old, ok := d.entries[e.Key]; ok {
			d.entries[e.Key] = markedEntry{cloned(e), max(sweep, old.mark)}
		} else {
			d.entries[e.Key] = markedEntry{cloned(e), sweep}
		}
	}
	for _, key := range mark {
		if e, ok := d.entries[key]; ok {
			e.mark = max(sweep, e.mark)
			d.entries[key] = e
		}
	}
	return nil
}

func cloned(e DigestEntry) DigestEntry {
	e.Object = slices.Clone(e.Object)
	return e
}

// Count implements Digests.
func (d *memoryDigests) Count(_ context.Context, sweep int64) (unseen, all int64, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.entries {
		if e.mark < sweep {
			unseen++
		}
	}
	return unseen, int64(len(d.entries)), nil
}

// Unseen implements Digests.
func (d *memoryDigests) Unseen(_ context.Context, sweep int64, after string, n int) ([]DigestEntry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var unseen []DigestEntry
	for _, e := range d.entries {
		if e.mark < sweep && e.Key > after {
			unseen = append(unseen, e.DigestEntry)
		}
	}
	slices.SortFunc(unseen, func(a, b DigestEntry) int { return strings.Compare(a.Key, b.Key) })
	unseen = unseen[:min(max(n, 0), len(unseen))]
	for i, e := range unseen {
		unseen[i] = cloned(e)
	}
	return unseen, nil
}

// Remove implements Digests.
func (d *memoryDigests) Remove(_ context.Context, sweep int64, keys []string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, key := range keys {
		if e, ok := d.entries[key]; ok && e.mark < sweep {
			delete(d.entries, key)
		}
	}
	return nil
}

// Drop implements Digests.
func (d *memoryDigests) Drop(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.entries)
	return nil
}

// Close implements Digests.
func (*memoryDigests) Close() error { return nil }
