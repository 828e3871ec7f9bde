package transport

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// Attempt is what became of one attempt.
type Attempt struct {
	Call     *Call
	Method   string
	URL      string // without query: values may be personal
	Status   int    // 0 where no answer came
	Bytes    int64
	Duration time.Duration
	// Err is why no answer came, without secrets: it says so and wraps nothing.
	Err error
}

// Observer sees every attempt that is sent: for metrics, spans and logs. Nothing that
// it is told holds a secret, whatever the server wrote.
type Observer interface {
	// Start is called before the attempt; the function it returns after it.
	Start(ctx context.Context, c *Call, method, url string) (context.Context, func(Attempt))
	// Waiting is called before a failed attempt is made again.
	Waiting(c *Call, reason string, d time.Duration)
}

// observeLayer tells the call's observer.
type observeLayer struct {
	next   http.RoundTripper
	redact func(string) string
}

func (l *observeLayer) RoundTrip(req *http.Request) (*http.Response, error) {
	call := CallOf(req.Context())
	call.Attempts++
	if call.Observer == nil {
		return l.next.RoundTrip(req)
	}
	url := req.URL.Scheme + "://" + req.URL.Host + req.URL.EscapedPath()
	ctx, done := call.Observer.Start(req.Context(), call, req.Method, url)
	start := time.Now()
	res, err := l.next.RoundTrip(req.WithContext(ctx))
	a := Attempt{Call: call, Method: req.Method, URL: url, Duration: time.Since(start)}
	if err != nil {
		a.Err = errors.New(l.redact(err.Error()))
	}
	if res != nil {
		a.Status, a.Bytes = res.StatusCode, res.ContentLength
	}
	done(a)
	return res, err
}
