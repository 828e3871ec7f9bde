package auth

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"

	"github.com/benthos-ebp/benthos-ebp/internal/state"
)

// ready returns the access token if it may be given out, and whether it is time to renew
// it ahead of its end.
func (s *Source) ready() (token string, ahead bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	if s.access == "" || !now.Before(s.expires) {
		return "", false
	}
	return s.access, !now.Before(s.ahead)
}

// lastResort returns an access token near its end where it could not be renewed for a
// reason that passes: it is good for some seconds more.
func (s *Source) lastResort(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.access != "" && s.access != s.refused && s.cfg.Now().Before(s.ends.Add(-time.Second)) {
		return s.access
	}
	return ""
}

// renewAhead renews in the background, if nobody does.
func (s *Source) renewAhead() {
	select {
	case <-s.turn:
	default:
		return
	}
	go func() {
		defer func() { s.turn <- struct{}{} }()
		ctx, cancel := context.WithTimeout(s.life, turnTime)
		defer cancel()
		// Whoever needs a token once this one is at its end is told of an error.
		if _, err := s.takeTurn(ctx, s.needed); err != nil {
			s.mu.Lock()
			s.ahead = s.cfg.Now().Add(aheadPause)
			s.mu.Unlock()
		}
	}()
}

// aheadPause is how long a renewal ahead of time is not tried again after it failed.
const aheadPause = time.Second

// turnTime bounds what is done once the lease is held, the exchange apart.
const turnTime = time.Minute

// guard is for how long the lease must be sure to be held when an exchange begins. The
// lease is prolonged meanwhile.
const guard = time.Second

// takeTurn waits for the lease as long as the caller does, and then renews under a time
// limit of its own. The caller has the turn.
//
// need says of the record in the store whether an exchange is needed.
func (s *Source) takeTurn(ctx context.Context, need func(record) bool) (string, error) {
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return "", errors.New("the client is closed")
	}
	if !s.unsaved {
		if err := s.failed.stillFailing(ctx, s); err != nil {
			return "", err
		}
	}
	lease, err := s.cfg.Store.Lease(ctx, s.key)
	if err != nil {
		return "", fmt.Errorf("waiting for the sign-in: %w", err)
	}
	defer lease.Release()
	own, cancel := context.WithTimeout(context.WithoutCancel(ctx), turnTime)
	defer cancel()
	token, err := s.renew(own, lease, need)
	s.failed.note(s, err)
	s.tendLater()
	return token, err
}

// mostTries bounds how often a renewal begins anew because somebody else wrote.
const mostTries = 3

// errOvertaken is wrapped where the record turned out to be changed by somebody else.
var errOvertaken = errors.New("the sign-in was changed by somebody else")

// errGrantRefused is wrapped where EBP refused the refresh token itself.
var errGrantRefused = errors.New("the refresh token is used, expired or withdrawn")

func (s *Source) renew(ctx context.Context, lease state.Lease, need func(record) bool) (string, error) {
	if s.unsaved { // from a time when the store could not be written
		if err := s.merge(ctx); err != nil {
			return "", err
		}
	}
	for tries := 1; ; tries++ {
		if err := s.load(ctx); err != nil {
			return "", err
		}
		if s.current.RefreshToken != "" && !s.current.Refused && !need(s.current) {
			return s.publish(), nil // another process renewed it, or we did and could not save it
		}
		refresh, seed, err := s.choose()
		if err != nil {
			return "", err
		}
		token, err := s.exchange(ctx, lease, refresh, seed)
		switch {
		case errors.Is(err, errGrantRefused) && s.seedUntried() && tries < mostTries:
			// The stored token is dead, but a new one is configured.
		case errors.Is(err, errOvertaken) && tries < mostTries:
			// Somebody has signed in meanwhile, or exchanged the token.
		default:
			return token, err
		}
	}
}

// needed reports whether a record has no access token for the next while: none that is
// good for some time, or the one that the API refused, or the one that is being renewed
// ahead of its end.
func (s *Source) needed(r record) bool {
	now := s.cfg.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	return !r.usable(now) || r.AccessToken == s.refused || r.AccessToken == s.access && !now.Before(s.ahead)
}

func (s *Source) seedUntried() bool {
	return s.cfg.Seed != "" && !slices.Contains(s.current.Seeds, digest(s.cfg.Seed))
}

