package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp/redact"
	"github.com/benthos-ebp/benthos-ebp/internal/state"
)

// server hands out single-use refresh tokens r1, r2, … after "seed".
type server struct {
	*httptest.Server
	mu       sync.Mutex
	valid    map[string]bool
	n        int
	replays  int
	lifetime int
	answer   func(w http.ResponseWriter) bool // takes over when it returns true
	forms    []url.Values
}

func newServer(t *testing.T) *server {
	s := &server{valid: map[string]bool{"seed-token": true}, lifetime: 3600}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		_ = r.ParseForm()
		s.forms = append(s.forms, r.PostForm)
		if r.URL.Path != "/connect/token" || r.Method != http.MethodPost {
			w.WriteHeader(404)
			return
		}
		if s.answer != nil && s.answer(w) {
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if !s.valid[r.PostForm.Get("refresh_token")] {
			s.replays++
			w.WriteHeader(400)
			fmt.Fprint(w, `{"error":"invalid_grant"}`)
			return
		}
		delete(s.valid, r.PostForm.Get("refresh_token"))
		s.n++
		s.valid[fmt.Sprintf("refresh-%d", s.n)] = true
		fmt.Fprintf(w, `{"access_token":"access-%d","refresh_token":"refresh-%d","expires_in":%d,"token_type":"Bearer"}`, s.n, s.n, s.lifetime)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) source(t *testing.T, store state.Store, change ...func(*Config)) *Source {
	u, err := url.Parse(s.URL)
	require.NoError(t, err)
	cfg := Config{
		URL: u, ClientID: "client", ClientSecret: "the-client-secret", Profile: "default", Seed: "seed-token",
		Store: store, HTTP: s.Client(), Redactor: &redact.Redactor{},
	}
	for _, c := range change {
		c(&cfg)
	}
	return NewSource(cfg)
}

// failing is a store whose writes can be made to fail.
type failing struct {
	state.Store
	fail atomic.Bool
}

func (f *failing) Put(ctx context.Context, key string, value []byte, v state.Version) (state.Version, error) {
	if f.fail.Load() {
		return 0, errors.New("no space left on device")
	}
	return f.Store.Put(ctx, key, value, v)
}

func TestARotatedTokenIsSavedBeforeItsAccessTokenIsUsed(t *testing.T) {
	s := newServer(t)
	store := &failing{Store: state.NewMemory()}
	s.answer = func(http.ResponseWriter) bool { store.fail.Store(true); return false } // while the answer is on its way
	source := s.source(t, store)
	_, err := source.Token(t.Context())
	require.ErrorContains(t, err, "no space left on device", "an access token was given out before its refresh token was safe")
	s.answer = nil
	_, err = source.Token(t.Context())
	require.ErrorContains(t, err, "no space left on device")
	store.fail.Store(false)
	token, err := source.Token(t.Context())
	require.NoError(t, err, "the token that could not be saved was lost")
	assert.NotEmpty(t, token)
	assert.Zero(t, s.replays)

	// Another process, with the same store, goes on from there.
	token2, err := s.source(t, store).Token(t.Context())
	require.NoError(t, err)
	assert.Equal(t, token, token2)
	assert.Zero(t, s.replays)
}

func TestTheSeedIsUsedOnceAndTheStoredTokenAfterwards(t *testing.T) {
	s := newServer(t)
	store := state.NewFile(t.TempDir())
	for hours := range 5 { // every token needs renewing
		_, err := s.source(t, store, func(c *Config) {
			c.Now = func() time.Time { return time.Now().Add(time.Duration(hours) * time.Hour) }
		}).Token(t.Context())
		require.NoError(t, err)
	}
	assert.Zero(t, s.replays)
	assert.Equal(t, 5, s.n)
	assert.Equal(t, "client", s.forms[0].Get("client_id"))
	assert.Equal(t, "the-client-secret", s.forms[0].Get("client_secret"))
	assert.Equal(t, "refresh_token", s.forms[0].Get("grant_type"))
}

func TestARefusedTokenIsReplacedByANewSeedAndNeverTriedAgain(t *testing.T) {
	s := newServer(t)
	store := state.NewMemory()
	_, err := s.source(t, store).Token(t.Context())
	require.NoError(t, err)
	s.mu.Lock()
	s.valid = map[string]bool{"new-seed-token": true}
	s.mu.Unlock()

	source := s.source(t, store, func(c *Config) { c.Now = func() time.Time { return time.Now().Add(2 * time.Hour) } })
	for range 3 {
		_, err = source.Token(t.Context())
		var e *Error
		require.ErrorAs(t, err, &e)
		assert.True(t, e.Refused)
		assert.ErrorContains(t, err, `profile "default" is not signed in`)
	}
	assert.Equal(t, 1, s.replays, "a refused token was tried again")

	later := func(c *Config) {
		c.Seed, c.Now = "new-seed-token", func() time.Time { return time.Now().Add(2 * time.Hour) }
	}
	_, err = s.source(t, store, later).Token(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 1, s.replays)
}

func TestADeadStoredTokenGivesWayToANewSeedInOneGo(t *testing.T) {
	s := newServer(t)
	store := state.NewMemory()
	_, err := s.source(t, store).Token(t.Context())
	require.NoError(t, err)
	s.valid = map[string]bool{"second-seed": true}
	token, err := s.source(t, store, func(c *Config) {
		c.Seed, c.Now = "second-seed", func() time.Time { return time.Now().Add(2 * time.Hour) }
	}).Token(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "access-2", token)
	assert.Equal(t, 1, s.replays)
}

func TestManyUsersRenewOnce(t *testing.T) {
	s := newServer(t)
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 4 { // processes: each has its own source and store
		source := s.source(t, state.NewFile(dir))
		for range 8 {
			wg.Go(func() {
				token, err := source.Token(t.Context())
				assert.NoError(t, err)
				assert.Equal(t, "access-1", token)
			})
		}
	}
	wg.Wait()
	assert.Equal(t, 1, s.n)
	assert.Zero(t, s.replays)
}

func TestARefusedAccessTokenIsRenewedOnce(t *testing.T) {
	s := newServer(t)
	source := s.source(t, state.NewMemory())
	first, err := source.Token(t.Context())
	require.NoError(t, err)
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			source.Refused(first)
			token, err := source.Token(t.Context())
			assert.NoError(t, err)
			assert.Equal(t, "access-2", token)
		})
	}
	wg.Wait()
}

