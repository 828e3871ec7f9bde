package destinations

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/jackc/pgx/v5"
)

// mirrored are the keys and a value of each row of a table in the mirror.
func mirrored(t *testing.T, conn *pgx.Conn, table, key, column string) map[string]string {
	t.Helper()
	found, err := conn.Query(t.Context(), `SELECT record->>$2, record->>$3 FROM ebp_mirror WHERE folder = $4 AND table_name = $1`, table, key, column, folder)
	if err != nil {
		return nil // the table is not there yet
	}
	out := map[string]string{}
	var id, value string
	if _, err = pgx.ForEachRow(found, []any{&id, &value}, func() error {
		out[id] = value
		return nil
	}); err != nil {
		return nil
	}
	return out
}

// Rows are inserted, changed and deleted while the pipeline runs, and it is killed and
// started again: each time the mirror becomes what EBP holds.
func TestTheMirrorBecomesWhatEBPHolds(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	p := example(t, s, "mirror_to_postgres.yaml")
	dsn, conn := newDatabase(t)
	p.env["POSTGRES_DSN"], p.env["INTERVAL"] = dsn, "200ms"

	for round := range 4 {
		ctx, kill := context.WithCancel(t.Context())
		cmd := p.command(ctx, t)
		log, err := os.CreateTemp(t.TempDir(), "log")
		require.NoError(t, err)
		cmd.Stdout, cmd.Stderr = log, log
		require.NoError(t, cmd.Start())
		for edit := range 5 {
			n := 5*round + edit
			time.Sleep(150 * time.Millisecond)
			require.NoError(t, s.Exec(`INSERT INTO f3691_Customer ("Id","Name","CurrentAmount") VALUES (?,?,?)`, fmt.Sprintf("NEW%03d", n), "Nouveau client d'été", hugeDecimal))
			require.NoError(t, s.Exec(`UPDATE f3691_Customer SET "Name" = ? WHERE rowid IN (SELECT rowid FROM f3691_Customer ORDER BY random() LIMIT 3)`, fmt.Sprintf("É%d", n)))
			require.NoError(t, s.Exec(`DELETE FROM f3691_Customer WHERE rowid IN (SELECT rowid FROM f3691_Customer ORDER BY random() LIMIT 2)`))
		}
		if round%2 == 0 { // the other rounds are killed in the middle of it
			expected := map[string]string{}
			for id, row := range s.table(t, folder, "Customer", "Id", "Name") {
				expected[id] = row[1].(string)
			}
			equal := assert.Eventually(t, func() bool {
				return assert.ObjectsAreEqual(expected, mirrored(t, conn, "Customer", "Id", "Name"))
			}, time.Minute, 50*time.Millisecond, "round %d", round)
			if !equal {
				content, _ := os.ReadFile(log.Name())
				t.Logf("%s", content)
				t.FailNow()
			}
		}
		kill() // with SIGKILL
		_ = cmd.Wait()
	}
	var amount string
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT record->>'CurrentAmount' FROM ebp_mirror WHERE key LIKE 'NEW%' LIMIT 1`).Scan(&amount))
	assert.Equal(t, hugeDecimal, amount)
	assert.Len(t, mirrored(t, conn, "Item", "Id", "Id"), len(s.table(t, folder, "Item", "Id")))
}
