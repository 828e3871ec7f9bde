package incremental

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
)

func deletions(lines []string) int {
	n := 0
	for _, l := range lines {
		if strings.HasPrefix(l, `["delete",`) {
			n++
		}
	}
	return n
}

// A sweep over a list of which rows were deleted is killed at each of its calls.
func TestAKilledSweepReportsNoDeletion(t *testing.T) {
	t.Parallel()
	for _, at := range []int{1, 3, 6} {
		t.Run("at call "+string(rune('0'+at)), func(t *testing.T) {
			t.Parallel()
			s := newSource(t, morning, sandbox.Options{Rows: 110})
			out := filepath.Join(t.TempDir(), "out")
			config := s.pipeline(followed, intoFile(out))
			startProgram(t, config).succeeds()
			require.Len(t, fileLines(t, out), 110)

			s.exec(t, "DELETE FROM f"+folder+"_Customer WHERE rowid IN (2, 50, 109)")
			s.ResetCalls()
			held := make(chan struct{})
			s.SetFault(func(c sandbox.Call) *sandbox.Fault {
				if c.Folder == "" || s.CallCount() < at-1 {
					return nil
				}
				close(held)
				return &sandbox.Fault{Delay: time.Minute}
			})
			p := startProgram(t, config)
			<-held
			p.kill()
			s.SetFault(nil)
			assert.Zero(t, deletions(fileLines(t, out)))
			startProgram(t, config).succeeds()
			assert.Equal(t, 3, deletions(fileLines(t, out)))
		})
	}
}

// What the log of a pipeline that is held tells a person to do is what helps.
func TestThePersonWhoConfirmsDeletionsGetsThem(t *testing.T) {
	t.Parallel()
	s := newSource(t, morning, sandbox.Options{Rows: 110})
	out := filepath.Join(t.TempDir(), "out")
	config := s.pipeline(followed, intoFile(out))
	startProgram(t, config).succeeds()
	s.exec(t, "DELETE FROM f"+folder+"_Customer")
	held := startProgram(t, config)
	assert.Equal(t, 4, held.endsWithin(patience), "the read is incomplete")
	assert.Contains(t, held.log.String(), "benthos-ebp cursor confirm followed")
	assert.Zero(t, deletions(fileLines(t, out)))

	said, err := command(t, "cursor", "confirm", "followed", "--state", s.state).CombinedOutput()
	require.NoError(t, err, "%s", said)
	assert.Contains(t, string(said), "110")
	startProgram(t, config).succeeds()
	assert.Equal(t, 110, deletions(fileLines(t, out)))
}
