package quota

import (
	"context"
	"time"
)

const (
	// defaultPause is for a server that asks to slow down and does not say how much.
	defaultPause = time.Second
	// longestPause and longestExhaustion are what the server is believed; then it is asked
	// again.
	longestPause      = day
	longestExhaustion = 31 * day
	// unknownEnd is when to ask again where it does not say when the day turns.
	unknownEnd = 10 * time.Minute
)

// Slow tells that the server asked for a pause (429): all processes hold their calls
// that long, also those that have their place already. Where the store cannot be
// reached, this process does.
func (a *Account) Slow(ctx context.Context, wait time.Duration) {
	if wait <= 0 {
		wait = defaultPause
	}
	wait = min(wait, longestPause)
	a.tell(ctx, wait, false, func(r *record, c clock, _ bool) bool {
		// Later by what is not known of the store's clock.
		hold := c.now.Add(wait + c.after.Sub(c.before))
		if !hold.After(r.Hold) {
			return false
		}
		r.Hold = hold
		return true
	})
}

// Exhausted tells that the server says that the calls of the day are used up, and when
// there are new ones; 0 where it does not say. All processes hold their calls until
// then, and the day turns then from now on.
func (a *Account) Exhausted(ctx context.Context, wait time.Duration) {
	known := wait > 0
	if known {
		// It tells whole seconds, of a time that may be nearly one more.
		wait = min(wait+time.Second, longestExhaustion)
	} else {
		wait = unknownEnd
	}
	a.tell(ctx, wait, true, func(r *record, c clock, _ bool) bool {
		until := c.now.Add(wait + c.after.Sub(c.before))
		switch {
		case known:
			r.Until, r.DayEnd = until, until
			r.settle(c.now) // the end of this day, where the server means a later one
		case r.Until.After(until):
			return false // somebody was told more
		default:
			r.Until = until
		}
		return true
	})
}

// tell writes what the server said, and keeps it for this process where it cannot.
func (a *Account) tell(ctx context.Context, wait time.Duration, exhausted bool, f change) {
	p := pause{until: a.now().Add(wait), exhausted: exhausted}
	a.mu.Lock()
	a.local.extend(p) // at once, for the calls that are about to be made
	a.mu.Unlock()
	a.asked.Add(1)
	if a.unlimited {
		return
	}
	if err := a.update(ctx, a.now(), shortPatience, f); err != nil {
		return // update has warned
	}
	a.mu.Lock()
	if a.local == p { // the record has it now
		a.local = pause{}
	}
	a.mu.Unlock()
}

// pause is what the server asked of this process.
type pause struct {
	until     time.Time // by this machine's clock
	exhausted bool
}

func (p *pause) set() bool { return !p.until.IsZero() }

func (p *pause) extend(o pause) {
	if o.until.After(p.until) {
		*p = o
	}
}

// verdict says how long the pause lasts from now, and forgets one that has passed.
func (p *pause) verdict(now time.Time) verdict {
	if !p.set() {
		return verdict{}
	}
	wait := p.until.Sub(now)
	if wait <= 0 {
		*p = pause{}
		return verdict{}
	}
	return verdict{wait: wait, exhausted: p.exhausted, until: p.until, dayEnd: p.until, byServer: true}
}
