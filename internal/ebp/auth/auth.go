// Package auth keeps a sign-in to EBP alive: OAuth 2.0 with an authorization code at
// first, from a person, and refresh tokens from then on. An access token lasts an hour.
// A refresh token lasts 30 days and works once: what it is exchanged for holds the next
// one (L71). Whoever loses the newest must find the person with the password.
//
// What holds, whatever crashes and whoever else uses the same store:
//
//   - One exchange at a time. A refresh token is exchanged under the store's lease of
//     its sign-in, after reading the record again under that lease: what another
//     goroutine, component or process has obtained meanwhile is used instead.
//   - Intent first. Before the exchange the record says that it has begun, when and by
//     whom; there is space reserved for its result. If either cannot be written no
//     exchange is made, and the token stays good.
//   - Result before use. The new tokens are in the store before the new access token is
//     given to anybody. If they cannot be written they stay in memory, and are tried to
//     be written again and again until Close, which says so if it did not succeed.
//   - No answer, no conclusion. A token whose exchange had no answer is tried again: the
//     server may not have taken it. Only invalid_grant makes it a refused one, which is
//     recorded and never tried again.
//   - The newest wins. Records carry a serial that grows with each renewal, and remember
//     which sign-ins they replaced. A store that comes back with an older record, or with
//     none (it lost its memory, it was restored from a backup), is given the newer one
//     that a process still holds. What a person did, signing in or out, is never
//     overwritten by a renewal of what was there before, whatever the clocks say.
//   - No call without hope. Once the sign-in is refused, or the client is, the
//     authorization server is not asked again until the stored record changes, a new
//     seed is configured or, for a client that was refused, some time has passed.
//
// What cannot hold: a process that dies after the server has exchanged the token and
// before the answer has arrived takes the newest token with it. The next start finds the
// intent, tries the old token once, and if it is refused says what happened.
package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp/redact"
	"github.com/benthos-ebp/benthos-ebp/internal/state"
)

// Where things are at the authorization server (L55, L57).
const (
	authorizePath = "/connect/authorize"
	tokenPath     = "/connect/token"
)

// RefreshLifetime is how long a refresh token works if nobody renews it (L71). The
// server does not say it with a token.
const RefreshLifetime = 30 * 24 * time.Hour

// Config describes a sign-in.
type Config struct {
	// URL is the authorization server, without path.
	URL          *url.URL
	ClientID     string
	ClientSecret string
	// Profile names the sign-in among those of this client in the store.
	Profile string
	// Seed is a refresh token to begin with; see Source.
	Seed string
	// Scopes are what a person is asked to grant; renewals get the same.
	Scopes []string
	// Store keeps the tokens.
	Store state.Store
	// HTTP makes the token calls. It must not follow redirects.
	HTTP *http.Client
	// Redactor learns every token.
	Redactor *redact.Redactor
	// Login is the command by which a person signs in; "benthos-ebp login" with the profile
	// if it is empty.
	Login string
	// Log is told what a person should know. Nil is told nothing.
	Log Log
	// Watch, where set, is called with the status when it changes and once an hour. It must
	// not call the source.
	Watch func(Status)
	// Now is the clock, time.Now if nil.
	Now func() time.Time
	// RefreshLifetime is how long a refresh token works, RefreshLifetime if zero.
	RefreshLifetime time.Duration
}

// Log is where a source says what happens. No line holds a secret.
type Log interface {
	Infof(format string, args ...any)
	Warnf(format string, args ...any)
}

type silent struct{}

func (silent) Infof(string, ...any) {}
func (silent) Warnf(string, ...any) {}

// complete fills in what may be left out.
func (cfg Config) complete() Config {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = silent{}
	}
	if cfg.Login == "" {
		cfg.Login = "benthos-ebp login --profile " + cfg.Profile
	}
	if cfg.Watch == nil {
		cfg.Watch = func(Status) {}
	}
	if cfg.RefreshLifetime <= 0 {
		cfg.RefreshLifetime = RefreshLifetime
	}
	if cfg.Redactor == nil {
		cfg.Redactor = &redact.Redactor{}
	}
	cfg.Redactor.AddStatic(cfg.ClientSecret, cfg.Seed)
	return cfg
}

