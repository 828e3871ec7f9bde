package auth

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// How a sign-in is kept from dying of idleness, in parts of a refresh token's life of 30
// days: it is renewed after a week, and a person is warned, once a day, in its last week,
// which begins only if every renewal in between failed.
const (
	renewAfter   = 4   // a quarter of its life
	warnAfter    = 23  // of 30 parts of its life
	lifeParts    = 30  // days, when nothing is shortened
	looksPerLife = 720 // once an hour
)

// tendLater sets the timer for what the source does by itself: saving what could not be
// saved, and renewing a refresh token that grows old while nobody needs an access token.
func (s *Source) tendLater() {
	wait := s.cfg.RefreshLifetime / looksPerLife
	if s.unsaved {
		wait = savePause
	}
	s.tendIn(wait)
}

func (s *Source) tendIn(wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	if s.tending != nil {
		s.tending.Stop()
	}
	s.tending = time.AfterFunc(wait, s.tend)
}

func (s *Source) tend() {
	select {
	case <-s.turn:
	default:
		s.tendIn(savePause) // somebody is at it
		return
	}
	defer func() { s.turn <- struct{}{} }()
	ctx, cancel := context.WithTimeout(s.life, turnTime)
	defer cancel()
	switch {
	case s.unsaved:
		_ = s.saveLate(ctx) // whoever needs a token is told of an error
	case s.current.RefreshToken != "" && !s.current.Refused && s.old(s.current):
		_, err := s.takeTurn(ctx, s.old)
		s.warn(err)
	}
	s.cfg.Watch(s.Status())
	s.tendLater()
}

// old reports whether a refresh token should be renewed though nobody needs it.
func (s *Source) old(r record) bool {
	return s.cfg.Now().Sub(r.Obtained) > s.cfg.RefreshLifetime/renewAfter
}

// warn tells a person of a sign-in that is about to die, since it could not be renewed.
func (s *Source) warn(err error) {
	now := s.cfg.Now()
	part := s.cfg.RefreshLifetime / lifeParts
	if err == nil || s.current.RefreshToken == "" || now.Sub(s.current.Obtained) < warnAfter*part || now.Sub(s.told) < part {
		return
	}
	s.told = now
	s.cfg.Log.Warnf("profile %q: the sign-in ends at %s unless it is renewed before, which does not succeed: %v",
		s.cfg.Profile, s.current.Obtained.Add(s.cfg.RefreshLifetime).Format(time.RFC3339), err)
}

// How long the authorization server is left alone after it refused the client, or was not
// one, and after an error that passes. The wait doubles up to the longest.
var (
	lastingWaits = waits{first: 30 * time.Second, longest: 15 * time.Minute}
	passingWaits = waits{first: 500 * time.Millisecond, longest: 30 * time.Second}
)

type waits struct{ first, longest time.Duration }

// failure is why the last turn failed, so that many callers do not make as many calls.
// The holder of the turn may touch it.
type failure struct {
	err   error
	final bool // for as long as the record stays the same
	until time.Time
	wait  time.Duration
	of    string // the essence of the record with which it failed
}

// note remembers how a turn ended.
func (f *failure) note(s *Source, err error) {
	var refusal *Error
	var passing *passingError
	var w waits
	last := f.wait
	if err == nil && f.final {
		s.cfg.Log.Infof("profile %q is signed in to EBP again", s.cfg.Profile)
	}
	*f = failure{err: err, of: s.current.essence()}
	switch {
	case errors.As(err, &refusal):
		f.final, w = refusal.final, lastingWaits
	case errors.As(err, &passing):
		w = passingWaits
	default:
		f.err = nil // all is well, or it was the store that failed
		return
	}
	f.wait = min(max(2*last, w.first), w.longest)
	f.until = time.Now().Add(f.wait - time.Duration(rand.Int64N(int64(f.wait)/5+1)))
	if passing != nil && passing.wait > f.wait {
		f.until = time.Now().Add(passing.wait)
	}
}

// stillFailing returns the last failure while trying again cannot help: a person has not
// changed the record, and the wait is not over.
func (f *failure) stillFailing(ctx context.Context, s *Source) error {
	if f.err == nil || !f.final && !time.Now().Before(f.until) {
		return nil
	}
	stored, _, err := s.cfg.fetch(ctx, s.key)
	if err != nil || stored.essence() != f.of {
		return nil
	}
	return f.err
}
