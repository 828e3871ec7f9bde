package quota

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/state"
)

// In a bubble of synctest it is midnight UTC, 2000-01-01.

func TestARestartRemembersTheMorning(t *testing.T) {
	for name, s := range stores(t) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for process := range 3 {
					a := account(s, Limits{PerSecond: 1, PerDay: 8})
					for range 3 - process/2 {
						require.NoError(t, a.Wait(t.Context()))
					}
				}
				a := account(s, Limits{PerSecond: 1, PerDay: 8})
				assert.Equal(t, 8, a.Remaining(), "it has not looked yet")
				var e *ExhaustedError
				require.ErrorAs(t, a.Wait(t.Context()), &e)
				assert.Equal(t, time.Date(2000, 1, 2, 0, 0, 0, 0, time.UTC), e.Until.UTC())
				assert.Contains(t, e.Error(), "no call was made, the next one may be at "+e.Until.Local().Format("2006-01-02"))
				assert.True(t, NoCall(e))
				assert.Zero(t, a.Remaining())
				_, err := a.Try(t.Context())
				require.ErrorAs(t, err, &e)
				assert.Equal(t, 8, read(t, s).Used)

				time.Sleep(time.Until(e.Until))
				require.NoError(t, a.Wait(t.Context()), "a new day")
				assert.Equal(t, 7, a.Remaining())
				assert.Equal(t, 1, read(t, s).Used)
			})
		})
	}
}

func TestADayThatIsUsedUpIsWaitedForWithOneWarning(t *testing.T) {
	for name, l := range map[string]Limits{"with a pace": {PerSecond: 1, PerDay: 5}, "in blocks": {PerDay: 5}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, w := state.NewMemory(), &warnings{}
				a := New(Config{Name: "test", Limits: l, Store: s, WaitWhenExhausted: true, Warn: w.warn})
				time.Sleep(20 * time.Hour)
				for range 5 {
					require.NoError(t, a.Wait(t.Context()))
				}
				assert.Empty(t, w.all())
				wait, err := a.Try(t.Context())
				require.NoError(t, err)
				assert.Equal(t, time.Minute, wait, "to look again then")
				require.NoError(t, a.Wait(t.Context()))
				next := time.Date(2000, 1, 2, 0, 0, 0, 0, time.UTC)
				assert.WithinDuration(t, next, time.Now(), time.Second)
				assert.False(t, time.Now().Before(next))
				assert.Equal(t, "the 5 calls of the day are used up; going on at "+next.Local().Format("2006-01-02 15:04 MST"), w.all())
				for range 5 {
					require.NoError(t, a.Wait(t.Context()))
				}
				assert.Len(t, w.texts, 2, "each day once")
			})
		})
	}
}

func TestWaitingForTheNextDayEndsWithItsContextOrWhenAPersonResetsTheCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := state.NewMemory()
		a := patient(s, Limits{PerSecond: 1, PerDay: 2})
		for range 2 {
			require.NoError(t, a.Wait(t.Context()))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		defer cancel()
		start := time.Now()
		require.ErrorIs(t, a.Wait(ctx), context.DeadlineExceeded)
		assert.Equal(t, 90*time.Second, time.Since(start))

		go func() {
			time.Sleep(100 * time.Second)
			_, err := s.SetAside(t.Context(), "quota/test")
			assert.NoError(t, err)
		}()
		start = time.Now()
		require.NoError(t, a.Wait(t.Context()))
		assert.InDelta(t, 100, time.Since(start).Seconds(), 61)
		assert.Equal(t, 1, read(t, s).Used)
	})
}

func TestACallNearTheTurnOfTheDayIsCountedInTheDayInWhichItIsMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestStore()
		s.delay = func() { time.Sleep(time.Millisecond) }
		a := account(s, Limits{PerSecond: 1, PerDay: 10})
		time.Sleep(day - 3500*time.Millisecond)
		midnight := time.Now().Add(3500 * time.Millisecond)
		before, after := 0, 0
		a.released = func(time.Time) {
			if time.Now().Before(midnight) {
				before++
			} else {
				after++
			}
		}
		for range 9 {
			require.NoError(t, a.Wait(t.Context()))
			if after == 0 {
				assert.Equal(t, before, read(t, s).Used)
			}
		}
		assert.Equal(t, after, read(t, s).Used)
		assert.Positive(t, before)
	})
}

func TestWithTheDayAsOnlyLimitCallsAreCountedInBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestStore()
		a := account(s, Limits{PerDay: 10_000})
		for range 1000 {
			require.NoError(t, a.Wait(t.Context()))
		}
		assert.Less(t, s.puts.Load(), int64(20))
		assert.GreaterOrEqual(t, read(t, s).Used, 1000, "before they are made")
		assert.Equal(t, 9000, a.Remaining())
		require.NoError(t, a.Close(t.Context()))
		require.NoError(t, a.Close(t.Context()))
		assert.Equal(t, 1000, read(t, s).Used)
		assert.Equal(t, 9000, a.Remaining())
	})
}

func TestBlocksMakeAllCallsOfTheDayAndNoneMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, calls := state.NewMemory(), 0
		one, two := account(s, Limits{PerDay: 500}), account(s, Limits{PerDay: 500})
		for {
			err := one.Wait(t.Context())
			if err == nil {
				calls++
				var wait time.Duration
				wait, err = two.Try(t.Context())
				assert.Zero(t, wait)
			}
			if NoCall(err) {
				break
			}
			require.NoError(t, err)
			calls++
		}
		require.NoError(t, one.Close(t.Context()))
		require.NoError(t, two.Close(t.Context()))
		for one.Wait(t.Context()) == nil {
			calls++
		}
		assert.Equal(t, 500, calls)
	})
}

func TestABlockIsNotUsedInTheNextDayNorMuchLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestStore()
		a := account(s, Limits{PerDay: 10_000})
		burst := func() {
			for range 200 {
				require.NoError(t, a.Wait(t.Context()))
			}
		}
		burst()
		time.Sleep(blockLife)
		require.NoError(t, a.Wait(t.Context()))
		assert.Equal(t, 201, read(t, s).Used, "what was left is given back, and one call costs one")
		time.Sleep(day - blockLife - time.Millisecond)
		burst()
		assert.Greater(t, read(t, s).Used, 401)
		time.Sleep(2 * time.Millisecond) // midnight
		require.NoError(t, a.Wait(t.Context()))
		assert.Equal(t, 1, read(t, s).Used)
	})
}

func TestWithoutLimitsTheStoreIsNotUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestStore()
		a := account(s, Limits{})
		for range 100 {
			require.NoError(t, a.Wait(t.Context()))
			wait, err := a.Try(t.Context())
			require.NoError(t, err)
			assert.Zero(t, wait)
		}
		assert.Equal(t, -1, a.Remaining())
		a.Slow(t.Context(), 3*time.Second)
		start := time.Now()
		require.NoError(t, a.Wait(t.Context()))
		assert.Equal(t, 3*time.Second, time.Since(start), "but the server is heard")
		a.Exhausted(t.Context(), time.Hour)
		var e *ExhaustedError
		require.ErrorAs(t, a.Wait(t.Context()), &e)
		require.NoError(t, a.Close(t.Context()))
		assert.Zero(t, s.used.Load())
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, a.Wait(ctx), context.Canceled)
	})
}

func TestWithAPaceACallIsOneWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestStore()
		a := account(s, Limits{PerSecond: 1, PerMinute: 50, PerDay: 10_000})
		for range 100 {
			require.NoError(t, a.Wait(t.Context()))
		}
		assert.EqualValues(t, 100, s.puts.Load())
	})
}
