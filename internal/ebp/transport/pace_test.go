package transport

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// toldPacer writes down what it is told.
type toldPacer struct {
	waits     int
	slow      []time.Duration
	exhausted []time.Duration
	err       error
}

func (p *toldPacer) Wait(context.Context) error                 { p.waits++; return p.err }
func (p *toldPacer) Slow(_ context.Context, wait time.Duration) { p.slow = append(p.slow, wait) }
func (p *toldPacer) Exhausted(_ context.Context, wait time.Duration) {
	p.exhausted = append(p.exhausted, wait)
}

func answering(status int, body string) http.RoundTripper {
	return RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: req}, nil
	})
}

func TestPacersHearWhatTheGatewaySaysOfThePace(t *testing.T) {
	for name, c := range map[string]struct {
		status          int
		body            string
		slow, exhausted []time.Duration
	}{
		"fine":           {200, `{}`, nil, nil},
		"no right":       {403, `{"title":"x","message":"Droits insuffisants","errorType":"AuthorizationError","errors":[]}`, nil, nil},
		"too fast":       {429, `{"statusCode":429,"message":"Rate limit is exceeded. Try again in 7 seconds."}`, []time.Duration{7 * time.Second}, nil},
		"too fast, mute": {429, ``, []time.Duration{0}, nil},
		"day used up":    {403, `{"statusCode":403,"message":"Out of call volume quota. Quota will be replenished in 11:02:03."}`, nil, []time.Duration{11*time.Hour + 2*time.Minute + 3*time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			p := &toldPacer{}
			l := &paceLayer{next: &bodyLayer{next: answering(c.status, c.body), limit: 1000}, pacers: []Pacer{p}}
			res, err := l.RoundTrip(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://x/", nil))
			require.NoError(t, err)
			body, err := Bytes(res)
			require.NoError(t, err)
			assert.Equal(t, c.body, string(body), "looking at an answer must not use it up")
			assert.Equal(t, 1, p.waits)
			assert.Equal(t, c.slow, p.slow)
			assert.Equal(t, c.exhausted, p.exhausted)
		})
	}
}

func TestACallThatItsPacerHoldsBackIsNotMadeNorTriedAgain(t *testing.T) {
	cause := errors.New("the calls of the day are used up")
	p, made := &toldPacer{err: cause}, 0
	next := RoundTripFunc(func(*http.Request) (*http.Response, error) { made++; return nil, io.EOF })
	l := newRetryLayer(&paceLayer{next: next, pacers: []Pacer{p}}, Retry{Max: 5})
	ctx := WithCall(t.Context(), &Call{Idempotent: true})
	_, err := l.RoundTrip(httptest.NewRequestWithContext(ctx, http.MethodGet, "http://x/", nil))
	var pace *PaceError
	require.ErrorAs(t, err, &pace)
	require.ErrorIs(t, err, cause)
	assert.Zero(t, made)
	assert.Equal(t, 1, p.waits)
}
