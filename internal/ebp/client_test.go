package ebp_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/apierror"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/auth"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/catalog"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/ebptest"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/quota"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/transport"
	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
	"github.com/benthos-ebp/benthos-ebp/internal/state"
	"github.com/benthos-ebp/benthos-ebp/internal/testserver"
)

func operation(t testing.TB, name string) *catalog.Operation {
	op, ok := catalog.Lookup(name)
	require.True(t, ok, name)
	return op
}

// server answers the API from a function; tokens work.
type server struct {
	*httptest.Server
	mu     sync.Mutex
	n      int
	tokens int
	reqs   []*http.Request
}

func newServer(t *testing.T, answer func(n int, w http.ResponseWriter, r *http.Request)) *server {
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if r.URL.Path == "/connect/token" {
			s.tokens++
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"access_token":"access-token-%d","refresh_token":"refresh-token-%d","expires_in":3600}`, s.tokens, s.tokens)
			return
		}
		s.n++
		s.reqs = append(s.reqs, r)
		answer(s.n, w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) client(t *testing.T, change ...func(*ebp.Config)) *ebp.Client {
	cfg := ebp.Config{
		URL: s.URL, LoginURL: s.URL, SubscriptionKey: "the-subscription-key", ClientID: "id", ClientSecret: "the-client-secret",
		RefreshToken: "the-seed-token", Profile: "default", Store: state.NewMemory(), Timeout: 5 * time.Second, MaxRetries: 3,
		BackoffInitial: time.Millisecond, BackoffMax: 2 * time.Millisecond, MaxResponseBytes: 1 << 20, MaxURLBytes: 2000, AcceptLanguage: "fr-FR",
	}
	for _, f := range change {
		f(&cfg)
	}
	c, err := ebp.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func (s *server) calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n
}

func (s *server) renewals() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tokens
}

func folders(t *testing.T) ebp.Request {
	return ebp.Request{Operation: operation(t, "gescom.folders.list")}
}

func drop(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		_ = conn.Close()
	}
}

func TestEveryCallCarriesItsCredentialsAndItsDossier(t *testing.T) {
	s := newServer(t, func(_ int, w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{}`) })
	c := s.client(t)
	for name, check := range map[string]func(r *http.Request){
		"gescom.clients.list": func(r *http.Request) {
			assert.Equal(t, "/gescom/api/v1/Folders/36%2F91/Clients", r.URL.EscapedPath())
			assert.Equal(t, "SearchTerm=a%20b%2Bc", r.URL.RawQuery)
		},
		"import.models.list":          func(r *http.Request) { assert.Equal(t, "36/91", r.URL.Query().Get("FolderId")) },
		"hubbix_cpttpe.journals.list": func(r *http.Request) { assert.Equal(t, "36/91", r.Header.Get("tenantid")) },
		"hubbix_gctpe.items.list":     func(r *http.Request) { assert.Equal(t, "36/91", r.Header.Get("DomainId")) },
	} {
		q := url.Values{}
		if name == "gescom.clients.list" {
			q.Set("SearchTerm", "a b+c")
		}
		_, err := c.Do(t.Context(), ebp.Request{Operation: operation(t, name), Folder: "36/91", Query: q})
		require.NoError(t, err, name)
		r := s.reqs[len(s.reqs)-1]
		assert.Equal(t, "Bearer access-token-1", r.Header.Get("Authorization"))
		assert.Equal(t, "the-subscription-key", r.Header.Get("ebp-subscription-key"))
		assert.Equal(t, "fr-FR", r.Header.Get("Accept-Language"))
		check(r)
	}
	assert.Equal(t, 1, s.renewals())
}

