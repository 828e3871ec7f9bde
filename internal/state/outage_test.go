package state

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/testserver"
)

func TestAServerThatIsRestartedGivesRecordsAndLeasesBack(t *testing.T) {
	t.Parallel()
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		server := testserver.Redis(t, "--appendonly", "yes", "--appendfsync", "always", "--save", "")
		restarted(t, server, server.RedisURL(), []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGKILL})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		server, location := testserver.Postgres(t)
		// Of the signals for a shutdown that is the one that does not wait for its clients.
		restarted(t, server, location, []syscall.Signal{syscall.SIGKILL, syscall.SIGINT, syscall.SIGKILL})
	})
}

// restarted has a store work, fail and work again while its server goes and comes.
func restarted(t *testing.T, server *testserver.Server, location string, signals []syscall.Signal) {
	ctx := t.Context()
	s := shorten(open(t, location), 20*time.Second)
	lease, err := s.Lease(ctx, "held all the time")
	require.NoError(t, err)
	defer lease.Release()
	version := Version(0)
	for _, signal := range signals {
		version, err = s.Put(ctx, testKey, fmt.Appendf(nil, "value %d", version+1), version)
		require.NoError(t, err)
		useConnections(t, s)
		server.End(signal)
		// What a killed Postgres leaves behind may answer for a moment.
		require.Eventually(t, func() bool { _, err = s.Get(ctx, testKey); return err != nil }, 5*time.Second, 10*time.Millisecond)
		assert.ErrorContains(t, err, "reading the state in "+s.String()+": ")
		assert.NotErrorIs(t, err, ErrNotFound)
		begun := time.Now()
		_, err = s.Put(ctx, testKey, []byte("never"), version)
		require.Error(t, err)
		assert.NotErrorIs(t, err, ErrConflict)
		assert.Less(t, time.Since(begun), answerTime+3*time.Second)
		server.Start()
		var r Record
		require.Eventually(t, func() bool { r, err = s.Get(ctx, testKey); return err == nil }, 10*time.Second, 50*time.Millisecond)
		assert.Equal(t, Record{Value: fmt.Appendf(nil, "value %d", version), Version: version}, r)
	}
	_, err = s.Put(ctx, testKey, []byte("x"), version)
	require.NoError(t, err)
	time.Sleep(shortLease) // and it goes on holding what nobody else can have had
	require.Eventually(t, func() bool { return lease.Held(12 * time.Second) }, 10*time.Second, 20*time.Millisecond, "the lease was not prolonged")
}

// useConnections opens several connections, for a restart to leave all of them dead.
func useConnections(t *testing.T, s Store) {
	t.Helper()
	all := make(chan error)
	for range 4 {
		go func() { _, err := s.Get(t.Context(), testKey); all <- err }()
	}
	for range 4 {
		require.NoError(t, <-all)
	}
}

// A connection that is dead without anybody having noticed must not cost a call: the
// fate of a Put would not be known.
func TestAfterARestartThatNobodyNoticedTheNextPutWorks(t *testing.T) {
	t.Parallel()
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		server := testserver.Redis(t, "--appendonly", "yes", "--appendfsync", "always", "--save", "")
		restartUnnoticed(t, server, server.RedisURL(), syscall.SIGKILL)
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		server, location := testserver.Postgres(t)
		restartUnnoticed(t, server, location, syscall.SIGINT)
	})
}

func restartUnnoticed(t *testing.T, server *testserver.Server, location string, signal syscall.Signal) {
	s := open(t, location)
	version := Version(0)
	for range 3 {
		next, err := s.Put(t.Context(), testKey, []byte("x"), version)
		require.NoError(t, err)
		version = next
		useConnections(t, s)
		server.End(signal)
		server.Start()
		probe := open(t, location)
		require.Eventually(t, func() bool { _, err := probe.Now(t.Context()); return err == nil }, 10*time.Second, 20*time.Millisecond)
	}
	_, err := s.Put(t.Context(), testKey, []byte("x"), version)
	require.NoError(t, err)
}

func TestAServerThatDoesNotAnswerIsGivenUpOn(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"redis", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			p, location := viaProxy(t, place(t, kind))
			s, err := Open(location)
			require.NoError(t, err)
			shorten(s, shortLease)
			const little = time.Second
			switch s := s.(type) {
			case *Redis:
				s.patience = patience(little)
			case *Postgres:
				s.patience = patience(little)
			}
			_, err = s.Put(t.Context(), testKey, []byte("x"), 0)
			require.NoError(t, err)
			lease, err := s.Lease(t.Context(), testKey)
			require.NoError(t, err)
			p.setMute(true)
			time.Sleep(shortLease)
			assert.False(t, lease.Held(0))

			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			begun := time.Now()
			_, err = s.Get(ctx, testKey)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			assert.Less(t, time.Since(begun), 3*time.Second)

			begun = time.Now()
			_, err = s.Put(t.Context(), testKey, []byte("y"), 1)
			require.ErrorContains(t, err, "no answer")
			assert.Less(t, time.Since(begun), little+3*time.Second)
			begun = time.Now()
			lease.Release()
			assert.Less(t, time.Since(begun), releaseTime+2*time.Second)

			p.setMute(false)
			require.Eventually(t, func() bool { // once the dead connections are found out
				_, err = s.Put(t.Context(), testKey, []byte("y"), 1)
				return err == nil
			}, 10*time.Second, 10*time.Millisecond)
			p.setMute(true)
			begun = time.Now()
			assert.NoError(t, s.Close())
			assert.Less(t, time.Since(begun), releaseTime+2*time.Second)
		})
	}
}

func TestAHostThatRefusesIsAClearError(t *testing.T) {
	t.Parallel()
	for _, location := range []string{"redis://:hunter2@127.0.0.1:1/0", "postgres://u:hunter2@127.0.0.1:1/db"} {
		s := open(t, location)
		_, err := s.Get(t.Context(), testKey)
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		assert.ErrorContains(t, err, "127.0.0.1:1")
		assert.NotContains(t, err.Error(), "hunter2")
	}
}

func TestALeaseThatIsReleasedWhileItsServerIsAwayIsFreeSoonAfterItIsBack(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func() (*testserver.Server, string){
		"redis": func() (*testserver.Server, string) {
			s := testserver.Redis(t, "--appendonly", "yes", "--appendfsync", "always", "--save", "")
			return s, s.RedisURL()
		},
		"postgres": func() (*testserver.Server, string) { return testserver.Postgres(t) },
	} {
		server, location := start()
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := Open(location) // with leases of 30 s
			require.NoError(t, err)
			t.Cleanup(func() { _ = s.Close() })
			lease, err := s.Lease(t.Context(), "tokens")
			require.NoError(t, err)
			server.End(syscall.SIGKILL)
			lease.Release()
			assert.False(t, lease.Held(0))
			server.Start()
			ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
			defer cancel()
			again, err := open(t, location).Lease(ctx, "tokens")
			require.NoError(t, err, "somebody had to wait for the end of a lease that nobody holds")
			again.Release()
		})
	}
}
