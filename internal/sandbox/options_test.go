package sandbox_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
)

func TestParseURL(t *testing.T) {
	o, err := sandbox.ParseURL("sandbox:")
	require.NoError(t, err)
	require.Equal(t, 250, o.Rows)
	require.Equal(t, 1.0, o.PerSecond)
	require.Equal(t, 10000, o.PerDay)
	require.Equal(t, 2, o.Folders)

	o, err = sandbox.ParseURL("sandbox:?rows=5000&seed=7&rate=0&per_day=0&folders=3&latency=20ms")
	require.NoError(t, err)
	require.Equal(t, 5000, o.Rows)
	require.EqualValues(t, 7, o.Seed)
	require.Zero(t, o.PerSecond)
	require.Zero(t, o.PerDay)
	require.Equal(t, 3, o.Folders)
	require.Equal(t, 20*time.Millisecond, o.Latency)

	o, err = sandbox.ParseURL("sandbox:")
	require.NoError(t, err)
	require.Equal(t, 30*24*time.Hour, o.RefreshTokenLifetime)
	require.Equal(t, 5*time.Minute, o.CodeLifetime)
	require.Equal(t, []string{"http://localhost:3333"}, o.RedirectURIs)
	o, err = sandbox.ParseURL("sandbox:?token_lifetime=1s&refresh_token_lifetime=2m&code_lifetime=3s&redirect_uri=https%3A%2F%2Fexample.fr%2Fcb")
	require.NoError(t, err)
	require.Equal(t, time.Second, o.AccessTokenLifetime)
	require.Equal(t, 2*time.Minute, o.RefreshTokenLifetime)
	require.Equal(t, 3*time.Second, o.CodeLifetime)
	require.Equal(t, []string{"https://example.fr/cb"}, o.RedirectURIs)
}

func TestRedirectAddressesMustBeWholeAndHoldNoPassword(t *testing.T) {
	for _, to := range []string{"localhost:3333", "/cb", "javascript:alert(1)", "http://", "http://localhost/#x", "https://me:secret@example.fr", "http://%zz", "http://localhost:3333#"} {
		_, err := sandbox.Start(sandbox.Options{Rows: 1, RedirectURIs: []string{to}})
		require.ErrorContains(t, err, "redirect_uri", to)
		require.NotContains(t, err.Error(), "secret")
	}
}

func TestParseURLNamesTheKnownParameters(t *testing.T) {
	for _, raw := range []string{
		"sandbox:?row=1", "sandbox:?rows=x", "sandbox:?rows=0", "sandbox:?rate=-1", "sandbox:?rate=NaN", "sandbox:?rate=Inf", "sandbox:?folders=99",
		"sandbox:?rows=1&rows=2", "sandbox:?latency=5", "sandbox:?code_lifetime=-1s", "sandbox:?refresh_token_lifetime=x", "sandbox:?redirect_uri=x", "sandbox:?%zz", "sandbox:x",
	} {
		_, err := sandbox.ParseURL(raw)
		require.ErrorContains(t, err, "code_lifetime, folders, latency, listen, max_limit, per_day, rate, redirect_uri, refresh_token_lifetime, rows, seed, token_lifetime", raw)
	}
	_, err := sandbox.ParseURL("http://x")
	require.Error(t, err)
}

func TestStartRefusesWhatItCannotDo(t *testing.T) {
	for _, o := range []sandbox.Options{{Rows: -1}, {Folders: 99}, {PerSecond: -1}, {Listen: "256.0.0.1:0"}} {
		_, err := sandbox.Start(o)
		require.Error(t, err)
	}
}

func TestHandlerCanBeMounted(t *testing.T) {
	s, err := sandbox.New(sandbox.Options{Rows: 1})
	require.NoError(t, err)
	require.NotNil(t, s.Handler())
	require.Empty(t, s.URL())
	require.NoError(t, s.Close())
}