func TestReadsAreRepeatedWhenSomethingGoesWrongAndWritesAreNot(t *testing.T) {
	faults := map[string]struct {
		fault   func(w http.ResponseWriter)
		read    bool // repeated for reads
		written bool // repeated for writes
	}{
		"500":               {func(w http.ResponseWriter) { w.WriteHeader(500) }, true, false},
		"502":               {func(w http.ResponseWriter) { w.WriteHeader(502) }, true, false},
		"lost answer":       {drop, true, false},
		"broken-off answer": {func(w http.ResponseWriter) { w.Header().Set("Content-Length", "100"); fmt.Fprint(w, "{"); drop(w) }, true, false},
		"429":               {func(w http.ResponseWriter) { w.WriteHeader(429) }, true, true},
		"429 with seconds":  {func(w http.ResponseWriter) { w.Header().Set("Retry-After", "0"); w.WriteHeader(429) }, true, true},
		"quota": {func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(403)
			fmt.Fprint(w, `{"statusCode":403,"message":"Out of call volume quota."}`)
		}, true, true},
		"401":                {func(w http.ResponseWriter) { w.WriteHeader(401) }, true, true},
		"403":                {func(w http.ResponseWriter) { w.WriteHeader(403) }, false, false},
		"400":                {func(w http.ResponseWriter) { w.WriteHeader(400) }, false, false},
		"409":                {func(w http.ResponseWriter) { w.WriteHeader(409) }, false, false},
		"redirect elsewhere": {func(w http.ResponseWriter) { w.Header().Set("Location", "http://127.0.0.1:1/"); w.WriteHeader(302) }, false, false},
	}
	for name, f := range faults {
		for _, op := range []string{"gescom.folders.list", "maintenance.users.unlog_all", "hubbix_gctpe.customers.delete"} {
			t.Run(name+" "+op, func(t *testing.T) {
				s := newServer(t, func(n int, w http.ResponseWriter, _ *http.Request) {
					if n == 1 {
						f.fault(w)
						return
					}
					fmt.Fprint(w, `{"folders":[]}`)
				})
				o := operation(t, op)
				_, err := s.client(t, func(c *ebp.Config) { c.WaitForQuota = true }).Do(t.Context(), ebp.Request{Operation: o, Folder: "1", Path: map[string]string{"IdCustomer": "7"}})
				again := f.written
				if o.Method == http.MethodGet {
					again = f.read
				}
				if again {
					require.NoError(t, err)
					assert.Equal(t, 2, s.calls())
				} else {
					require.Error(t, err)
					assert.Equal(t, 1, s.calls())
				}
			})
		}
	}
}

func TestAConnectionThatCannotBeMadeIsTriedAgainForWritesToo(t *testing.T) {
	// A port where nobody listens, until somebody does.
	address := fmt.Sprintf("127.0.0.1:%d", testserver.FreePort(t))
	tokens := newServer(t, nil)
	c := tokens.client(t, func(c *ebp.Config) {
		c.URL, c.MaxRetries, c.BackoffInitial, c.BackoffMax = "http://"+address, 50, 20*time.Millisecond, 20*time.Millisecond
	})
	var served atomic.Int32
	go func() {
		time.Sleep(100 * time.Millisecond)
		l, err := net.Listen("tcp", address)
		if err != nil {
			return
		}
		_ = http.Serve(l, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served.Add(1) })) //nolint:gosec // a test
	}()
	_, err := c.Do(t.Context(), ebp.Request{Operation: operation(t, "maintenance.users.unlog_all"), Folder: "1"})
	require.NoError(t, err)
	assert.EqualValues(t, 1, served.Load())
}

func TestRetriesEndAndTheErrorNamesTheCall(t *testing.T) {
	s := newServer(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(503)
		fmt.Fprint(w, `{"title":"Maintenance","message":"Revenez plus tard","errorType":"Unavailable"}`)
	})
	_, err := s.client(t).Do(t.Context(), ebp.Request{Operation: operation(t, "gescom.clients.list"), Folder: "3691"})
	var e *apierror.Error
	require.ErrorAs(t, err, &e)
	assert.Equal(t, 4, s.calls()) // 1 and max_retries
	assert.Equal(t, "Unavailable", e.Code)
	assert.Equal(t, "gescom.clients.list (GET /gescom/api/v1/Folders/3691/Clients): 503 Service Unavailable: Unavailable: Maintenance; Revenez plus tard", err.Error())
}

