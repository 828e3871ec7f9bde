package quota

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// Hosts whose clocks differ, a store that is slow, fails and has its clock set back,
// sleepers that oversleep, goroutines that give up, and a server that asks for pauses.
func FuzzNoInterleavingBreaksAPromise(f *testing.F) {
	for seed := range uint64(60) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		synctest.Test(t, func(t *testing.T) { newWorld(t, seed).run() })
	})
}

type world struct {
	t      *testing.T
	limits Limits
	failures, clockBack,
	exhausts bool
	store    *testStore
	releases log

	mu   sync.Mutex // of what follows
	rng  *rand.Rand
	hold []span
}

// span is a pause that the server asked for: from when all know it until when it ends.
type span struct{ from, to time.Time }

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, rng: rand.New(rand.NewPCG(seed, 7)), store: newTestStore()}
	w.limits = Limits{
		PerSecond: []float64{0.5, 1, 5, 20}[w.rng.IntN(4)],
		PerMinute: []int{0, 0, 25}[w.rng.IntN(3)],
		PerDay:    []int{0, 60, 10_000}[w.rng.IntN(3)],
	}
	w.failures, w.clockBack, w.exhausts = w.chance(2), w.chance(2), w.chance(3)
	w.store.delay = func() {
		switch {
		case w.chance(50):
			time.Sleep(w.random(400 * time.Millisecond))
		default:
			time.Sleep(w.random(3 * time.Millisecond))
		}
	}
	fail := func() error {
		if w.failures && w.chance(40) {
			return errDown
		}
		return nil
	}
	w.store.fail, w.store.after = fail, fail
	return w
}

// chance is true once in n times.
func (w *world) chance(n int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rng.IntN(n) == 0
}

func (w *world) random(most time.Duration) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Duration(w.rng.Int64N(int64(most)))
}

func (w *world) run() {
	time.Sleep(12 * time.Hour) // far from midnight
	var accounts []*Account
	for host := range 3 {
		a := patient(w.store, w.limits)
		a.now = func() time.Time { return time.Now().Add(time.Duration(host) * 5 * time.Second) }
		a.sleep = func(ctx context.Context, d time.Duration) error {
			switch {
			case w.chance(100):
				d += w.random(3 * time.Second)
			case w.chance(8):
				d += w.random(30 * time.Millisecond)
			}
			return sleep(ctx, d)
		}
		w.releases.watch(a)
		accounts = append(accounts, a)
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	for _, a := range accounts {
		for range 3 {
			wg.Go(func() {
				for ctx.Err() == nil {
					w.act(ctx, a)
				}
			})
		}
	}
	if w.clockBack {
		wg.Go(func() {
			for ctx.Err() == nil {
				_ = sleep(ctx, w.random(4*time.Minute))
				w.store.set(-w.random([]time.Duration{time.Second, time.Hour}[int(w.random(2))]))
			}
		})
	}
	wg.Wait()
	w.store.fail, w.store.after = nil, nil
	w.check()
}

func (w *world) act(ctx context.Context, a *Account) {
	switch n := w.random(100); {
	case n < 60:
		_ = a.Wait(ctx)
	case n < 80: // gives up
		ctx, cancel := context.WithTimeout(ctx, w.random(3*time.Second))
		defer cancel()
		_ = a.Wait(ctx)
	case n < 90:
		if wait, err := a.Try(ctx); err == nil {
			_ = sleep(ctx, wait)
		}
	case n < 92:
		wait := w.random(20*time.Second) + 1
		a.Slow(ctx, wait)
		w.asked(wait)
	case n < 93 && w.exhausts:
		wait := w.random(2*time.Minute) + 1
		a.Exhausted(ctx, wait)
		// The server's latest word counts, which may be a shorter one.
	default:
		_ = sleep(ctx, w.random(5*time.Second))
	}
}

// asked notes a pause that was written. What is released within a second of it had its
// place, and had looked for the last time.
func (w *world) asked(wait time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	w.hold = append(w.hold, span{from: now.Add(time.Second), to: now.Add(wait - 3*time.Second)})
}

func (w *world) check() {
	times := w.releases.sorted()
	t, every := w.t, time.Duration(float64(time.Second)*margin/w.limits.PerSecond)
	assert.GreaterOrEqual(t, closest(times, 1), every, "%+v", w.limits)
	if w.limits.PerMinute > 0 {
		assert.GreaterOrEqual(t, closest(times, w.limits.PerMinute), time.Minute)
	}
	if !w.failures { // else the pause may be known to one host alone
		for _, at := range times {
			for _, h := range w.hold {
				assert.False(t, at.After(h.from) && at.Before(h.to), "a call in a pause of the server: %s after its begin, %s before its end; %+v back %v exhausts %v", at.Sub(h.from), h.to.Sub(at), w.limits, w.clockBack, w.exhausts)
			}
		}
	}
	if len(times) > 0 && !w.exhausts {
		assert.GreaterOrEqual(t, read(t, w.store).Used, len(times))
		if w.limits.PerDay > 0 {
			assert.LessOrEqual(t, len(times), w.limits.PerDay)
		}
	}
	assert.NotEmpty(t, times, "%+v", w.limits)
}
