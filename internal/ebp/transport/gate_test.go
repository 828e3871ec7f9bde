package transport

import (
	"context"
	"errors"
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

const badKey = `{"statusCode":401,"message":"Access denied due to invalid subscription key."}`

func resp(req *http.Request, status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: req}
}

func TestRefusalsOfCallsUnderWayAtOnceCountAsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		bad, made := true, 0
		next := RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			time.Sleep(100 * time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			made++
			if bad {
				return resp(req, 401, badKey), nil
			}
			return resp(req, 200, ""), nil
		})
		l := layers(next, Credentials{Tokens: &countedTokens{}, FirstPause: 30 * time.Second, LongestPause: 15 * time.Minute})
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				res, err := l.RoundTrip(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://x/", nil))
				assert.NoError(t, err)
				assert.Equal(t, 401, res.StatusCode)
			})
		}
		wg.Wait()
		mu.Lock()
		bad = false
		mu.Unlock()
		time.Sleep(31 * time.Second)
		res, err := l.RoundTrip(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://x/", nil))
		require.NoError(t, err)
		assert.Equal(t, 200, res.StatusCode, "after one blip no call may be made for longer than the first pause")
	})
}

type oneAtATime chan struct{}

func (p oneAtATime) Wait(context.Context) error {
	p <- struct{}{}
	time.Sleep(time.Second)
	<-p
	return nil
}

func TestCallsThatWaitForTheirTurnAreNotMadeOnceOneIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		made := 0
		base := RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			made++
			return resp(req, 401, badKey), nil
		})
		chain := Chain(Layers{
			Credentials: Credentials{Tokens: &countedTokens{}, FirstPause: 30 * time.Second, LongestPause: 15 * time.Minute}, Base: base, MaxBytes: 1000, Host: Host{URL: &url.URL{Scheme: "http", Host: "x"}},
			Pacers: []Pacer{make(oneAtATime, 1)},
		})
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				_, _ = chain.RoundTrip(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://x/", nil))
			})
		}
		wg.Wait()
		assert.LessOrEqual(t, made, 2)
	})
}

func TestACallThatTheNetworkLostLeavesTheNextToTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mode := "bad"
		next := RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			switch mode {
			case "bad":
				return resp(req, 401, badKey), nil
			case "down":
				return nil, errors.New("connection reset")
			}
			return resp(req, 200, ""), nil
		})
		l := layers(next, Credentials{Tokens: &countedTokens{}, FirstPause: 15 * time.Minute, LongestPause: 15 * time.Minute})
		call := func() (int, error) {
			res, err := l.RoundTrip(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://x/", nil))
			if err != nil {
				return 0, err
			}
			return res.StatusCode, nil
		}
		_, _ = call()
		time.Sleep(16 * time.Minute)
		mode = "down"
		_, err := call()
		require.Error(t, err)
		mode = "good"
		time.Sleep(time.Minute)
		n, err := call()
		require.NoError(t, err)
		assert.Equal(t, 200, n)
	})
}

func TestAServerInTroubleSaysNothingOfCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		made, unavailable := 0, false
		next := RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			made++
			if unavailable {
				return resp(req, 503, ""), nil
			}
			return resp(req, 401, badKey), nil
		})
		l := layers(next, Credentials{Tokens: &countedTokens{}, FirstPause: 30 * time.Second, LongestPause: 15 * time.Minute})
		for i := range 24 * 3600 {
			unavailable = i%60 == 0 || made%2 == 1 // every second probe meets a 503
			_, _ = l.RoundTrip(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://x/", nil))
			time.Sleep(time.Second)
		}
		assert.LessOrEqual(t, made, 210)
	})
}
