package state

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Memory is a Store that dies with the process, for the embedded sandbox and for
// tests.
type Memory struct {
	mu      sync.Mutex
	records map[string]Record
	aside   map[string]Record
	leases  map[string]chan struct{} // holds one token while the lease is free
	digests map[string]*memoryDigests
}

var (
	_ Store    = (*Memory)(nil)
	_ Digester = (*Memory)(nil)
)

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{records: map[string]Record{}, aside: map[string]Record{}, leases: map[string]chan struct{}{}, digests: map[string]*memoryDigests{}}
}

// Get implements Store.
func (m *Memory) Get(_ context.Context, key string) (Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.records[key]
	if !ok {
		return Record{}, ErrNotFound
	}
	r.Value = slices.Clone(r.Value)
	return r, nil
}

// Put implements Store.
func (m *Memory) Put(_ context.Context, key string, value []byte, expected Version) (Version, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.records[key].Version != expected {
		return 0, ErrConflict
	}
	m.records[key] = Record{Value: slices.Clone(value), Version: expected + 1}
	return expected + 1, nil
}

// Reserve implements Store: memory is not reserved.
func (*Memory) Reserve(context.Context, string, int) error { return nil }

// SetAside implements Store.
func (m *Memory) SetAside(_ context.Context, key string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.records[key]
	if !ok {
		return "", ErrNotFound
	}
	aside := fmt.Sprintf("aside/%d/%s", len(m.aside)+1, key)
	m.aside[aside] = r
	delete(m.records, key)
	return m.String() + aside, nil
}

// Keys implements Store.
func (m *Memory) Keys(_ context.Context, prefix string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var keys []string
	for key := range m.records {
		if strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys, nil
}

// Delete implements Store.
func (m *Memory) Delete(_ context.Context, key string, expected Version) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.records[key]
	switch {
	case !ok:
		return ErrNotFound
	case r.Version != expected:
		return ErrConflict
	}
	delete(m.records, key)
	return nil
}

// Lease implements Store.
func (m *Memory) Lease(ctx context.Context, name string) (Lease, error) {
	free := m.lease(name)
	select {
	case <-free:
		return newLocalLease(func() { free <- struct{}{} }), nil
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for the lease %q: %w", name, ended(ctx))
	}
}

// TryLease implements Store.
func (m *Memory) TryLease(_ context.Context, name string) (Lease, error) {
	free := m.lease(name)
	select {
	case <-free:
		return newLocalLease(func() { free <- struct{}{} }), nil
	default:
		return nil, nil
	}
}

func (m *Memory) lease(name string) (free chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	free, ok := m.leases[name]
	if !ok {
		free = make(chan struct{}, 1)
		free <- struct{}{}
		m.leases[name] = free
	}
	return free
}

// Now implements Store.
func (*Memory) Now(context.Context) (time.Time, error) { return time.Now(), nil }

// String implements Store.
func (*Memory) String() string { return "memory:" }

// Close implements Store.
func (*Memory) Close() error { return nil }
