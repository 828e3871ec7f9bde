package connection

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/catalog"
	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
)

func parse(t *testing.T, yaml string) (*Config, error) {
	t.Helper()
	conf, err := service.NewConfigSpec().Fields(Fields()...).ParseYAML(yaml, nil)
	require.NoError(t, err)
	return FromParsed(conf)
}

// clean unsets the variables that would stand in for empty fields.
func clean(t *testing.T) {
	for _, name := range []string{EnvURL, EnvLoginURL, EnvSubscriptionKey, EnvClientID, EnvClientSecret, EnvRefreshToken, EnvState, "XDG_STATE_HOME"} {
		t.Setenv(name, "")
	}
}

func start(t *testing.T, o sandbox.Options) *sandbox.Server {
	t.Helper()
	s, err := sandbox.Start(o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestEmptyFieldsComeFromTheEnvironmentAndThenFromDefaults(t *testing.T) {
	clean(t)
	t.Setenv("HOME", "/home/somebody")
	c, err := parse(t, "")
	require.NoError(t, err)
	assert.Equal(t, DefaultURL, c.URL)
	assert.Equal(t, DefaultLoginURL, c.LoginURL)
	assert.Equal(t, "file:/home/somebody/.local/state/benthos-ebp", c.State)
	assert.Equal(t, "Europe/Paris", c.TimeZone.String())
	assert.InDelta(t, 1, c.PerSecond, 0)
	assert.True(t, c.WaitForQuota)

	t.Setenv("XDG_STATE_HOME", "/var/lib/me")
	t.Setenv(EnvURL, "https://other")
	t.Setenv(EnvRefreshToken, "seed")
	c, err = parse(t, "")
	require.NoError(t, err)
	assert.Equal(t, "https://other", c.URL)
	assert.Equal(t, "seed", c.RefreshToken)
	assert.Equal(t, "file:/var/lib/me/benthos-ebp", c.State)

	t.Setenv("XDG_STATE_HOME", "relative")
	t.Setenv(EnvState, "file:/state")
	c, err = parse(t, "url: https://mine")
	require.NoError(t, err)
	assert.Equal(t, "https://mine", c.URL)
	assert.Equal(t, "file:/state", c.State)
}

func TestWhatCannotWorkIsSaidInASentence(t *testing.T) {
	clean(t)
	for yaml, want := range map[string]string{
		"time_zone: Mars/Phobos":    `time_zone "Mars/Phobos" is not a time zone such as Europe/Paris`,
		"calls: { per_second: -1 }": "cannot be negative",
		"":                          `subscription_key ($EBP_SUBSCRIPTION_KEY), oauth2.client_id ($EBP_CLIENT_ID), oauth2.client_secret ($EBP_CLIENT_SECRET) are not set: set them, or try url: "sandbox:"`,
		"subscription_key: k":       "oauth2.client_id ($EBP_CLIENT_ID), oauth2.client_secret ($EBP_CLIENT_SECRET) are not set",
		"url: 'sandbox:?rowz=5'":    "this build has no sandbox",
		"{url: 'http://ebp.example', subscription_key: k, oauth2: {client_id: i, client_secret: s}}":                         "tokens would travel in the clear",
		"{subscription_key: k, oauth2: {client_id: i, client_secret: s}, rate_limit: nope}":                                  `there is no rate limit resource "nope"`,
		"{subscription_key: k, oauth2: {client_id: i, client_secret: s}, state: 'mysql://u:hunter2@h/d'}":                    "is not known",
		"{subscription_key: \"k\\n\", oauth2: {client_id: i, client_secret: s}, state: 'file:/tmp/none'}":                    "subscription_key holds a line break",
		"{subscription_key: k, oauth2: {client_id: i, client_secret: s}, http: {proxy_url: '://'}, state: 'file:/tmp/none'}": "proxy_url is not a URL",
	} {
		c, err := parse(t, yaml)
		if err == nil {
			_, err = c.Open(service.MockResources())
		}
		require.ErrorContains(t, err, want, yaml)
		assert.NotContains(t, err.Error(), "hunter2")
	}
}

func TestComponentsWithOneSignInShareOneClient(t *testing.T) {
	clean(t)
	s := start(t, sandbox.Options{Rows: 5})
	c := s.Credentials()
	dir := t.TempDir()
	yaml := "{url: " + s.URL() + ", subscription_key: " + c.SubscriptionKey + ", state: 'file:" + dir + "', calls: {per_second: 0}, oauth2: {url: " + s.LoginURL() +
		", client_id: " + c.ClientID + ", client_secret: " + c.ClientSecret + ", refresh_token: " + c.RefreshToken + "}"
	op, _ := catalog.Lookup("gescom.folders.list")
	var clients []*Client
	for range 3 {
		conf, err := parse(t, yaml+"}")
		require.NoError(t, err)
		client, err := conf.Open(service.MockResources())
		require.NoError(t, err)
		_, err = client.Do(t.Context(), ebp.Request{Operation: op})
		require.NoError(t, err)
		clients = append(clients, client)
	}
	assert.Equal(t, 1, s.TokenCalls())
	assert.Same(t, clients[0].Client, clients[2].Client)

	conf, err := parse(t, yaml+", http: {timeout: 1s}}")
	require.NoError(t, err)
	_, err = conf.Open(service.MockResources())
	require.ErrorContains(t, err, "http.timeout differs from that of another component")

	for _, client := range clients {
		_ = client.Close()
		_ = client.Close() // twice does no harm
	}
	client, err := conf.Open(service.MockResources())
	require.NoError(t, err, "the last user did not close the client")
	_ = client.Close()

	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, walkErr error) error {
		require.NoError(t, walkErr)
		info, err := d.Info()
		require.NoError(t, err)
		if path != dir {
			assert.Zero(t, info.Mode().Perm()&0o077, path)
		}
		return nil
	}))
}

