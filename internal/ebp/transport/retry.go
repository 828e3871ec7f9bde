package transport

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp/apierror"
)

// Retry says how often and when a failed attempt is made again.
type Retry struct {
	// Max is the number of further attempts after the first.
	Max int
	// Initial and Longest bound the wait between attempts where the server does not
	// say; it doubles each time, with jitter.
	Initial, Longest time.Duration
	// WaitForQuota waits for the end of a day whose calls are used up, as long as it
	// takes, without counting it as an attempt. Otherwise that is an error.
	WaitForQuota bool
	// Redact takes the secrets out of what observers are told: the network's errors
	// quote the server, which may have echoed them. Nil leaves texts as they are.
	Redact func(string) string
}

// retryLayer makes an attempt again only where the first cannot have had an effect:
//
//   - the connection could not be made (any method)
//   - 429, or 403 with the quota used up: the gateway held the call back (any method);
//     for the quota it waits as long as it takes, or not at all
//   - an idempotent call, for any error of the network and any 5xx
//
// A 401 is the credentials layer's. Retry-After is honoured in full.
type retryLayer struct {
	next  http.RoundTripper
	retry Retry
}

func newRetryLayer(next http.RoundTripper, r Retry) *retryLayer {
	if r.Initial <= 0 {
		r.Initial = 500 * time.Millisecond
	}
	if r.Longest < r.Initial {
		r.Longest = max(r.Initial, 30*time.Second)
	}
	return &retryLayer{next: next, retry: r}
}

func now() time.Time { return time.Now() }

// quotaFallback is how long to wait for a new quota when the answer does not say.
const quotaFallback = 10 * time.Minute

func (l *retryLayer) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, call := req.Context(), CallOf(req.Context())
	backoff := l.retry.Initial
	for tries := 0; ; {
		res, err := l.next.RoundTrip(req)
		v, readErr := l.judge(call, res, err)
		if readErr != nil {
			return nil, readErr
		}
		if !v.again || ctx.Err() != nil {
			return res, err
		}
		if !v.quota {
			if tries++; tries > l.retry.Max {
				return res, giveUp(err, tries)
			}
		}
		wait := v.wait
		if wait == 0 {
			// Up to a quarter less, so that many clients do not come back together.
			wait = backoff - time.Duration(rand.Int64N(int64(backoff)/4+1))
			backoff = min(2*backoff, l.retry.Longest)
		}
		if call.Observer != nil {
			call.Observer.Waiting(call, v.reason, wait)
		}
		if err := sleep(ctx, wait); err != nil {
			return nil, err
		}
		if req, err = again(req); err != nil {
			return nil, fmt.Errorf("preparing another attempt: %w", err)
		}
	}
}

func giveUp(err error, attempts int) error {
	if err == nil || attempts < 2 {
		return err
	}
	return fmt.Errorf("after %d attempts: %w", attempts, err)
}

type verdict struct {
	again  bool
	quota  bool // wait for the next day's quota
	wait   time.Duration
	reason string
}

func (l *retryLayer) judge(call *Call, res *http.Response, err error) (verdict, error) {
	if err != nil {
		var credentials *CredentialsError
		var tooLarge *TooLargeError
		var pace *PaceError
		switch {
		case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded),
			errors.As(err, &credentials), errors.As(err, &tooLarge), errors.As(err, &pace):
			return verdict{}, nil
		case call.Idempotent || notConnected(err):
			return verdict{again: true, reason: l.retry.Redact(err.Error())}, nil
		}
		return verdict{}, nil
	}
	switch {
	case res.StatusCode == http.StatusTooManyRequests, res.StatusCode == http.StatusForbidden:
		body, err := Bytes(res)
		if err != nil {
			return verdict{}, err
		}
		e := apierror.Parse(res.StatusCode, res.Header, body, now())
		if e.QuotaExhausted() {
			v := verdict{again: l.retry.WaitForQuota, quota: true, wait: e.RetryAfter, reason: "the day's calls are used up"}
			if v.wait == 0 {
				v.wait = quotaFallback
			}
			return v, nil
		}
		if res.StatusCode == http.StatusForbidden {
			return verdict{}, nil
		}
		return verdict{again: true, wait: e.RetryAfter, reason: "EBP asks to slow down (429)"}, nil
	case res.StatusCode >= 500 && call.Idempotent:
		body, err := Bytes(res)
		if err != nil {
			return verdict{}, err
		}
		e := apierror.Parse(res.StatusCode, res.Header, body, now())
		return verdict{again: true, wait: e.RetryAfter, reason: fmt.Sprintf("EBP answered %d", res.StatusCode)}, nil
	}
	return verdict{}, nil
}

// notConnected reports whether the request cannot have reached the server.
func notConnected(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}
