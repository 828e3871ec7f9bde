package transport

import (
	"bytes"
	"context"
	"net/http"
	"sync"
	"time"

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
	// FirstPause and LongestPause bound for how long no call is made after one was
	// refused for its credentials. It doubles with each refusal.
	FirstPause, LongestPause time.Duration
}

const subscriptionKeyHeader = "ebp-subscription-key"

// credentialsLayer makes a call once more, with a new token, after a 401: a call that was
// not authorised had no effect.
//
// When that is refused too, or the subscription key is, calls are answered with the same
// refusal for a while, without being made: they would use up the day's calls for
// nothing. After that one call tries.
type credentialsLayer struct {
	next        http.RoundTripper
	credentials Credentials

	mu      sync.Mutex
	refusal *refusal
}

// refusal is a 401 that a new token did not mend.
type refusal struct {
	res   http.Response // without its body
	body  []byte
	token string // with which it was refused; "" where it was not for the token
	pause time.Duration
	until time.Time
}

func (r *refusal) answer(req *http.Request) *http.Response {
	res := r.res
	res.Request, res.Header = req, r.res.Header.Clone()
	res.Body = buffered{Reader: bytes.NewReader(r.body), data: r.body}
	return &res
}

func (l *credentialsLayer) RoundTrip(req *http.Request) (*http.Response, error) {
	// Before it waits for its turn, which a call that cannot be authorised must not take.
	token, err := l.credentials.Tokens.Token(req.Context())
	if err != nil {
		return nil, &CredentialsError{Err: err}
	}
	if r := l.refused(token); r != nil {
		return r.answer(req), nil
	}
	res, token, err := l.attempt(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusUnauthorized {
		l.accepted()
		return res, nil
	}
	body, err := Bytes(res)
	if err != nil {
		return nil, err
	}
	if apierror.Parse(res.StatusCode, res.Header, body, now()).SubscriptionKeyRefused() {
		return res, l.refuse(res, "") // a new token would not help
	}
	l.credentials.Tokens.Refused(token)
	next, err := again(req)
	if err != nil {
		return nil, err
	}
	if res, token, err = l.attempt(next); err != nil {
		return nil, err
	}
	if res.StatusCode == http.StatusUnauthorized {
		return res, l.refuse(res, token)
	}
	l.accepted()
	return res, nil
}

// attempt sends the request, and returns the token that it was sent with.
func (l *credentialsLayer) attempt(req *http.Request) (*http.Response, string, error) {
	var token string
	res, err := l.next.RoundTrip(req.WithContext(context.WithValue(req.Context(), tokenKey{}, &token)))
	return res, token, err
}

// tokenKey is under which an attempt's context has the place for its token.
type tokenKey struct{}

// headersLayer writes the credentials into the request when its turn has come: waiting
// for that may take longer than a token lives.
type headersLayer struct {
	next        http.RoundTripper
	credentials Credentials
}

func (l *headersLayer) RoundTrip(req *http.Request) (*http.Response, error) {
	c := l.credentials
	token, err := c.Tokens.Token(req.Context())
	if err != nil {
		return nil, &CredentialsError{Err: err}
	}
	if used, ok := req.Context().Value(tokenKey{}).(*string); ok {
		*used = token
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
	return l.next.RoundTrip(req)
}

// refused returns the last refusal while it stands. Once its time is over it stands
// again, for all but the one caller that may try.
func (l *credentialsLayer) refused(token string) *refusal {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, at := l.refusal, now()
	switch {
	case r == nil:
		return nil
	case r.token != "" && r.token != token: // somebody has signed in
		l.refusal = nil
		return nil
	case at.Before(r.until):
		return r
	}
	r.until = at.Add(r.pause)
	return nil
}

// refuse remembers a refusal.
func (l *credentialsLayer) refuse(res *http.Response, token string) error {
	body, err := Bytes(res)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	pause := l.credentials.FirstPause
	if l.refusal != nil {
		pause = min(2*l.refusal.pause, l.credentials.LongestPause)
	}
	l.refusal = &refusal{res: *res, body: body, token: token, pause: pause, until: now().Add(pause)}
	return nil
}

func (l *credentialsLayer) accepted() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refusal = nil
}

// CredentialsError says that a call was not made for want of an access token.
type CredentialsError struct{ Err error }

func (e *CredentialsError) Error() string { return e.Err.Error() }

// Unwrap returns the reason.
func (e *CredentialsError) Unwrap() error { return e.Err }