func TestExhaustedQuotaIsAnErrorWhereAskedFor(t *testing.T) {
	s := newServer(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(403)
		fmt.Fprint(w, `{"statusCode":403,"message":"Out of call volume quota. Quota will be replenished in 11:00:00."}`)
	})
	_, err := s.client(t).Do(t.Context(), folders(t))
	require.ErrorContains(t, err, "calls of this subscription are used up")
	assert.Equal(t, 1, s.calls())
}

func TestARefusedTokenIsRenewedOnceAndARefusedKeyNotAtAll(t *testing.T) {
	s := newServer(t, func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) })
	_, err := s.client(t).Do(t.Context(), folders(t))
	require.ErrorContains(t, err, "sign in again")
	assert.Equal(t, 2, s.calls())
	assert.Equal(t, 2, s.renewals())

	s = newServer(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(401)
		fmt.Fprint(w, `{"statusCode":401,"message":"Access denied due to invalid subscription key."}`)
	})
	_, err = s.client(t).Do(t.Context(), folders(t))
	require.ErrorContains(t, err, "check subscription_key")
	assert.Equal(t, 1, s.calls())
	assert.Equal(t, 1, s.renewals())
}

func TestTheOtherSpellingOfAPathIsTriedOnceAndRemembered(t *testing.T) {
	s := newServer(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "Extented") {
			w.WriteHeader(404)
			return
		}
		fmt.Fprint(w, `{"results":[]}`)
	})
	c := s.client(t)
	for range 3 {
		_, err := c.Do(t.Context(), ebp.Request{Operation: operation(t, "gescom.items.list"), Folder: "1"})
		require.NoError(t, err)
	}
	assert.Equal(t, 4, s.calls())
}

func TestAnAnswerOverTheLimitIsAnErrorAndNeverCut(t *testing.T) {
	body := bytes.Repeat([]byte(" "), 5000)
	for name, write := range map[string]func(w http.ResponseWriter){
		"announced": func(w http.ResponseWriter) { w.Header().Set("Content-Length", "5000"); _, _ = w.Write(body) },
		"endless": func(w http.ResponseWriter) {
			for range 100 {
				_, _ = w.Write(body)
				w.(http.Flusher).Flush()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, func(_ int, w http.ResponseWriter, _ *http.Request) { write(w) })
			_, err := s.client(t, func(c *ebp.Config) { c.MaxResponseBytes = 4999 }).Do(t.Context(), folders(t))
			var tooLarge *transport.TooLargeError
			require.ErrorAs(t, err, &tooLarge)
			assert.Equal(t, 1, s.calls())
		})
	}
	s := newServer(t, func(_ int, w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) })
	a, err := s.client(t, func(c *ebp.Config) { c.MaxResponseBytes = 5000 }).Do(t.Context(), folders(t))
	require.NoError(t, err)
	assert.Len(t, a.Body, 5000)
}

func TestCredentialsNeverReachAnotherHost(t *testing.T) {
	var reached atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer elsewhere.Close()
	s := newServer(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL+r.URL.Path, http.StatusTemporaryRedirect)
	})
	_, err := s.client(t).Do(t.Context(), folders(t))
	require.ErrorContains(t, err, "redirects are not followed")
	assert.Zero(t, reached.Load())

	login := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
	}))
	defer login.Close()
	_, err = s.client(t, func(c *ebp.Config) { c.LoginURL = login.URL }).Do(t.Context(), folders(t))
	var signIn *auth.Error
	require.ErrorAs(t, err, &signIn)
	assert.Zero(t, reached.Load())
}

