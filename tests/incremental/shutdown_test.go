//go:build unix

package incremental

import (
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
)

// stopsWithin is how long a program may take to stop. The host itself waits a little.
const stopsWithin = 10 * time.Second

// loadToFile loads a list into a file in a run that is told to stop when a function says
// so, and then in one that is left alone. It returns how many records had come by the stop,
// and how many calls the second run made.
func loadToFile(t *testing.T, s *source, fields string, when func(lines int) bool) (before, calls int) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out")
	p := startProgram(t, s.pipeline(fields, intoFile(out)))
	until(t, "the moment to stop", func() bool { return when(len(fileLines(t, out))) || p.over() })
	require.False(t, p.over(), "%s", p.log)
	told := time.Now()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	code := p.endsWithin(stopsWithin)
	took := time.Since(told)
	assert.Equal(t, 4, code, "the read is incomplete: %s", p.log)
	before = len(fileLines(t, out))
	s.ResetCalls()
	s.calls = noLimit
	startProgram(t, s.pipeline(fields, intoFile(out))).succeeds()
	calls = s.callsOf(folder)
	lines := fileLines(t, out)
	assert.Zero(t, repeated(lines), "what was acknowledged before the stop is in the cursor")
	assert.Len(t, lines, s.count(t, folder))
	t.Logf("stopped after %d records in %.1f s, with code %d; the next run read %d records in %d calls", before, took.Seconds(), code, len(lines)-before, calls)
	return before, calls
}

func TestAStopWhilePagesAreInFlightKeepsWhatWasAcknowledged(t *testing.T) {
	t.Parallel()
	for name, wanted := range map[string]int{"at the first page": 1, "in the middle": 500, "near the end": 800} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSource(t, morning, sandbox.Options{Rows: 1000, Latency: 20 * time.Millisecond})
			before, calls := loadToFile(t, s, customers([]string{folder}, "page_size: 10\nprefetch: 3\n"), func(lines int) bool { return lines >= wanted })
			// One call may have been under way, and its answer lost.
			assert.LessOrEqual(t, calls, (1000-before+9)/10+1)
		})
	}
}

func TestAStopWhileWaitingForTheQuotaTakesSeconds(t *testing.T) {
	t.Parallel()
	s := newSource(t, morning, sandbox.Options{Rows: 300})
	fields := customers([]string{folder}, "page_size: 20\n")
	s.calls = "{ per_second: 0, per_day: 7 }"
	before, _ := loadToFile(t, s, fields, func(lines int) bool {
		if s.CallCount() < 7 {
			return false
		}
		time.Sleep(300 * time.Millisecond) // it waits for midnight now
		return true
	})
	assert.Positive(t, before)
	assert.Less(t, before, 300)
}
