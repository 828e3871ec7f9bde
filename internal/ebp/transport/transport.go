// Package transport is what happens to a call between the client and the network:
// one job per layer, one layer per file. Chain is the only place that orders them.
//
// The contract a layer can rely on: the body of a request can be had again from
// GetBody; the body of a response is already in memory, whole, and shorter than the
// limit; the context carries the Call.
package transport

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"time"
)

// Call describes the call an attempt belongs to, for observers and error messages.
type Call struct {
	Operation string // catalog name
	Product   string
	Folder    string
	// Idempotent is true where repeating the call cannot change anything.
	Idempotent bool
	// Waited is how long pacing held this call's attempts back, in all, and LastWait how
	// long the last of them.
	Waited, LastWait time.Duration
	// Attempts counts what was sent.
	Attempts int
	// Observer, where set, sees this call's attempts and waits.
	Observer Observer
	// Pacer, where set, is consulted beside those of the client.
	Pacer Pacer
}

type callKey struct{}

// WithCall returns a context that carries c; the layers write its counts.
func WithCall(ctx context.Context, c *Call) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}

// CallOf returns the Call of a context, an empty one if there is none.
func CallOf(ctx context.Context) *Call {
	if c, ok := ctx.Value(callKey{}).(*Call); ok {
		return c
	}
	return &Call{}
}

// Layers are the settings of all layers.
type Layers struct {
	Retry       Retry
	Credentials Credentials
	Pacers      []Pacer
	Host        Host
	Timeout     time.Duration
	MaxBytes    int64
	Base        http.RoundTripper
}

// Chain puts the layers in their order, outermost first:
//
//	retry        decides whether a failed attempt is made again, and when
//	credentials  looks for a token; after a 401 once more with a new one
//	pace         waits until the subscription may call
//	headers      writes token and key
//	observe      sees every attempt that is made, with its result
//	host         lets nothing out to another host
//	timeout      bounds an attempt including its body
//	body         reads the answer whole, refusing one over the limit
//	base         the network
//
// Retry is outside of everything so that each attempt is paced, counted and
// authorised like a first one. Pace is inside credentials so that a call without a token
// takes nobody's turn, and outside of headers since a token may expire while a call waits
// for its turn.
func Chain(l Layers) http.RoundTripper {
	if l.Retry.Redact == nil {
		l.Retry.Redact = func(s string) string { return s }
	}
	rt := l.Base
	rt = &bodyLayer{next: rt, limit: l.MaxBytes}
	rt = &timeoutLayer{next: rt, timeout: l.Timeout}
	rt = &hostLayer{next: rt, host: l.Host}
	rt = &observeLayer{next: rt, redact: l.Retry.Redact}
	rt = &headersLayer{next: rt, credentials: l.Credentials}
	rt = &paceLayer{next: rt, pacers: l.Pacers, prepare: l.Credentials.prepare}
	rt = newCredentialsLayer(rt, l.Credentials)
	rt = newRetryLayer(rt, l.Retry)
	return rt
}

// RoundTripFunc is a function as a RoundTripper.
type RoundTripFunc func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f RoundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// buffered is a body in memory.
type buffered struct {
	*bytes.Reader
	data []byte
}

func (buffered) Close() error { return nil }

// Bytes returns the body of a response that came through the chain, without copying
// it.
func Bytes(res *http.Response) ([]byte, error) {
	if b, ok := res.Body.(buffered); ok {
		return b.data, nil
	}
	defer res.Body.Close()
	return io.ReadAll(res.Body)
}

// again returns a copy of the request to be sent anew.
func again(req *http.Request) (*http.Request, error) {
	next := req.Clone(req.Context())
	if req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			return nil, err
		}
		next.Body = body
	}
	return next, nil
}
