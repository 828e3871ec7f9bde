package quota

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/state"
)

func TestWhenTheServerAsksForAPauseAllHoldTheirCallsAlsoThoseWithAPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := state.NewMemory(), &log{}
		var accounts []*Account
		for range 4 {
			accounts = append(accounts, account(s, Limits{PerSecond: 1}))
		}
		l.watch(accounts...)
		var wg sync.WaitGroup
		for _, a := range accounts { // three of them get places ahead
			wg.Go(func() { assert.NoError(t, a.Wait(t.Context())) })
		}
		synctest.Wait()
		require.Len(t, l.sorted(), 1)
		time.Sleep(500 * time.Millisecond)
		accounts[0].Slow(t.Context(), 30*time.Second)
		pause := time.Now().Add(30 * time.Second)
		wg.Wait()
		times := l.sorted()
		require.Len(t, times, 4)
		for _, at := range times[1:] {
			assert.False(t, at.Before(pause))
			assert.Less(t, at.Sub(pause), 5*time.Second)
		}
		assert.GreaterOrEqual(t, closest(times, 1), 1015*time.Millisecond)
		assert.Equal(t, 4, read(t, s).Used)
	})
}

func TestAPauseIsHeardByTheGoroutineThatIsAboutToCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, l := account(state.NewMemory(), Limits{PerSecond: 1}), &log{}
		l.watch(a)
		require.NoError(t, a.Wait(t.Context()))
		done := make(chan error)
		go func() { done <- a.Wait(t.Context()) }()
		time.Sleep(1019 * time.Millisecond) // too late for another look at the record
		a.Slow(t.Context(), 0)
		asked := time.Now()
		require.NoError(t, <-done)
		assert.GreaterOrEqual(t, time.Since(asked), defaultPause)
	})
}

func TestTryKeepsNoPlaceWhenAPauseComesBetween(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestStore()
		a := account(s, Limits{PerSecond: 1, PerDay: 10})
		require.NoError(t, a.Wait(t.Context()))
		time.Sleep(time.Minute)
		a.sleep = func(ctx context.Context, d time.Duration) error { // it has its place now
			a.sleep = sleep
			s.fail = func() error { return errDown } // so that the pause is this process's alone
			a.Slow(ctx, 30*time.Second)
			s.fail = nil
			return sleep(ctx, d)
		}
		wait, err := a.Try(t.Context())
		require.NoError(t, err)
		assert.Greater(t, wait, 20*time.Second)
		assert.Equal(t, 1, read(t, s).Used)
	})
}

func TestAPauseIsHeardByASleeperThatWakesLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := state.NewMemory(), &log{}
		a, other := account(s, Limits{PerSecond: 20}), account(s, Limits{PerSecond: 20})
		l.watch(a)
		a.sleep = func(ctx context.Context, d time.Duration) error { return sleep(ctx, d+time.Second) }
		done := make(chan error)
		go func() { done <- a.Wait(t.Context()) }() // misses its first place, has a long one then
		time.Sleep(1500 * time.Millisecond)
		other.Slow(t.Context(), 30*time.Second)
		asked := time.Now()
		require.NoError(t, <-done)
		assert.GreaterOrEqual(t, time.Since(asked), 30*time.Second)
	})
}

func TestAShorterPauseDoesNotEndALongerOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := state.NewMemory()
		a, other := account(s, Limits{PerSecond: 1}), account(s, Limits{PerSecond: 1})
		start := time.Now()
		a.Slow(t.Context(), 20*time.Second)
		other.Slow(t.Context(), 2*time.Second)
		wait, err := other.Try(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 20*time.Second, wait)
		require.NoError(t, other.Wait(t.Context()))
		assert.GreaterOrEqual(t, time.Since(start), 20*time.Second)
	})
}

func TestBlocksAreHeldByAPauseAtOnceAndElsewhereWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := state.NewMemory()
		a, other := account(s, Limits{PerDay: 10_000}), account(s, Limits{PerDay: 10_000})
		for range 50 {
			require.NoError(t, a.Wait(t.Context()))
			require.NoError(t, other.Wait(t.Context()))
		}
		a.Slow(t.Context(), 30*time.Second)
		wait, err := a.Try(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 30*time.Second, wait)
		time.Sleep(blockLife)
		wait, err = other.Try(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 29*time.Second, wait)
		require.NoError(t, a.Close(t.Context()))
		require.NoError(t, other.Close(t.Context()))
		assert.Equal(t, 100, read(t, s).Used)
	})
}

func TestTheServerTeachesWhenTheDayTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := state.NewMemory(), &warnings{}
		l := Limits{PerSecond: 1, PerDay: 10}
		one := New(Config{Name: "test", Limits: l, Store: s, WaitWhenExhausted: true, Warn: w.warn})
		two := patient(s, l)
		time.Sleep(20 * time.Hour)
		require.NoError(t, one.Wait(t.Context()))
		one.Exhausted(t.Context(), 5*time.Hour) // past midnight UTC
		assert.Zero(t, one.Remaining(), "whatever the count says")
		turn := time.Now().Add(5*time.Hour + time.Second)
		var e *ExhaustedError
		require.ErrorAs(t, account(s, l).Wait(t.Context()), &e)
		assert.True(t, turn.Equal(e.Until), e.Until)
		wait, err := one.Try(t.Context())
		require.NoError(t, err)
		assert.Equal(t, time.Minute, wait)
		assert.Equal(t, "EBP says that the calls of the day are used up; going on at "+moment(turn), w.all())

		require.NoError(t, two.Wait(t.Context()))
		assert.False(t, time.Now().Before(turn))
		assert.WithinDuration(t, turn, time.Now(), time.Second)
		for range 9 {
			require.NoError(t, two.Wait(t.Context()))
		}
		require.ErrorAs(t, account(s, l).Wait(t.Context()), &e)
		assert.True(t, turn.Add(day).Equal(e.Until), "the next day turns at the same time: %s", e.Until)
	})
}

func TestAnEndOfTheDayThatTheServerDoesNotTellIsAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := state.NewMemory()
		a := patient(s, Limits{PerSecond: 1})
		a.Exhausted(t.Context(), 0)
		start := time.Now()
		require.NoError(t, a.Wait(t.Context()))
		assert.GreaterOrEqual(t, time.Since(start), unknownEnd)
		assert.Less(t, time.Since(start), unknownEnd+time.Second)
		assert.Equal(t, time.Date(2000, 1, 2, 0, 0, 0, 0, time.UTC), read(t, s).DayEnd)

		a.Exhausted(t.Context(), 3*time.Hour)
		a.Exhausted(t.Context(), 0)
		start = time.Now()
		require.NoError(t, a.Wait(t.Context()))
		assert.GreaterOrEqual(t, time.Since(start), 3*time.Hour, "what it told before stands")
	})
}

func TestAQuotaOfMoreThanADayIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := state.NewMemory()
		a := patient(s, Limits{PerSecond: 1, PerDay: 10})
		a.Exhausted(t.Context(), 76*time.Hour)
		start := time.Now()
		require.NoError(t, a.Wait(t.Context()))
		assert.GreaterOrEqual(t, time.Since(start), 76*time.Hour)
		assert.Less(t, time.Since(start), 76*time.Hour+time.Minute)
		assert.True(t, start.Add(100*time.Hour+time.Second).Equal(read(t, s).DayEnd))
	})
}
