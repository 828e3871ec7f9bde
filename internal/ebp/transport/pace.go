package transport

import (
	"context"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Pacer says when a call may be made.
type Pacer interface {
	// Wait returns when the call may be made, or with ctx's error.
	Wait(ctx context.Context) error
}

type paceLayer struct {
	next   http.RoundTripper
	pacers []Pacer
}

func (l *paceLayer) RoundTrip(req *http.Request) (*http.Response, error) {
	start, call := time.Now(), CallOf(req.Context())
	if call.Pacer != nil {
		if err := call.Pacer.Wait(req.Context()); err != nil {
			return nil, err
		}
	}
	for _, p := range l.pacers {
		if err := p.Wait(req.Context()); err != nil {
			return nil, err
		}
	}
	call.Waited += time.Since(start)
	return l.next.RoundTrip(req)
}

// margin stretches the time between two calls, so that the delays of the network,
// which are never quite the same, do not bring two calls closer together at the
// server than it allows. It costs one call in seventy.
const margin = 1.015

// PerSecond spaces calls evenly: never two of them at once, also after a pause. A
// rate of zero or less gives nil: no limit.
func PerSecond(callsPerSecond float64) Pacer {
	if callsPerSecond <= 0 {
		return nil
	}
	every := time.Duration(float64(time.Second) * margin / callsPerSecond)
	return &spaced{limiter: rate.NewLimiter(rate.Every(every), 1)}
}

// spaced takes the next free place of a limiter and waits for it.
type spaced struct{ limiter *rate.Limiter }

func (s *spaced) Wait(ctx context.Context) error {
	place := s.limiter.Reserve()
	if err := sleep(ctx, place.Delay()); err != nil {
		place.Cancel() // somebody else may have it
		return err
	}
	return nil
}

// window allows n calls in any stretch of time of length per.
type window struct {
	per   time.Duration
	mu    sync.Mutex
	calls []time.Time // ring of the last n calls
	next  int
}

// PerMinute allows n calls in any 60 seconds. Zero or less gives nil: no limit.
func PerMinute(n int) Pacer {
	if n <= 0 {
		return nil
	}
	return &window{per: time.Minute, calls: make([]time.Time, n)}
}

func (w *window) Wait(ctx context.Context) error {
	w.mu.Lock()
	free := w.calls[w.next].Add(w.per)
	at := time.Now()
	if free.After(at) && !w.calls[w.next].IsZero() {
		at = free
	}
	w.calls[w.next] = at // taken, also while we still wait for it
	w.next = (w.next + 1) % len(w.calls)
	w.mu.Unlock()
	return sleep(ctx, time.Until(at))
}

// Pacers are those of a subscription: none, one or both. They may be shared by many
// chains.
func Pacers(callsPerSecond float64, callsPerMinute int) []Pacer {
	var out []Pacer
	// The minute first: a place of the second must not be kept waiting.
	for _, p := range []Pacer{PerMinute(callsPerMinute), PerSecond(callsPerSecond)} {
		if p != nil {
			out = append(out, p)
		}
	}
	return out
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
