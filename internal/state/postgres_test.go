package state

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/testserver"
)

func TestTablesAreMadeByManyAtOnce(t *testing.T) {
	for range 5 {
		location := place(t, "postgres")
		var wg sync.WaitGroup
		for i := range 12 {
			s := open(t, location)
			wg.Go(func() {
				_, err := s.Put(t.Context(), fmt.Sprint(i), []byte("x"), 0)
				assert.NoError(t, err)
			})
		}
		wg.Wait()
	}
}

func TestNothingIsMadeByReading(t *testing.T) {
	location := place(t, "postgres")
	s := open(t, location)
	_, err := s.Get(t.Context(), testKey)
	require.ErrorIs(t, err, ErrNotFound)
	var n int
	query(t, location, &n, `SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()`)
	assert.Zero(t, n)
	_, err = s.Put(t.Context(), testKey, []byte("x"), 0)
	require.NoError(t, err)
	query(t, location, &n, `SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()`)
	assert.Equal(t, 3, n)
	// Who drops them has a store that is empty, and works.
	statement(t, location, `DROP TABLE benthos_ebp_records, benthos_ebp_leases, benthos_ebp_digests`)
	lease, err := s.Lease(t.Context(), testKey)
	require.NoError(t, err)
	lease.Release()
	_, err = s.Put(t.Context(), testKey, []byte("x"), 0)
	require.NoError(t, err)
}

// query reads one value past the store.
func query(t *testing.T, location string, value any, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), location)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	require.NoError(t, conn.QueryRow(t.Context(), sql).Scan(value), sql)
}

// newRole makes a role of its own that has no rights in the schema of a place.
func newRole(t *testing.T, location string) (role, asRole string) {
	t.Helper()
	role = "test_role_" + randomWord()[:12]
	statement(t, location, `CREATE ROLE `+role+` LOGIN PASSWORD 'hunter2'`)
	t.Cleanup(func() { statement(t, location, `DROP OWNED BY `+role); statement(t, location, `DROP ROLE `+role) })
	u, err := url.Parse(location)
	require.NoError(t, err)
	u.User = url.UserPassword(role, "hunter2")
	return role, u.String()
}

func schemaOf(t *testing.T, location string) string {
	t.Helper()
	u, err := url.Parse(location)
	require.NoError(t, err)
	return u.Query().Get("search_path")
}

func TestARoleThatMayNotMakeTablesIsToldAndUsesThoseThatAreThere(t *testing.T) {
	location := place(t, "postgres")
	role, asRole := newRole(t, location)
	statement(t, location, `GRANT USAGE ON SCHEMA `+schemaOf(t, location)+` TO `+role)
	s := open(t, asRole)
	_, err := s.Put(t.Context(), testKey, []byte("x"), 0)
	require.ErrorContains(t, err, "let the role create tables in that schema, or make the tables for it (CREATE TABLE IF NOT EXISTS benthos_ebp_records (")
	assert.NotContains(t, err.Error(), "hunter2")
	_, err = s.Lease(t.Context(), testKey)
	require.ErrorContains(t, err, "let the role create tables")
	set, err := s.(Digester).Digests(t.Context(), "set")
	require.NoError(t, err)
	err = set.Save(t.Context(), 1, []DigestEntry{{Key: "k", Digest: Digest{1}}})
	require.ErrorContains(t, err, "CREATE TABLE IF NOT EXISTS benthos_ebp_digests (")

	for _, sql := range createTables {
		statement(t, location, sql)
	}
	_, err = s.Get(t.Context(), testKey)
	require.ErrorContains(t, err, "grant it SELECT")
	statement(t, location, `GRANT SELECT, INSERT, UPDATE, DELETE ON benthos_ebp_records, benthos_ebp_leases, benthos_ebp_digests TO `+role)
	_, err = s.Put(t.Context(), testKey, []byte("x"), 0)
	require.NoError(t, err)
	keys, err := s.Keys(t.Context(), "")
	require.NoError(t, err)
	assert.Equal(t, []string{testKey}, keys)
	require.NoError(t, set.Save(t.Context(), 1, []DigestEntry{{Key: "k", Digest: Digest{1}}}))
	require.NoError(t, set.Remove(t.Context(), 2, []string{"k"}))
	lease, err := s.Lease(t.Context(), testKey)
	require.NoError(t, err)
	lease.Release()
	_, err = s.SetAside(t.Context(), testKey)
	require.NoError(t, err)
}

