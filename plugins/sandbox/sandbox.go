// Package sandbox makes `url: "sandbox:"` start the embedded sandbox: a local EBP with
// invented data. Import it for that effect.
package sandbox

import (
	"github.com/benthos-ebp/benthos-ebp/internal/connection"
	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
)

func init() { connection.RegisterEmbedded(start) }

func start(url string) (*connection.Embedded, error) {
	o, err := sandbox.ParseURL(url)
	if err != nil {
		return nil, err
	}
	s, err := sandbox.Start(o)
	if err != nil {
		return nil, err
	}
	c := s.Credentials()
	return &connection.Embedded{
		URL: s.URL(), LoginURL: s.LoginURL(), SubscriptionKey: c.SubscriptionKey,
		ClientID: c.ClientID, ClientSecret: c.ClientSecret, RefreshToken: c.RefreshToken,
		Unlimited: o.PerSecond == 0, UnlimitedDay: o.PerDay == 0, Close: s.Close,
	}, nil
}
