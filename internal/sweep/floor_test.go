package sweep

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func paris(t testing.TB) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Paris")
	require.NoError(t, err)
	return zone
}

func stamp(t testing.TB, s string) Stamp {
	t.Helper()
	out, ok := ParseStamp(s)
	require.True(t, ok, s)
	return out
}

// world is a model of EBP that keeps to the assumption (A) of the package comment: each
// version names a moment less than lookback before it became visible, by a clock that may
// be in any zone.
type world struct {
	versions []modelled
	zone     *time.Location
	skew     time.Duration
}

type modelled struct {
	visible time.Time
	date    Stamp
}

// date is what EBP's clock shows, in whole seconds.
func (w *world) date(at time.Time) Stamp {
	s := StampAt(at.Add(w.skew), w.zone)
	return Stamp{s.t.Truncate(time.Second)}
}

// greatest is what fix finds: the greatest visible date above the floor and not after the
// limit.
func (w *world) greatest(floor Floor, at time.Time, limit Stamp) Stamp {
	var out Stamp
	for _, v := range w.versions {
		if !v.visible.After(at) && floor.below(v.date) && !limit.Before(v.date) && out.Before(v.date) {
			out = v.date
		}
	}
	return out
}

// check sweeps at the given times and makes sure that every version is read by the first
// sweep that starts after it became visible.
func (w *world) check(t *testing.T, c clock, sweeps []time.Time) {
	t.Helper()
	var b Bounds
	previous := time.Time{}
	for n, at := range sweeps {
		for _, v := range w.versions {
			if v.visible.After(previous) && !v.visible.After(at) {
				require.True(t, b.Floor.below(v.date), "sweep %d at %s with the floor %+v misses %s, visible at %s", n, at, b.Floor, v.date, v.visible)
			}
		}
		limit := StampAt(at, c.zone)
		if setBack(at, c.zone, c.lookback) {
			limit = limit.add(time.Hour)
		}
		took := time.Duration(0)
		if n%3 == 1 && n+1 < len(sweeps) { // the greatest date is asked for later, in the same sweep
			took = min(time.Duration(n%7)*31*time.Second, sweeps[n+1].Sub(at))
		}
		next := c.next(b, w.greatest(b.Floor, at.Add(took), limit), at, took)
		require.False(t, next.Floor.lower(b.Floor), "the floor sinks")
		b, previous = next, at
	}
}

// Every version lies above the floor of the first sweep that starts after it became
// visible: with any time between changes and between sweeps, any allowed disorder, any
// zone of EBP's clock, and bursts that share a second.
func TestEveryVersionLiesAboveTheFloorOfTheNextSweep(t *testing.T) {
	for seed := range uint64(3000) {
		rng := rand.New(rand.NewPCG(seed, 1))
		lookback := []time.Duration{0, 2 * time.Second, time.Minute, 10 * time.Minute}[rng.IntN(4)]
		w := &world{zone: paris(t), skew: time.Duration(rng.IntN(27)-13) * time.Hour * time.Duration(rng.IntN(2))}
		at := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
		for range 1 + rng.IntN(200) {
			if rng.IntN(3) > 0 {
				at = at.Add(time.Duration(rng.Int64N(int64(10) << rng.IntN(40))))
			}
			delay := time.Duration(0)
			if lookback > time.Second {
				delay = time.Duration(rng.Int64N(int64(lookback - time.Second)))
			}
			w.versions = append(w.versions, modelled{at, w.date(at.Add(-delay))})
		}
		var sweeps []time.Time
		for s := w.versions[0].visible.Add(-time.Hour); s.Before(at.Add(time.Hour)) && len(sweeps) < 500; {
			s = s.Add(time.Duration(1 + rng.Int64N(int64(time.Second)<<rng.IntN(17))))
			sweeps = append(sweeps, s)
		}
		if lookback == 0 {
			// Without any disorder dates still have whole seconds: no sweep falls into one.
			for i := range sweeps {
				sweeps[i] = sweeps[i].Truncate(time.Second)
			}
			for i := range w.versions {
				v := &w.versions[i]
				v.visible = v.visible.Truncate(time.Second).Add(time.Millisecond)
				v.date = w.date(v.visible)
			}
		}
		ok := t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w.check(t, clock{zone: paris(t), lookback: lookback}, sweeps)
		})
		if !ok {
			return
		}
	}
}

