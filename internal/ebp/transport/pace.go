package transport

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp/apierror"
)

// Pacer says when a call may be made.
type Pacer interface {
	// Wait returns when the call may be made, with ctx's error, or with another one that
	// says why it may not be made at all.
	Wait(ctx context.Context) error
}

// Preparing is a Pacer that says when the turn of a call is near, so that what the call
// needs does not delay it beyond its turn: the next one would come too soon after it.
type Preparing interface {
	WaitPrepared(ctx context.Context, prepare func(context.Context) error) error
}

// Told is a Pacer that wants to know what the server itself says of the pace.
type Told interface {
	// Slow is called when the server refused a call for coming too fast (429), with the
	// time that it asks to wait, 0 where it does not say.
	Slow(ctx context.Context, wait time.Duration)
	// Exhausted is called when the server says that the day's calls are used up, with the
	// time until there are new ones, 0 where it does not say.
	Exhausted(ctx context.Context, wait time.Duration)
}

// PaceError says that a call was not made, since its pacer did not let it.
type PaceError struct{ Err error }

func (e *PaceError) Error() string { return e.Err.Error() }

// Unwrap returns the pacer's reason.
func (e *PaceError) Unwrap() error { return e.Err }

// paceLayer lets a call through when it is its turn, and tells the pacers what the
// gateway says of their pace.
type paceLayer struct {
	next    http.RoundTripper
	pacers  []Pacer
	prepare func(context.Context) error // nil where there is nothing to prepare
}

func (l *paceLayer) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	start, call := time.Now(), CallOf(ctx)
	pacers := l.pacers
	if call.Pacer != nil {
		pacers = append([]Pacer{call.Pacer}, pacers...)
	}
	for _, p := range pacers {
		if err := l.wait(ctx, p); err != nil {
			return nil, err
		}
	}
	call.LastWait = time.Since(start)
	call.Waited += call.LastWait
	res, err := l.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	return res, tellPacers(ctx, pacers, res)
}

// wait waits for the turn that a pacer gives, with an access token at hand when it comes.
func (l *paceLayer) wait(ctx context.Context, p Pacer) error {
	var err error
	if preparing, ok := p.(Preparing); ok && l.prepare != nil {
		err = preparing.WaitPrepared(ctx, l.prepare)
	} else {
		err = p.Wait(ctx)
	}
	var credentials *CredentialsError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &credentials):
		return credentials
	}
	return &PaceError{Err: err}
}

func tellPacers(ctx context.Context, pacers []Pacer, res *http.Response) error {
	if res.StatusCode != http.StatusTooManyRequests && res.StatusCode != http.StatusForbidden {
		return nil
	}
	body, err := Bytes(res)
	if err != nil {
		return err
	}
	e := apierror.Parse(res.StatusCode, res.Header, body, now())
	for _, p := range pacers {
		told, ok := p.(Told)
		switch {
		case !ok:
		case e.QuotaExhausted():
			told.Exhausted(ctx, e.RetryAfter)
		case res.StatusCode == http.StatusTooManyRequests:
			told.Slow(ctx, e.RetryAfter)
		}
	}
	return nil
}

// sleep waits, or returns the context's error at once when it ends.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