func TestPlainHTTPIsForThisMachineOnly(t *testing.T) {
	for _, u := range []string{"http://api-developpeurs.ebp.com", "http://192.168.1.7", "ftp://x", "https://user:pw@host", "https://host?x=1", "nonsense", ""} {
		_, err := ebp.New(ebp.Config{URL: u, LoginURL: "https://login", Store: state.NewMemory(), MaxResponseBytes: 1})
		require.Error(t, err, u)
		assert.NotContains(t, err.Error(), "pw")
	}
	for _, u := range []string{"http://127.0.0.1:8080/", "http://localhost:1", "http://[::1]:5", "https://api-developpeurs.ebp.com"} {
		_, err := ebp.New(ebp.Config{URL: u, LoginURL: u, Store: state.NewMemory(), MaxResponseBytes: 1})
		require.NoError(t, err, u)
	}
}

func TestSecretsThatAServerEchoesAreNotInErrors(t *testing.T) {
	s := newServer(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(400)
		fmt.Fprintf(w, `{"title":"x","message":"%s %s","errorType":"the-client-secret the-seed-token"}`, r.Header.Get("Authorization"), r.Header.Get("ebp-subscription-key"))
	})
	_, err := s.client(t).Do(t.Context(), folders(t))
	require.Error(t, err)
	for _, secret := range []string{"access-token-1", "the-subscription-key", "the-client-secret", "the-seed-token"} {
		assert.NotContains(t, err.Error(), secret)
	}
	assert.Contains(t, err.Error(), "[secret]")
}

func TestTheKeyStaysHiddenHoweverOftenTheTokensChange(t *testing.T) {
	s := newServer(t, func(n int, w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(401 - (n+1)%2) // each call once for the token, and once for something else
		fmt.Fprintf(w, `{"message":"%s %s the-client-secret the-seed-token"}`, r.Header.Get("Authorization"), r.Header.Get("ebp-subscription-key"))
	})
	c := s.client(t)
	for range 100 { // a new pair of tokens each
		_, err := c.Do(t.Context(), folders(t))
		require.ErrorContains(t, err, "[secret]")
		for _, secret := range []string{"access-token-", "the-subscription-key", "the-client-secret", "the-seed-token"} {
			require.NotContains(t, err.Error(), secret)
		}
	}
	assert.GreaterOrEqual(t, s.renewals(), 100)
}

func TestACutThroughASecretShowsNoneOfIt(t *testing.T) {
	for before := 1980; before < 2000; before += 3 {
		s := newServer(t, func(_ int, w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(400)
			fmt.Fprint(w, strings.Repeat("x", before)+r.Header.Get("ebp-subscription-key")+strings.Repeat("y", 100))
		})
		_, err := s.client(t).Do(t.Context(), folders(t))
		require.Error(t, err)
		assert.NotContains(t, err.Error(), "the-")
	}
}