var stateDirs sync.Map

// stateOf returns the one state directory of a test: a subscription's calls are counted
// in one state.
func stateOf(t *testing.T) string {
	dir, ok := stateDirs.Load(t)
	if !ok {
		dir = t.TempDir()
		stateDirs.Store(t, dir)
	}
	return dir.(string)
}

// config writes a connection to a sandbox, and what is added to it.
func config(t *testing.T, s *sandbox.Server, url, more string) string {
	c := s.Credentials()
	return fmt.Sprintf("{url: '%s', subscription_key: %s, state: 'file:%s', oauth2: {url: '%s', client_id: %s, client_secret: %s, refresh_token: %s}, %s}",
		url, c.SubscriptionKey, stateOf(t), s.LoginURL(), c.ClientID, c.ClientSecret, s.NewRefreshToken(), more)
}

func opened(t *testing.T, yaml string) (*Client, error) {
	t.Helper()
	conf, err := parse(t, yaml)
	require.NoError(t, err)
	client, err := conf.Open(service.MockResources())
	if err == nil {
		t.Cleanup(func() { _ = client.Close() })
	}
	return client, err
}

// spanOf returns how long a sandbox's calls took from the first to the last, and how
// many of them it refused.
func spanOf(s *sandbox.Server) (span time.Duration, calls, refused int) {
	all := s.Calls()
	var first, last time.Time
	for i, c := range all {
		if i == 0 || c.Time.Before(first) {
			first = c.Time
		}
		if c.Time.After(last) {
			last = c.Time
		}
		if c.Status == http.StatusTooManyRequests {
			refused++
		}
	}
	return last.Sub(first), len(all), refused
}

