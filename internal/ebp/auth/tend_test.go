package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/state"
)

// told is a log that can be read.
type told struct {
	mu    sync.Mutex
	lines []string
}

func (l *told) Infof(format string, args ...any) { l.add("info: "+format, args) }
func (l *told) Warnf(format string, args ...any) { l.add("warn: "+format, args) }

func (l *told) add(format string, args []any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fmt.Sprintf(format, args...))
}

func (l *told) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}

// clock can be set, and goes on by itself.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time       { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) move(d time.Duration) { c.ahead.Add(int64(d)) }
func (c *clock) set(cfg *Config)      { cfg.Now = c.now }

func (s *server) counts() (renewals, replays int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n, s.replays
}

func (s *server) answers(f func(http.ResponseWriter) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = f
}

func closed(t *testing.T, sources ...*Source) {
	t.Cleanup(func() {
		for _, s := range sources {
			_ = s.Close(context.Background())
		}
	})
}

func TestNobodyWaitsForARenewalAheadOfTime(t *testing.T) {
	s, c := newServer(t), &clock{}
	source := s.source(t, state.NewMemory(), c.set)
	closed(t, source)
	first, err := source.Token(t.Context())
	require.NoError(t, err)
	slow := make(chan struct{})
	s.answers(func(http.ResponseWriter) bool { <-slow; return false })
	c.move(time.Hour - 80*time.Second) // within two margins of a minute, before the last one
	for range 10 {
		token, err := source.Token(t.Context())
		require.NoError(t, err)
		assert.Equal(t, first, token, "a token was waited for while another was good")
	}
	close(slow)
	require.Eventually(t, func() bool {
		token, err := source.Token(t.Context())
		return err == nil && token == "access-2"
	}, 5*time.Second, 5*time.Millisecond)
	n, replays := s.counts()
	assert.Equal(t, 2, n)
	assert.Zero(t, replays)
}

func TestATokenNearItsEndIsUsedWhenRenewingFailsForAReasonThatPasses(t *testing.T) {
	s, c := newServer(t), &clock{}
	source := s.source(t, state.NewMemory(), c.set)
	closed(t, source)
	first, err := source.Token(t.Context())
	require.NoError(t, err)
	s.answers(func(w http.ResponseWriter) bool { w.WriteHeader(503); return true })
	c.move(time.Hour - 30*time.Second)
	token, err := source.Token(t.Context())
	require.NoError(t, err)
	assert.Equal(t, first, token)
	c.move(time.Minute)
	_, err = source.Token(t.Context())
	require.ErrorContains(t, err, "answered 503")
}

func TestAnIdleSignInIsKeptAlive(t *testing.T) {
	s := newServer(t)
	store, log := state.NewMemory(), &told{}
	source := s.source(t, store, func(c *Config) { c.RefreshLifetime, c.Log = 2*time.Second, log })
	closed(t, source)
	_, err := source.Token(t.Context())
	require.NoError(t, err)
	require.Eventually(t, func() bool { n, _ := s.counts(); return n >= 4 }, 5*time.Second, 10*time.Millisecond, "nobody asked for a token, and it was not renewed")
	n, replays := s.counts()
	assert.Zero(t, replays)
	assert.Less(t, n, 12, "it was renewed more often than its age asks for")
	assert.Empty(t, log.String())
}

func TestSourcesThatIdleTogetherRenewOnce(t *testing.T) {
	s := newServer(t)
	store := state.NewMemory()
	for range 4 {
		source := s.source(t, store, func(c *Config) { c.RefreshLifetime = 2 * time.Second })
		closed(t, source)
		_, err := source.Token(t.Context())
		require.NoError(t, err)
	}
	time.Sleep(1300 * time.Millisecond) // two renewals' time
	n, replays := s.counts()
	assert.Zero(t, replays)
	assert.LessOrEqual(t, n, 4)
	assert.GreaterOrEqual(t, n, 2)
}

func TestAPersonIsWarnedBeforeTheSignInDies(t *testing.T) {
	s, log := newServer(t), &told{}
	source := s.source(t, state.NewMemory(), func(c *Config) { c.RefreshLifetime, c.Log = 3*time.Second, log })
	closed(t, source)
	_, err := source.Token(t.Context())
	require.NoError(t, err)
	s.answers(func(w http.ResponseWriter) bool { w.WriteHeader(503); return true })
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "the sign-in ends at") }, 10*time.Second, 20*time.Millisecond)
	assert.Contains(t, log.String(), `warn: profile "default"`)
	assert.Contains(t, log.String(), "answered 503")
}