// rawServer answers every connection with what f makes of the request, byte for byte.
// Tokens come from a server that works.
func rawServer(t *testing.T, f func(r *http.Request) string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				r, err := http.ReadRequest(bufio.NewReader(conn))
				if err == nil {
					fmt.Fprint(conn, f(r))
				}
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

func TestNetworkErrorsHoldNoSecretHoweverDeepOneLooks(t *testing.T) {
	tokens := newServer(t, nil)
	address := rawServer(t, func(r *http.Request) string { return "HTTP/1.1 " + r.Header.Get("ebp-subscription-key") + "\r\n\r\n" })
	_, err := tokens.client(t, func(c *ebp.Config) { c.URL = address }).Do(t.Context(), folders(t))
	var network *ebp.NetworkError
	require.ErrorAs(t, err, &network)
	assert.Contains(t, err.Error(), `"[secret]"`)
	for e := err; e != nil; e = errors.Unwrap(e) {
		assert.NotContains(t, fmt.Sprintf("%v %+v %#v", e, e, e), "the-subscription-key")
	}

	hangsUp := rawServer(t, func(*http.Request) string { return "" })
	_, err = tokens.client(t, func(c *ebp.Config) { c.URL = hangsUp }).Do(t.Context(), folders(t))
	require.ErrorIs(t, err, io.EOF, "what the cause is can be asked")
}

func TestThePasswordOfAProxyIsNotShown(t *testing.T) {
	for _, bad := range []string{"http://user:hunter2%zz@proxy:3128", "user:hunter2@proxy:3128", "http://user:hun ter2@proxy:3128", "ftp://user:hunter2@proxy", "hunter2", "http://"} {
		_, err := ebp.New(ebp.Config{URL: "https://api", LoginURL: "https://login", Store: state.NewMemory(), MaxResponseBytes: 1, ProxyURL: bad})
		require.ErrorContains(t, err, "http.proxy_url", bad)
		assert.NotContains(t, err.Error(), "hun", bad)
	}
	var authorization atomic.Value
	proxy := rawServer(t, func(r *http.Request) string {
		authorization.Store(r.Header.Get("Proxy-Authorization"))
		return "HTTP/1.1 " + strings.TrimPrefix(r.Header.Get("Proxy-Authorization"), "Basic ") + "-hunter2+hunter2-hunter2%2bhunter2\r\n\r\n"
	})
	for name, set := range map[string]func(*ebp.Config, string){
		"field":    func(c *ebp.Config, proxy string) { c.ProxyURL = proxy },
		"variable": func(*ebp.Config, string) {},
	} {
		t.Run(name, func(t *testing.T) {
			with := strings.Replace(proxy, "http://", "http://user:hunter2%2Bhunter2@", 1)
			t.Setenv("HTTPS_PROXY", with) // not used for this machine, and known all the same
			tokens := newServer(t, nil)
			echo := newServer(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(400)
				fmt.Fprint(w, "hunter2+hunter2 dXNlcjpodW50ZXIyK2h1bnRlcjI=")
			})
			c := tokens.client(t, func(c *ebp.Config) { c.URL = echo.URL; set(c, with) })
			err := c.SignedIn(t.Context())
			if name == "variable" {
				require.NoError(t, err)
				_, err = c.Do(t.Context(), folders(t))
			}
			require.ErrorContains(t, err, "[secret]")
			for _, secret := range []string{"hunter2", "dXNlcjpodW50ZXIyK2h1bnRlcjI"} {
				assert.NotContains(t, err.Error(), secret)
			}
		})
	}
	assert.Equal(t, "Basic dXNlcjpodW50ZXIyK2h1bnRlcjI=", authorization.Load())
}

func TestClosingLetsARenewalEnd(t *testing.T) {
	asked, answer := make(chan struct{}), make(chan struct{})
	login := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(asked)
		<-answer
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token":"access-token","refresh_token":"refresh-token","expires_in":3600}`)
	}))
	defer login.Close()
	s := newServer(t, nil)
	store := state.NewMemory()
	c := s.client(t, func(c *ebp.Config) { c.LoginURL, c.Store = login.URL, store })
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() { failed <- c.SignedIn(ctx) }()
	<-asked
	cancel()
	require.ErrorIs(t, <-failed, context.Canceled)
	time.AfterFunc(50*time.Millisecond, func() { close(answer) })
	_ = c.Close()
	u, err := url.Parse(login.URL)
	require.NoError(t, err)
	r, err := store.Get(t.Context(), auth.Key(u, "id", "default"))
	require.NoError(t, err)
	assert.Contains(t, string(r.Value), "refresh-token", "the newest refresh token was lost")
}

// pace lets so many calls per second through.
func pace(perSecond float64) []transport.Pacer {
	return []transport.Pacer{quota.New(quota.Config{Name: "test", Limits: quota.Limits{PerSecond: perSecond}, Store: state.NewMemory()})}
}

