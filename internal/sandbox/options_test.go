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
}

func TestParseURLNamesTheKnownParameters(t *testing.T) {
	for _, raw := range []string{
		"sandbox:?row=1", "sandbox:?rows=x", "sandbox:?rows=0", "sandbox:?rate=-1", "sandbox:?rate=NaN", "sandbox:?rate=Inf", "sandbox:?folders=99",
		"sandbox:?rows=1&rows=2", "sandbox:?latency=5", "sandbox:?%zz", "sandbox:x",
	} {
		_, err := sandbox.ParseURL(raw)
		require.ErrorContains(t, err, "folders, latency, listen, max_limit, per_day, rate, rows, seed, token_lifetime", raw)
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