func TestOneSubscriptionKeepsOnePaceHoweverItIsSpelledAndSignedIn(t *testing.T) {
	clean(t)
	s := start(t, sandbox.Options{Rows: 5, PerSecond: 5})
	op, _ := catalog.Lookup("gescom.folders.list")
	const pace = "calls: {per_second: 5}"
	plain := config(t, s, s.URL(), pace)
	slash := strings.Replace(plain, s.URL(), strings.Replace(s.URL(), "http:", "HTTP:", 1)+"/", 1)
	var clients []*Client
	for _, yaml := range []string{plain, slash, config(t, s, s.URL(), pace+", profile: other"), config(t, s, s.URL()+"//", pace+", profile: third")} {
		client, err := opened(t, yaml)
		require.NoError(t, err)
		require.NoError(t, client.SignedIn(t.Context()))
		clients = append(clients, client)
	}
	assert.Same(t, clients[0].Client, clients[1].Client, "two spellings of one URL are one client")
	assert.NotSame(t, clients[0].Client, clients[2].Client, "two profiles are two sign-ins")
	var wg sync.WaitGroup
	for _, client := range clients {
		wg.Go(func() {
			for range 4 {
				_, err := client.Do(t.Context(), ebp.Request{Operation: op})
				assert.NoError(t, err)
			}
		})
	}
	wg.Wait()
	span, calls, refused := spanOf(s)
	assert.Zero(t, refused, "calls came too fast")
	assert.GreaterOrEqual(t, span, time.Duration(0.9*float64(calls-1)*float64(time.Second)/5))
}

func TestAClientThatComesBackKeepsThePaceOfTheOneThatWent(t *testing.T) {
	clean(t)
	s := start(t, sandbox.Options{Rows: 5})
	op, _ := catalog.Lookup("gescom.folders.list")
	yaml := config(t, s, s.URL(), "calls: {per_second: 4}")
	for range 4 {
		client, err := opened(t, yaml)
		require.NoError(t, err)
		_, err = client.Do(t.Context(), ebp.Request{Operation: op})
		require.NoError(t, err)
		_ = client.Close()
	}
	span, calls, _ := spanOf(s)
	assert.Equal(t, 4, calls)
	assert.GreaterOrEqual(t, span, time.Duration(0.9*3*float64(time.Second)/4))

	client, err := opened(t, config(t, s, s.URL(), "calls: {per_second: 9}"))
	require.NoError(t, err, "nobody is left who wants another pace")
	_ = client.Close()
}

func TestComponentsOfOneSubscriptionAgreeOnItsPace(t *testing.T) {
	clean(t)
	s := start(t, sandbox.Options{Rows: 5})
	client, err := opened(t, config(t, s, s.URL(), "calls: {per_second: 7}"))
	require.NoError(t, err)
	for more, want := range map[string]string{
		"calls: {per_second: 8}, profile: other":                "calls.per_second differs from that of another component with the same subscription_key",
		"calls: {per_second: 7, per_minute: 9}, profile: other": "calls.per_minute differs from that of another component with the same subscription_key",
	} {
		_, err = opened(t, config(t, s, s.URL(), more))
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "make them equal")
	}
	other, err := opened(t, config(t, s, s.URL(), "calls: {per_second: 7}, profile: other"))
	require.NoError(t, err)
	_ = client.Close()
	_, err = opened(t, config(t, s, s.URL(), "calls: {per_second: 8}"))
	require.ErrorContains(t, err, "calls.per_second differs")
	other.Close()
	_, err = opened(t, config(t, s, s.URL(), "calls: {per_second: 8}"))
	require.NoError(t, err)
}

func TestComponentsWithDifferentTLSDoNotShareAClient(t *testing.T) {
	clean(t)
	s := start(t, sandbox.Options{Rows: 5})
	ca := pemCertificate(t)
	base := config(t, s, s.URL(), "calls: {per_second: 0}, http: {tls: {%s}}")
	settings := []string{
		"enabled: false", "enabled: true", "enabled: true, skip_cert_verify: true",
		fmt.Sprintf("enabled: true, root_cas: %q", ca), fmt.Sprintf("enabled: true, root_cas: %q", pemCertificate(t)), "enabled: true, enable_renegotiation: true",
	}
	for i, a := range settings {
		client, err := opened(t, fmt.Sprintf(base, a))
		require.NoError(t, err, a)
		for j, b := range settings {
			other, err := opened(t, fmt.Sprintf(base, b))
			if i == j {
				require.NoError(t, err, "the same settings, read twice, are equal: %s", a)
				other.Close()
				continue
			}
			require.ErrorContains(t, err, "http.tls differs from that of another component", "%s and %s", a, b)
		}
		_ = client.Close()
	}
	first, second := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{{1}}}}}, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{{2}}}}}
	assert.False(t, sameTLS(first, second))
	assert.True(t, sameTLS(first, first.Clone()))
	assert.False(t, sameTLS(&tls.Config{ServerName: "a"}, &tls.Config{}))
	assert.False(t, sameTLS(&tls.Config{MinVersion: tls.VersionTLS13}, &tls.Config{}))
}

