package connection

import (
	"context"
	"fmt"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/transport"
)

// Client is a component's use of a shared client: its calls are counted, traced and
// logged as the component's own.
type Client struct {
	*ebp.Client
	shared   *shared
	observer *observer
	pacer    transport.Pacer
	release  func() error
}

// Open returns a component's client. Close gives it back.
func (c *Config) Open(mgr *service.Resources) (*Client, error) {
	client, err := c.open(mgr)
	if err != nil {
		return nil, &ConfigError{Err: err}
	}
	return client, nil
}

// ConfigError says that a connection is configured in a way that cannot work.
type ConfigError struct{ Err error }

func (e *ConfigError) Error() string { return e.Err.Error() }

// Unwrap returns the reason.
func (e *ConfigError) Unwrap() error { return e.Err }

func (c *Config) open(mgr *service.Resources) (*Client, error) {
	if err := c.missing(); err != nil {
		return nil, err
	}
	if c.RateLimit != "" && !mgr.HasRateLimit(c.RateLimit) {
		return nil, fmt.Errorf("%s: there is no rate limit resource %q", FieldRateLimit, c.RateLimit)
	}
	shared, release, err := acquire(c.settings, mgr.Logger())
	if err != nil {
		return nil, err
	}
	client := &Client{Client: shared.client, shared: shared, observer: newObserver(mgr, shared)}
	end := shared.watch(client.observer)
	client.release = func() error {
		end()
		return release()
	}
	if c.RateLimit != "" {
		client.pacer = &resourcePacer{mgr: mgr, label: c.RateLimit}
	}
	return client, nil
}

// IsSandbox reports whether the connection is to an EBP inside this process, whose data
// is invented.
func (c *Config) IsSandbox() bool { return isEmbedded(c.URL) }

// Do makes a call as ebp.Client does.
func (c *Client) Do(ctx context.Context, r ebp.Request) (*ebp.Answer, error) {
	r.Observer, r.Pacer = c.observer, c.pacer
	return c.Client.Do(ctx, r)
}

// SignedIn does as ebp.Client does, and warns once of a state that forgets.
func (c *Client) SignedIn(ctx context.Context) error {
	if err := c.Client.SignedIn(ctx); err != nil {
		return err
	}
	c.shared.warnOfForgetfulState(ctx)
	return nil
}

// Close gives the client back. Its last user waits until the newest token is saved; an
// error says that it could not be. It may be called more than once.
func (c *Client) Close() error { return c.release() }

// resourcePacer consults a rate limit resource.
type resourcePacer struct {
	mgr   *service.Resources
	label string
}

func (p *resourcePacer) Wait(ctx context.Context) error {
	for {
		var wait time.Duration
		var err error
		if accessErr := p.mgr.AccessRateLimit(ctx, p.label, func(r service.RateLimit) {
			wait, err = r.Access(ctx)
		}); accessErr != nil {
			return fmt.Errorf("consulting the rate limit %q: %w", p.label, accessErr)
		}
		if err != nil {
			return fmt.Errorf("consulting the rate limit %q: %w", p.label, err)
		}
		if wait <= 0 {
			return ctx.Err()
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
	}
}
