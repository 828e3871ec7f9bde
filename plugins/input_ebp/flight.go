package input_ebp

import (
	"context"
	"sync"
	"time"
)

// flight counts the messages that the pipeline has and has not answered for.
type flight struct {
	mu       sync.Mutex
	messages int
	out      map[*delivery]struct{}
	changed  chan struct{} // told when it shrinks
}

// take waits until there is room for a delivery, which there always is when nothing else
// is in flight.
func (f *flight) take(ctx context.Context, d *delivery, limit int) error {
	for {
		f.mu.Lock()
		if f.messages == 0 || f.messages+d.size() <= limit {
			if f.out == nil {
				f.out = map[*delivery]struct{}{}
			}
			f.out[d] = struct{}{}
			f.messages += d.size()
			d.since = time.Now()
			f.mu.Unlock()
			return nil
		}
		f.mu.Unlock()
		select {
		case <-f.changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// give says that a delivery was answered for.
func (f *flight) give(d *delivery) {
	f.mu.Lock()
	delete(f.out, d)
	f.messages -= d.size()
	f.mu.Unlock()
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

func (f *flight) empty() bool { return f.deliveries() == 0 }

// deliveries is how many deliveries are in flight.
func (f *flight) deliveries() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.out)
}

// has reports whether anything of a dossier is in flight.
func (f *flight) has(of *dossier) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for d := range f.out {
		if d.run.dossier == of {
			return true
		}
	}
	return false
}

// oldest is for how long the oldest delivery has been waiting for its answer.
func (f *flight) oldest() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out time.Duration
	for d := range f.out {
		out = max(out, time.Since(d.since))
	}
	return out
}
