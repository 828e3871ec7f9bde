package quota

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWithTheClockSetBackNobodyWaitsAnHourAndTheCountStays(t *testing.T) {
	for name, l := range map[string]Limits{"pace": {PerSecond: 1, PerDay: 1000}, "minute": {PerSecond: 10, PerMinute: 20, PerDay: 1000}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(12 * time.Hour)
				s, log := newTestStore(), &log{}
				one, two := account(s, l), account(s, l)
				log.watch(one, two)
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
				defer cancel()
				go func() {
					time.Sleep(100 * time.Second)
					s.set(-time.Hour)
				}()
				calls := callFor(t, ctx, 3, one, two)
				times := log.sorted()
				if l.PerMinute > 0 {
					assert.GreaterOrEqual(t, closest(times, l.PerMinute), time.Minute)
					assert.GreaterOrEqual(t, calls, 80)
				} else {
					assert.GreaterOrEqual(t, closest(times, 1), 1015*time.Millisecond)
					assert.GreaterOrEqual(t, calls, 285)
				}
				r := read(t, s)
				assert.InDelta(t, calls+1, r.Used, 1, "a place that was given up stays counted if the clock was set meanwhile")
				assert.Equal(t, time.Date(2000, 1, 2, 0, 0, 0, 0, time.UTC), r.DayEnd)
			})
		})
	}
}

func TestWithTheClockSetForwardAtMostTheReservedPlacesAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(12 * time.Hour)
		s, log := newTestStore(), &log{}
		one, two := account(s, Limits{PerSecond: 1, PerDay: 1000}), account(s, Limits{PerSecond: 1, PerDay: 1000})
		log.watch(one, two)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		go func() {
			time.Sleep(100 * time.Second)
			s.set(time.Hour)
		}()
		calls := callFor(t, ctx, 3, one, two)
		assert.LessOrEqual(t, calls, 296+2, "one place of each process")
		assert.GreaterOrEqual(t, calls, 285)
		assert.Equal(t, calls, read(t, s).Used)
	})
}

func TestACountAheadOfTheCalendarIsBroughtBackByWholeDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(12 * time.Hour)
		s := newTestStore()
		a := patient(s, Limits{PerSecond: 1, PerDay: 5})
		for range 3 {
			require.NoError(t, a.Wait(t.Context()))
		}
		s.set(-50 * time.Hour)
		require.NoError(t, a.Wait(t.Context()))
		r := read(t, s)
		assert.Equal(t, 4, r.Used)
		assert.Equal(t, time.Date(1999, 12, 31, 0, 0, 0, 0, time.UTC), r.DayEnd)
		require.NoError(t, a.Wait(t.Context()))
		start := time.Now()
		require.NoError(t, a.Wait(t.Context()))
		assert.LessOrEqual(t, time.Since(start), day)
	})
}

func TestAPauseOfTheServerIsNotProlongedByAClockSetBack(t *testing.T) {
	for name, tell := range map[string]func(*Account, context.Context){
		"slow":      func(a *Account, ctx context.Context) { a.Slow(ctx, 10*time.Minute) },
		"exhausted": func(a *Account, ctx context.Context) { a.Exhausted(ctx, 10*time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(12 * time.Hour)
				s := newTestStore()
				a := patient(s, Limits{PerSecond: 1, PerDay: 5})
				for range 5 {
					require.NoError(t, a.Wait(t.Context()))
				}
				_, err := s.SetAside(t.Context(), "quota/test")
				require.NoError(t, err)
				require.NoError(t, a.Wait(t.Context()))
				tell(a, t.Context())
				start := time.Now()
				s.set(-5 * time.Hour)
				require.NoError(t, patient(s, Limits{PerSecond: 1, PerDay: 5}).Wait(t.Context()))
				assert.GreaterOrEqual(t, time.Since(start), 10*time.Minute)
				assert.Less(t, time.Since(start), 11*time.Minute)
			})
		})
	}
}
