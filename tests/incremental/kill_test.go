package incremental

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
	"github.com/benthos-ebp/benthos-ebp/internal/state"
	"github.com/benthos-ebp/benthos-ebp/internal/sweep"
	"github.com/benthos-ebp/benthos-ebp/internal/testserver"
)

const (
	envPostgres = "EBP_TEST_POSTGRES_DSN"

	killPage = 20
	// inFlight is how many pages may be delivered and not be in the cursor yet: one that
	// waits, one that Postgres is writing, and one that was acknowledged while the cursor
	// was written.
	inFlight = 3
)

// destination is a schema of the test's own in a real Postgres: a mirror, and a log that
// only grows.
type destination struct {
	conn   *pgx.Conn
	dsn    string
	schema string
}

func newDestination(t *testing.T) *destination {
	t.Helper()
	dsn := os.Getenv(envPostgres)
	if dsn == "" {
		testserver.Missing(t, envPostgres+" is not set: `eval \"$(bash .ci/servers start)\"` starts a Postgres")
	}
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	d := &destination{conn: conn, dsn: dsn, schema: "incremental_" + strconv.FormatUint(rand.Uint64(), 36)}
	t.Cleanup(func() {
		_, _ = conn.Exec(context.Background(), "DROP SCHEMA "+d.schema+" CASCADE")
		_ = conn.Close(context.Background())
	})
	for _, q := range []string{
		"CREATE SCHEMA " + d.schema,
		"CREATE TABLE " + d.schema + ".log (id bigserial PRIMARY KEY, run int NOT NULL, folder text NOT NULL, key text NOT NULL, record text NOT NULL)",
		"CREATE TABLE " + d.schema + ".mirror (folder text NOT NULL, key text NOT NULL, record text NOT NULL, PRIMARY KEY (folder, key))",
	} {
		_, err := conn.Exec(t.Context(), q)
		require.NoError(t, err)
	}
	return d
}

// output writes the messages of a run.
func (d *destination) output(run int) string {
	return fmt.Sprintf(`
output:
  sql_raw:
    driver: pgx
    dsn: %q
    max_in_flight: 1
    queries:
      - query: INSERT INTO %[2]s.log (run, folder, key, record) VALUES (%[3]d, $1, $2, $3)
        args_mapping: root = [ @ebp_folder, @ebp_key, content().string() ]
      - query: |
          INSERT INTO %[2]s.mirror (folder, key, record) VALUES ($1, $2, $3)
          ON CONFLICT (folder, key) DO UPDATE SET record = excluded.record
        args_mapping: root = [ @ebp_folder, @ebp_key, content().string() ]
`, d.dsn, d.schema, run)
}

func (d *destination) number(t *testing.T, query string, args ...any) int {
	t.Helper()
	var n int
	require.NoError(t, d.conn.QueryRow(t.Context(), strings.ReplaceAll(query, "SCHEMA", d.schema), args...).Scan(&n))
	return n
}

// repeats counts the versions of a run that had come in an earlier one.
func (d *destination) repeats(t *testing.T, run int) int {
	t.Helper()
	return d.number(t, `SELECT count(*) FROM SCHEMA.log l WHERE run = $1 AND EXISTS (
		SELECT 1 FROM SCHEMA.log e WHERE e.run < l.run AND e.folder = l.folder AND e.key = l.key AND e.record = l.record)`, run)
}

func (d *destination) mirror(t *testing.T) map[string]string {
	t.Helper()
	rows, err := d.conn.Query(t.Context(), "SELECT folder, key, record FROM "+d.schema+".mirror")
	require.NoError(t, err)
	out := map[string]string{}
	var folder, key, record string
	_, err = pgx.ForEachRow(rows, []any{&folder, &key, &record}, func() error {
		out[rowKey(folder, key)] = record
		return nil
	})
	require.NoError(t, err)
	return out
}

// killings is an incremental load that is killed again and again.
type killings struct {
	t       *testing.T
	s       *source
	d       *destination
	w       *worker
	rng     *rand.Rand
	folders []string
	run     int
	store   state.Store
	asked   map[string]map[string]bool // what was asked in the sweep under way, by folder
	last    map[string]time.Time       // when the last complete sweep of a folder ended

	kills, hits, ended                 int
	repeatedRows, mostRows             int
	repeatedCalls, mostCalls, allCalls int
}

