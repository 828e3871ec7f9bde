package incremental

import (
	"fmt"
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
)

const (
	pageSize = 100
	// fixing is how many calls it takes at most to find the bound of the next sweep:
	// the greatest date of a modification, and that of a row that was never modified.
	fixing = 2
)

func pages(rows int) int { return (rows + pageSize - 1) / pageSize }

// customers reads Customer of some dossiers by what changed.
func customers(folders []string, more string) string {
	return fmt.Sprintf("resource: gescom.generic_query\ntable: Customer\ncolumns: [Id, Name, sysModifiedDate, sysCreatedDate]\nfolders: [%s]\nmode: incremental\ncursor: customers\n%s",
		quotedList(folders), more)
}

// callsByFolder counts the calls that read records since they were last counted.
func (s *source) callsByFolder() map[string]int {
	out := map[string]int{}
	for _, c := range s.Calls() {
		if c.Folder != "" {
			out[c.Folder]++
		}
	}
	s.ResetCalls()
	return out
}

func (s *source) count(t testing.TB, folder string) int {
	t.Helper()
	return s.number(t, "SELECT COUNT(*) FROM f"+folder+"_Customer")
}

func TestAFirstLoadOfOldRowsIsNotReadTwice(t *testing.T) {
	t.Parallel()
	rows := amount(t, "EBP_TEST_ROWS", 2000)
	s := newSource(t, morning, sandbox.Options{Rows: min(rows, 50_000)})
	folders := s.FolderIDs("gescom")
	first := s.readAll(t, customers(folders, ""))
	calls := s.callsByFolder()
	total := 0
	for _, f := range folders {
		n := s.count(t, f)
		total += n
		assert.LessOrEqual(t, calls[f], pages(n)+fixing, f)
		t.Logf("folder %s: %d rows, half of them of one second, in %d calls", f, n, calls[f])
	}
	assert.Len(t, first, total)

	for range 3 {
		assert.Empty(t, s.readAll(t, customers(folders, "")))
		for _, f := range folders {
			assert.Equal(t, 1, s.callsOf(f), "a sweep over what has not changed is one call")
		}
		s.ResetCalls()
	}
}

// callsOf counts the calls that read records of a dossier.
func (s *source) callsOf(folder string) int {
	n := 0
	for _, c := range s.Calls() {
		if c.Folder == folder {
			n++
		}
	}
	return n
}

// A bulk update gave many rows the date of now. Until that date is settled more rows of it
// may come, so the sweeps read what holds it again, and deliver none of it twice.
func TestNothingChangedCostsOneCallOnceTheWatermarkHasSettled(t *testing.T) {
	t.Parallel()
	const ties = 350
	s := newSource(t, morning, sandbox.Options{Rows: 600})
	folders := s.FolderIDs("gescom")
	for _, f := range folders {
		s.exec(t, fmt.Sprintf(`UPDATE f%s_Customer SET sysModifiedDate = ? WHERE rowid <= %d`, f, ties), stampOf(s.clock.Now()))
	}
	require.Len(t, s.readAll(t, customers(folders, "")), 600*len(folders))
	s.ResetCalls()
	for i, step := range []struct {
		after time.Duration
		calls int
	}{
		{10 * time.Second, pages(ties) + fixing},
		{20 * time.Second, pages(ties) + fixing},
		{31 * time.Second, pages(ties) + fixing}, // complete after lookback: now it is settled
		{time.Second, 1},
		{time.Hour, 1},
		{48 * time.Hour, 1},
	} {
		s.clock.advance(step.after)
		assert.Empty(t, s.readAll(t, customers(folders, "")), "sweep %d", i+2)
		calls := s.callsByFolder()
		t.Logf("sweep %d, %s later: %v calls", i+2, step.after, calls)
		for _, f := range folders {
			if step.calls == 1 {
				assert.Equal(t, 1, calls[f], "sweep %d of folder %s", i+2, f)
			} else {
				assert.LessOrEqual(t, calls[f], step.calls, "sweep %d of folder %s", i+2, f)
			}
		}
	}

	// What comes then comes once, for a call, and settles as well.
	s.exec(t, "UPDATE f"+folder+"_Customer SET \"Name\" = 'changed', sysModifiedDate = ? WHERE rowid = 17", stampOf(s.clock.Now()))
	got := s.readAll(t, customers(folders, ""))
	require.Len(t, got, 1)
	assert.Contains(t, got[0].payload, `"Name":"changed"`)
	assert.Equal(t, "upsert", got[0].change)
	for range 3 {
		s.clock.advance(61 * time.Second)
		assert.Empty(t, s.readAll(t, customers(folders, "")))
	}
	s.ResetCalls()
	assert.Empty(t, s.readAll(t, customers(folders, "")))
	for f, n := range s.callsByFolder() {
		assert.Equal(t, 1, n, f)
	}
}

// A pipeline that stays up costs no more than one that is started for each sweep.
func TestAContinuousPipelineMakesOneCallASweepAndFolder(t *testing.T) {
	t.Parallel()
	const sweeps = 20
	s := newSource(t, morning, sandbox.Options{Rows: 250})
	folders := s.FolderIDs("gescom")
	require.NotEmpty(t, s.readAll(t, customers(folders, "")))
	s.ResetCalls()
	ends, others := map[string]int{}, 0
	enough := make(chan struct{})
	st := s.start(t, customers(folders, "interval: 1ms\nsweep_marker: true"), func(b service.MessageBatch) error {
		for _, m := range received(t, b) {
			if m.change != "sweep_end" {
				others++
			} else if ends[m.folder]++; m.folder == folder && ends[m.folder] == sweeps {
				close(enough)
			}
		}
		return nil
	})
	select {
	case <-enough:
	case <-time.After(patience):
		require.Fail(t, "the sweeps do not go on", "%s", st.log)
	}
	st.stop()
	assert.Zero(t, others)
	for f, n := range s.callsByFolder() {
		t.Logf("folder %s: %d complete sweeps in %d calls", f, ends[f], n)
		assert.LessOrEqual(t, n, ends[f]+1, "one call a sweep, and one that was cut off")
	}
}

// Every row has the date of this very second, as after a change by program that EBP makes
// while it is read.
func TestRowsThatShareOneSecondAreReadOnceAndWithoutALoop(t *testing.T) {
	t.Parallel()
	rows := min(amount(t, "EBP_TEST_ROWS", 5000), 50_000)
	s := newSource(t, morning, sandbox.Options{Rows: rows})
	s.exec(t, "UPDATE f"+folder+"_Customer SET sysModifiedDate = ?", stampOf(s.clock.Now()))
	began := time.Now()
	keys := map[string]bool{}
	for _, m := range s.readAll(t, customers([]string{folder}, "")) {
		assert.False(t, keys[m.key], m.key)
		keys[m.key] = true
	}
	assert.Len(t, keys, rows)
	calls := s.callsByFolder()[folder]
	t.Logf("%d rows of one second: %d calls, %.1f s", rows, calls, time.Since(began).Seconds())
	assert.LessOrEqual(t, calls, pages(rows)+fixing)

	for i, after := range []time.Duration{5 * time.Second, 61 * time.Second, time.Second, time.Minute} {
		s.clock.advance(after)
		assert.Empty(t, s.readAll(t, customers([]string{folder}, "")), "sweep %d", i+2)
		calls := s.callsByFolder()[folder]
		t.Logf("sweep %d, %s later: %d calls", i+2, after, calls)
		most := pages(rows) + fixing
		if i >= 2 {
			most = 1
		}
		assert.LessOrEqual(t, calls, most, "sweep %d", i+2)
	}
}
