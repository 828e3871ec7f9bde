package incremental

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
)

// In the night to 25 October 2026 EBP's clock shows 02:00 to 03:00 twice: what is changed
// in the second pass has dates below those of the first. Sweeps run through the night at
// random distances while somebody works, and after each one that met nobody the table is
// compared.
func TestEditsInBothPassesOfTheAutumnHourArrive(t *testing.T) {
	t.Parallel()
	nights := amount(t, "EBP_TEST_SCHEDULES", 60) / 10
	for night := 1; night <= max(nights, 4); night++ {
		t.Run(fmt.Sprintf("night %d", night), func(t *testing.T) {
			t.Parallel()
			seed := uint64(night)
			// 02:00 is at 00:00 and, the second time, at 01:00 UTC.
			throughTheNight(t, seed, time.Date(2026, 10, 24, 22, 0, 0, 0, time.UTC), 8*time.Hour)
		})
	}
}

// In spring the clock leaps; nothing is to be lost by that either.
func TestEditsAroundTheSpringHourArrive(t *testing.T) {
	t.Parallel()
	throughTheNight(t, 1, time.Date(2027, 3, 27, 23, 0, 0, 0, time.UTC), 4*time.Hour)
}

func throughTheNight(t *testing.T, seed uint64, start time.Time, length time.Duration) {
	rng := rand.New(rand.NewPCG(seed, 4))
	// The first load is before the night, or at any time of it.
	first := time.Duration(rng.Int64N(int64(length) / 2))
	s := newSource(t, start, sandbox.Options{Rows: 30, Seed: int64(seed)})
	l := datedLists[0]
	c := &schedule{t: t, about: subject{modeIncremental, l}, s: s, book: newBook(l), rng: rng, lookback: []int{60, 60, 5}[rng.IntN(3)]}
	c.w = newWorker(t, s, l, c.book, seed)
	c.w.lateness = c.lookback - 1
	c.fields = c.config()
	c.note("%s", c.fields)
	s.SetFault(c.beforeCall)
	defer s.SetFault(nil)
	sweeps, edits := 0, 0
	for end := start.Add(length); s.clock.Now().Before(end) && !t.Failed(); sweeps++ {
		s.clock.advance(time.Duration(1+rng.IntN(900)) * time.Second)
		c.mu.Lock()
		edits, c.w.edits = edits+c.w.edits, 0 // each sweep may meet as many as it can bear
		for range rng.IntN(4) {
			c.w.edit()
			s.clock.advance(time.Duration(rng.IntN(100)) * time.Second)
		}
		c.mu.Unlock()
		if s.clock.Now().Before(start.Add(first)) {
			continue
		}
		if rng.IntN(3) == 0 {
			c.run(true)
		}
		c.run(false) // it may go on with one that saw less
		c.run(false)
		c.compare()
	}
	// Once the night is over, nothing changed costs one call again.
	for range 5 {
		s.clock.advance(time.Hour)
		c.run(false)
	}
	s.ResetCalls()
	before, _ := c.book.counts()
	c.run(false)
	after, _ := c.book.counts()
	assert.Equal(t, before, after)
	for _, f := range c.w.places {
		assert.Equal(t, 1, s.callsOf(f))
	}
	assert.Empty(t, c.book.wrong)
	if t.Failed() {
		for _, step := range c.steps {
			t.Log(step)
		}
	}
	t.Logf("%d edits, %d sweeps, %d messages", edits+c.edits(), sweeps, c.book.messages)
}
