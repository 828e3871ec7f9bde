package transport

import (
	"context"
	"errors"
	"net/http"
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
	// Prepare sees to it that Token will not have to wait within the next d.
	Prepare(ctx context.Context, d time.Duration) error
	// Replaced reports whether somebody has signed in or renewed since that token was
	// given out, so that Token now gives another one. It makes no call.
	Replaced(ctx context.Context, token string) bool
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

// turnAhead is for how long a token must be good that a call is given before its turn: the
// pace says half a second ahead that it comes.
const turnAhead = time.Second

// prepare gets the token ready for a call whose turn is near.
func (c Credentials) prepare(ctx context.Context) error {
	if err := c.Tokens.Prepare(ctx, turnAhead); err != nil {
		return &CredentialsError{Err: err}
	}
	return nil
}

const subscriptionKeyHeader = "ebp-subscription-key"

// credentialsLayer makes a call once more, with a new token, after a 401: a call that was
// not authorised had no effect.
//
// When that is refused too, or the subscription key is, calls are answered with the same
// refusal for a while, without being made (gate): they would use up the day's calls for
// nothing.
type credentialsLayer struct {
	next        http.RoundTripper
	credentials Credentials
	gate        gate
}

func newCredentialsLayer(next http.RoundTripper, c Credentials) *credentialsLayer {
	return &credentialsLayer{next: next, credentials: c, gate: gate{first: c.FirstPause, longest: c.LongestPause, replaced: c.Tokens.Replaced}}
}

func (l *credentialsLayer) RoundTrip(req *http.Request) (*http.Response, error) {
	// Before it waits for its turn, which a call that cannot be authorised must not take.
	token, err := l.credentials.Tokens.Token(req.Context())
	if err != nil {
		return nil, &CredentialsError{Err: err}
	}
	last, probe := l.gate.enter(req.Context(), token)
	if last != nil && !probe {
		return last.answer(req), nil
	}
	res, err := l.authorised(req, last, probe)
	var held *heldBack
	switch {
	case errors.As(err, &held):
		return held.refusal.answer(req), nil
	case err != nil && probe:
		l.gate.learntNothing(last)
	}
	return res, err
}

// authorised makes the call, again after a 401, and tells the gate what came of it.
func (l *credentialsLayer) authorised(req *http.Request, last *refusal, probe bool) (*http.Response, error) {
	res, token, err := l.attempt(req, probe)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusUnauthorized {
		l.gate.answered(res.StatusCode, last)
		return res, nil
	}
	body, err := Bytes(res)
	if err != nil {
		return nil, err
	}
	if apierror.Parse(res.StatusCode, res.Header, body, now()).SubscriptionKeyRefused() {
		return res, l.gate.refuse(res, "", last) // a new token would not help
	}
	l.credentials.Tokens.Refused(token)
	next, err := again(req)
	if err != nil {
		return nil, err
	}
	if res, token, err = l.attempt(next, true); err != nil {
		return nil, err
	}
	if res.StatusCode == http.StatusUnauthorized {
		return res, l.gate.refuse(res, token, last)
	}
	l.gate.answered(res.StatusCode, last)
	return res, nil
}

// attempt sends the request, and returns the token that it was sent with. Unless it may
// pass, the gate is looked at once more when its turn has come.
func (l *credentialsLayer) attempt(req *http.Request, mayPass bool) (*http.Response, string, error) {
	a := &attempt{}
	if !mayPass {
		a.look = l.gate.standing
	}
	res, err := l.next.RoundTrip(req.WithContext(context.WithValue(req.Context(), attemptKey{}, a)))
	return res, a.token, err
}

// attempt is what the two layers around the pace tell each other.
type attempt struct {
	token string                      // the one that it was sent with
	look  func(token string) *refusal // nil where it may pass
}

type attemptKey struct{}

// heldBack ends an attempt whose credentials were refused while it waited for its turn.
type heldBack struct{ refusal *refusal }

func (*heldBack) Error() string { return "the credentials were refused meanwhile" }

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
	if a, ok := req.Context().Value(attemptKey{}).(*attempt); ok {
		if a.look != nil {
			if r := a.look(token); r != nil {
				return nil, &heldBack{r}
			}
		}
		a.token = token
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

// CredentialsError says that a call was not made for want of an access token.
type CredentialsError struct{ Err error }

func (e *CredentialsError) Error() string { return e.Err.Error() }

// Unwrap returns the reason.
func (e *CredentialsError) Unwrap() error { return e.Err }