func TestAStoreThatForgetsIsGivenTheNewestToken(t *testing.T) {
	for name, forget := range map[string]func(t *testing.T, store state.Store, key string, old state.Record){
		"everything": func(t *testing.T, store state.Store, key string, _ state.Record) {
			_, err := store.SetAside(t.Context(), key)
			require.NoError(t, err)
		},
		"the last write": func(t *testing.T, store state.Store, key string, old state.Record) {
			now, err := store.Get(t.Context(), key)
			require.NoError(t, err)
			_, err = store.Put(t.Context(), key, old.Value, now.Version)
			require.NoError(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, c, log := newServer(t), &clock{}, &told{}
			store := state.NewMemory()
			source := s.source(t, store, c.set, func(cfg *Config) { cfg.Log = log })
			closed(t, source)
			_, err := source.Token(t.Context())
			require.NoError(t, err)
			old, err := store.Get(t.Context(), source.key)
			require.NoError(t, err)
			require.NoError(t, source.Renew(t.Context()))
			forget(t, store, source.key, old)
			c.move(2 * time.Hour)
			_, err = source.Token(t.Context())
			require.NoError(t, err)
			assert.Contains(t, log.String(), "it is given the newer one that this process holds")
			n, replays := s.counts()
			assert.Equal(t, 3, n)
			assert.Zero(t, replays, "an old token was used")
		})
	}
}

func TestASignOutIsNotUndoneByAProcessThatHoldsTheToken(t *testing.T) {
	s, c := newServer(t), &clock{}
	store := state.NewMemory()
	source := s.source(t, store, c.set)
	closed(t, source)
	_, err := source.Token(t.Context())
	require.NoError(t, err)
	was, err := SignOut(t.Context(), source.cfg)
	require.NoError(t, err)
	assert.True(t, was)
	c.move(2 * time.Hour)
	for range 3 {
		_, err = source.Token(t.Context())
		var e *Error
		require.ErrorAs(t, err, &e)
		assert.True(t, e.Refused)
		assert.ErrorContains(t, err, "somebody has signed out; run `benthos-ebp login --profile default`")
	}
	n, _ := s.counts()
	assert.Equal(t, 1, n, "it was renewed after somebody had signed out")
	status, err := Inspect(t.Context(), source.cfg)
	require.NoError(t, err)
	assert.False(t, status.SignedIn)
}

func TestARefusedSignInIsTakenUpAgainAtOnceWhenSomebodySignsIn(t *testing.T) {
	s, c := newServer(t), &clock{}
	store := state.NewMemory()
	source := s.source(t, store, c.set)
	closed(t, source)
	_, err := source.Token(t.Context())
	require.NoError(t, err)
	s.mu.Lock()
	s.valid = map[string]bool{"by-hand-token": true}
	s.mu.Unlock()
	c.move(2 * time.Hour)
	for range 50 {
		_, err = source.Token(t.Context())
		require.ErrorContains(t, err, "run `benthos-ebp login --profile default`")
	}
	s.mu.Lock()
	asked := len(s.forms)
	s.mu.Unlock()
	assert.Equal(t, 2, asked, "a refused token was tried again")
	require.NoError(t, source.cfg.replace(t.Context(), func(before record) (record, error) {
		return record{Serial: before.nextSerial(c.now()), RefreshToken: "by-hand-token", Obtained: c.now()}, nil
	}))
	token, err := source.Token(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "access-2", token)
}

func TestAWrongClientIsNotTriedForEachCaller(t *testing.T) {
	s := newServer(t)
	s.answers(func(w http.ResponseWriter) bool {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(400)
		fmt.Fprint(w, `{"error":"invalid_client"}`)
		return true
	})
	store := state.NewMemory()
	source := s.source(t, store)
	closed(t, source)
	for range 50 {
		_, err := source.Token(t.Context())
		require.ErrorContains(t, err, "check oauth2.client_id and oauth2.client_secret")
	}
	s.mu.Lock()
	asked := len(s.forms)
	s.mu.Unlock()
	assert.Equal(t, 1, asked)
	status, err := Inspect(t.Context(), source.cfg)
	require.NoError(t, err)
	assert.True(t, status.Interrupted.IsZero(), "a refused client has used no token up")
}

// full is a store without space for more.
type full struct{ state.Store }

func (full) Reserve(context.Context, string, int) error { return errors.New("no space left on device") }

