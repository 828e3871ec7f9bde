package auth

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/state"
)

// asked is how often the authorization server was.
func (s *server) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.forms)
}

func TestAServerThatDoesNotHelpIsNotAskedForEachProcess(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter) bool{
		"wrong client": func(w http.ResponseWriter) bool {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"error":"invalid_client"}`)
			return true
		},
		"away": func(w http.ResponseWriter) bool { w.WriteHeader(http.StatusServiceUnavailable); return true },
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.answers(answer)
			store := state.NewMemory()
			a, b := s.source(t, store), s.source(t, store)
			closed(t, a, b)
			for range 20 {
				_, err := a.Token(t.Context())
				require.Error(t, err)
				_, err = b.Token(t.Context())
				require.Error(t, err)
			}
			assert.LessOrEqual(t, s.asked(), 2)
		})
	}
}

func TestEachSeedIsUsedOnceHoweverManyThereAre(t *testing.T) {
	s := newServer(t)
	store := state.NewMemory()
	a := s.source(t, store, func(c *Config) { c.Seed = "dead-seed-1" })
	b := s.source(t, store, func(c *Config) { c.Seed = "dead-seed-2" })
	closed(t, a, b)
	for range 20 {
		_, err := a.Token(t.Context())
		require.Error(t, err)
		_, err = b.Token(t.Context())
		require.Error(t, err)
	}
	assert.LessOrEqual(t, s.asked(), 2)
}

func TestWhatAPersonDidDuringARenewalStays(t *testing.T) {
	for _, what := range []string{"login", "logout"} {
		t.Run(what, func(t *testing.T) {
			s := newServer(t)
			store := state.NewMemory()
			a := s.source(t, anyLease{store})
			closed(t, a)
			_, err := a.Token(t.Context())
			require.NoError(t, err)
			cfg := a.cfg
			s.answers(func(http.ResponseWriter) bool {
				s.answer = nil
				if what == "logout" {
					_, err := SignOut(context.Background(), cfg)
					require.NoError(t, err)
				} else {
					s.valid["of-the-person"] = true
					require.NoError(t, cfg.replace(context.Background(), func(before record) (record, error) {
						n := time.Now()
						return record{Serial: before.nextSerial(n), RefreshToken: "of-the-person", AccessToken: "access-person", Obtained: n, SignedIn: n, Expires: n.Add(time.Hour)}, nil
					}))
				}
				time.Sleep(5 * time.Millisecond)
				return false
			})
			_ = a.Renew(t.Context())
			r, _, err := cfg.fetch(t.Context(), a.key)
			require.NoError(t, err)
			if what == "login" {
				assert.Equal(t, "of-the-person", r.RefreshToken)
			} else {
				assert.True(t, r.SignedOut)
			}
		})
	}
}

func TestASignInCountsWhateverTheClockSays(t *testing.T) {
	s, c := newServer(t), &clock{}
	store := state.NewMemory()
	a := s.source(t, store, c.set)
	closed(t, a)
	c.move(time.Hour)
	_, err := a.Token(t.Context())
	require.NoError(t, err)
	c.move(-time.Hour)
	_, err = store.SetAside(t.Context(), a.key)
	require.NoError(t, err)
	require.NoError(t, a.cfg.replace(t.Context(), func(before record) (record, error) {
		n := c.now()
		s.mu.Lock()
		s.valid["of-the-person"] = true
		s.mu.Unlock()
		return record{Serial: before.nextSerial(n), RefreshToken: "of-the-person", AccessToken: "access-person", Obtained: n, SignedIn: n, Expires: n.Add(time.Hour)}, nil
	}))
	require.NoError(t, a.Renew(t.Context()))
	s.mu.Lock()
	defer s.mu.Unlock()
	assert.Equal(t, "of-the-person", s.forms[len(s.forms)-1].Get("refresh_token"))
}

func TestNoAccessTokenIsGivenOutAfterItsEnd(t *testing.T) {
	s, c := newServer(t), &clock{}
	store := state.NewMemory()
	a, b := s.source(t, store, c.set), s.source(t, store, c.set)
	closed(t, a, b)
	first, err := a.Token(t.Context()) // access-1, until +1h
	require.NoError(t, err)
	c.move(30 * time.Minute)
	require.NoError(t, b.Renew(t.Context())) // access-2, until +1h30
	s.answers(func(w http.ResponseWriter) bool { w.WriteHeader(503); return true })
	c.move(time.Hour - 30*time.Second) // 1h29:30: access-1 ended half an hour ago
	token, err := a.Token(t.Context())
	require.ErrorContains(t, err, "answered 503")
	assert.NotEqual(t, first, token, "an access token was given out half an hour after its end")
}

func TestAnAnswerThatComesAfterCloseGaveUpIsSavedByTheNextClose(t *testing.T) {
	s := newServer(t)
	store := &failing{Store: state.NewMemory()}
	a := s.source(t, store)
	in, release := make(chan struct{}), make(chan struct{})
	s.answers(func(http.ResponseWriter) bool { close(in); <-release; return false })
	go func() { _, _ = a.Token(context.Background()) }()
	<-in
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.Error(t, a.Close(ctx))
	store.fail.Store(true) // as a disk that is full
	close(release)
	time.Sleep(50 * time.Millisecond)
	store.fail.Store(false)
	require.NoError(t, a.Close(t.Context()))
	s.answers(nil)
	_, err := s.source(t, store).Token(t.Context())
	require.NoError(t, err, "the process still held the newest token")
}

func TestAClosedSourceUsesNoToken(t *testing.T) {
	s := newServer(t)
	store := &failing{Store: state.NewMemory()}
	a := s.source(t, store)
	require.NoError(t, a.Close(t.Context()))
	s.answers(func(http.ResponseWriter) bool { store.fail.Store(true); return false })
	_, err := a.Token(t.Context())
	require.Error(t, err)
	assert.Zero(t, s.asked(), "it was exchanged after Close")
	store.fail.Store(false)
	s.answers(nil)
	_, err = s.source(t, store).Token(t.Context())
	require.NoError(t, err)
}

func TestALostLeaseLeavesNoNoteOfARenewal(t *testing.T) {
	s := newServer(t)
	store := state.NewMemory()
	a := s.source(t, brief{store})
	closed(t, a)
	_, err := a.Token(t.Context())
	require.Error(t, err)
	log := &told{}
	_, err = s.source(t, store, func(c *Config) { c.Log = log }).Token(t.Context())
	require.NoError(t, err)
	assert.Empty(t, log.String())
}

func TestSavingLateErasesNoNoteOfAnothersRenewal(t *testing.T) {
	s := newServer(t)
	mem := state.NewMemory()
	st := &lossy{Store: mem}
	st.lose.Store(2)
	a := s.source(t, st, func(c *Config) { c.Seed = "seed-token" })
	_, err := a.Token(t.Context())
	require.ErrorContains(t, err, "input/output") // refresh-1 is written, and A does not know
	a.mu.Lock()
	a.tending.Stop()
	a.mu.Unlock()
	// B begins to exchange refresh-1 and is killed with the server's answer under way.
	b := s.source(t, mem)
	require.NoError(t, b.load(t.Context()))
	require.NoError(t, b.announce(t.Context(), ""))
	s.mu.Lock()
	delete(s.valid, "refresh-1")
	s.mu.Unlock()
	// A saves what it has; a new start.
	require.NoError(t, a.Close(t.Context()))
	_, err = s.source(t, mem, func(c *Config) { c.Now = func() time.Time { return time.Now().Add(2 * time.Hour) } }).Token(t.Context())
	require.ErrorContains(t, err, "ended before its answer could be saved")
}

// held is a store whose leases somebody else holds while it is on.
type held struct {
	state.Store
	on bool
}

func (h *held) Lease(ctx context.Context, name string) (state.Lease, error) {
	if h.on {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return h.Store.Lease(ctx, name)
}

func TestClosingSavesAlsoWhileAnotherHoldsTheLease(t *testing.T) {
	s := newServer(t)
	f := &failing{Store: state.NewMemory()}
	h := &held{Store: f}
	s.answers(func(http.ResponseWriter) bool { f.fail.Store(true); return false })
	a := s.source(t, h)
	_, err := a.Token(t.Context())
	require.Error(t, err)
	a.mu.Lock()
	a.tending.Stop()
	a.mu.Unlock()
	f.fail.Store(false)
	h.on = true
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	require.NoError(t, a.Close(ctx))
}

func TestAServerThatIsNotTrustedLeavesNoNoteOfARenewal(t *testing.T) {
	s := newServer(t)
	tls := newTLS(t)
	store := state.NewMemory()
	log := &told{}
	a := s.source(t, store, func(c *Config) { c.Log = log; c.HTTP = &http.Client{}; c.URL = tls })
	closed(t, a)
	_, err := a.Token(t.Context())
	require.Error(t, err)
	st, err := Inspect(t.Context(), a.cfg)
	require.NoError(t, err)
	assert.True(t, st.Interrupted.IsZero(), "nothing was sent")
}

func newTLS(t *testing.T) *url.URL {
	s := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	require.NoError(t, err)
	return u
}