func TestErrorsNameTheCauseAndNoSecret(t *testing.T) {
	for name, c := range map[string]struct {
		answer  func(w http.ResponseWriter) bool
		want    string
		refused bool
	}{
		"wrong secret": {func(w http.ResponseWriter) bool {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(401)
			fmt.Fprint(w, `{"error":"invalid_client","error_description":"the-client-secret is wrong for seed-token"}`)
			return true
		}, "check oauth2.client_id", true},
		"server error": {func(w http.ResponseWriter) bool { w.WriteHeader(503); return true }, "answered 503", false},
		"redirect": {func(w http.ResponseWriter) bool {
			w.Header().Set("Location", "http://evil.invalid/")
			w.WriteHeader(307)
			return true
		}, "answered 307", false},
		"not JSON":        {func(w http.ResponseWriter) bool { fmt.Fprint(w, "hello"); return true }, "renewing the sign-in", false},
		"no access token": {func(w http.ResponseWriter) bool { fmt.Fprint(w, `{"refresh_token":"x"}`); return true }, "renewing the sign-in", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.answer = c.answer
			store := state.NewMemory()
			client := s.Client()
			client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			_, err := s.source(t, store, func(cfg *Config) { cfg.HTTP = client }).Token(t.Context())
			var e *Error
			require.ErrorAs(t, err, &e)
			assert.ErrorContains(t, err, c.want)
			assert.Equal(t, c.refused, e.Refused)
			assert.NotContains(t, err.Error(), "seed-token")
			assert.NotContains(t, err.Error(), "the-client-secret")
			// What passes is tried again with the same token.
			if !c.refused {
				s.answer = nil
				_, err = s.source(t, store).Token(t.Context())
				require.NoError(t, err)
			}
		})
	}
}

func TestADamagedStoreStopsInsteadOfBurningTheSeed(t *testing.T) {
	s := newServer(t)
	store := state.NewMemory()
	u, _ := url.Parse(s.URL)
	_, err := store.Put(t.Context(), Key(u, "client", "default"), []byte(`{"refresh_token":`), 0)
	require.NoError(t, err)
	_, err = s.source(t, store).Token(t.Context())
	require.ErrorIs(t, err, state.ErrDamaged)
	assert.Empty(t, s.forms)
}