// pemCertificate makes a certificate of its own.
func pemCertificate(t *testing.T) string {
	_, key, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)}, &x509.Certificate{SerialNumber: big.NewInt(1)}, key.Public(), key)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func TestMissingCredentialsAreToldFromOtherMistakes(t *testing.T) {
	clean(t)
	for yaml, missing := range map[string]bool{
		"":                    true,
		"subscription_key: k": true,
		"{subscription_key: k, oauth2: {client_id: i}}": true,
		"url: 'sandbox:'": false,
		"{url: 'http://ebp.example', subscription_key: k, oauth2: {client_id: i, client_secret: s}}":                              false,
		"{subscription_key: k, oauth2: {client_id: i, client_secret: s}, state: 'mysql://x'}":                                     false,
		"{subscription_key: k, oauth2: {client_id: i, client_secret: s}, rate_limit: nope}":                                       false,
		"{subscription_key: \"k\\n\", oauth2: {client_id: i, client_secret: s}, state: 'file:/tmp/none', calls: {per_second: 3}}": false,
	} {
		_, err := opened(t, yaml)
		require.Error(t, err, yaml)
		assert.Equal(t, missing, IsMissingCredentials(err), yaml)
		assert.Equal(t, missing, IsMissingCredentials(fmt.Errorf("connecting: %w", err)), yaml)
	}
	assert.False(t, IsMissingCredentials(nil))
}

func TestHTTPSettingsThatCannotWorkAreLintedAndRefused(t *testing.T) {
	clean(t)
	spec := service.NewConfigSpec().Fields(Fields()...)
	env := service.NewEnvironment()
	require.NoError(t, env.RegisterInput("connected", spec, func(*service.ParsedConfig, *service.Resources) (service.Input, error) { return nil, nil }))
	linter := env.NewComponentConfigLinter()
	lint := func(yaml string) []string {
		lints, err := linter.LintInputYAML([]byte("connected: {" + yaml + "}"))
		require.NoError(t, err, yaml)
		out := []string{}
		for _, l := range lints {
			out = append(out, l.What)
		}
		return out
	}
	for yaml, want := range map[string]string{
		"http: {timeout: 0}":                        tooShortTimeout,
		"http: {timeout: 0s}":                       tooShortTimeout,
		"http: {timeout: 0h0.0m0s}":                 tooShortTimeout,
		"http: {timeout: -5s}":                      tooShortTimeout,
		"http: {timeout: '-1h30m'}":                 tooShortTimeout,
		"http: {max_url_bytes: 199}":                tooShortURL,
		"http: {max_url_bytes: 0}":                  tooShortURL,
		"http: {max_retries: -1}":                   negativeRetries,
		"http: {backoff: {initial_interval: 0s}}":   tooShortBackoff,
		"http: {backoff: {initial_interval: -1ms}}": tooShortBackoff,
		"http: {backoff: {max_interval: '+0ms'}}":   tooShortBackoff,
		"http: {max_response_bytes: 1000}":          tooSmallResponse,
		"calls: {per_second: -0.5}":                 "cannot be negative",
		"calls: {per_minute: -1}":                   "cannot be negative",
	} {
		texts := lint(yaml)
		require.Len(t, texts, 1, "%s: %v", yaml, texts)
		assert.Contains(t, texts[0], want, yaml)
		_, err := parse(t, "{"+yaml+"}")
		require.Error(t, err, "what is linted must not run: %s", yaml)
		assert.ErrorContains(t, err, want, yaml)
	}
	for _, yaml := range []string{
		"", "http: {timeout: 1ns, max_retries: 0, max_url_bytes: 200, backoff: {initial_interval: 0.5ms, max_interval: 1h}, max_response_bytes: 1024}",
		"http: {timeout: 10s}", "http: {timeout: 0.05s}", "http: {timeout: 0h0m1s}", "http: {timeout: .5s}", "http: {timeout: 100us}", "http: {timeout: 20µs}",
	} {
		assert.Empty(t, lint(yaml), yaml)
		_, err := parse(t, "{"+yaml+"}")
		assert.NoError(t, err, yaml)
	}
}

