// Package auth keeps a sign-in alive. EBP gives access tokens of one hour and
// refresh tokens of thirty days that work once (L72): whoever uses one and loses the
// answer has lost the sign-in.
//
// The invariant, for one process: at every moment the newest refresh token that EBP
// has handed out is in the state store, or it is in the memory of this process and
// nothing else is done before it is in the store. A token is saved before the access
// token that came with it is used.
//
// A renewal that has begun is therefore finished whoever stops waiting for it: it runs
// under its own time limit, not under the caller's context. Before the exchange a note
// of the attempt is written, which also finds out whether the store can be written
// while the old token is still good.
//
// All processes that share a store take turns under a lease, and look into the store
// after taking it: what another has obtained meanwhile is used, not renewed again.
package auth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp/redact"
	"github.com/benthos-ebp/benthos-ebp/internal/state"
)

// tokenPath is where tokens are had (L57).
const tokenPath = "/connect/token"

// renewBefore is how long before its end an access token is no longer used.
const renewBefore = time.Minute

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
	// Store keeps the tokens.
	Store state.Store
	// HTTP makes the token calls. It must not follow redirects.
	HTTP *http.Client
	// Redactor learns every token.
	Redactor *redact.Redactor
	// Now is the clock, time.Now if nil.
	Now func() time.Time
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
}

