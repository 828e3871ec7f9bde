package transport

import (
	"bytes"
	"context"
	"net/http"
	"sync"
	"time"
)

// refusal is a 401 that a new token did not mend.
type refusal struct {
	res   http.Response // without its body
	body  []byte
	token string // with which it was refused; "" where it was not for the token
	pause time.Duration
	until time.Time
	seen  time.Time // when somebody last looked for a new sign-in
}

func (r *refusal) answer(req *http.Request) *http.Response {
	res := r.res
	res.Request, res.Header = req, r.res.Header.Clone()
	res.Body = buffered{Reader: bytes.NewReader(r.body), data: r.body}
	return &res
}

// gate remembers a refusal, so that calls need not be made to hear it again. It opens
// when somebody signs in, and when a call shows that the credentials are taken. At the
// end of each pause, which gets longer, one call is let through to see.
type gate struct {
	first, longest time.Duration
	replaced       func(ctx context.Context, token string) bool

	mu      sync.Mutex
	refusal *refusal
}

// lookEvery is how often it is looked for a new sign-in while a refusal stands.
const lookEvery = time.Second

// enter returns the refusal that the caller has to know of, nil if there is none, and
// whether it is the one call that may see whether it still stands.
func (g *gate) enter(ctx context.Context, token string) (last *refusal, probe bool) {
	g.mu.Lock()
	r, at := g.refusal, now()
	look := false
	switch {
	case r == nil:
		g.mu.Unlock()
		return nil, false
	case r.token != "" && r.token != token: // it was renewed
		g.refusal = nil
		g.mu.Unlock()
		return nil, false
	case !at.Before(r.until):
		r.until = at.Add(r.pause) // for all the others
		g.mu.Unlock()
		return r, true
	case r.token != "" && at.Sub(r.seen) >= lookEvery:
		r.seen, look = at, true
	}
	g.mu.Unlock()
	if look && g.replaced(ctx, token) {
		g.forget(r)
		return nil, false
	}
	return r, false
}

// standing returns the refusal that stands for a token.
func (g *gate) standing(token string) *refusal {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r := g.refusal; r != nil && (r.token == "" || r.token == token) && now().Before(r.until) {
		return r
	}
	return nil
}

// refuse remembers a refusal. Of calls that were under way at once one counts.
func (g *gate) refuse(res *http.Response, token string, last *refusal) error {
	body, err := Bytes(res)
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.refusal != last {
		return nil
	}
	pause := g.first
	if last != nil {
		pause = min(2*last.pause, g.longest)
	}
	at := now()
	g.refusal = &refusal{res: *res, body: body, token: token, pause: pause, until: at.Add(pause), seen: at}
	return nil
}

// answered opens the gate after an answer that is only given to whom the API knows.
// Others, such as those of a server in trouble, tell nothing.
func (g *gate) answered(status int, last *refusal) {
	switch {
	case last == nil: // nothing to open; or what there is now is of another time
	case status < 500 && status != http.StatusForbidden && status != http.StatusTooManyRequests:
		g.forget(last)
	default:
		g.learntNothing(last)
	}
}

// learntNothing lets the next call try, since the one that did found out nothing.
func (g *gate) learntNothing(last *refusal) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.refusal == last {
		last.until = now()
	}
}

func (g *gate) forget(r *refusal) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.refusal == r {
		g.refusal = nil
	}
}
