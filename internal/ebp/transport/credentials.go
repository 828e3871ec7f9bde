package transport

import (
	"context"
	"net/http"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp/apierror"
)

// Tokens gives access tokens.
type Tokens interface {
	// Token returns an access token to use now.
	Token(ctx context.Context) (string, error)
	// Refused tells that the API answered 401 to that token: Token must not give it
	// again.
	Refused(token string)
}

// Credentials are what every call carries (L33).
type Credentials struct {
	SubscriptionKey string
	AcceptLanguage  string
	UserAgent       string
	Tokens          Tokens
}

const subscriptionKeyHeader = "ebp-subscription-key"

// credentialsLayer adds the headers, and after a 401 makes the call once more with a
// new token: a call that was not authorised had no effect.
type credentialsLayer struct {
	next        http.RoundTripper
	credentials Credentials
}

func (l *credentialsLayer) RoundTrip(req *http.Request) (*http.Response, error) {
	res, token, err := l.attempt(req)
	if err != nil || res.StatusCode != http.StatusUnauthorized {
		return res, err
	}
	body, err := Bytes(res)
	if err != nil {
		return nil, err
	}
	if apierror.Parse(res.StatusCode, res.Header, body, now()).SubscriptionKeyRefused() {
		return res, nil // a new token would not help
	}
	l.credentials.Tokens.Refused(token)
	next, err := again(req)
	if err != nil {
		return nil, err
	}
	res, _, err = l.attempt(next)
	return res, err
}

func (l *credentialsLayer) attempt(req *http.Request) (*http.Response, string, error) {
	c := l.credentials
	token, err := c.Tokens.Token(req.Context())
	if err != nil {
		return nil, "", &CredentialsError{Err: err}
	}
	req = req.Clone(req.Context()) // a RoundTripper must not change what it was given
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set(subscriptionKeyHeader, c.SubscriptionKey)
	if c.AcceptLanguage != "" {
		req.Header.Set("Accept-Language", c.AcceptLanguage)
	}
	if c.UserAgent != "" {
		req.Header.Set("User-Agent", c.UserAgent)
	}
	res, err := l.next.RoundTrip(req)
	return res, token, err
}

// CredentialsError says that a call was not made for want of an access token.
type CredentialsError struct{ Err error }

func (e *CredentialsError) Error() string { return e.Err.Error() }

// Unwrap returns the reason.
func (e *CredentialsError) Unwrap() error { return e.Err }