func TestAWrongPasswordOfPostgresIsSaidButNotShown(t *testing.T) {
	location := place(t, "postgres")
	_, asRole := newRole(t, location)
	u, err := url.Parse(asRole)
	require.NoError(t, err)
	u.User = url.UserPassword(u.User.Username(), "open sesame")
	s := open(t, u.String())
	_, err = s.Get(t.Context(), testKey)
	require.ErrorContains(t, err, "check the user and the password in the address")
	assert.NotContains(t, err.Error(), "sesame")
	u.User, u.Path = url.UserPassword(u.User.Username(), "hunter2"), "/nowhere"
	_, err = open(t, u.String()).Get(t.Context(), testKey)
	require.ErrorContains(t, err, "check the database in the address")
}

func TestAPutWaitsForTheDiskWhateverTheRoleIsSetTo(t *testing.T) {
	location := place(t, "postgres")
	role, asRole := newRole(t, location)
	statement(t, location, `GRANT USAGE, CREATE ON SCHEMA `+schemaOf(t, location)+` TO `+role)
	for set, seen := range map[string]string{"off": "on", "local": "on", "remote_write": "on", "remote_apply": "remote_apply"} {
		statement(t, location, `ALTER ROLE `+role+` SET synchronous_commit = `+set)
		s := open(t, asRole)
		_, err := s.SetAside(t.Context(), testKey)
		if err != nil {
			require.ErrorIs(t, err, ErrNotFound)
		}
		// The setting at the end of the transaction is what counts, so it is looked at there.
		for _, sql := range []string{
			`CREATE TABLE IF NOT EXISTS seen (what text)`,
			`CREATE OR REPLACE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$
				BEGIN INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$`,
			`DROP TRIGGER IF EXISTS look ON benthos_ebp_records`,
			`CREATE CONSTRAINT TRIGGER look AFTER INSERT OR UPDATE ON benthos_ebp_records DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION look()`,
			`DELETE FROM seen`,
		} {
			statement(t, asRole, sql)
		}
		v, err := s.Put(t.Context(), testKey, []byte("x"), 0)
		require.NoError(t, err)
		_, err = s.Put(t.Context(), testKey, []byte("y"), v)
		require.NoError(t, err)
		var got string
		query(t, asRole, &got, `SELECT string_agg(what, ' ') FROM seen`)
		assert.Equal(t, seen+" "+seen, got, set)
		query(t, asRole, &got, `SHOW synchronous_commit`)
		assert.Equal(t, set, got, "the setting of others was changed")
	}
}

func TestADatabaseThatIsStrictByDefaultWorksAsWell(t *testing.T) {
	location := place(t, "postgres")
	strict := addQuery(t, location, "default_transaction_isolation", "serializable")
	const processes, times = 4, 10
	all(t, processes, "count", strict, fmt.Sprint(times))
	r, err := open(t, strict).Get(t.Context(), "count")
	require.NoError(t, err)
	assert.Equal(t, fmt.Sprint(processes*times), string(r.Value))
}

func TestKeysAndDigestsWorkHoweverStatementsAreSent(t *testing.T) {
	for _, mode := range []string{"exec", "simple_protocol", "cache_statement", "cache_describe", "describe_exec"} {
		s := open(t, addQuery(t, place(t, "postgres"), "default_query_exec_mode", mode))
		_, err := s.Put(t.Context(), "a/%_'", []byte("x"), 0)
		require.NoError(t, err, mode)
		keys, err := s.Keys(t.Context(), "a/%")
		require.NoError(t, err, mode)
		assert.Equal(t, []string{"a/%_'"}, keys)
		require.NoError(t, s.Delete(t.Context(), "a/%_'", 1), mode)
		set := openSet(t, s, "set")
		a := DigestEntry{Key: "a'\x00\xff{,}\"", Object: allBytes(), Digest: digestOf(1)}
		require.NoError(t, set.Save(t.Context(), 1, []DigestEntry{a, entry("b", 2), {Key: "c"}}), mode)
		require.NoError(t, set.Save(t.Context(), 2, []DigestEntry{{Key: "b"}}), mode)
		assert.Equal(t, []Digest{digestOf(1), digestOf(2), {}}, lookup(t, set, a.Key, "b", "c"))
		assert.Equal(t, []DigestEntry{a}, unseen(t, set, 2, 10), mode)
		require.NoError(t, set.Remove(t.Context(), 2, []string{a.Key, "b"}), mode)
		assert.Equal(t, [2]int64{0, 1}, counted(t, set, 2))
		require.NoError(t, set.Drop(t.Context()), mode)
	}
}

