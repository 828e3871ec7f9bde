package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// told keeps everything an observer is told.
type told struct {
	reasons  []string
	waits    []time.Duration
	attempts []Attempt
}

func (o *told) Start(ctx context.Context, _ *Call, _, _ string) (context.Context, func(Attempt)) {
	return ctx, func(a Attempt) { o.attempts = append(o.attempts, a) }
}

func (o *told) Waiting(_ *Call, reason string, d time.Duration) {
	o.reasons, o.waits = append(o.reasons, reason), append(o.waits, d)
}

type token string

func (t token) Token(context.Context) (string, error)      { return string(t), nil }
func (token) Prepare(context.Context, time.Duration) error { return nil }
func (token) Replaced(context.Context, string) bool        { return false }
func (token) Refused(string)                               {}

// call makes a call through a whole chain whose network is a function.
func call(t *testing.T, r Retry, method string, base RoundTripFunc) (*told, *http.Response, error) {
	t.Helper()
	u, err := url.Parse("https://api.example")
	require.NoError(t, err)
	chain := Chain(Layers{Retry: r, Credentials: Credentials{Tokens: token("the-token")}, Host: Host{URL: u}, Timeout: time.Minute, MaxBytes: 1 << 20, Base: base})
	o := &told{}
	ctx := WithCall(t.Context(), &Call{Operation: "op", Idempotent: method == http.MethodGet, Observer: o})
	req, err := http.NewRequestWithContext(ctx, method, u.String(), http.NoBody)
	require.NoError(t, err)
	res, err := chain.RoundTrip(req)
	return o, res, err
}

func answer(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewBufferString(body))}
}

func TestWhatObserversAreToldHoldsNoSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		redact := func(s string) string { return strings.ReplaceAll(s, "the-key", "[secret]") }
		echo := errors.New(`malformed HTTP status code "the-key"`)
		o, _, err := call(t, Retry{Max: 2, Redact: redact}, http.MethodGet, func(*http.Request) (*http.Response, error) {
			return nil, &url.Error{Op: "Get", URL: "https://api.example", Err: echo}
		})
		require.ErrorIs(t, err, echo, "the caller is to judge the error itself")
		require.Len(t, o.reasons, 2)
		require.Len(t, o.attempts, 3)
		for _, r := range o.reasons {
			assert.Contains(t, r, `malformed HTTP status code "[secret]"`)
			assert.NotContains(t, r, "the-key")
		}
		for _, a := range o.attempts {
			require.Error(t, a.Err)
			assert.NotContains(t, fmt.Sprintf("%v %+v %#v", a, a, a.Err), "the-key")
			assert.NoError(t, errors.Unwrap(a.Err), "what is wrapped may hold secrets")
		}
	})
}

func TestTheEndOfTheDaysCallsIsWaitedForWhicheverStatusSaysSo(t *testing.T) {
	for _, status := range []int{403, 429} {
		body := fmt.Sprintf(`{"statusCode":%d,"message":"Out of call volume quota. Quota will be replenished in 03:00:00."}`, status)
		t.Run(http.StatusText(status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start, n := time.Now(), 0
				base := func(*http.Request) (*http.Response, error) {
					if n++; n > 4 { // longer than all retries
						return answer(200, "{}"), nil
					}
					return answer(status, body), nil
				}
				o, res, err := call(t, Retry{Max: 1, WaitForQuota: true}, http.MethodPost, base)
				require.NoError(t, err)
				assert.Equal(t, 200, res.StatusCode)
				assert.Equal(t, 12*time.Hour, time.Since(start))
				assert.Contains(t, o.reasons[0], "used up")

				n = 0
				o, res, err = call(t, Retry{Max: 1}, http.MethodPost, base)
				require.NoError(t, err)
				assert.Equal(t, status, res.StatusCode, "it is an error where nobody wants to wait")
				assert.Empty(t, o.reasons)
			})
		})
	}
}

func TestARefusalThatMentionsAQuotaIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		o, res, err := call(t, Retry{Max: 3, WaitForQuota: true}, http.MethodGet, func(*http.Request) (*http.Response, error) {
			return answer(403, `{"title":"Droits","message":"Le quota d'utilisateurs de cette licence est atteint","errorType":"Forbidden"}`), nil
		})
		require.NoError(t, err)
		assert.Equal(t, 403, res.StatusCode)
		assert.Empty(t, o.waits)
		assert.Zero(t, time.Since(start))
	})
}