func (e *Error) Error() string {
	if e.Refused {
		return fmt.Sprintf("profile %q is not signed in to EBP: %v", e.Profile, e.Err)
	}
	return fmt.Sprintf("renewing the sign-in of profile %q: %v", e.Profile, e.Err)
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

// record is what the store holds for a client and profile.
type record struct {
	RefreshToken string    `json:"refresh_token"`
	AccessToken  string    `json:"access_token"`
	Expires      time.Time `json:"expires"`
	Obtained     time.Time `json:"obtained"`
	// Seed is the digest of the last configured refresh token that was used: a seed
	// is used once, as long as it stays the same.
	Seed string `json:"seed,omitempty"`
	// Refused is true once EBP has refused RefreshToken.
	Refused bool `json:"refused,omitempty"`
	// Renewing is when an exchange of RefreshToken was begun whose outcome is not
	// recorded yet.
	Renewing time.Time `json:"renewing,omitzero"`
	// RenewingSeed is the digest of the seed that was exchanged then, if it was one.
	RenewingSeed string `json:"renewing_seed,omitempty"`
}

// Source gives access tokens. It may be used by many goroutines at once, and there is
// at most one call to the authorization server at a time.
type Source struct {
	cfg   Config
	oauth oauth2.Config
	key   string

	turn    chan struct{} // one token: who holds it may touch what follows
	current record
	version state.Version
	unsaved bool   // current is newer than the store
	given   string // the access token last handed out

	mu      sync.Mutex
	access  string // what Token may give without asking anybody
	expires time.Time
}

// NewSource returns a source. It makes no call.
func NewSource(cfg Config) *Source {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	cfg.Redactor.Add(cfg.ClientSecret, cfg.Seed)
	s := &Source{
		cfg: cfg,
		oauth: oauth2.Config{
			ClientID: cfg.ClientID, ClientSecret: cfg.ClientSecret,
			Endpoint: oauth2.Endpoint{
				TokenURL: strings.TrimSuffix(cfg.URL.String(), "/") + tokenPath,
				// Client id and secret in the form body, as L64-69 shows it.
				AuthStyle: oauth2.AuthStyleInParams,
			},
		},
		key:  Key(cfg.URL, cfg.ClientID, cfg.Profile),
		turn: make(chan struct{}, 1),
	}
	s.turn <- struct{}{}
	return s
}

// Key is the name of a sign-in's record in the store.
func Key(server *url.URL, clientID, profile string) string {
	return "tokens/" + digest(server.String() + "\n" + clientID)[:16] + "/" + profile
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// Token returns an access token that is good for at least a minute more. Its errors
// are of type *Error, or the context's. A caller that stops waiting does not stop a
// renewal that has begun.
func (s *Source) Token(ctx context.Context) (string, error) {
	if t := s.ready(); t != "" {
		return t, nil
	}
	select {
	case <-s.turn:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if t := s.ready(); t != "" {
		s.turn <- struct{}{}
		return t, nil // somebody renewed it while we waited
	}
	type result struct {
		token string
		err   error
	}
	done := make(chan result, 1)
	go func() {
		token, err := s.takeTurn(ctx)
		s.turn <- struct{}{} // before the result: who has it may want the next turn
		done <- result{token, err}
	}()
	select {
	case r := <-done:
		return r.token, s.wrap(ctx, r.err)
	case <-ctx.Done():
		return "", ctx.Err()
	}
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

// Close returns when no renewal is under way and the newest token is saved, or when ctx
// ends. Its error says that a token could not be saved and dies with the process: the
// person has to sign in again.
func (s *Source) Close(ctx context.Context) error {
	select {
	case <-s.turn:
		defer func() { s.turn <- struct{}{} }()
	case <-ctx.Done():
		return fmt.Errorf("profile %q: a renewal of the sign-in is still under way: %w", s.cfg.Profile, ctx.Err())
	}
	for s.unsaved {
		err := s.saveUnderLease(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-time.After(savePause):
		case <-ctx.Done():
			return fmt.Errorf("profile %q: the newest refresh token could not be saved and is lost; sign in again: %w", s.cfg.Profile, err)
		}
	}
	return nil
}

// savePause is how long Close waits between attempts to save.
const savePause = 200 * time.Millisecond

func (s *Source) saveUnderLease(ctx context.Context) error {
	lease, err := s.cfg.Store.Lease(ctx, s.key)
	if err != nil {
		return err
	}
	defer lease.Release()
	return s.save(ctx)
}

func (s *Source) ready() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cfg.Now().Before(s.expires.Add(-renewBefore)) {
		return s.access
	}
	return ""
}

// Refused implements transport.Tokens.
func (s *Source) Refused(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.access == token {
		s.expires = time.Time{}
	}
}

// turnTime bounds what is done once the lease is held, the token call included.
const turnTime = time.Minute

// takeTurn waits for the lease as long as the caller does, and then renews under a time
// limit of its own.
func (s *Source) takeTurn(ctx context.Context) (string, error) {
	lease, err := s.cfg.Store.Lease(ctx, s.key)
	if err != nil {
		return "", fmt.Errorf("waiting for the sign-in in %s: %w", s.cfg.Store, err)
	}
	defer lease.Release()
	own, cancel := context.WithTimeout(context.WithoutCancel(ctx), turnTime)
	defer cancel()
	return s.renew(own)
}

func (s *Source) renew(ctx context.Context) (string, error) {
	if err := s.save(ctx); err != nil { // from a time when the store could not be written
		return "", err
	}
	for tries := 1; ; tries++ {
		if err := s.load(ctx); err != nil {
			return "", err
		}
		if s.current.AccessToken != s.given && s.usable() {
			return s.publish(), nil // another process renewed it, or we did and could not save it
		}
		refresh, seed, err := s.choose()
		if err != nil {
			return "", err
		}
		token, err := s.exchange(ctx, refresh, seed)
		switch {
		case errors.Is(err, errGrantRefused) && s.seedUntried():
			// The stored token is dead, but a new one is configured.
		case errors.Is(err, errOvertaken) && tries < mostTries:
			// Somebody has signed in meanwhile.
		default:
			return token, err
		}
	}
}

// mostTries bounds how often a renewal begins anew because somebody else wrote.
const mostTries = 3

// errOvertaken is wrapped where a renewal has not begun because the record changed.
var errOvertaken = errors.New("the sign-in was changed by somebody else")

// errGrantRefused is wrapped where EBP refused the refresh token itself.
var errGrantRefused = errors.New("the refresh token is used, expired or withdrawn; sign in again")

func (s *Source) seedUntried() bool {
	return s.cfg.Seed != "" && digest(s.cfg.Seed) != s.current.Seed
}

// usable reports whether the stored access token can be used and was not refused.
func (s *Source) usable() bool {
	return s.current.AccessToken != "" && s.cfg.Now().Before(s.current.Expires.Add(-renewBefore))
}

func (s *Source) publish() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.access, s.expires = s.current.AccessToken, s.current.Expires
	s.given = s.access
	return s.access
}

func (s *Source) load(ctx context.Context) error {
	r, err := s.cfg.Store.Get(ctx, s.key)
	if errors.Is(err, state.ErrNotFound) {
		s.current, s.version = record{}, 0
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the sign-in from %s: %w", s.cfg.Store, err)
	}
	var stored record
	if err := json.Unmarshal(r.Value, &stored); err != nil {
		return fmt.Errorf("reading the sign-in from %s: %w", s.cfg.Store, state.ErrDamaged)
	}
	s.cfg.Redactor.Add(stored.RefreshToken, stored.AccessToken)
	s.current, s.version = stored, r.Version
	return nil
}

// save writes current if it is newer than the store. Where somebody else has written
// meanwhile, the newer of the two records stays.
func (s *Source) save(ctx context.Context) error {
	if !s.unsaved {
		return nil
	}
	err := s.put(ctx)
	if !errors.Is(err, state.ErrConflict) {
		return err
	}
	ours := s.current
	if err := s.load(ctx); err != nil {
		return err
	}
	if s.current.RefreshToken == ours.RefreshToken && s.current.Refused == ours.Refused && s.current.Renewing.IsZero() {
		s.unsaved = false // it was written after all; only the news of it was lost
		return nil
	}
	if !s.current.Refused && s.current.Obtained.After(ours.Obtained) {
		s.unsaved = false // somebody has signed in since
		return nil
	}
	s.current = ours
	return s.put(ctx)
}

func (s *Source) put(ctx context.Context) error {
	value, err := json.Marshal(s.current)
	if err != nil {
		return fmt.Errorf("encoding the sign-in: %w", err)
	}
	v, err := s.cfg.Store.Put(ctx, s.key, value, s.version)
	if err != nil {
		return fmt.Errorf("saving the sign-in in %s: %w", s.cfg.Store, err)
	}
	s.version, s.unsaved = v, false
	return nil
}

// choose returns the refresh token to use and, if it is the configured one, its
// digest. The stored one goes first; the seed is for when there is none, or when the
// stored one was refused and the seed is one that has not been tried.
func (s *Source) choose() (refresh, seed string, err error) {
	if s.current.RefreshToken != "" && !s.current.Refused {
		return s.current.RefreshToken, "", nil
	}
	if s.cfg.Seed == "" {
		if s.current.Refused {
			return "", "", s.refused("its refresh token was refused; sign in again, or set oauth2.refresh_token to a new one")
		}
		return "", "", s.refused("there is no refresh token; set oauth2.refresh_token or $EBP_REFRESH_TOKEN to one from signing in")
	}
	if s.seedUntried() {
		return s.cfg.Seed, digest(s.cfg.Seed), nil
	}
	return "", "", s.refused("oauth2.refresh_token was used before and works once; sign in again and set the new one")
}

func (s *Source) refused(why string) error {
	return &Error{Profile: s.cfg.Profile, Refused: true, Err: errors.New(why)}
}

// exchange trades a refresh token for new ones, and saves them before use.
func (s *Source) exchange(ctx context.Context, refresh, seed string) (string, error) {
	interrupted := s.current.Renewing
	if seed != s.current.RenewingSeed {
		interrupted = time.Time{} // that was about another token
	}
	s.current.Renewing, s.current.RenewingSeed = s.cfg.Now(), seed
	// Without merging: where somebody has signed in meanwhile, it is their token that
	// counts, and the one at hand stays unused.
	if err := s.put(ctx); errors.Is(err, state.ErrConflict) {
		return "", errOvertaken
	} else if err != nil {
		return "", err
	}
	ctx = context.WithValue(ctx, oauth2.HTTPClient, s.cfg.HTTP)
	t, err := s.oauth.TokenSource(ctx, &oauth2.Token{RefreshToken: refresh}).Token()
	if err != nil {
		return "", s.exchangeFailed(ctx, err, seed, interrupted)
	}
	s.cfg.Redactor.Add(t.AccessToken, t.RefreshToken)
	now := s.cfg.Now()
	next := record{RefreshToken: t.RefreshToken, AccessToken: t.AccessToken, Obtained: now, Expires: t.Expiry, Seed: s.current.Seed}
	if t.ExpiresIn > 0 {
		// Measured by our own clock, whichever it is.
		next.Expires = now.Add(time.Duration(t.ExpiresIn) * time.Second)
	}
	if next.Expires.IsZero() {
		next.Expires = now.Add(time.Hour) // L72
	}
	if seed != "" {
		next.Seed = seed
	}
	s.current, s.unsaved = next, true
	// Saving has time of its own: the exchange may have used up the turn's.
	own, cancel := context.WithTimeout(context.WithoutCancel(ctx), turnTime)
	defer cancel()
	if err := s.save(own); err != nil {
		return "", err
	}
	return s.publish(), nil
}

// exchangeFailed tells a refusal, which is remembered, from an error that passes.
// interrupted is when an earlier exchange of the same token was begun and never ended.
func (s *Source) exchangeFailed(ctx context.Context, err error, seed string, interrupted time.Time) error {
	var answer *oauth2.RetrieveError
	if !errors.As(err, &answer) {
		return errors.New(s.cfg.Redactor.String(err.Error()))
	}
	said := answer.ErrorCode
	if answer.ErrorDescription != "" {
		said += ": " + answer.ErrorDescription
	}
	if said == "" {
		said = "no reason given"
	}
	said = s.cfg.Redactor.String(fmt.Sprintf("%s answered %d (%s)", s.cfg.URL.Host, answer.Response.StatusCode, said))
	switch answer.ErrorCode {
	case "invalid_grant":
		s.current.Refused, s.current.Renewing, s.current.RenewingSeed = true, time.Time{}, ""
		if seed != "" {
			s.current.Seed = seed
		}
		s.unsaved = true
		if err := s.save(ctx); err != nil {
			return err
		}
		if !interrupted.IsZero() {
			said += fmt.Sprintf("; a renewal begun at %s ended before its answer could be saved, and had used the token up", interrupted.Format(time.RFC3339))
		}
		return &Error{Profile: s.cfg.Profile, Refused: true, Err: fmt.Errorf("%s: %w", said, errGrantRefused)}
	case "invalid_client", "unauthorized_client":
		s.noteUnused(ctx, interrupted)
		return s.refused(said + ": check oauth2.client_id and oauth2.client_secret")
	}
	status := answer.Response.StatusCode
	if status >= 300 && status < 500 && status != http.StatusRequestTimeout && status != http.StatusTooManyRequests {
		return &Error{Profile: s.cfg.Profile, Misdirected: true, Err: errors.New(said + ": check oauth2.url")}
	}
	return errors.New(said)
}

// noteUnused takes the note of an attempt back that certainly used no token. It does
// not matter if that fails.
func (s *Source) noteUnused(ctx context.Context, interrupted time.Time) {
	s.current.Renewing = interrupted
	_ = s.put(ctx)
}