func (s *Source) publish() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.current
	margin := r.margin()
	s.access, s.expires = r.AccessToken, r.Expires.Add(-margin)
	s.ends, s.span = r.Expires, r.life()
	// Between one and two margins earlier, each process at another time: the first of
	// them renews, the others find its token.
	s.ahead = s.expires.Add(-margin/2 - time.Duration(rand.Int64N(int64(margin)+1)))
	s.refused = ""
	return s.access
}

// choose returns the refresh token to use and, if it is the configured one, its
// digest. The stored one goes first; the seed is for when there is none, or when the
// stored one was refused and the seed is one that has not been tried.
func (s *Source) choose() (refresh, seed string, err error) {
	if s.current.RefreshToken != "" && !s.current.Refused {
		return s.current.RefreshToken, "", nil
	}
	if s.seedUntried() {
		return s.cfg.Seed, digest(s.cfg.Seed), nil
	}
	switch {
	case s.current.Refused && s.current.Reason != "":
		return "", "", s.refuse("%s; %s", s.current.Reason, s.advice())
	case s.current.Refused:
		return "", "", s.refuse("its refresh token was refused; %s", s.advice())
	case s.current.SignedOut:
		return "", "", s.refuse("somebody has signed out; %s", s.advice())
	case s.cfg.Seed == "":
		return "", "", s.refuse("%s holds no refresh token of client %q at %s; %s", s.cfg.Store, s.cfg.ClientID, s.cfg.URL.Host, s.advice())
	}
	return "", "", s.refuse("oauth2.refresh_token was used before and works once; %s", s.advice())
}

// advice says what a person can do.
func (s *Source) advice() string {
	return fmt.Sprintf("run `%s`, or set oauth2.refresh_token to a new one", s.cfg.Login)
}

func (s *Source) refuse(format string, args ...any) error {
	return &Error{Profile: s.cfg.Profile, Refused: true, final: true, Err: fmt.Errorf(format, args...)}
}

// exchange trades a refresh token for new ones, and saves them before use.
func (s *Source) exchange(ctx context.Context, lease state.Lease, refresh, seed string) (string, error) {
	interrupted, by := s.current.Renewing, s.current.RenewingBy
	if seed != s.current.RenewingSeed {
		interrupted = time.Time{} // that was about another token
	}
	if !interrupted.IsZero() {
		s.cfg.Log.Warnf("profile %q: a renewal of the sign-in begun at %s%s ended before its answer could be saved; its refresh token is tried once more, since EBP may not have used it up",
			s.cfg.Profile, interrupted.Format(time.RFC3339), byWhom(by))
	}
	before := s.current
	if err := s.announce(ctx, seed); err != nil {
		return "", err
	}
	if !lease.Held(guard) {
		s.takeBack(ctx, before)
		return "", fmt.Errorf("the lease of the sign-in in %s was lost before the renewal began; nothing was used up", s.cfg.Store)
	}
	// The answer is waited for as long as the client waits: giving up loses it.
	var sent atomic.Bool
	exchange := httptrace.WithClientTrace(context.WithoutCancel(ctx), &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent.Store(true) }})
	t, err := s.oauth.TokenSource(context.WithValue(exchange, oauth2.HTTPClient, s.cfg.HTTP), &oauth2.Token{RefreshToken: refresh}).Token()
	// What follows has time of its own, for the exchange may have used up the turn's.
	own, cancel := context.WithTimeout(context.WithoutCancel(ctx), turnTime)
	defer cancel()
	if err != nil {
		if !sent.Load() { // there was no connection to send the token over
			s.takeBack(own, before)
			return "", &passingError{text: s.cfg.Redactor.String(err.Error())}
		}
		return "", s.exchangeFailed(own, err, seed, interrupted, by)
	}
	if !interrupted.IsZero() {
		s.cfg.Log.Infof("profile %q: the refresh token still worked: nothing was lost", s.cfg.Profile)
	}
	next := s.cfg.granted(s.current, t)
	if seed != "" {
		next = next.replacing(before, "seed "+seed[:16])
		next.Seeds = remember(seed, before.Seeds)
	}
	s.current, s.unsaved = next, true
	if err := s.save(own); err != nil {
		return "", err
	}
	return s.publish(), nil
}

