package transport

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// errTimeout is what an attempt that took too long ends with. It is an error of the
// network, not the end of the caller's context.
type errTimeout struct{ after time.Duration }

func (e errTimeout) Error() string {
	return fmt.Sprintf("no whole answer within %s (http.timeout)", e.after)
}

// timeoutLayer bounds one attempt. The body is read inside of it.
type timeoutLayer struct {
	next    http.RoundTripper
	timeout time.Duration
}

func (l *timeoutLayer) RoundTrip(req *http.Request) (*http.Response, error) {
	if l.timeout <= 0 {
		return l.next.RoundTrip(req)
	}
	ctx, cancel := context.WithTimeout(req.Context(), l.timeout)
	defer cancel()
	res, err := l.next.RoundTrip(req.WithContext(ctx))
	if err != nil && ctx.Err() != nil && req.Context().Err() == nil {
		return nil, errTimeout{after: l.timeout}
	}
	return res, err
}
