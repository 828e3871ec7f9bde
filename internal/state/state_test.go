package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/testserver"
)

// shortLease is the lease time of the tests: long enough for a machine that is busy to
// prolong in time.
const shortLease = 1500 * time.Millisecond

// shorten has the leases of a server run out sooner.
func shorten(s Store, d time.Duration) Store {
	switch s := s.(type) {
	case *Redis:
		s.leases.time = d
	case *Postgres:
		s.leases.time = d
	}
	return s
}

// shared are the kinds of store that processes can share.
var shared = []string{"file", "redis", "postgres"}

// place names a store that is empty and nobody else's.
func place(t *testing.T, kind string) string {
	t.Helper()
	switch kind {
	case "memory":
		return "memory:"
	case "file":
		return "file:" + filepath.Join(t.TempDir(), "state")
	case "redis":
		return redisPlace(t)
	case "postgres":
		return postgresPlace(t)
	}
	panic(kind)
}

func redisPlace(t *testing.T) string {
	t.Helper()
	location := os.Getenv("EBP_TEST_REDIS_URL")
	if location == "" {
		testserver.Missing(t, "EBP_TEST_REDIS_URL is not set: `eval \"$(bash .ci/servers start)\"` starts a Redis")
	}
	prefix := "test-" + randomWord()[:12] + ":"
	t.Cleanup(func() {
		o, err := redis.ParseURL(location)
		require.NoError(t, err)
		c := redis.NewClient(o)
		defer c.Close()
		keys, err := c.Keys(context.Background(), prefix+"*").Result()
		require.NoError(t, err)
		if len(keys) > 0 {
			require.NoError(t, c.Del(context.Background(), keys...).Err())
		}
	})
	return addQuery(t, location, "prefix", prefix)
}

func postgresPlace(t *testing.T) string {
	t.Helper()
	location := os.Getenv("EBP_TEST_POSTGRES_DSN")
	if location == "" {
		testserver.Missing(t, "EBP_TEST_POSTGRES_DSN is not set: `eval \"$(bash .ci/servers start)\"` starts a Postgres")
	}
	schema := "test_" + randomWord()[:12]
	statement(t, location, "CREATE SCHEMA "+schema)
	t.Cleanup(func() { statement(t, location, "DROP SCHEMA "+schema+" CASCADE") })
	return addQuery(t, location, "search_path", schema)
}

// statement runs a statement past the store.
func statement(t *testing.T, location, sql string, args ...any) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, location)
	require.NoError(t, err)
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql, args...)
	require.NoError(t, err, sql)
}

func addQuery(t *testing.T, location, name, value string) string {
	t.Helper()
	u, err := url.Parse(location)
	require.NoError(t, err)
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}

func open(t *testing.T, location string) Store {
	t.Helper()
	s, err := Open(location)
	require.NoError(t, err)
	shorten(s, shortLease)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return s
}

// everywhere runs a test with an empty store of each kind.
func everywhere(t *testing.T, test func(t *testing.T, s Store)) {
	for _, kind := range append([]string{"memory"}, shared...) {
		t.Run(kind, func(t *testing.T) { test(t, open(t, place(t, kind))) })
	}
}

func TestARecordIsFoundAsItWasPut(t *testing.T) {
	everywhere(t, func(t *testing.T, s Store) {
		ctx := t.Context()
		random := make([]byte, 1<<20)
		for i := range random {
			random[i] = byte(rand.Uint32())
		}
		for name, value := range map[string][]byte{
			"empty": {}, "zeros": make([]byte, 1000), "all bytes": allBytes(), "a megabyte": random,
		} {
			version := Version(0)
			for range 3 {
				next, err := s.Put(ctx, name, value, version)
				require.NoError(t, err, name)
				assert.Equal(t, version+1, next)
				version = next
				r, err := s.Get(ctx, name)
				require.NoError(t, err, name)
				assert.True(t, bytes.Equal(value, r.Value), name)
				assert.Equal(t, version, r.Version)
			}
		}
	})
}