func TestACallerThatStopsWaitingDoesNotStopARenewal(t *testing.T) {
	for _, when := range []string{"before the answer", "after the answer"} {
		t.Run(when, func(t *testing.T) {
			s := newServer(t)
			answered := make(chan struct{})
			release := make(chan struct{})
			s.answer = func(http.ResponseWriter) bool {
				close(answered)
				<-release
				return false
			}
			slow := &slowStore{Store: state.NewFile(t.TempDir()), hold: make(chan struct{})}
			source := s.source(t, slow)
			ctx, cancel := context.WithCancel(t.Context())
			returned := make(chan error, 1)
			go func() {
				_, err := source.Token(ctx)
				returned <- err
			}()
			<-answered
			if when == "before the answer" {
				cancel()
				require.ErrorIs(t, <-returned, context.Canceled)
				close(slow.hold)
				close(release)
			} else {
				slow.holding.Store(true)
				close(release)
				time.Sleep(20 * time.Millisecond) // the answer is there, saving it takes long
				cancel()
				require.ErrorIs(t, <-returned, context.Canceled)
				close(slow.hold)
			}
			require.NoError(t, source.Close(t.Context()))
			s.answer = nil
			// The next run has the sign-in.
			_, err := s.source(t, slow.Store).Token(t.Context())
			require.NoError(t, err)
			assert.Zero(t, s.replays)
		})
	}
}

// slowStore holds writes back while told to.
type slowStore struct {
	state.Store
	holding atomic.Bool
	hold    chan struct{}
}

func (s *slowStore) Put(ctx context.Context, key string, value []byte, v state.Version) (state.Version, error) {
	if s.holding.Load() {
		<-s.hold
	}
	return s.Store.Put(ctx, key, value, v)
}

// lossy is a store that writes and then says that it did not.
type lossy struct {
	state.Store
	lose atomic.Int32
}

func (l *lossy) Put(ctx context.Context, key string, value []byte, v state.Version) (state.Version, error) {
	next, err := l.Store.Put(ctx, key, value, v)
	if err == nil && l.lose.Add(-1) == 0 {
		return 0, errors.New("sync: input/output error")
	}
	return next, err
}

func TestAWriteThatSucceededAndSaidOtherwiseBlocksNothing(t *testing.T) {
	for nth := int32(1); nth <= 2; nth++ { // the note before the exchange, the token after it
		s := newServer(t)
		store := &lossy{Store: state.NewMemory()}
		store.lose.Store(nth)
		source := s.source(t, store)
		_, err := source.Token(t.Context())
		require.ErrorContains(t, err, "input/output error")
		token, err := source.Token(t.Context())
		require.NoError(t, err)
		assert.NotEmpty(t, token)
		assert.Zero(t, s.replays)
	}
}

func TestOfTwoUnsavedRecordsTheNewerSignInStays(t *testing.T) {
	s := newServer(t)
	store := &failing{Store: state.NewMemory()}
	source := s.source(t, store)
	s.answer = func(http.ResponseWriter) bool { store.fail.Store(true); return false } // the disk fills up during the call
	_, err := source.Token(t.Context())
	require.ErrorContains(t, err, "no space left")
	s.answer = nil
	store.fail.Store(false)

	// Somebody signs in anew while the first process still holds what it could not save.
	s.valid["newest-token"] = true
	u, _ := url.Parse(s.URL)
	r, err := store.Get(t.Context(), Key(u, "client", "default"))
	require.NoError(t, err)
	_, err = store.Put(t.Context(), Key(u, "client", "default"), []byte(`{"refresh_token":"newest-token","origin":"a person","obtained":"2999-01-01T00:00:00Z"}`), r.Version)
	require.NoError(t, err)
	_, err = source.Token(t.Context())
	require.NoError(t, err)
	assert.Zero(t, s.replays)
	assert.Equal(t, "newest-token", s.forms[len(s.forms)-1].Get("refresh_token"))
}

