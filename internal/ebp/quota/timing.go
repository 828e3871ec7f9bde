package quota

import (
	"context"
	"time"
)

const (
	// longestSleep is how long a waiting process goes without a look at the record, which
	// a person may have reset and the server may have corrected.
	longestSleep = time.Minute
	// farAhead is how far ahead a place must be for a last look at the record before it is
	// used, lookBefore how long before.
	farAhead   = 250 * time.Millisecond
	lookBefore = 100 * time.Millisecond
	// prepareBefore is how long before its place a caller is asked to get ready.
	prepareBefore = 500 * time.Millisecond

	firstLead    = 50 * time.Millisecond
	longestLead  = 30 * time.Second
	longestSlack = 250 * time.Millisecond
	longestExtra = 5 * time.Second
	// slackOfNoPace is for places that only a minute limits: they may be wide.
	slackOfNoPace = 100 * time.Millisecond
)

// timing learns how fast this machine and its store are. What it allows for makes a
// place wider, which moves the next one away by as much: so it learns slowly.
type timing struct {
	slack       time.Duration // how late a sleeper wakes up
	least, most time.Duration
	writing     time.Duration // what it takes to write the record
}

func newTiming(interval time.Duration) timing {
	t := timing{
		least:   min(5*time.Millisecond, max(interval/100, min(2*time.Millisecond, interval/10))),
		writing: min(firstLead, interval/4) / 2,
	}
	t.most = min(longestSlack, max(t.least, interval/4))
	if interval == 0 {
		t.least, t.most = slackOfNoPace, longestSlack
	}
	t.slack = t.least
	return t
}

// wrote learns from a write: at once that it is slow, little by little that it is not.
func (t *timing) wrote(took time.Duration) {
	t.writing = min(max(took, t.writing/2), longestLead/2)
	t.slack = max(t.least, t.slack-t.slack/8)
}

// missed learns from a place that was missed.
func (t *timing) missed() { t.slack = min(2*t.slack, t.most) }

// extra is what a call that has missed its places gets beyond that: it must succeed in
// the end, however slow the machine is.
func (q *request) extra(interval time.Duration) time.Duration {
	if q.misses == 0 {
		return 0
	}
	return min(2*q.late, max(interval, slackOfNoPace)<<min(q.misses-1, 10), longestExtra)
}

// rules are what the request wants, with what its machine needs.
func (a *Account) rules(q *request) rules {
	a.mu.Lock()
	defer a.mu.Unlock()
	return rules{
		Limits: a.config.Limits, interval: a.interval, onlyNow: q.onlyNow,
		lead: 2 * a.timing.writing, slack: a.timing.slack + q.extra(a.interval),
	}
}

// after returns how far a is after b, at least. A machine that slept shows it by its
// calendar alone, one whose calendar was set by its running time alone.
func after(a, b time.Time) time.Duration {
	return max(a.Sub(b), a.Round(0).Sub(b.Round(0)))
}

// sleep waits, or returns the context's error at once when it ends.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// take takes a semaphore of one; who waits longest is first.
func take(ctx context.Context, semaphore chan struct{}) error {
	select {
	case semaphore <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