func TestClientsWithOnePacerKeepOnePace(t *testing.T) {
	s := newServer(t, func(_ int, w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{}`) })
	pacers := pace(20)
	start := time.Now()
	var wg sync.WaitGroup
	for range 2 {
		c := s.client(t, func(c *ebp.Config) { c.Pacers = pacers })
		wg.Go(func() {
			for range 5 {
				_, err := c.Do(t.Context(), folders(t))
				assert.NoError(t, err)
			}
		})
	}
	wg.Wait()
	assert.GreaterOrEqual(t, time.Since(start), 9*50*time.Millisecond)
}

func TestCancellingStopsACallAtOnceWhateverItDoes(t *testing.T) {
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter)
		change func(*ebp.Config)
	}{
		"waiting for its turn": {func(http.ResponseWriter) {}, func(c *ebp.Config) { c.Pacers = pace(0.0001) }},
		"waiting as told":      {func(w http.ResponseWriter) { w.Header().Set("Retry-After", "3600"); w.WriteHeader(429) }, nil},
		"waiting for the quota": {func(w http.ResponseWriter) {
			w.WriteHeader(403)
			fmt.Fprint(w, `{"message":"Out of call volume quota.","statusCode":403}`)
		}, func(c *ebp.Config) { c.WaitForQuota = true }},
		"reading a slow drip": {func(w http.ResponseWriter) { w.(http.Flusher).Flush(); <-hang }, nil},
		"backing off":         {func(w http.ResponseWriter) { w.WriteHeader(500) }, func(c *ebp.Config) { c.BackoffInitial, c.BackoffMax = time.Hour, time.Hour }},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			s := &server{}
			s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/connect/token" {
					w.Header().Set("Content-Type", "application/json")
					fmt.Fprint(w, `{"access_token":"access-token","refresh_token":"refresh-token","expires_in":3600}`)
					return
				}
				mu.Lock()
				s.n++
				mu.Unlock()
				c.answer(w)
			}))
			t.Cleanup(func() { s.CloseClientConnections(); go s.Close() })
			change := c.change
			if change == nil {
				change = func(*ebp.Config) {}
			}
			client := s.client(t, change)
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			_, _ = client.Do(ctx, folders(t)) // may use up the first turn
			start := time.Now()
			_, err := client.Do(ctx, folders(t))
			require.ErrorIs(t, err, context.DeadlineExceeded)
			assert.Less(t, time.Since(start), 3*time.Second)
		})
	}
}

func TestASlowAnswerIsAnErrorOfTheAttemptAndTriedAgain(t *testing.T) {
	s := newServer(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n == 1 {
			time.Sleep(300 * time.Millisecond)
		}
		fmt.Fprint(w, `{"folders":[]}`)
	})
	_, err := s.client(t, func(c *ebp.Config) { c.Timeout = 100 * time.Millisecond }).Do(t.Context(), folders(t))
	require.NoError(t, err)
	assert.GreaterOrEqual(t, s.calls(), 2)
}

func TestPathParametersCannotLeaveTheirPlace(t *testing.T) {
	s := newServer(t, func(_ int, w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{}`) })
	c := s.client(t)
	for _, folder := range []string{"..", ".", ""} {
		_, err := c.Do(t.Context(), ebp.Request{Operation: operation(t, "gescom.clients.list"), Folder: folder})
		require.Error(t, err, folder)
	}
	_, err := c.Do(t.Context(), ebp.Request{Operation: operation(t, "gescom.clients.list"), Folder: "../x?y#z"})
	require.NoError(t, err)
	assert.Equal(t, "/gescom/api/v1/Folders/..%2Fx%3Fy%23z/Clients", s.reqs[0].URL.EscapedPath())
	_, err = c.Do(t.Context(), ebp.Request{Operation: operation(t, "hubbix_gctpe.items.list"), Folder: "a\r\nX: y"})
	require.Error(t, err)
}

func TestTwoClientsOfASandboxKeepItsPace(t *testing.T) {
	s := ebptest.Sandbox(t, sandbox.Options{Rows: 5, PerSecond: 20})
	c := ebptest.Client(t, s, func(c *ebp.Config) { c.Pacers = pace(20) })
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5 {
				_, err := c.Do(t.Context(), folders(t))
				assert.NoError(t, err)
			}
		})
	}
	wg.Wait()
	refused := 0
	for _, call := range s.Calls() {
		if call.Status == 429 {
			refused++
		}
	}
	assert.LessOrEqual(t, refused, 2, "the pace was not kept") // a busy machine may bunch a few
}