func allBytes() []byte {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

func TestAnyCharactersMayBeInAKey(t *testing.T) {
	keys := oddKeys()
	everywhere(t, func(t *testing.T, s Store) {
		ctx := t.Context()
		for i, key := range keys {
			_, err := s.Get(ctx, key)
			require.ErrorIs(t, err, ErrNotFound, "%q", key)
			_, err = s.Put(ctx, key, fmt.Appendf(nil, "value %d", i), 0)
			require.NoError(t, err, "%q", key)
		}
		for i, key := range keys {
			r, err := s.Get(ctx, key)
			require.NoError(t, err, "%q", key)
			assert.Equal(t, fmt.Sprintf("value %d", i), string(r.Value), "%q", key)
			lease, err := s.Lease(ctx, key)
			require.NoError(t, err, "%q", key)
			defer lease.Release()
			_, err = s.Put(ctx, key, nil, 1) // a lease of that name is not in the way of writing
			require.NoError(t, err, "%q", key)
		}
	})
}

func TestOneOfManyWritersOfAVersionWins(t *testing.T) {
	everywhere(t, func(t *testing.T, s Store) {
		ctx := t.Context()
		version := Version(0)
		for round := range 3 { // the first of them makes the record
			var wg sync.WaitGroup
			var mu sync.Mutex
			won := 0
			for i := range 20 {
				wg.Go(func() {
					// The same value from all: a winner is known by its write, not by what it wrote.
					value := "same"
					if round > 0 {
						value = fmt.Sprintf("writer %d", i)
					}
					if _, err := s.Put(ctx, "a/b", []byte(value), version); err == nil {
						mu.Lock()
						won++
						mu.Unlock()
					} else {
						assert.ErrorIs(t, err, ErrConflict)
					}
				})
			}
			wg.Wait()
			assert.Equal(t, 1, won)
			version++
		}
		for _, other := range []Version{0, 1, version - 1, version + 1} {
			_, err := s.Put(ctx, "a/b", []byte("late"), other)
			assert.ErrorIs(t, err, ErrConflict)
		}
		_, err := s.Put(ctx, "new", []byte("x"), 5)
		assert.ErrorIs(t, err, ErrConflict, "a record that is gone is not made again by one who had read it")
	})
}

func TestSettingARecordAsideFreesItsKeyAndLosesNothing(t *testing.T) {
	everywhere(t, func(t *testing.T, s Store) {
		ctx := t.Context()
		_, err := s.SetAside(ctx, "tokens/é")
		require.ErrorIs(t, err, ErrNotFound)
		seen := map[string]bool{}
		for range 3 {
			v, err := s.Put(ctx, "tokens/é", []byte("x"), 0)
			require.NoError(t, err)
			_, err = s.Put(ctx, "tokens/é", []byte("y"), v)
			require.NoError(t, err)
			require.NoError(t, s.Reserve(ctx, "tokens/é", 1000))
			where, err := s.SetAside(ctx, "tokens/é")
			require.NoError(t, err)
			assert.False(t, seen[where], "%s: the one before is gone", where)
			seen[where] = true
			_, err = s.Get(ctx, "tokens/é")
			require.ErrorIs(t, err, ErrNotFound)
			_, err = s.SetAside(ctx, "tokens/é")
			require.ErrorIs(t, err, ErrNotFound)
		}
	})
}

func TestReservingChangesNothingThatCanBeSeen(t *testing.T) {
	everywhere(t, func(t *testing.T, s Store) {
		ctx := t.Context()
		require.NoError(t, s.Reserve(ctx, "k", 1000))
		_, err := s.Get(ctx, "k")
		require.ErrorIs(t, err, ErrNotFound)
		version := Version(0)
		for _, size := range []int{10, 1000, 5000, 0, 100_000} { // less and more than reserved
			value := bytes.Repeat([]byte("v"), size)
			next, err := s.Put(ctx, "k", value, version)
			require.NoError(t, err)
			version = next
			require.NoError(t, s.Reserve(ctx, "k", 1000))
			require.NoError(t, s.Reserve(ctx, "k", 10))
			r, err := s.Get(ctx, "k")
			require.NoError(t, err)
			assert.Equal(t, string(value), string(r.Value))
			assert.Equal(t, version, r.Version)
		}
	})
}

func TestTheClockGoesForward(t *testing.T) {
	everywhere(t, func(t *testing.T, s Store) {
		before, err := s.Now(t.Context())
		require.NoError(t, err)
		assert.WithinDuration(t, time.Now(), before, 5*time.Second, "the servers of the tests are on this machine")
		time.Sleep(2 * time.Millisecond)
		after, err := s.Now(t.Context())
		require.NoError(t, err)
		assert.True(t, after.After(before))
	})
}

func TestAContextThatHasEndedEndsEveryCall(t *testing.T) {
	for _, kind := range shared {
		t.Run(kind, func(t *testing.T) {
			s := open(t, place(t, kind))
			ctx, cancel := context.WithCancelCause(t.Context())
			cause := errors.New("the pipeline stops")
			cancel(cause)
			_, err := s.Put(ctx, "k", []byte("x"), 0)
			assert.ErrorIs(t, err, context.Canceled)
			_, err = s.Lease(ctx, "k")
			assert.ErrorIs(t, err, context.Canceled)
			assert.ErrorIs(t, err, cause)
		})
	}
}