func TestNoTokenIsUsedWhenThereIsNoSpaceForItsSuccessor(t *testing.T) {
	s := newServer(t)
	store := full{state.NewMemory()}
	source := s.source(t, store)
	closed(t, source)
	_, err := source.Token(t.Context())
	require.ErrorContains(t, err, "no space left on device")
	assert.Empty(t, s.forms)
	status, err := Inspect(t.Context(), source.cfg)
	require.NoError(t, err)
	assert.True(t, status.Interrupted.IsZero())
}

// brief is a store whose leases are lost at once.
type brief struct{ state.Store }

type lost struct{ state.Lease }

func (lost) Held(time.Duration) bool { return false }

func (b brief) Lease(ctx context.Context, name string) (state.Lease, error) {
	l, err := b.Store.Lease(ctx, name)
	return lost{l}, err
}

func TestNoTokenIsUsedWithoutTheLease(t *testing.T) {
	s := newServer(t)
	source := s.source(t, brief{state.NewMemory()})
	closed(t, source)
	_, err := source.Token(t.Context())
	require.ErrorContains(t, err, "the lease of the sign-in")
	assert.Empty(t, s.forms)
}

func TestOfTwoProcessesThatRenewAtOnceTheOneThatIsRefusedTakesTheOthersToken(t *testing.T) {
	s := newServer(t)
	store := state.NewMemory()
	one, other := s.source(t, store), s.source(t, store)
	closed(t, one, other)
	_, err := one.Token(t.Context())
	require.NoError(t, err)
	// The other has lost its lease, and its exchange comes second: as long as it is under
	// way, the first one renews.
	token := ""
	s.answers(func(w http.ResponseWriter) bool {
		s.answer = nil
		s.mu.Unlock()
		defer s.mu.Lock()
		require.NoError(t, one.cfg.replace(t.Context(), func(before record) (record, error) {
			next := before.idle()
			s.mu.Lock()
			delete(s.valid, before.RefreshToken)
			s.valid["of-the-first"] = true
			s.mu.Unlock()
			next.RefreshToken, next.AccessToken, next.Serial = "of-the-first", "access-of-the-first", before.nextSerial(time.Now())
			return next, nil
		}))
		return false
	})
	other.cfg.Store = anyLease{store}
	one.cfg.Store = anyLease{store}
	require.NoError(t, other.Renew(t.Context()))
	token, err = other.Token(t.Context())
	require.NoError(t, err)
	assert.NotEmpty(t, token)
	status, err := Inspect(t.Context(), one.cfg)
	require.NoError(t, err)
	assert.True(t, status.SignedIn, "a sign-in that lives was recorded as dead")
}

// anyLease is a store whose leases everybody has.
type anyLease struct{ state.Store }

type free struct{}

func (free) Held(time.Duration) bool { return true }
func (free) Release()                {}

func (anyLease) Lease(context.Context, string) (state.Lease, error) { return free{}, nil }

func TestAClockThatIsSetBackDelaysNothing(t *testing.T) {
	s, c := newServer(t), &clock{}
	source := s.source(t, state.NewMemory(), c.set)
	closed(t, source)
	first, err := source.Token(t.Context())
	require.NoError(t, err)
	c.move(-time.Hour)
	token, err := source.Token(t.Context())
	require.NoError(t, err)
	assert.Equal(t, first, token)
	source.Refused(first) // it has ended, by EBP's clock
	second, err := source.Token(t.Context())
	require.NoError(t, err)
	assert.NotEqual(t, first, second)
	source.Refused(second)
	third, err := source.Token(t.Context())
	require.NoError(t, err, "a record that seems older than the last one was not taken")
	assert.NotEqual(t, second, third)
	_, replays := s.counts()
	assert.Zero(t, replays)
}

func TestHostsWhoseClocksDifferShareASignIn(t *testing.T) {
	s := newServer(t)
	s.lifetime = 1
	store := state.NewMemory()
	var wg sync.WaitGroup
	for _, off := range []time.Duration{-2500 * time.Millisecond, 2500 * time.Millisecond} {
		c := &clock{}
		c.move(off)
		source := s.source(t, store, c.set)
		closed(t, source)
		wg.Go(func() {
			for end := time.Now().Add(2 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
				_, err := source.Token(t.Context())
				assert.NoError(t, err)
			}
		})
	}
	wg.Wait()
	_, replays := s.counts()
	assert.Zero(t, replays)
}
