package incremental

import (
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
	"github.com/benthos-ebp/benthos-ebp/internal/testserver"
)

const (
	sharedFolders = 20
	sharedRows    = 60
	sharedPage    = 10
	// takenOverWithin is how soon the dossiers of a killed process are finished.
	takenOverWithin = 60 * time.Second
)

// states are where cursors are shared.
var states = map[string]func(t *testing.T) string{
	"file":     func(t *testing.T) string { return "file:" + t.TempDir() },
	"redis":    redisState,
	"postgres": postgresState,
}

func redisState(t *testing.T) string {
	t.Helper()
	u := os.Getenv("EBP_TEST_REDIS_URL")
	if u == "" {
		testserver.Missing(t, "EBP_TEST_REDIS_URL is not set: `eval \"$(bash .ci/servers start)\"` starts a Redis")
	}
	return u + "?prefix=incremental" + strconv.FormatInt(time.Now().UnixNano(), 36) + ":"
}

// postgresState is a schema of the test's own.
func postgresState(t *testing.T) string {
	t.Helper()
	d := newDestination(t)
	u, err := url.Parse(d.dsn)
	require.NoError(t, err)
	q := u.Query()
	q.Set("search_path", d.schema)
	u.RawQuery = q.Encode()
	return u.String()
}

// shared is a source of twenty dossiers, and two processes that read it with one cursor.
type shared struct {
	t      *testing.T
	s      *source
	dir    string
	fields string
}

func newShared(t *testing.T, location string) *shared {
	t.Helper()
	// The last dossier is one that this sign-in may not read.
	s := newSource(t, morning, sandbox.Options{Rows: sharedRows, Folders: sharedFolders + 1, Latency: 10 * time.Millisecond})
	s.state = location
	return &shared{t: t, s: s, dir: t.TempDir(), fields: customers(s.FolderIDs("gescom")[:sharedFolders], "page_size: "+strconv.Itoa(sharedPage))}
}

func (h *shared) start(name string) *program {
	return startProgram(h.t, h.s.pipeline(h.fields, intoFile(h.file(name))))
}

func (h *shared) file(name string) string { return filepath.Join(h.dir, name) }

// folders counts the dossiers that lines are of.
func foldersOf(lines []string) map[string]int {
	out := map[string]int{}
	for _, l := range lines {
		out[strings.Split(l, `"`)[3]]++
	}
	return out
}

func TestTwoProcessesWithOneCursorDeliverEachRecordOnce(t *testing.T) {
	t.Parallel()
	for name, location := range states {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newShared(t, location(t))
			began := time.Now()
			first, second := h.start("first"), h.start("second")
			first.succeeds()
			second.succeeds()
			a, b := fileLines(t, h.file("first")), fileLines(t, h.file("second"))
			assert.Len(t, append(a, b...), sharedFolders*sharedRows)
			assert.Zero(t, repeated(append(a, b...)))
			assert.NotEmpty(t, a, "both work")
			assert.NotEmpty(t, b, "both work")
			t.Logf("%s: %d folders and %d records by the first process, %d and %d by the second, in %.1f s",
				name, len(foldersOf(a)), len(a), len(foldersOf(b)), len(b), time.Since(began).Seconds())
		})
	}
}

func TestTheFoldersOfAKilledProcessAreFinishedByTheOther(t *testing.T) {
	t.Parallel()
	for name, location := range states {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newShared(t, location(t))
			victim := h.start("victim")
			until(t, "a page of the first process", func() bool { return len(fileLines(t, h.file("victim"))) > 10*sharedPage || victim.over() })
			require.False(t, victim.over(), "%s", victim.log)
			heir := h.start("heir")
			until(t, "a page of each process", func() bool { return len(fileLines(t, h.file("heir"))) > 0 || heir.over() || victim.over() })
			require.False(t, victim.over() || heir.over(), "%s%s", victim.log, heir.log)
			victim.kill()
			killed := time.Now()
			require.Zero(t, heir.endsWithin(takenOverWithin), "%s", heir.log)
			a, b := fileLines(t, h.file("victim")), fileLines(t, h.file("heir"))
			half := map[string]bool{}
			for f, n := range foldersOf(a) {
				half[f] = n < sharedRows
			}
			continued := 0
			for f := range foldersOf(b) {
				if half[f] {
					continued++
				}
			}
			twice := repeated(append(a, b...))
			t.Logf("%s: killed after %d records; everything was read %.1f s later, %d of its folders were gone on with, %d records came twice",
				name, len(a), time.Since(killed).Seconds(), continued, twice)
			assert.Equal(t, sharedFolders*sharedRows, len(a)+len(b)-twice, "nothing is lost")
			assert.Positive(t, continued, "the kill met no folder: the test tests nothing")
			assert.LessOrEqual(t, twice, inFlight*sharedPage)
		})
	}
}
