package input_ebp

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp/auth"
	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
	"github.com/benthos-ebp/benthos-ebp/internal/state"
)

// The password was changed while a pipeline runs that reads again and again. It holds on
// to what it has read, makes no call, and goes on when somebody has signed in, without
// being started anew.
func TestAPipelineThatLostItsSignInWaitsWithoutCallsUntilSomebodySignsIn(t *testing.T) {
	w := newWire(t, sandbox.Options{Rows: 150})
	config := w.config(t, "resource: gescom.generic_query\ntable: Customer\nfolders: [\"3691\"]\ninterval: 20ms\n")
	in, err := newInput(t, config)
	require.NoError(t, err)
	in.patience = patience{signInFirst: 20 * time.Millisecond, signInLongest: 40 * time.Millisecond, callFor: time.Second, callFirst: time.Millisecond, callLongest: 2 * time.Millisecond}
	require.NoError(t, in.Connect(t.Context()))
	read := func(n int) (last service.AckFunc) {
		t.Helper()
		seen := map[string]bool{}
		for len(seen) < n {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			b, ack, err := in.ReadBatch(ctx)
			cancel()
			require.NoError(t, err)
			for _, m := range b {
				seen[meta(m)[metaKey]] = true
			}
			if len(seen) == n {
				return ack
			}
			require.NoError(t, ack(t.Context(), nil))
		}
		return nil
	}
	ack := read(150) // the last page is still in the pipeline when the sign-in is lost
	w.sandbox.RevokeTokens()
	require.NoError(t, ack(t.Context(), nil))
	require.Eventually(t, func() bool { return w.sandbox.TokenCalls() >= 2 }, 10*time.Second, 5*time.Millisecond)
	time.Sleep(100 * time.Millisecond)
	calls, tokenCalls := w.sandbox.CallCount(), w.sandbox.TokenCalls()
	time.Sleep(500 * time.Millisecond) // some twenty looks
	assert.Equal(t, calls, w.sandbox.CallCount(), "calls were made without a sign-in")
	assert.Equal(t, tokenCalls, w.sandbox.TokenCalls(), "a dead refresh token was tried again")

	// Somebody signs in, in another process.
	u, err := url.Parse(w.URL)
	require.NoError(t, err)
	_, location, _ := strings.Cut(config, "state: ")
	location, _, _ = strings.Cut(location, "\n")
	store, err := state.Open(location)
	require.NoError(t, err)
	c := w.sandbox.Credentials()
	other := auth.NewSource(auth.Config{
		URL: u, ClientID: c.ClientID, ClientSecret: c.ClientSecret, Profile: "default",
		Seed: w.sandbox.NewRefreshToken(), Store: store, HTTP: w.Client(),
	})
	require.NoError(t, other.Renew(t.Context()))
	require.NoError(t, other.Close(t.Context()))
	require.NoError(t, read(150)(t.Context(), nil))
	assert.Zero(t, w.sandbox.Replays())
}
