package transport

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// callsIn counts the calls that a pacer lets through, and the least time between two.
func callsIn(t *testing.T, p Pacer, d time.Duration, callers int) (calls int, closest time.Duration) {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	times := make(chan time.Time, 100_000)
	done := make(chan struct{})
	for range callers {
		go func() {
			for p.Wait(ctx) == nil {
				times <- time.Now()
			}
			done <- struct{}{}
		}()
	}
	for range callers {
		<-done
	}
	close(times)
	closest = d
	var last time.Time
	for at := range times {
		if calls++; calls > 1 {
			closest = min(closest, at.Sub(last))
		}
		last = at
	}
	return calls, closest
}

func TestCallsAreEvenlySpacedAndNearlyAsManyAsAllowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, rate := range []float64{1, 0.5, 10} {
			calls, closest := callsIn(t, PerSecond(rate), 10*time.Minute, 3)
			assert.GreaterOrEqual(t, float64(calls), 0.97*600*rate)
			assert.LessOrEqual(t, float64(calls), 600*rate)
			assert.GreaterOrEqual(t, closest, time.Duration(float64(time.Second)/rate))
		}
	})
}

func TestAPauseSavesUpNoCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := PerSecond(1)
		require.NoError(t, p.Wait(t.Context()))
		time.Sleep(time.Hour)
		start := time.Now()
		for range 3 {
			require.NoError(t, p.Wait(t.Context()))
		}
		assert.GreaterOrEqual(t, time.Since(start), 2*time.Second)
	})
}

func TestNoMinuteHoldsMoreCallsThanAllowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := PerMinute(10)
		var times []time.Time
		for i := range 95 {
			if i%7 == 0 {
				time.Sleep(time.Duration(i) * time.Second) // irregular
			}
			require.NoError(t, p.Wait(t.Context()))
			times = append(times, time.Now())
		}
		for i := 10; i < len(times); i++ {
			assert.GreaterOrEqual(t, times[i].Sub(times[i-10]), time.Minute)
		}
	})
}

func TestWaitingForAPlaceEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, p := range []Pacer{PerSecond(0.001), PerMinute(1)} {
			require.NoError(t, p.Wait(t.Context()))
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				time.Sleep(time.Second)
				cancel()
			}()
			start := time.Now()
			require.ErrorIs(t, p.Wait(ctx), context.Canceled)
			assert.Equal(t, time.Second, time.Since(start))
		}
	})
}
