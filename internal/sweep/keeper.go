package sweep

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/benthos-ebp/benthos-ebp/internal/state"
)

// ErrTaken says that another process writes this cursor now. Whoever reads stops.
var ErrTaken = errors.New("another process has taken the cursor over")

// step is what one page, or the end of a sweep, adds to the cursor once it is acknowledged.
type step struct {
	// seen are digests to store, removed keys whose digests go, of the sweep numbered sweep.
	seen    []state.DigestEntry
	removed []string
	sweep   int64
	// chunks are written before the record.
	chunks []*chunk
	// record is the cursor with this step. It is not changed any more.
	record *record
	// drop are windows whose chunks nobody needs once the record is stored.
	drop []window
	size int // records that wait for it
}

// keeper writes the cursor of one list, away from whoever acknowledges, and writes once
// what came while it was writing. Its goroutine lives while there is something to write.
//
// The invariant: what is stored was acknowledged. Digests, then chunks, then the record: a
// crash between any two leaves a cursor that is behind, never one that is ahead.
type keeper struct {
	store   state.Store
	digests state.Digests // nil where none are kept
	unit    string
	wake    func() // told when everything is stored, or will not be

	mu      sync.Mutex
	version state.Version
	steps   []step
	writing bool
	since   time.Time // when writing began to fail
	trouble error
	taken   error
	closed  bool
	tried   []byte // the last value whose put failed; the writing goroutine's own
	stop    context.CancelFunc
	idle    chan struct{} // closed when the goroutine ends
}

// The waits between two attempts to write.
const (
	writeFirst   = 50 * time.Millisecond
	writeLongest = 5 * time.Second
)

// put hands a step over to be written. It does not wait.
func (k *keeper) put(s step) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.taken != nil || k.closed {
		return
	}
	k.steps = append(k.steps, s)
	if k.writing {
		return
	}
	k.writing = true
	ctx, cancel := context.WithCancel(context.Background())
	k.stop, k.idle = cancel, make(chan struct{})
	go k.write(ctx, k.idle)
}

// clean reports whether everything is stored.
func (k *keeper) clean() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !k.writing && len(k.steps) == 0
}

// failing returns for how long an error has kept the cursor from being written, and the
// error. ErrTaken does not pass.
func (k *keeper) failing() (time.Duration, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.taken != nil:
		return 0, k.taken
	case k.trouble != nil:
		return time.Since(k.since), k.trouble
	}
	return 0, nil
}

// close waits until everything is written, or ctx ends.
func (k *keeper) close(ctx context.Context) error {
	k.mu.Lock()
	idle, stop := k.idle, k.stop
	k.closed = true // what is acknowledged from now on is delivered again
	k.mu.Unlock()
	if idle == nil {
		return nil
	}
	select {
	case <-idle:
	case <-ctx.Done():
		stop()
		<-idle
	}
	_, err := k.failing()
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.steps) > 0 {
		n := 0
		for _, s := range k.steps {
			n += s.size
		}
		return fmt.Errorf("the cursor could not be written in time, %d acknowledged records will be delivered again: %w", n, errors.Join(err, ctx.Err()))
	}
	return err
}

// write stores all steps, the last record only, until there are none.
func (k *keeper) write(ctx context.Context, idle chan struct{}) {
	defer k.wake()
	defer close(idle)
	wait := writeFirst
	for {
		k.mu.Lock()
		steps := k.steps
		if len(steps) == 0 || k.taken != nil {
			k.writing, k.trouble = false, nil
			k.mu.Unlock()
			return
		}
		version := k.version
		k.mu.Unlock()

		version, err := k.store1(ctx, steps, version)
		k.mu.Lock()
		switch {
		case err == nil:
			k.version, k.steps, k.trouble, wait = version, k.steps[len(steps):], nil, writeFirst
		case errors.Is(err, ErrTaken):
			k.taken, k.steps = err, nil
		default:
			if k.trouble == nil {
				k.since = time.Now()
			}
			k.trouble = err
		}
		k.mu.Unlock()
		if err == nil || errors.Is(err, ErrTaken) {
			continue
		}
		select {
		case <-time.After(wait):
			wait = min(2*wait, writeLongest)
		case <-ctx.Done():
			k.mu.Lock()
			k.writing = false
			k.mu.Unlock()
			return
		}
	}
}

