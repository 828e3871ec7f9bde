package sweep

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/benthos-ebp/benthos-ebp/internal/state"
)

// run is a run of mode full that reads every list once. It is stored so that a run that
// was interrupted is gone on with, and so that processes share it: what it has read to the
// end is not read again before it is over.
type run struct {
	Run   time.Time `json:"run"`
	Ended bool      `json:"ended"`
}

func runKey(cursor, profile string) string { return "runs/" + escaped(cursor, profile) }

func loadRun(ctx context.Context, store state.Store, key string) (r run, v state.Version, err error) {
	stored, err := store.Get(ctx, key)
	if errors.Is(err, state.ErrNotFound) {
		return run{Ended: true}, 0, nil
	}
	if err != nil {
		return run{}, 0, stateError("reading the run of the cursor", err)
	}
	if err := strictly(stored.Value, &r); err != nil || r.Run.IsZero() {
		return run{}, 0, fmt.Errorf("%w: the record %q in %s is no run", ErrCursor, key, store)
	}
	return r, stored.Version, nil
}

func (r run) save(ctx context.Context, store state.Store, key string, v state.Version) error {
	value, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = store.Put(ctx, key, value, v)
	return err
}

// JoinRun returns the run of a cursor that is not over, or begins one now.
func JoinRun(ctx context.Context, store state.Store, cursor, profile string, now time.Time) (began time.Time, joined bool, err error) {
	key := runKey(cursor, profile)
	for {
		r, v, err := loadRun(ctx, store, key)
		if err != nil {
			return time.Time{}, false, err
		}
		if !r.Ended {
			return r.Run, true, nil
		}
		err = run{Run: now}.save(ctx, store, key, v)
		if err == nil {
			return now, false, nil
		}
		if !errors.Is(err, state.ErrConflict) { // else somebody else has begun one
			return time.Time{}, false, stateError("beginning a run of the cursor", err)
		}
	}
}

// EndRun says that a run has come to every list. A run that is over already, or another
// one, is left alone.
func EndRun(ctx context.Context, store state.Store, cursor, profile string, began time.Time) error {
	key := runKey(cursor, profile)
	r, v, err := loadRun(ctx, store, key)
	if err != nil || r.Ended || !r.Run.Equal(began) {
		return err
	}
	r.Ended = true
	if err := r.save(ctx, store, key, v); err != nil && !errors.Is(err, state.ErrConflict) {
		return stateError("ending a run of the cursor", err)
	}
	return nil
}

// dropRun forgets the run of a cursor.
func dropRun(ctx context.Context, store state.Store, cursor, profile string) error {
	stored, err := store.Get(ctx, runKey(cursor, profile))
	if err == nil {
		err = store.Delete(ctx, runKey(cursor, profile), stored.Version)
	}
	if errors.Is(err, state.ErrNotFound) {
		return nil
	}
	return err
}

// ErrState says that the state could not be used, which may pass by itself.
var ErrState = errors.New("the state cannot be used")

func stateError(doing string, err error) error { return fmt.Errorf("%s: %w: %w", doing, ErrState, err) }