// In the hour that comes twice the dates go back, and nothing is lost all the same.
func TestNothingIsLostInTheHourThatComesTwice(t *testing.T) {
	for seed := range uint64(2000) {
		rng := rand.New(rand.NewPCG(seed, 2))
		w := &world{zone: paris(t)}
		at := time.Date(2026, 10, 24, 18, 0, 0, 0, time.UTC) // the clock goes back at 01:00 on the 25th
		for at.Before(time.Date(2026, 10, 25, 12, 0, 0, 0, time.UTC)) {
			at = at.Add(time.Duration(rng.Int64N(int64(time.Minute) << rng.IntN(8))))
			w.versions = append(w.versions, modelled{at, w.date(at.Add(-time.Duration(rng.Int64N(int64(59 * time.Second)))))})
		}
		var sweeps []time.Time
		for s := w.versions[0].visible.Add(-time.Minute); s.Before(at.Add(time.Hour)); {
			s = s.Add(time.Duration(1 + rng.Int64N(int64(time.Minute)<<rng.IntN(9))))
			sweeps = append(sweeps, s)
		}
		ok := t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w.check(t, clock{zone: paris(t), lookback: time.Minute}, sweeps)
		})
		if !ok {
			return
		}
	}
}

func TestAValueIsSettledOnceACompleteSweepStartedLookbackLater(t *testing.T) {
	c := clock{zone: paris(t), lookback: time.Minute}
	at := time.Date(2026, 6, 1, 10, 0, 0, 0, time.UTC)
	now := StampAt(at, c.zone)
	first := c.next(Bounds{}, now.add(-time.Hour), at, 0)
	assert.Equal(t, Floor{At: now.add(-time.Hour - time.Minute)}, first.Floor, "it was just seen")
	soon := c.next(first, now.add(-time.Hour), at.Add(59*time.Second), 0)
	assert.Equal(t, first.Floor, soon.Floor)
	settled := c.next(soon, now.add(-time.Hour), at.Add(time.Minute), 0)
	assert.Equal(t, Floor{At: now.add(-time.Hour), Exclusive: true}, settled.Floor)
	assert.Equal(t, settled.Floor, c.next(settled, Stamp{}, at.Add(time.Hour), 0).Floor, "nothing changed")
	assert.Empty(t, settled.Waiting)
}

func TestAValueOlderThanAnyTimeZoneIsSettledAtOnce(t *testing.T) {
	c := clock{zone: paris(t), lookback: time.Minute}
	at := time.Date(2026, 6, 1, 10, 0, 0, 0, time.UTC)
	old := StampAt(at, c.zone).add(-27 * time.Hour)
	assert.Equal(t, Floor{At: old, Exclusive: true}, c.next(Bounds{}, old, at, 0).Floor)
}

func TestTablesWithoutAnyDateAreReadWholeOnce(t *testing.T) {
	c := clock{zone: paris(t), lookback: time.Minute}
	at := time.Date(2026, 6, 1, 10, 0, 0, 0, time.UTC)
	b := c.next(Bounds{}, Stamp{}, at, 0)
	assert.False(t, b.Floor.IsZero())
	assert.True(t, b.Floor.below(StampAt(at.Add(-14*time.Hour), time.UTC)), "in whatever zone EBP's clock is")
}

func TestFloorsDecideOnTheirOwnSecond(t *testing.T) {
	at, later := stamp(t, "2026-01-02T03:04:05"), stamp(t, "2026-01-02T03:04:06")
	assert.True(t, Floor{At: at}.below(at))
	assert.False(t, Floor{At: at, Exclusive: true}.below(at))
	assert.True(t, Floor{At: at, Exclusive: true}.below(later))
	assert.False(t, Floor{At: at}.below(Stamp{}), "a row without a date is read only with everything")
	assert.True(t, Floor{}.below(Stamp{}))
	assert.True(t, Floor{}.lower(Floor{At: at}))
	assert.True(t, Floor{At: at}.lower(Floor{At: at, Exclusive: true}))
	assert.False(t, Floor{At: at}.lower(Floor{At: at}))
}

func TestStampsAreWrittenAsTheyWereRead(t *testing.T) {
	for _, s := range []string{"2019-07-22T11:33:02", "1753-01-01T00:00:00", "2202-03-01T00:00:00", "2026-01-02T03:04:05.997"} {
		assert.Equal(t, s, stamp(t, s).String())
	}
	for _, s := range []string{"", "null", "22/07/2019", "2019-07-22T11:33:02Z", "2019-13-01T00:00:00", "2019-07-22T25:00:00"} {
		_, ok := ParseStamp(s)
		assert.False(t, ok, s)
	}
}
