package incremental

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
)

// behind is how far a server that dates rows in UTC is behind EBP's dates in Paris, in
// winter.
const behind = time.Hour

// edited changes the name and the date of a customer, found by its place in the order of
// the key.
func (s *source) edited(t testing.TB, place int, name string, at time.Time) {
	t.Helper()
	s.exec(t, fmt.Sprintf("UPDATE f%[1]s_Customer SET \"Name\" = ?, sysModifiedDate = ? WHERE rowid = (SELECT rowid FROM f%[1]s_Customer ORDER BY \"Id\" LIMIT 1 OFFSET %[2]d)", folder, place), name, stampOf(at))
}

// beforeCall does something before the nth call of a list.
func (s *source) beforeCall(n int, do func()) {
	var calls atomic.Int64
	s.SetFault(func(c sandbox.Call) *sandbox.Fault {
		if c.Folder != "" && calls.Add(1) == int64(n) {
			do()
		}
		return nil
	})
}

func names(messages []message) string {
	out := ""
	for _, m := range messages {
		out += m.payload
	}
	return out
}

// The second call of a sweep, which finds the greatest date, waited for a minute and a
// half. What it finds was not there when the sweep began.
func TestADateThatWasFoundLateIsNotSettledEarly(t *testing.T) {
	t.Parallel()
	s := newSource(t, morning, sandbox.Options{Rows: 250})
	fields := customers([]string{folder}, "")
	s.beforeCall(2, func() {
		s.clock.advance(90 * time.Second)
		s.edited(t, 200, "greatest", s.clock.Now().Add(-behind))
	})
	found := s.clock.Now().Add(90 * time.Second)
	require.Contains(t, names(s.readAll(t, fields)), `"greatest"`)
	s.SetFault(nil)
	s.clock.advance(5 * time.Second)
	assert.Empty(t, s.readAll(t, fields))
	// This one was dated ten seconds before that, and is seen within lookback.
	s.clock.advance(5 * time.Second)
	s.edited(t, 3, "late", found.Add(-behind-10*time.Second))
	s.clock.advance(time.Second)
	assert.Contains(t, names(s.readAll(t, fields)), `"late"`)
}

// The first page is read, a row of it is changed, and only then the greatest date is
// found. The change was dated nine seconds before it is seen, and lookback is ten.
func TestARowOfTheFirstPageThatChangesBeforeTheBoundIsFixedIsReadAgain(t *testing.T) {
	t.Parallel()
	s := newSource(t, morning, sandbox.Options{Rows: 250})
	fields := customers([]string{folder}, "lookback: 10s")
	s.beforeCall(2, func() {
		s.edited(t, 3, "late", s.clock.Now().Add(-behind-9*time.Second))
		time.Sleep(4500 * time.Millisecond)
		s.clock.advance(4500 * time.Millisecond)
		s.edited(t, 200, "greatest", s.clock.Now().Add(-behind))
	})
	got := names(s.readAll(t, fields))
	s.SetFault(nil)
	require.Contains(t, got, `"greatest"`)
	s.clock.advance(5 * time.Second)
	got += names(s.readAll(t, fields))
	assert.Contains(t, got, `"late"`)
}

// Somebody typed the year 2202. All that comes after it is read all the same, and it is
// delivered once.
func TestADateInTheFutureHidesNothing(t *testing.T) {
	t.Parallel()
	s := newSource(t, morning, sandbox.Options{Rows: 250})
	fields := customers([]string{folder}, "")
	s.edited(t, 100, "from 2202", morning.AddDate(176, 0, 0))
	require.Contains(t, names(s.readAll(t, fields)), `"from 2202"`)
	for i := range 5 {
		s.clock.advance(90 * time.Second)
		name := fmt.Sprintf("change %d", i)
		s.edited(t, 10*i, name, s.clock.Now())
		got := s.readAll(t, fields)
		require.Len(t, got, 1)
		assert.Contains(t, got[0].payload, name)
	}
}

// A row that was never modified counts by the date of its creation.
func TestARowThatWasNeverModifiedArrivesWhenItIsCreated(t *testing.T) {
	t.Parallel()
	s := newSource(t, morning, sandbox.Options{Rows: 250})
	fields := customers([]string{folder}, "")
	s.readAll(t, fields)
	for i := range 3 {
		s.clock.advance(90 * time.Second)
		s.exec(t, "INSERT INTO f"+folder+"_Customer (\"Id\", \"Name\", sysCreatedDate) VALUES (?, 'new', ?)", fmt.Sprintf("NEW%d", i), stampOf(s.clock.Now()))
		got := s.readAll(t, fields)
		require.Len(t, got, 1)
		assert.Equal(t, fmt.Sprintf("NEW%d", i), got[0].key)
		assert.Empty(t, got[0].modified)
	}
	s.clock.advance(90 * time.Second)
	assert.Empty(t, s.readAll(t, fields))
}