// store1 stores steps as one. It may have been done before, in part or in whole.
func (k *keeper) store1(ctx context.Context, steps []step, version state.Version) (state.Version, error) {
	if k.digests != nil {
		if err := k.storeDigests(ctx, steps); err != nil {
			return 0, err
		}
	}
	for _, s := range steps {
		for _, c := range s.chunks {
			if err := k.storeChunk(ctx, c); err != nil {
				return 0, err
			}
		}
	}
	last := steps[len(steps)-1].record
	value, err := encode(last)
	if err != nil {
		return 0, err
	}
	stored, err := k.replace(ctx, last.key(), value, version)
	if err != nil {
		return 0, err
	}
	for _, s := range steps {
		for _, w := range s.drop {
			k.dropWindow(ctx, w)
		}
	}
	return stored, nil
}

// storeDigests writes the digests of steps. A digest that is removed was seen by no step
// of its sweep, so the order among them does not matter.
func (k *keeper) storeDigests(ctx context.Context, steps []step) error {
	for len(steps) > 0 {
		sweep, n := steps[0].sweep, 0
		var seen []state.DigestEntry
		var removed []string
		for ; n < len(steps) && steps[n].sweep == sweep; n++ {
			seen, removed = append(seen, steps[n].seen...), append(removed, steps[n].removed...)
		}
		if len(seen) > 0 {
			if err := k.digests.Save(ctx, sweep, seen); err != nil {
				return fmt.Errorf("keeping what was read: %w", err)
			}
		}
		if len(removed) > 0 {
			if err := k.digests.Remove(ctx, sweep, removed); err != nil {
				return fmt.Errorf("keeping what was read: %w", err)
			}
		}
		steps = steps[n:]
	}
	return nil
}

// storeChunk writes a chunk, over one that a crash left behind.
func (k *keeper) storeChunk(ctx context.Context, c *chunk) error {
	_, err := k.store.Put(ctx, c.key, c.data, 0)
	if !errors.Is(err, state.ErrConflict) {
		return err
	}
	old, err := k.store.Get(ctx, c.key)
	if err != nil || bytes.Equal(old.Value, c.data) {
		return err
	}
	_, err = k.store.Put(ctx, c.key, c.data, old.Version)
	return err
}

// replace writes the record over the version that we know. A put whose answer was lost
// may have been done: then the record holds what we wanted.
func (k *keeper) replace(ctx context.Context, key string, value []byte, version state.Version) (state.Version, error) {
	stored, err := k.store.Put(ctx, key, value, version)
	if err == nil {
		k.tried = nil
		return stored, nil
	}
	now, getErr := k.store.Get(ctx, key)
	if getErr == nil && now.Version == version+1 && k.tried != nil && bytes.Equal(now.Value, k.tried) {
		// An earlier put was done after all, and more has come since.
		return k.replace(ctx, key, value, now.Version)
	}
	switch {
	case getErr == nil && now.Version == version+1 && bytes.Equal(now.Value, value):
		return now.Version, nil
	case getErr == nil && now.Version != version, errors.Is(getErr, state.ErrNotFound) && version != 0:
		return 0, fmt.Errorf("%w: %s was written by somebody else", ErrTaken, key)
	}
	k.tried = value
	return 0, fmt.Errorf("writing the cursor: %w", err)
}

// dropWindow deletes the chunks of a window. One that stays is of no harm.
func (k *keeper) dropWindow(ctx context.Context, w window) {
	for i := range w.Chunks {
		key := chunkKey(k.unit, w.Sweep, i)
		if r, err := k.store.Get(ctx, key); err == nil {
			_ = k.store.Delete(ctx, key, r.Version)
		}
	}
}
