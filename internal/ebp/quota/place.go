package quota

import (
	"context"
	"time"
)

// request is a call that looks for its place.
type request struct {
	begun   time.Time // by this machine's clock
	onlyNow bool      // it takes no place that it must wait for
	// ticket is the place it has, to be given back when it takes another.
	ticket *ticket
	misses int           // how often it came too late for its place
	late   time.Duration // how much the last time
	// prepare gets its caller ready, which it was at prepared.
	prepare  func(context.Context) error
	prepared time.Time
}

// verdict is what a request is told: its place is taken, or how long to wait.
type verdict struct {
	wait time.Duration
	// exhausted: it is the day's calls that are used up, until then.
	exhausted bool
	until     time.Time
	dayEnd    time.Time
	byServer  bool
	again     bool // something happened meanwhile: ask anew
}

// atOnce makes a call that needs no look at the record.
func (a *Account) atOnce() bool {
	if !a.blocks && !a.unlimited {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.local.set() {
		return false
	}
	if a.unlimited {
		return true
	}
	return a.block.takeOne(a.now(), a.asked.Load())
}

// place finds a place for the request, or says how long there is none.
func (a *Account) place(ctx context.Context, q *request) (verdict, error) {
	asked := a.asked.Load() // before anything else is looked at
	a.mu.Lock()
	v := a.local.verdict(a.now())
	a.mu.Unlock()
	if v.wait > 0 || a.unlimited {
		return v, ctx.Err()
	}
	if a.blocks {
		return a.fromBlock(ctx, q, asked)
	}
	var t *ticket
	err := a.update(ctx, q.begun, patience, func(r *record, c clock, sure bool) bool {
		old := q.ticket
		if old != nil && sure {
			r.putBack(old)
		}
		t, v = r.take(c, a.rules(q))
		return t != nil || old != nil && sure
	})
	if err != nil {
		q.ticket = nil // whether it was given back is not known, so it stays counted
		return verdict{}, err
	}
	if q.ticket = t; t != nil {
		t.asked = asked
	}
	return v, nil
}

// await waits for the place that the request has. False: it has to take another.
func (a *Account) await(ctx context.Context, v verdict, q *request) (bool, error) {
	t := q.ticket
	if t == nil { // no place to wait for
		return !v.again, nil
	}
	seen := t.seen
	if d := t.from.Sub(a.now()); d > farAhead {
		if q.prepare != nil {
			if err := a.sleep(ctx, d-prepareBefore); err != nil {
				return false, err
			}
			if err := a.prepare(ctx, q); err != nil {
				return false, err
			}
		}
		if err := a.sleep(ctx, t.from.Sub(a.now())-lookBefore); err != nil {
			return false, err
		}
		if a.held(ctx, t) {
			return false, nil
		}
		seen = a.now()
	}
	if err := a.sleep(ctx, t.from.Sub(a.now())); err != nil {
		return false, err
	}
	if after(a.now(), seen) > farAhead && a.held(ctx, t) { // it woke up late
		return false, nil
	}
	if t.asked != a.asked.Load() {
		return false, nil
	}
	now := a.now()
	if late := after(now, t.until); late > 0 {
		a.mu.Lock()
		a.timing.missed()
		a.mu.Unlock()
		q.misses, q.late = q.misses+1, late
		return false, nil
	}
	a.released(now)
	return true, nil
}

// prepare has the caller get ready, if the last time is too long ago.
func (a *Account) prepare(ctx context.Context, q *request) error {
	if q.prepare == nil || a.now().Sub(q.prepared) < farAhead {
		return nil
	}
	err := q.prepare(ctx)
	q.prepared = a.now()
	return err
}

// held looks whether another process was told to hold the calls since the place was
// taken, or the record's times are no longer those of the ticket. Where it cannot be
// seen the place stands: the call is counted.
func (a *Account) held(ctx context.Context, t *ticket) bool {
	ctx, cancel := context.WithTimeout(ctx, lookBefore*8/10)
	defer cancel()
	r, _, err := a.load(ctx)
	return err == nil && (r.ID != t.id || r.Hold.After(t.start) || r.Until.After(t.start))
}

// giveBack returns a place that will not be used. It tries for a moment only, since
// whoever waited has gone.
func (a *Account) giveBack(ctx context.Context, t *ticket) {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	// If it fails, the call stays counted: that is the safe side.
	_ = a.update(ctx, a.now(), 0, func(r *record, _ clock, sure bool) bool {
		return sure && r.putBack(t)
	})
}

// onRefusal warns, or makes an error of a day that is used up.
func (a *Account) onRefusal(v verdict) error {
	if !v.exhausted {
		return nil
	}
	if !a.config.WaitWhenExhausted {
		return &ExhaustedError{Until: v.until}
	}
	a.mu.Lock()
	first := !a.warned.Equal(v.dayEnd)
	a.warned = v.dayEnd
	a.mu.Unlock()
	switch {
	case !first:
	case v.byServer:
		a.config.Warn("EBP says that the calls of the day are used up; going on at %s", moment(v.until))
	default:
		a.config.Warn("the %d calls of the day are used up; going on at %s", a.config.PerDay, moment(v.until))
	}
	return nil
}
