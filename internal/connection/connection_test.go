package connection

import (
	"context"
	"os"
	"path/filepath"
	"strings"
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
		"":                          `subscription_key is not set: set it or $EBP_SUBSCRIPTION_KEY, or try url: "sandbox:"`,
		"subscription_key: k":       "oauth2.client_id is not set",
		"url: 'sandbox:?rowz=5'":    "this build has no sandbox",
		"{url: 'http://ebp.example', subscription_key: k, oauth2: {client_id: i, client_secret: s}}":                         "tokens would travel in the clear",
		"{subscription_key: k, oauth2: {client_id: i, client_secret: s}, rate_limit: nope}":                                  `there is no rate limit resource "nope"`,
		"{subscription_key: k, oauth2: {client_id: i, client_secret: s}, state: 'postgres://u:hunter2@h/d'}":                 "is not known: write file:",
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
		client.Close()
		client.Close() // twice does no harm
	}
	client, err := conf.Open(service.MockResources())
	require.NoError(t, err, "the last user did not close the client")
	client.Close()

	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		info, err := d.Info()
		require.NoError(t, err)
		if path != dir {
			assert.Zero(t, info.Mode().Perm()&0o077, path)
		}
		return nil
	}))
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
	defer client.Close()
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
		defer client.Close()
		a, err := client.Do(t.Context(), ebp.Request{Operation: op})
		require.NoError(t, err)
		assert.True(t, strings.HasPrefix(string(a.Body), `{"folders":[`))
	}
	assert.Equal(t, 1, started)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, entries)
}
