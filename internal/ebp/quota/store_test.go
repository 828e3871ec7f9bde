package quota

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/state"
)

func TestAStoreThatComesBackIsWaitedForWithOneWarning(t *testing.T) {
	for name, l := range map[string]Limits{"pace": {PerSecond: 1}, "blocks": {PerDay: 100}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, w := newTestStore(), &warnings{}
				a := New(Config{Name: "test", Limits: l, Store: s, Warn: w.warn})
				back := time.Now().Add(50 * time.Second)
				s.fail = func() error {
					if time.Now().Before(back) {
						return errDown
					}
					return nil
				}
				var wg sync.WaitGroup
				for range 4 {
					wg.Go(func() { assert.NoError(t, a.Wait(t.Context())) })
				}
				wg.Wait()
				assert.Less(t, time.Since(back), 12*time.Second)
				assert.Len(t, w.texts, 2, "that it is away, and that it is back")
				assert.Contains(t, w.all(), "record quota/test of the state")
				assert.Contains(t, w.all(), "connection refused")
				back = time.Now().Add(time.Second)
				time.Sleep(blockLife / 2)
				require.NoError(t, New(Config{Name: "test", Limits: l, Store: s, Warn: w.warn}).Wait(t.Context()))
				assert.Len(t, w.texts, 4, "another outage, another warning")
			})
		})
	}
}

func TestACallThatCannotBeCountedIsNotMade(t *testing.T) {
	for name, l := range map[string]Limits{"pace": {PerSecond: 1}, "blocks": {PerDay: 100}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, w := newTestStore(), &warnings{}
				a := New(Config{Name: "test", Limits: l, Store: s, Warn: w.warn})
				s.fail = func() error { return errDown }
				start := time.Now()
				var wg sync.WaitGroup
				for range 5 {
					wg.Go(func() {
						err := a.Wait(t.Context())
						var e *NotCountedError
						assert.ErrorAs(t, err, &e)
						assert.ErrorIs(t, err, errDown)
						assert.ErrorContains(t, err, "the call was not made, since it could not be counted in the record quota/test of the state")
						assert.True(t, NoCall(err))
					})
				}
				wg.Wait()
				assert.InDelta(t, 60, time.Since(start).Seconds(), 6, "none waits for the patience of those before it")
				assert.Len(t, w.texts, 1)
				_, err := a.Try(t.Context())
				require.ErrorIs(t, err, errDown)

				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				start = time.Now()
				require.ErrorIs(t, a.Wait(ctx), context.DeadlineExceeded)
				assert.Equal(t, 10*time.Second, time.Since(start))
			})
		})
	}
}

func TestADamagedCountIsAnErrorThatNamesTheRecordAndTheWayOut(t *testing.T) {
	dir := t.TempDir()
	s := state.NewFile(dir)
	a := account(s, Limits{PerSecond: 100})
	require.NoError(t, a.Wait(t.Context()))
	files, err := filepath.Glob(filepath.Join(dir, "records", "*"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	require.NoError(t, os.Truncate(files[0], 40))
	for range 2 {
		err = a.Wait(t.Context())
		require.ErrorIs(t, err, state.ErrDamaged)
		var e *DamagedError
		require.ErrorAs(t, err, &e)
		assert.True(t, NoCall(err))
		assert.ErrorContains(t, err, "if the record quota/test of the state file:"+dir+" is deleted, it begins anew")
	}
	require.NoError(t, os.Remove(files[0]))
	require.NoError(t, a.Wait(t.Context()))
}

func TestARecordThatIsNoCountIsDamaged(t *testing.T) {
	for name, value := range map[string]string{
		"no JSON":      "hello",
		"other format": `{"format":2,"last":"2026-01-01T00:00:00Z","day_end":"2026-01-01T00:00:00Z"}`,
		"negative":     `{"format":1,"last":"2026-01-01T00:00:00Z","day_end":"2026-01-01T00:00:00Z","used":-1}`,
		"no day":       `{"format":1,"last":"2026-01-01T00:00:00Z"}`,
		"empty":        `{}`,
	} {
		t.Run(name, func(t *testing.T) {
			s := state.NewMemory()
			_, err := s.Put(t.Context(), "quota/test", []byte(value), 0)
			require.NoError(t, err)
			require.ErrorIs(t, account(s, Limits{PerSecond: 1}).Wait(t.Context()), state.ErrDamaged)
			require.ErrorIs(t, account(s, Limits{PerDay: 1}).Wait(t.Context()), state.ErrDamaged)
		})
	}
}

// A write that fails may have happened. What was given back with it must not be given
// back again.
func TestABlockThatMayHaveBeenGivenBackIsNotGivenBackAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestStore()
		a := account(s, Limits{PerDay: 10_000})
		for range 130 {
			require.NoError(t, a.Wait(t.Context()))
		}
		require.Greater(t, read(t, s).Used, 150, "there is something to give back")
		time.Sleep(blockLife)
		s.after = failOnce()
		require.NoError(t, a.Wait(t.Context()))
		assert.GreaterOrEqual(t, read(t, s).Used, 131)
	})
}