func TestClosingSavesTheTokenThatCouldNotBeSavedOrSaysThatItIsLost(t *testing.T) {
	for _, recovers := range []bool{true, false} {
		s := newServer(t)
		store := &failing{Store: state.NewMemory()}
		s.answer = func(http.ResponseWriter) bool { store.fail.Store(true); return false }
		source := s.source(t, store)
		_, err := source.Token(t.Context())
		require.ErrorContains(t, err, "no space left")
		s.answer = nil
		store.fail.Store(!recovers)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		err = source.Close(ctx)
		if !recovers {
			require.ErrorContains(t, err, "is lost when the program ends; then sign in again")
			continue
		}
		require.NoError(t, err)
		token, err := s.source(t, store).Token(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "access-1", token)
		assert.Equal(t, 1, s.n)
	}
}

func TestATokenThatWasSavedLateIsUsedAndNotRenewedAgain(t *testing.T) {
	s := newServer(t)
	store := &failing{Store: state.NewMemory()}
	s.answer = func(http.ResponseWriter) bool { store.fail.Store(true); return false }
	source := s.source(t, store)
	_, err := source.Token(t.Context())
	require.ErrorContains(t, err, "no space left")
	s.answer = nil
	store.fail.Store(false)
	token, err := source.Token(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "access-1", token)
	assert.Equal(t, 1, s.n)
}

// overtaken is a store in which somebody signs in just before the first write.
type overtaken struct {
	state.Store
	done bool
}

func (o *overtaken) Put(ctx context.Context, key string, value []byte, v state.Version) (state.Version, error) {
	if !o.done {
		o.done = true
		if _, err := o.Store.Put(ctx, key, []byte(`{"refresh_token":"signed-in-anew","origin":"a person","obtained":"2999-01-01T00:00:00Z"}`), v); err != nil {
			return 0, err
		}
	}
	return o.Store.Put(ctx, key, value, v)
}

func TestASignInThatComesBetweenIsUsedAndNotOverwritten(t *testing.T) {
	s := newServer(t)
	s.valid["signed-in-anew"] = true
	store := &overtaken{Store: state.NewMemory()}
	_, err := s.source(t, store).Token(t.Context())
	require.NoError(t, err)
	assert.True(t, s.valid["seed-token"], "the old token was used although there was a new sign-in")
	assert.Equal(t, "signed-in-anew", s.forms[0].Get("refresh_token"))
	assert.Zero(t, s.replays)
}

func TestAFullDiskIsFoundBeforeTheTokenIsUsed(t *testing.T) {
	s := newServer(t)
	store := &failing{Store: state.NewMemory()}
	store.fail.Store(true)
	_, err := s.source(t, store).Token(t.Context())
	require.ErrorContains(t, err, "no space left")
	assert.Empty(t, s.forms, "a token was used that its successor could not be saved for")
}

func TestANewStartAfterADeathDuringRenewalSaysWhatHappened(t *testing.T) {
	s := newServer(t)
	store := state.NewMemory()
	u, _ := url.Parse(s.URL)
	_, err := store.Put(t.Context(), Key(u, "client", "default"), []byte(`{"refresh_token":"used-up","renewing":"2026-01-02T03:04:05Z"}`), 0)
	require.NoError(t, err)
	_, err = s.source(t, store, func(c *Config) { c.Seed = "" }).Token(t.Context())
	require.ErrorContains(t, err, "a renewal begun at 2026-01-02T03:04:05Z ended before its answer could be saved")

	// The same for the first renewal of all, from the configured token.
	store = state.NewMemory()
	_, err = store.Put(t.Context(), Key(u, "client", "default"), fmt.Appendf(nil, `{"renewing":"2026-01-02T03:04:05Z","renewing_seed":%q}`, digest("used-seed")), 0)
	require.NoError(t, err)
	_, err = s.source(t, store, func(c *Config) { c.Seed = "used-seed" }).Token(t.Context())
	require.ErrorContains(t, err, "a renewal begun at 2026-01-02T03:04:05Z")
}

func TestTheStoredRecordIsJSONWithoutTheSeedItself(t *testing.T) {
	s := newServer(t)
	store := state.NewMemory()
	_, err := s.source(t, store).Token(t.Context())
	require.NoError(t, err)
	u, _ := url.Parse(s.URL)
	r, err := store.Get(t.Context(), Key(u, "client", "default"))
	require.NoError(t, err)
	var stored map[string]any
	require.NoError(t, json.Unmarshal(r.Value, &stored))
	assert.Equal(t, "refresh-1", stored["refresh_token"])
	assert.NotContains(t, string(r.Value), "seed-token")
}
