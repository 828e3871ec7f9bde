// Package ebptest starts sandboxes with clients for tests.
package ebptest

import (
	"testing"
	"time"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp"
	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
	"github.com/benthos-ebp/benthos-ebp/internal/state"
)

// Sandbox starts a sandbox that ends with the test.
func Sandbox(t testing.TB, o sandbox.Options) *sandbox.Server {
	t.Helper()
	s, err := sandbox.Start(o)
	if err != nil {
		t.Fatalf("starting a sandbox: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// Config returns settings for a client of a sandbox: no pacing, short retries.
func Config(s *sandbox.Server) ebp.Config {
	c := s.Credentials()
	return ebp.Config{
		URL: s.URL(), LoginURL: s.LoginURL(), SubscriptionKey: c.SubscriptionKey,
		ClientID: c.ClientID, ClientSecret: c.ClientSecret, RefreshToken: c.RefreshToken,
		Profile: "default", Store: state.NewMemory(), Timeout: 20 * time.Second,
		MaxRetries: 5, BackoffInitial: 5 * time.Millisecond, BackoffMax: 20 * time.Millisecond,
		MaxResponseBytes: 64 << 20, MaxURLBytes: 2000, AcceptLanguage: "fr-FR",
	}
}

// Client returns a client of a sandbox, its settings changed by the functions given.
func Client(t testing.TB, s *sandbox.Server, change ...func(*ebp.Config)) *ebp.Client {
	t.Helper()
	cfg := Config(s)
	for _, f := range change {
		f(&cfg)
	}
	c, err := ebp.New(cfg)
	if err != nil {
		t.Fatalf("making a client: %v", err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}