// announce writes that an exchange begins, and has space kept for its result. Nothing is
// used up if it fails.
func (s *Source) announce(ctx context.Context, seed string) error {
	before := s.current
	s.current.Renewing, s.current.RenewingBy, s.current.RenewingSeed = s.cfg.Now(), itself(), seed
	// Without merging: where somebody has signed in meanwhile, it is their token that
	// counts, and the one at hand stays unused.
	if err := s.put(ctx); errors.Is(err, state.ErrConflict) {
		return errOvertaken
	} else if err != nil {
		return err
	}
	if err := s.cfg.Store.Reserve(ctx, s.key, recordBytes); err != nil {
		s.takeBack(ctx, before)
		return fmt.Errorf("keeping space for the renewed sign-in: %w", err)
	}
	return nil
}

// takeBack replaces the note of an exchange that certainly used no token. It does not
// matter if that fails.
func (s *Source) takeBack(ctx context.Context, before record) {
	s.current = before
	_ = s.put(ctx)
}

// granted returns the record of new tokens.
func (cfg Config) granted(before record, t *oauth2.Token) record {
	cfg.Redactor.Add(t.AccessToken, t.RefreshToken)
	now := cfg.Now()
	next := record{
		Serial: before.nextSerial(now), RefreshToken: t.RefreshToken, AccessToken: t.AccessToken,
		Obtained: now, Expires: t.Expiry, SignedIn: before.SignedIn,
		Origin: before.Origin, Before: before.Before, Seeds: before.Seeds,
	}
	if t.ExpiresIn > 0 {
		// Measured by our own clock, whichever it is.
		next.Expires = now.Add(time.Duration(t.ExpiresIn) * time.Second)
	}
	if next.Expires.IsZero() {
		next.Expires = now.Add(time.Hour) // L71
	}
	return next
}

func byWhom(by string) string {
	if by == "" {
		return ""
	}
	return " by " + by
}

// exchangeFailed tells a refusal, which is remembered, from an error that passes.
// interrupted is when an earlier exchange of the same token was begun and never ended.
func (s *Source) exchangeFailed(ctx context.Context, err error, seed string, interrupted time.Time, by string) error {
	before := s.current
	before.Renewing, before.RenewingBy = interrupted, by
	if interrupted.IsZero() {
		before = before.idle()
	}
	var answer *oauth2.RetrieveError
	if !errors.As(err, &answer) {
		return &passingError{text: s.cfg.Redactor.String(err.Error())}
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
		return s.grantRefused(ctx, said, seed, interrupted, by)
	case "invalid_client", "unauthorized_client":
		s.takeBack(ctx, before)
		return &Error{Profile: s.cfg.Profile, Refused: true, Err: errors.New("EBP does not know this client id with this client secret (" + said + "): check oauth2.client_id and oauth2.client_secret ($EBP_CLIENT_ID, $EBP_CLIENT_SECRET)")}
	}
	switch status := answer.Response.StatusCode; {
	case status == http.StatusTooManyRequests:
		s.takeBack(ctx, before)
	case status >= 300 && status < 500 && status != http.StatusRequestTimeout:
		s.takeBack(ctx, before)
		return &Error{Profile: s.cfg.Profile, Misdirected: true, Err: errors.New(said + ": check oauth2.url")}
	}
	return &passingError{text: said, wait: retryAfter(answer.Response.Header)}
}

// grantRefused records that a refresh token is dead, unless somebody else has exchanged
// it for a living one.
func (s *Source) grantRefused(ctx context.Context, said, seed string, interrupted time.Time, by string) error {
	if !interrupted.IsZero() {
		said += fmt.Sprintf("; a renewal begun at %s%s ended before its answer could be saved, and had used the token up", interrupted.Format(time.RFC3339), byWhom(by))
	}
	tried := s.current.RefreshToken
	s.current = s.current.idle()
	s.current.Refused, s.current.Reason = true, "EBP refused the refresh token: "+said
	if seed != "" {
		s.current.Seeds, s.current.RefreshToken = remember(seed, s.current.Seeds), ""
	}
	s.unsaved = true
	if err := s.save(ctx); err != nil {
		return err
	}
	if !s.current.Refused && s.current.RefreshToken != tried {
		return errOvertaken
	}
	return s.refuse("%s: %w; %s", said, errGrantRefused, s.advice())
}

// passingError is an exchange that failed for a reason that may pass.
type passingError struct {
	text string
	wait time.Duration // that the server asks for
}

func (e *passingError) Error() string { return e.text }

// retryAfter is the wait that a server asks for in seconds, bounded.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, lastingWaits.longest)
}
