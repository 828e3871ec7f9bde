//go:build unix

package signin

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/connection"
	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
)

// A stream is stopped, and another one started, while EBP takes longer over a renewal than
// stopping may take. The process lives on, so the answer must not be lost.
func TestAStreamThatStopsDuringARenewalLosesNoSignIn(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for half a minute")
	}
	_, location := durableRedis(t)
	t.Parallel()
	s := startSandbox(t, sandbox.Options{})
	began := make(chan struct{})
	s.SetFault(func(sandbox.Call) *sandbox.Fault {
		close(began)
		s.SetFault(nil)
		return &sandbox.Fault{DelayAfter: 18 * time.Second}
	})
	c := s.Credentials()
	open := func() *connection.Client {
		conf, err := service.NewConfigSpec().Fields(connection.Fields()...).ParseYAML(fmt.Sprintf(
			"{url: '%s', subscription_key: %s, state: '%s', oauth2: {url: '%s', client_id: %s, client_secret: %s, refresh_token: %s}}",
			s.URL(), c.SubscriptionKey, location, s.LoginURL(), c.ClientID, c.ClientSecret, c.RefreshToken), nil)
		require.NoError(t, err)
		parsed, err := connection.FromParsed(conf)
		require.NoError(t, err)
		client, err := parsed.Open(service.MockResources())
		require.NoError(t, err)
		return client
	}
	client := open()
	ctx, cancel := context.WithCancel(t.Context())
	go func() { _ = client.SignedIn(ctx) }()
	<-began
	cancel()
	require.ErrorContains(t, client.Close(), "a renewal of the sign-in is still under way")
	again := open()
	assert.NoError(t, again.SignedIn(t.Context()))
	assert.NoError(t, again.Close())
	assert.Zero(t, s.Replays())
	assert.Equal(t, 1, s.TokenCalls())
}