func TestTheProxyIsASecret(t *testing.T) {
	clean(t)
	env := service.NewEnvironment()
	require.NoError(t, env.RegisterInput("connected", service.NewConfigSpec().Fields(Fields()...), func(*service.ParsedConfig, *service.Resources) (service.Input, error) { return nil, nil }))
	found := false
	env.WalkInputs(func(name string, view *service.ConfigView) {
		if name != "connected" {
			return
		}
		schema, err := view.FormatJSON()
		require.NoError(t, err)
		found = true
		assert.Regexp(t, `"name":"proxy_url"[^{}]*"is_secret":true`, string(schema))
	})
	assert.True(t, found)

	s := start(t, sandbox.Options{Rows: 5})
	yaml := config(t, s, s.URL(), "calls: {per_second: 0}, http: {proxy_url: 'http://user:%s@127.0.0.1:1'}")
	_, err := opened(t, fmt.Sprintf(yaml, "hunter2x"))
	require.NoError(t, err)
	_, err = opened(t, fmt.Sprintf(yaml, "hunter2y"))
	require.ErrorContains(t, err, "http.proxy_url differs")
	assert.NotContains(t, err.Error(), "hunter2")
}

func TestARateLimitResourceIsConsultedBeforeEachCall(t *testing.T) {
	clean(t)
	s := start(t, sandbox.Options{Rows: 5})
	var asked atomic.Int32
	mgr := service.MockResources(service.MockResourcesOptAddRateLimit("slow", func(context.Context) (time.Duration, error) {
		if asked.Add(1)%2 == 1 {
			return time.Millisecond, nil
		}
		return 0, nil
	}))
	c := s.Credentials()
	conf, err := parse(t, "{rate_limit: slow, url: "+s.URL()+", subscription_key: "+c.SubscriptionKey+", calls: {per_second: 0}, state: 'file:"+t.TempDir()+"', oauth2: {url: "+s.LoginURL()+
		", client_id: "+c.ClientID+", client_secret: "+c.ClientSecret+", refresh_token: "+c.RefreshToken+"}}")
	require.NoError(t, err)
	client, err := conf.Open(mgr)
	require.NoError(t, err)
	defer func() { _ = client.Close() }()
	op, _ := catalog.Lookup("gescom.folders.list")
	for range 3 {
		_, err = client.Do(t.Context(), ebp.Request{Operation: op})
		require.NoError(t, err)
	}
	assert.EqualValues(t, 6, asked.Load())
}

func TestTheEmbeddedSandboxIsOneForAllComponentsAndKeepsNoTokens(t *testing.T) {
	clean(t)
	dir := t.TempDir()
	started := 0
	RegisterEmbedded(func(url string) (*Embedded, error) {
		started++
		s, err := sandbox.Start(sandbox.Options{Rows: 5})
		if err != nil {
			return nil, err
		}
		c := s.Credentials()
		return &Embedded{
			URL: s.URL(), LoginURL: s.LoginURL(), SubscriptionKey: c.SubscriptionKey, ClientID: c.ClientID,
			ClientSecret: c.ClientSecret, RefreshToken: c.RefreshToken, Unlimited: true, Close: s.Close,
		}, nil
	})
	t.Cleanup(func() { RegisterEmbedded(nil) })
	op, _ := catalog.Lookup("gescom.folders.list")
	for range 2 {
		conf, err := parse(t, "{url: 'sandbox:', state: 'file:"+dir+"'}")
		require.NoError(t, err)
		client, err := conf.Open(service.MockResources())
		require.NoError(t, err)
		defer func() { _ = client.Close() }()
		a, err := client.Do(t.Context(), ebp.Request{Operation: op})
		require.NoError(t, err)
		assert.True(t, strings.HasPrefix(string(a.Body), `{"folders":[`))
	}
	assert.Equal(t, 1, started)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, entries)
}
