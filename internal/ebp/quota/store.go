package quota

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/benthos-ebp/benthos-ebp/internal/state"
)

const (
	// patience is how long a call waits for a store that does not answer.
	patience = time.Minute
	// shortPatience is that of what no call depends on.
	shortPatience = 5 * time.Second

	firstBackoff   = 100 * time.Millisecond
	longestBackoff = 5 * time.Second
	// longestConflict bounds the wait of one that another process was faster than.
	longestConflict = 50 * time.Millisecond

	// goodReading is how exactly the store's clock has to be known; otherwise it is read
	// again, up to readings times.
	goodReading = 20 * time.Millisecond
	readings    = 3
)

// change alters a settled record and reports whether to write it. sure is false after
// an attempt that may have been written though it failed: what must not happen twice,
// such as giving calls back, must not happen then.
type change func(r *record, c clock, sure bool) bool

// update changes the record. While the store does not answer it tries again, until ctx
// ends or the patience that counts from begun, or from where the store failed if that
// was later, has ended.
func (a *Account) update(ctx context.Context, begun time.Time, patience time.Duration, f change) error {
	if err := take(ctx, a.writing); err != nil {
		return err
	}
	defer func() { <-a.writing }()
	conflicts, backoff, sure := 0, firstBackoff, true
	for {
		wrote, err := a.attempt(ctx, patience, sure, f)
		switch {
		case err == nil:
			if !a.failing.IsZero() {
				a.config.Warn("the %s can be reached again; calls go on", a.record())
			}
			a.failing = time.Time{}
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, state.ErrConflict):
			conflicts, a.failing = conflicts+1, time.Time{}
			most := min(longestConflict, time.Millisecond<<min(conflicts, 10))
			if err := a.sleep(ctx, rand.N(most)+1); err != nil {
				return err
			}
			continue
		case errors.Is(err, state.ErrDamaged):
			return &DamagedError{Record: a.record(), Cause: err}
		case lasting(err):
			return &NotCountedError{Record: a.record(), Cause: err}
		}
		sure = sure && !wrote
		if a.failing.IsZero() {
			a.failing = a.now()
			a.config.Warn("the %s cannot be reached; no calls are made until it can: %v", a.record(), err)
		}
		if since := later(begun, a.failing); a.now().Sub(since)+backoff > patience {
			return &NotCountedError{Record: a.record(), Cause: err}
		}
		if err := a.sleep(ctx, backoff-rand.N(backoff/4)); err != nil {
			return err
		}
		backoff = min(2*backoff, longestBackoff)
	}
}

// lasting reports whether an error stays until a person does something.
func lasting(err error) bool {
	for _, reason := range []error{fs.ErrPermission, syscall.EROFS, syscall.ENOTDIR} {
		if errors.Is(err, reason) {
			return true
		}
	}
	return false
}

func (a *Account) record() string {
	return fmt.Sprintf("record %s of the state %s", a.key, a.config.Store)
}

// attempt changes the record once. wrote is true where it came as far as writing.
func (a *Account) attempt(ctx context.Context, patience time.Duration, sure bool, f change) (wrote bool, err error) {
	if patience > 0 { // else ctx has an end of its own
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	// The record first: a clock that is behind it was then set back, and not read earlier.
	r, version, err := a.load(ctx)
	if err != nil {
		return false, err
	}
	c, err := a.clock(ctx)
	if err != nil {
		return false, err
	}
	moved := r.settle(c.now)
	if !f(r, c, sure) && !moved {
		a.note(r)
		return false, nil
	}
	value, err := json.Marshal(r)
	if err != nil {
		return false, fmt.Errorf("encoding the count: %w", err)
	}
	if _, err := a.config.Store.Put(ctx, a.key, value, version); err != nil {
		return true, err
	}
	a.note(r)
	a.mu.Lock()
	a.timing.wrote(a.now().Sub(c.after))
	a.mu.Unlock()
	return true, nil
}

// load reads the record, an empty one where there is none.
func (a *Account) load(ctx context.Context) (*record, state.Version, error) {
	stored, err := a.config.Store.Get(ctx, a.key)
	if errors.Is(err, state.ErrNotFound) {
		return &record{}, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	r, err := decode(stored.Value)
	return r, stored.Version, err
}

// clock reads the store's clock as exactly as it can be had without effort.
func (a *Account) clock(ctx context.Context) (clock, error) {
	var best clock
	for i := range readings {
		before := a.now()
		now, err := a.config.Store.Now(ctx)
		if err != nil {
			return clock{}, err
		}
		c := clock{now: now.Round(0).UTC(), before: before, after: a.now()}
		if took := c.after.Sub(c.before); i == 0 || took < best.after.Sub(best.before) {
			best = c
			if took <= goodReading {
				break
			}
		}
	}
	return best, nil
}

// note remembers what is left.
func (a *Account) note(r *record) {
	left := max(0, a.config.PerDay-r.Used)
	if !r.Until.IsZero() {
		left = 0
	}
	a.left.Store(int64(left))
}