func TestAPlaceThatMayHaveBeenGivenBackIsNotGivenBackAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestStore()
		a, other := account(s, Limits{PerSecond: 1, PerDay: 10_000}), account(s, Limits{PerSecond: 1, PerDay: 10_000})
		require.NoError(t, a.Wait(t.Context()))
		late := failOnce()
		a.sleep = func(ctx context.Context, d time.Duration) error {
			if late() != nil { // once too late, while others are told to hold their calls
				d += 2 * time.Second
				other.Slow(ctx, 5*time.Second)
				s.after = failOnce()
			}
			return sleep(ctx, d)
		}
		for range 3 {
			require.NoError(t, a.Wait(t.Context()))
		}
		require.NoError(t, s.after(), "nothing was given back")
		assert.GreaterOrEqual(t, read(t, s).Used, 4)
	})
}

// failOnce fails at its first call.
func failOnce() func() error {
	err := errDown
	return func() error {
		defer func() { err = nil }()
		return err
	}
}

func TestWhatWasReservedBeforeAPersonResetTheCountIsNotGivenBackToTheNewOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestStore()
		one, two := account(s, Limits{PerSecond: 0.1, PerDay: 10_000}), account(s, Limits{PerSecond: 0.1, PerDay: 10_000})
		closed, open := account(s, Limits{PerDay: 10_000}), account(s, Limits{PerDay: 10_000})
		for range 130 {
			require.NoError(t, closed.Wait(t.Context()))
			require.NoError(t, open.Wait(t.Context()))
		}
		require.NoError(t, one.Wait(t.Context()))
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		done := make(chan error)
		go func() { done <- one.Wait(ctx) }()
		synctest.Wait()
		_, err := s.SetAside(t.Context(), "quota/test")
		require.NoError(t, err)
		require.NoError(t, two.Wait(t.Context()))
		require.ErrorIs(t, <-done, context.DeadlineExceeded)
		require.NoError(t, closed.Close(t.Context()))
		assert.Equal(t, 1, read(t, s).Used)
		require.NoError(t, open.Wait(t.Context()))
		assert.Equal(t, 2, read(t, s).Used)
	})
}

func TestAStoreHasItsMinuteAlsoForCallsThatHaveWaitedLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestStore()
		a := account(s, Limits{PerSecond: 0.01})
		down := time.Now().Add(90 * time.Second)
		s.fail = func() error {
			if d := time.Since(down); d > 0 && d < time.Minute {
				return errDown
			}
			return nil
		}
		require.NoError(t, a.Wait(t.Context()))
		var wg sync.WaitGroup
		for range 2 { // when the first of them has gone, the other finds the store down
			wg.Go(func() { assert.NoError(t, a.Wait(t.Context())) })
		}
		wg.Wait()
		assert.Greater(t, time.Since(down), time.Minute)
	})
}

func TestAPauseIsKeptByThisProcessWhereItCannotBeShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestStore()
		a := account(s, Limits{PerSecond: 1})
		require.NoError(t, a.Wait(t.Context()))
		s.fail = func() error { return errDown }
		start := time.Now()
		a.Slow(t.Context(), time.Minute)
		s.fail = nil
		require.NoError(t, a.Wait(t.Context()))
		assert.GreaterOrEqual(t, time.Since(start), time.Minute)
		assert.Less(t, time.Since(start), time.Minute+time.Second)
	})
}

func TestBlocksThatCannotBeGivenBackAreAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestStore()
		a := account(s, Limits{PerDay: 10_000})
		for range 20 {
			require.NoError(t, a.Wait(t.Context()))
		}
		s.fail = func() error { return errDown }
		start := time.Now()
		err := a.Close(t.Context())
		require.ErrorIs(t, err, errDown)
		assert.ErrorContains(t, err, "giving back 11 calls that were counted and not made")
		assert.LessOrEqual(t, time.Since(start), shortPatience)
	})
}

func TestConflictsWithOtherProcessesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := newTestStore(), 0
		s.fail = func() error {
			if n++; n%3 == 0 && n < 60 { // each third is a Put
				return state.ErrConflict
			}
			return nil
		}
		w := &warnings{}
		a := New(Config{Name: "test", Limits: Limits{PerSecond: 1}, Store: s, Warn: w.warn})
		require.NoError(t, a.Wait(t.Context()))
		assert.Empty(t, w.texts, "a conflict is nothing to warn of")
		assert.Equal(t, 1, read(t, s).Used)
		assert.False(t, NoCall(errors.New("x")))
	})
}
