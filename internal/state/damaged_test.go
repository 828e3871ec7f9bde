package state

import (
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDamagedRecordsAreReportedAndNeverReplaced(t *testing.T) {
	const key = "tokens/x"
	whole, err := seal(key, 1, []byte(`{"refresh_token":"secret"}`))
	require.NoError(t, err)
	edited := func(old, new string) string { return strings.Replace(string(whole), old, new, 1) }
	contents := map[string]string{
		"empty":            "",
		"half":             string(whole[:len(whole)/2]),
		"bit flipped":      edited(`"version":1`, `"version":7`),
		"newer":            edited(`"format":1`, `"format":9`),
		"no format":        edited(`"format":1`, `"format":0`),
		"other key":        edited("tokens/x", "tokens/y"),
		"other value":      edited(`"value":"ey`, `"value":"eZ`),
		"not JSON":         "secret",
		"secret in a type": `{"format":"secret"}`,
		"twice":            string(whole) + string(whole),
		"zeros":            string(make([]byte, 100)),
	}
	for _, kind := range shared {
		t.Run(kind, func(t *testing.T) {
			location := place(t, kind)
			for name, content := range contents {
				t.Run(name, func(t *testing.T) {
					s := open(t, location)
					ctx := t.Context()
					version, err := s.Put(ctx, key, []byte("{}"), 0)
					require.NoError(t, err)
					overwrite(t, s, location, key, content)
					_, err = s.Get(ctx, key)
					require.ErrorIs(t, err, ErrDamaged)
					assert.NotContains(t, err.Error(), "secret")
					for _, expected := range []Version{0, version, 7} {
						_, err = s.Put(ctx, key, []byte("{}"), expected)
						require.ErrorIs(t, err, ErrDamaged)
					}
					assert.Equal(t, content, stored(t, s, location, key), "it was written over")
					_, err = s.SetAside(ctx, key)
					require.NoError(t, err)
					_, err = s.Get(ctx, key)
					require.ErrorIs(t, err, ErrNotFound)
					// For the next one, which begins with an empty key.
					_, err = s.Put(ctx, key, []byte("new"), 0)
					require.NoError(t, err)
					_, err = s.SetAside(ctx, key)
					require.NoError(t, err)
				})
			}
		})
	}
}

// overwrite changes what a store holds of a record behind its back.
func overwrite(t *testing.T, s Store, location, key, content string) {
	t.Helper()
	switch s := s.(type) {
	case *File:
		require.NoError(t, os.WriteFile(s.path(key), []byte(content), 0o600))
	case *Redis:
		require.NoError(t, s.client.HSet(t.Context(), s.recordKey(key), "record", content).Err())
	case *Postgres:
		statement(t, location, `UPDATE benthos_ebp_records SET value = $2::bytea WHERE key = $1`, key, []byte(content))
	}
}

func stored(t *testing.T, s Store, location, key string) string {
	t.Helper()
	switch s := s.(type) {
	case *File:
		data, err := os.ReadFile(s.path(key))
		require.NoError(t, err)
		return string(data)
	case *Redis:
		data, err := s.client.HGet(t.Context(), s.recordKey(key), "record").Result()
		require.NoError(t, err)
		return data
	case *Postgres:
		conn, err := pgx.Connect(t.Context(), location)
		require.NoError(t, err)
		defer conn.Close(t.Context())
		var data []byte
		require.NoError(t, conn.QueryRow(t.Context(), `SELECT value FROM benthos_ebp_records WHERE key = $1`, key).Scan(&data))
		return string(data)
	}
	panic("no such store")
}
