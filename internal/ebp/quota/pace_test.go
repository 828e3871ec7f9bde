package quota

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/state"
)

func TestCallsKeepTheirDistanceWhoeverMakesThemAndAreNearlyAsManyAsAllowed(t *testing.T) {
	for name, s := range stores(t) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				one, two, l := account(s, Limits{PerSecond: 1}), account(s, Limits{PerSecond: 1}), &log{}
				l.watch(one, two)
				calls := callFor(t, ctx, 8, one, two)
				assert.Len(t, l.times, calls)
				assert.GreaterOrEqual(t, closest(l.sorted(), 1), 1015*time.Millisecond)
				assert.GreaterOrEqual(t, calls, 58)
				assert.Equal(t, calls, read(t, s).Used, "those that gave up are not counted")
			})
		})
	}
}

func TestCallsKeepTheirDistanceInRealTime(t *testing.T) {
	for name, s := range stores(t) {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			one, two, l := account(s, Limits{PerSecond: 40}), account(s, Limits{PerSecond: 40}), &log{}
			l.watch(one, two)
			calls := callFor(t, ctx, 8, one, two)
			assert.GreaterOrEqual(t, closest(l.sorted(), 1), time.Second/40)
			assert.Positive(t, calls)
			assert.GreaterOrEqual(t, read(t, s).Used, calls)
		})
	}
}

func TestHostsWhoseClocksDifferKeepOnePace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestStore()
		s.set(-time.Hour) // it is neither's
		one, two, l := account(s, Limits{PerSecond: 1}), account(s, Limits{PerSecond: 1}), &log{}
		two.now = func() time.Time { return time.Now().Add(5 * time.Second) }
		l.watch(one, two)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		assert.GreaterOrEqual(t, callFor(t, ctx, 2, one, two), 58)
		assert.GreaterOrEqual(t, closest(l.sorted(), 1), 1015*time.Millisecond)
	})
}

func TestAPauseSavesUpNoCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, l := account(state.NewMemory(), Limits{PerSecond: 1}), &log{}
		l.watch(a)
		require.NoError(t, a.Wait(t.Context()))
		time.Sleep(time.Hour)
		for range 3 {
			require.NoError(t, a.Wait(t.Context()))
		}
		assert.GreaterOrEqual(t, closest(l.sorted(), 1), 1015*time.Millisecond)
	})
}

// Without this, one that oversleeps would be followed by the next at once.
func TestWhoWakesTooLateTakesAnotherPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := state.NewMemory()
		one, two, l := account(s, Limits{PerSecond: 1}), account(s, Limits{PerSecond: 1}), &log{}
		l.watch(one, two)
		var mu sync.Mutex
		rng := rand.New(rand.NewPCG(1, 1))
		one.sleep = func(ctx context.Context, d time.Duration) error {
			mu.Lock()
			late := time.Duration(0)
			if rng.IntN(4) == 0 {
				late = rand.N(3 * time.Second)
			}
			mu.Unlock()
			return sleep(ctx, d+late)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		calls := callFor(t, ctx, 2, one, two)
		assert.GreaterOrEqual(t, closest(l.sorted(), 1), 1015*time.Millisecond)
		assert.GreaterOrEqual(t, calls, 100)
		assert.Equal(t, calls, read(t, s).Used, "a call that takes another place is counted once")
	})
}

func TestAMachineThatAlwaysWakesLateMakesItsCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, l := account(state.NewMemory(), Limits{PerSecond: 1}), &log{}
		l.watch(a)
		a.sleep = func(ctx context.Context, d time.Duration) error { return sleep(ctx, d+time.Second) }
		start := time.Now()
		for range 10 {
			require.NoError(t, a.Wait(t.Context()))
		}
		assert.Less(t, time.Since(start), 90*time.Second)
		assert.GreaterOrEqual(t, closest(l.sorted(), 1), 1015*time.Millisecond)
	})
}

func TestAPlaceThatIsGivenUpIsTheNextOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := state.NewMemory(), &log{}
		one, two := account(s, Limits{PerSecond: 0.1}), account(s, Limits{PerSecond: 0.1})
		l.watch(one, two)
		require.NoError(t, one.Wait(t.Context()))
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		require.ErrorIs(t, two.Wait(ctx), context.DeadlineExceeded)
		assert.Equal(t, 3*time.Second, time.Since(start), "it ends with its context")
		assert.Equal(t, 1, read(t, s).Used)
		require.NoError(t, one.Wait(t.Context()))
		gap := closest(l.sorted(), 1)
		assert.GreaterOrEqual(t, gap, 10150*time.Millisecond)
		assert.Less(t, gap, 11*time.Second)
	})
}

func TestAPlaceThatOthersHaveBuiltOnIsNotGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := state.NewMemory(), &log{}
		one, two := account(s, Limits{PerSecond: 0.1}), account(s, Limits{PerSecond: 0.1})
		l.watch(one, two)
		require.NoError(t, one.Wait(t.Context()))
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			time.Sleep(3 * time.Second)
			cancel()
		}()
		var wg sync.WaitGroup
		wg.Go(func() { assert.ErrorIs(t, one.Wait(ctx), context.Canceled) })
		synctest.Wait()
		require.NoError(t, two.Wait(t.Context()))
		wg.Wait()
		require.NoError(t, one.Wait(t.Context()))
		assert.GreaterOrEqual(t, closest(l.sorted(), 1), 10150*time.Millisecond)
		assert.Equal(t, 3, read(t, s).Used)
	})
}

