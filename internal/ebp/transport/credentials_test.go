package transport

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// countedTokens gives the next token after each refusal.
type countedTokens struct {
	mu sync.Mutex
	n  int
}

func (c *countedTokens) Token(context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprint("token-", c.n), nil
}

func (c *countedTokens) Prepare(context.Context, time.Duration) error { return nil }

func (c *countedTokens) Replaced(_ context.Context, token string) bool {
	now, _ := c.Token(context.Background())
	return now != token
}

func (c *countedTokens) Refused(token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if token == fmt.Sprint("token-", c.n) {
		c.n++
	}
}

func TestRefusedCredentialsCostFewerAndFewerCalls(t *testing.T) {
	const key = `{"statusCode":401,"message":"Access denied due to invalid subscription key."}`
	for name, c := range map[string]struct {
		body     string
		perProbe int // a token is tried anew once
	}{"subscription key": {key, 1}, "access token": {`{"title":"Non authentifié"}`, 2}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				made, body := 0, c.body
				next := RoundTripFunc(func(req *http.Request) (*http.Response, error) {
					made++
					status := http.StatusUnauthorized
					if body == "" {
						status = http.StatusOK
					}
					return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: req}, nil
				})
				tokens := &countedTokens{}
				l := layers(next, Credentials{Tokens: tokens, FirstPause: 30 * time.Second, LongestPause: 15 * time.Minute})
				call := func() (int, string) {
					res, err := l.RoundTrip(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://x/", nil))
					require.NoError(t, err)
					data, err := io.ReadAll(res.Body)
					require.NoError(t, err)
					return res.StatusCode, string(data)
				}
				for range 24 * 60 * 60 { // a day of a caller that asks each second
					status, data := call()
					require.Equal(t, http.StatusUnauthorized, status)
					require.Equal(t, c.body, data, "the refusal is the one that EBP gave")
					time.Sleep(time.Second)
				}
				assert.LessOrEqual(t, made, 105*c.perProbe)
				assert.GreaterOrEqual(t, made, 90*c.perProbe, "it must be looked at again")

				body = "" // somebody has mended it
				time.Sleep(15 * time.Minute)
				status, _ := call()
				assert.Equal(t, http.StatusOK, status)
				status, _ = call()
				assert.Equal(t, http.StatusOK, status)
			})
		})
	}
}

func TestARefusalEndsAtOnceWhenSomebodySignsIn(t *testing.T) {
	tokens, accept := &countedTokens{}, ""
	next := RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		status := http.StatusUnauthorized
		if req.Header.Get("Authorization") == "Bearer "+accept {
			status = http.StatusOK
		}
		return &http.Response{StatusCode: status, Header: http.Header{}, Body: http.NoBody, Request: req}, nil
	})
	l := layers(next, Credentials{Tokens: tokens, FirstPause: time.Hour, LongestPause: time.Hour})
	call := func() int {
		res, err := l.RoundTrip(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://x/", nil))
		require.NoError(t, err)
		return res.StatusCode
	}
	assert.Equal(t, http.StatusUnauthorized, call())
	tokens.n, accept = 7, "token-7"
	assert.Equal(t, http.StatusOK, call())
}

func layers(base http.RoundTripper, c Credentials) http.RoundTripper {
	return newCredentialsLayer(&headersLayer{credentials: c, next: &bodyLayer{next: base, limit: 1000}}, c)
}

// slowPacer lets a call wait.
type slowPacer struct{ wait func() }

func (p slowPacer) Wait(context.Context) error { p.wait(); return nil }

func TestATokenThatEndsWhileACallWaitsForItsTurnIsNotSent(t *testing.T) {
	tokens := &countedTokens{}
	var sent []string
	base := RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		sent = append(sent, req.Header.Get("Authorization"))
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: req}, nil
	})
	chain := Chain(Layers{
		Credentials: Credentials{Tokens: tokens}, Base: base, MaxBytes: 1000, Host: Host{URL: &url.URL{Scheme: "http", Host: "x"}},
		Pacers: []Pacer{slowPacer{func() { tokens.Refused("token-0") }}},
	})
	res, err := chain.RoundTrip(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://x/", nil))
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	assert.Equal(t, []string{"Bearer token-1"}, sent)
}