func (cfg Config) oauth(redirect string) oauth2.Config {
	return oauth2.Config{
		ClientID: cfg.ClientID, ClientSecret: cfg.ClientSecret, RedirectURL: redirect, Scopes: cfg.Scopes,
		Endpoint: oauth2.Endpoint{
			AuthURL:  cfg.URL.JoinPath(authorizePath).String(),
			TokenURL: cfg.URL.JoinPath(tokenPath).String(),
			// Client id and secret in the form body, as L64-69 shows it.
			AuthStyle: oauth2.AuthStyleInParams,
		},
	}
}

// Error says that there is no usable sign-in.
type Error struct {
	Profile string
	// Refused is true where EBP refused the credentials: trying again changes
	// nothing until somebody signs in or configures others.
	Refused bool
	// Misdirected is true where what answered is no authorization server, or takes no
	// such request: the settings are wrong.
	Misdirected bool
	Err         error

	final bool // for as long as the stored record stays the same
}

func (e *Error) Error() string {
	if e.Refused {
		return fmt.Sprintf("profile %q is not signed in to EBP: %v", e.Profile, e.Err)
	}
	return fmt.Sprintf("renewing the sign-in of profile %q: %v", e.Profile, e.Err)
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

// Source gives access tokens. It may be used by many goroutines at once, and there is
// at most one call to the authorization server at a time.
//
// The seed, a configured refresh token, is exchanged while the store holds no token, or
// once the stored one was refused and the seed is one that was not exchanged before.
//
// Close must be called in the end: a source renews by itself, also while nobody asks for
// a token, so that the sign-in does not die of idleness.
type Source struct {
	cfg   Config
	oauth oauth2.Config
	key   string

	turn    chan struct{} // one token: who holds it may touch what follows
	current record
	version state.Version
	known   bool // current was once in the store, or should be
	unsaved bool // current is newer than the store
	failed  failure
	told    time.Time // when a person was last warned that the sign-in is about to die

	mu      sync.Mutex
	access  string        // what Token may give without asking anybody
	expires time.Time     // from when on it is not given any more
	ends    time.Time     // when it really ends
	span    time.Duration // from when it was given to its end
	ahead   time.Time     // from when on it is renewed while it is still given out
	refused string        // the access token that the API did not take
	status  Status
	tending *time.Timer
	closed  bool

	life context.Context // ends with Close: what waits in the background need not go on
	end  context.CancelFunc
}

// NewSource returns a source. It makes no call.
func NewSource(cfg Config) *Source {
	cfg = cfg.complete()
	s := &Source{cfg: cfg, oauth: cfg.oauth(""), key: Key(cfg.URL, cfg.ClientID, cfg.Profile), turn: make(chan struct{}, 1)}
	s.life, s.end = context.WithCancel(context.Background())
	s.status = Status{Profile: cfg.Profile, Store: cfg.Store.String()}
	s.turn <- struct{}{}
	return s
}

// Token returns an access token that is good for a while: a fifth of its life, or a
// minute. Its errors are of type *Error, or the context's. A caller that stops waiting
// does not stop a renewal that has begun.
func (s *Source) Token(ctx context.Context) (string, error) {
	t, ahead := s.ready()
	if t != "" {
		if ahead {
			s.renewAhead()
		}
		return t, nil
	}
	t, err := s.inTurn(ctx, s.needed, func() string { t, _ := s.ready(); return t })
	return s.orLastResort(ctx, t, err)
}

// orLastResort gives the token at hand for an error that passes, else the error as one of
// the types that Token promises.
func (s *Source) orLastResort(ctx context.Context, token string, err error) (string, error) {
	if err != nil && ctx.Err() == nil {
		if t := s.lastResort(err); t != "" {
			return t, nil
		}
	}
	return token, s.wrap(ctx, err)
}

// inTurn waits for the turn and takes it, unless unneeded then returns a token. A caller
// that stops waiting does not stop what has begun.
func (s *Source) inTurn(ctx context.Context, need func(record) bool, unneeded func() string) (string, error) {
	select {
	case <-s.turn:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if t := unneeded(); t != "" {
		s.turn <- struct{}{}
		return t, nil // somebody renewed it while we waited
	}
	type result struct {
		token string
		err   error
	}
	done := make(chan result, 1)
	go func() {
		token, err := s.takeTurn(ctx, need)
		s.turn <- struct{}{} // before the result: who has it may want the next turn
		done <- result{token, err}
	}()
	select {
	case r := <-done:
		return r.token, r.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// Prepare implements transport.Tokens: it renews the access token if Token would have to
// within the next d, or three fifths of a token's life where that is less.
func (s *Source) Prepare(ctx context.Context, d time.Duration) error {
	good := func() string {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.access != "" && s.cfg.Now().Add(min(d, s.span*3/5)).Before(s.expires) {
			return s.access
		}
		return ""
	}
	if good() != "" {
		return nil
	}
	t, err := s.inTurn(ctx, func(r record) bool {
		return s.needed(r) || !r.usable(s.cfg.Now().Add(min(d, r.life()*3/5)))
	}, good)
	_, err = s.orLastResort(ctx, t, err)
	return err
}

// Renew exchanges the refresh token although the access token may still be good.
func (s *Source) Renew(ctx context.Context) error {
	_, err := s.inTurn(ctx, func(record) bool { return true }, func() string { return "" })
	return s.wrap(ctx, err)
}

// wrap makes an error one of the types that Token promises.
func (s *Source) wrap(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var e *Error
	if errors.As(err, &e) {
		return err
	}
	return &Error{Profile: s.cfg.Profile, Err: err}
}

// Refused implements transport.Tokens.
func (s *Source) Refused(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.access == token {
		s.refused, s.expires = token, time.Time{}
	}
}

// Replaced implements transport.Tokens: it looks whether the store holds another access
// token that is good, and takes it up.
func (s *Source) Replaced(ctx context.Context, token string) bool {
	if t, _ := s.ready(); t != "" && t != token {
		return true
	}
	select {
	case <-s.turn:
		defer func() { s.turn <- struct{}{} }()
	default:
		return false // somebody is at it
	}
	stored, version, err := s.cfg.fetch(ctx, s.key)
	if err != nil || s.unsaved || stored.Refused || stored.AccessToken == token || !stored.usable(s.cfg.Now()) || s.current.newerThan(stored) {
		return false
	}
	s.current, s.version, s.known = stored, version, true
	s.publishStatus()
	s.publish()
	return true
}

// Status returns what this process last knew of the sign-in. It asks nobody.
func (s *Source) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// Close returns when no renewal is under way and the newest token is saved, or when ctx
// ends. An error says that this is not so yet, and that a token may die with the process.
// The store must stay open until a Close has succeeded: it may be called again.
func (s *Source) Close(ctx context.Context) error {
	s.end()
	s.mu.Lock()
	s.closed = true
	if s.tending != nil {
		s.tending.Stop()
	}
	s.mu.Unlock()
	select {
	case <-s.turn:
		defer func() { s.turn <- struct{}{} }()
	case <-ctx.Done():
		return fmt.Errorf("profile %q: a renewal of the sign-in is still under way: %w", s.cfg.Profile, ctx.Err())
	}
	for s.unsaved {
		err := s.saveLate(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-time.After(savePause):
		case <-ctx.Done():
			return fmt.Errorf("profile %q: the newest refresh token could not be saved and is lost when the program ends; then sign in again: %w", s.cfg.Profile, err)
		}
	}
	return nil
}

// savePause is how long to wait between attempts to save a token.
const savePause = 200 * time.Millisecond