func TestCallsOfAProcessAreMadeInTheOrderInWhichTheyCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := account(state.NewMemory(), Limits{PerSecond: 1})
		var wg sync.WaitGroup
		order := make(chan int, 10)
		for i := range 10 {
			wg.Go(func() {
				assert.NoError(t, a.Wait(t.Context()))
				order <- i
			})
			synctest.Wait()
		}
		wg.Wait()
		for i := range 10 {
			assert.Equal(t, i, <-order)
		}
	})
}

func TestNoMinuteHoldsMoreCallsThanAllowed(t *testing.T) {
	for name, l := range map[string]Limits{"minute alone": {PerMinute: 10}, "with a pace": {PerMinute: 10, PerSecond: 2}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, log := state.NewMemory(), &log{}
				one, two := account(s, l), account(s, l)
				log.watch(one, two)
				start := time.Now()
				var wg sync.WaitGroup
				for n, a := range []*Account{one, two} {
					wg.Go(func() {
						for i := range 50 {
							if (i+n)%7 == 0 {
								time.Sleep(time.Duration(i) * 1300 * time.Millisecond) // irregular
							}
							assert.NoError(t, a.Wait(t.Context()))
						}
					})
				}
				wg.Wait()
				assert.GreaterOrEqual(t, closest(log.sorted(), 10), time.Minute)
				assert.Less(t, time.Since(start), 12*time.Minute, "and hardly fewer")
			})
		})
	}
}

func TestEachProcessObeysItsOwnLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := state.NewMemory()
		fast, slow := account(s, Limits{PerSecond: 1}), account(s, Limits{PerSecond: 0.2, PerMinute: 5})
		all, ofSlow := &log{}, &log{}
		all.watch(fast)
		slow.released = func(time.Time) {
			now := time.Now()
			all.times, ofSlow.times = append(all.times, now), append(ofSlow.times, now)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		for {
			if i := len(all.times); i%30 < 20 { // else the limit of a minute leaves the slow one nothing
				if slow.Wait(ctx) != nil {
					break
				}
			} else if fast.Wait(ctx) != nil {
				break
			}
		}
		times := all.sorted()
		assert.GreaterOrEqual(t, closest(times, 1), 1015*time.Millisecond)
		assert.NotEmpty(t, ofSlow.times)
		for _, at := range ofSlow.times { // never nearer after any call, nor more in a minute
			inMinute := 0
			for _, before := range times {
				if d := at.Sub(before); d > 0 {
					assert.GreaterOrEqual(t, d, 5075*time.Millisecond)
				}
				if d := at.Sub(before); d >= 0 && d < time.Minute {
					inMinute++
				}
			}
			assert.LessOrEqual(t, inMinute, 5)
		}
	})
}

func TestTryTakesAPlaceOnlyIfOneIsFreeNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := state.NewMemory(), &log{}
		a := account(s, Limits{PerSecond: 1, PerDay: 100})
		l.watch(a)
		wait, err := a.Try(t.Context())
		require.NoError(t, err)
		assert.Zero(t, wait)
		for range 5 {
			wait, err = a.Try(t.Context())
			require.NoError(t, err)
			assert.Greater(t, wait, time.Second)
			assert.Less(t, wait, 1200*time.Millisecond)
		}
		assert.Equal(t, 1, read(t, s).Used)
		time.Sleep(wait)
		wait, err = a.Try(t.Context())
		require.NoError(t, err)
		assert.Zero(t, wait, "what it said to wait is enough")
		assert.Equal(t, 2, read(t, s).Used)
		assert.Equal(t, 98, a.Remaining())
		assert.GreaterOrEqual(t, closest(l.sorted(), 1), 1015*time.Millisecond)
	})
}

func TestACallerIsReadyWhenItsTurnComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := New(Config{Name: "test", Limits: Limits{PerSecond: 1}, Store: state.NewMemory()})
		require.NoError(t, a.Wait(t.Context()))
		for range 5 {
			var prepared []time.Time
			require.NoError(t, a.WaitPrepared(t.Context(), func(context.Context) error {
				prepared = append(prepared, time.Now())
				time.Sleep(100 * time.Millisecond) // which is what it takes
				return nil
			}))
			require.Len(t, prepared, 1)
			ago := time.Since(prepared[0])
			assert.GreaterOrEqual(t, ago, 100*time.Millisecond)
			assert.LessOrEqual(t, ago, time.Second, "it was prepared too long before its turn")
		}
		cause := errors.New("nobody is signed in")
		require.ErrorIs(t, a.WaitPrepared(t.Context(), func(context.Context) error { return cause }), cause)
		begun := time.Now()
		require.NoError(t, a.Wait(t.Context()))
		assert.Less(t, time.Since(begun), 1500*time.Millisecond, "the place that was given up was lost")
	})
}