// The program loads customers into Postgres and is killed with SIGKILL at random moments,
// while somebody works in EBP between its runs.
func TestAKilledLoadLosesNothingAndRepeatsOnlyWhatWasInFlight(t *testing.T) {
	t.Parallel()
	d := newDestination(t)
	n := amount(t, "EBP_TEST_CURSOR_KILLS", 6)
	s := newSource(t, morning, sandbox.Options{Rows: 400, Folders: 4, Latency: 8 * time.Millisecond})
	l := *datedLists[0]
	k := &killings{t: t, s: s, d: d, rng: rand.New(rand.NewPCG(1, 5)), folders: s.FolderIDs("gescom")[:3], asked: map[string]map[string]bool{}, last: map[string]time.Time{}}
	l.places = func(*sandbox.Server) []string { return k.folders }
	k.w = newWorker(t, s, &l, newBook(&l), 1)
	var err error
	k.store, err = state.Open(s.state)
	require.NoError(t, err)
	defer k.store.Close()
	for k.kills < n {
		k.once()
	}
	// Nobody kills it any more. The first run goes on with the sweep that saw less.
	for range 2 {
		k.run++
		startProgram(t, k.config()).succeeds()
	}
	mirror := d.mirror(t)
	lost := 0
	for _, m := range s.readAll(t, fmt.Sprintf("%s\nfolders: [%s]", l.fields, quotedList(k.folders))) {
		if got := mirror[rowKey(m.folder, m.key)]; got != m.payload && hasDate(t, m.payload) {
			lost++
			assert.LessOrEqual(t, lost, 3)
			assert.Equal(t, m.payload, got)
		}
	}
	t.Logf("%d kills, %d of them during a load, %d loads that ended; %d rows read, %d of them twice, at most %d after one kill; %d calls, %d of them twice, at most %d after one kill; %d of %d rows lost",
		k.kills, k.hits, k.ended, d.number(t, "SELECT count(*) FROM SCHEMA.log"), k.repeatedRows, k.mostRows, k.allCalls, k.repeatedCalls, k.mostCalls, lost, len(mirror))
	assert.Positive(t, k.hits, "no kill met a load: the test tests nothing")
}

func (k *killings) config() string {
	return k.s.pipeline(fmt.Sprintf("%s\nfolders: [%s]\nmode: incremental\ncursor: killed\npage_size: %d", datedLists[0].fields, quotedList(k.folders), killPage), k.d.output(k.run))
}

// once starts the program and kills it, unless it ends before.
func (k *killings) once() {
	k.run++
	k.s.ResetCalls()
	p := startProgram(k.t, k.config())
	until(k.t, "the first call", func() bool { return k.s.CallCount() > 0 || p.over() })
	select {
	case <-p.ended:
		p.succeeds()
		k.ended++
	case <-time.After(time.Duration(k.rng.Int64N(int64(600 * time.Millisecond)))):
		p.kill()
		k.kills++
		if k.d.number(k.t, "SELECT count(*) FROM SCHEMA.log WHERE run = $1", k.run) > 0 {
			k.hits++
		}
	}
	k.accountForRows()
	k.accountForCalls()
	k.s.clock.advance(time.Duration(k.rng.IntN(40)) * time.Second)
	if p.err == nil || k.rng.IntN(4) == 0 {
		for _, f := range k.folders {
			k.w.bulk(f)
		}
	}
	for range k.rng.IntN(4) {
		place, row, _ := k.w.somewhere()
		k.w.update(place, row)
		k.w.insert(place, nil)
	}
}

// accountForRows counts the rows that a run delivered again.
func (k *killings) accountForRows() {
	rows := k.d.repeats(k.t, k.run)
	k.repeatedRows += rows
	k.mostRows = max(k.mostRows, rows)
	assert.LessOrEqual(k.t, rows, inFlight*killPage, "rows of run %d that had come already", k.run)
}

// accountForCalls counts the calls of a run that the sweep they belong to had made already.
func (k *killings) accountForCalls() {
	calls, begun := 0, map[string][]string{}
	for _, c := range k.s.Calls() {
		if c.Folder == "" || c.Status == 0 {
			continue
		}
		k.allCalls++
		begun[c.Folder] = append(begun[c.Folder], c.Query)
		if k.asked[c.Folder][c.Query] {
			calls++
		}
	}
	k.repeatedCalls += calls
	k.mostCalls = max(k.mostCalls, calls)
	assert.LessOrEqual(k.t, calls, inFlight+len(begun), "calls of run %d that had been made already", k.run)

	for f, queries := range begun {
		if k.asked[f] == nil {
			k.asked[f] = map[string]bool{}
		}
		for _, q := range queries {
			k.asked[f][q] = true
		}
	}
	lists, err := sweep.ShowCursor(k.t.Context(), k.store, "killed")
	if !errors.Is(err, sweep.ErrNoCursor) {
		require.NoError(k.t, err)
	}
	for _, l := range lists {
		if !l.LastEnd.Equal(k.last[l.Folder]) {
			k.last[l.Folder] = l.LastEnd
			delete(k.asked, l.Folder) // the next sweep asks anew
		}
	}
}