func TestADigestOfAnotherLengthIsDamaged(t *testing.T) {
	location := place(t, "postgres")
	set := openSet(t, open(t, location), "set")
	require.NoError(t, set.Save(t.Context(), 1, []DigestEntry{entry("a", 1)}))
	statement(t, location, `UPDATE benthos_ebp_digests SET digest = 'short'`)
	_, err := set.Lookup(t.Context(), []string{"a"})
	require.ErrorIs(t, err, ErrDamaged)
	_, err = set.Unseen(t.Context(), 2, "", 10)
	require.ErrorIs(t, err, ErrDamaged)
}

func TestAReadOnlyDatabaseIsSaid(t *testing.T) {
	location := addQuery(t, place(t, "postgres"), "default_transaction_read_only", "on")
	_, err := open(t, location).Put(t.Context(), testKey, []byte("x"), 0)
	require.ErrorContains(t, err, "name the primary")
}

func TestARowWithAnotherVersionIsDamaged(t *testing.T) {
	location := place(t, "postgres")
	s := open(t, location)
	_, err := s.Put(t.Context(), testKey, []byte("x"), 0)
	require.NoError(t, err)
	statement(t, location, `UPDATE benthos_ebp_records SET version = 5`)
	_, err = s.Get(t.Context(), testKey)
	require.ErrorIs(t, err, ErrDamaged)
	assert.ErrorContains(t, err, testKey)
	_, err = s.Put(t.Context(), testKey, []byte("x"), 5)
	require.ErrorIs(t, err, ErrDamaged)
}

func TestAPutWhoseAnswerPostgresCouldNotDeliverIsAnErrorAndNoConflict(t *testing.T) {
	p, location := viaProxy(t, place(t, "postgres"))
	s := open(t, location)
	_, err := s.Put(t.Context(), testKey, []byte("x"), 0)
	require.NoError(t, err)
	p.loseAnswerTo("UPDATE benthos_ebp_records")
	_, err = s.Put(t.Context(), testKey, []byte("y"), 1)
	require.Error(t, err)
	assert.NotErrorIs(t, err, ErrConflict, "who wrote it cannot be somebody else")
	require.Equal(t, 1, p.answersLost())
	require.Eventually(t, func() bool { // it arrives all the same, now or in a moment
		r, err := s.Get(t.Context(), testKey)
		return err == nil && string(r.Value) == "y"
	}, 5*time.Second, 10*time.Millisecond)

	p.loseAnswerTo("INSERT INTO benthos_ebp_leases")
	lease, err := s.Lease(t.Context(), testKey)
	require.NoError(t, err)
	require.Equal(t, 2, p.answersLost())
	lease.Release()

	p.loseAnswerTo("DELETE FROM benthos_ebp_records")
	err = s.Delete(t.Context(), testKey, 2)
	require.Error(t, err)
	assert.NotErrorIs(t, err, ErrConflict, "who deleted it cannot be somebody else")
	assert.NotErrorIs(t, err, ErrNotFound)
	require.Equal(t, 3, p.answersLost())

	set, err := s.(Digester).Digests(t.Context(), "set")
	require.NoError(t, err)
	require.NoError(t, set.Save(t.Context(), 1, []DigestEntry{{Key: "a", Digest: Digest{1}}}))
	p.loseAnswerTo("INSERT INTO benthos_ebp_digests")
	require.NoError(t, set.Save(t.Context(), 2, []DigestEntry{{Key: "b", Digest: Digest{1}}}), "it can be repeated")
	require.Equal(t, 4, p.answersLost())
	unseen, all, err := set.Count(t.Context(), 2)
	require.NoError(t, err)
	assert.Equal(t, []int64{1, 2}, []int64{unseen, all})
}

func TestAPostgresWithoutItsDiskSaysSo(t *testing.T) {
	location := place(t, "postgres")
	var fsync string
	query(t, location, &fsync, `SHOW fsync`)
	said := open(t, location).(Durable).Durability(t.Context())
	if fsync == "off" { // as in that of .ci/servers
		assert.Contains(t, said, "set fsync on")
		assert.NotContains(t, said, "ebp:")
	} else {
		assert.Empty(t, said)
	}
}

func TestAPoolerThatHandsOutConnectionsByTheTransactionIsNoHindrance(t *testing.T) {
	t.Parallel()
	location := testserver.PgBouncer(t)
	all(t, 4, "count", location, "20")
	r, err := open(t, location).Get(t.Context(), "count")
	require.NoError(t, err)
	assert.Equal(t, "80", string(r.Value))
	file := filepath.Join(t.TempDir(), "turns")
	require.NoError(t, os.WriteFile(file, []byte("0"), 0o600))
	all(t, 4, "take turns", location, file)
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, "48", string(data))
}
