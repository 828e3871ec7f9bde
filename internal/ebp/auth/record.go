package auth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/benthos-ebp/benthos-ebp/internal/state"
)

// record is what the store holds for a client and profile.
type record struct {
	// Serial grows with each sign-in and each renewal: of two records the one with the
	// greater serial holds the newer token. It is the time in milliseconds, or one more
	// than the last serial if that is greater.
	Serial       int64     `json:"serial,omitempty"`
	RefreshToken string    `json:"refresh_token"`
	AccessToken  string    `json:"access_token"`
	Expires      time.Time `json:"expires"`
	// Obtained is when RefreshToken came.
	Obtained time.Time `json:"obtained"`
	// SignedIn is when a person did, if that was here.
	SignedIn time.Time `json:"signed_in,omitzero"`
	// Seed is the digest of the last configured refresh token that was used: a seed
	// is used once, as long as it stays the same.
	Seed string `json:"seed,omitempty"`
	// Refused is true once EBP has refused RefreshToken, and why.
	Refused bool   `json:"refused,omitempty"`
	Reason  string `json:"reason,omitempty"`
	// SignedOut is true once somebody has signed out: the record stays, so that a
	// process which still holds the token does not take the store for one that lost it.
	SignedOut bool `json:"signed_out,omitempty"`
	// Renewing is when an exchange of RefreshToken was begun whose outcome is not
	// recorded yet, and RenewingBy who began it.
	Renewing   time.Time `json:"renewing,omitzero"`
	RenewingBy string    `json:"renewing_by,omitempty"`
	// RenewingSeed is the digest of the seed that was exchanged then, if it was one.
	RenewingSeed string `json:"renewing_seed,omitempty"`
}

// serial of a record that was written before there were serials is when it was obtained.
func (r record) serial() int64 {
	if r.Serial == 0 && !r.Obtained.IsZero() {
		return r.Obtained.UnixMilli()
	}
	return r.Serial
}

// nextSerial is greater than that of r, and than those that other processes may have
// given before this machine's clock says now.
func (r record) nextSerial(now time.Time) int64 { return max(r.serial()+1, now.UnixMilli()) }

// idle returns the record without the note of an exchange.
func (r record) idle() record {
	r.Renewing, r.RenewingBy, r.RenewingSeed = time.Time{}, "", ""
	return r
}

// renewBefore is how long before its end an access token is no longer used; a fifth of
// its life where that is less.
const renewBefore = time.Minute

func (r record) margin() time.Duration {
	return max(0, min(renewBefore, r.Expires.Sub(r.Obtained)/5))
}

// usable reports whether the access token is good for a while.
func (r record) usable(now time.Time) bool {
	return r.AccessToken != "" && !r.SignedOut && now.Before(r.Expires.Add(-r.margin()))
}

// Key is the name of a sign-in's record in the store.
func Key(server *url.URL, clientID, profile string) string {
	return "tokens/" + digest(server.String() + "\n" + clientID)[:16] + "/" + profile
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// itself names this process to whoever finds its note.
func itself() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return fmt.Sprintf("process %d on %s", os.Getpid(), host)
}

// fetch reads the record of a sign-in: an empty one with version 0 where there is none.
func (cfg Config) fetch(ctx context.Context, key string) (record, state.Version, error) {
	r, err := cfg.Store.Get(ctx, key)
	if errors.Is(err, state.ErrNotFound) {
		return record{}, 0, nil
	}
	if err != nil {
		return record{}, 0, fmt.Errorf("reading the sign-in: %w", err)
	}
	var stored record
	if err := json.Unmarshal(r.Value, &stored); err != nil {
		return record{}, 0, fmt.Errorf("reading the sign-in from %s: %w: it is not the JSON of a sign-in; `benthos-ebp login` puts it aside", cfg.Store, state.ErrDamaged)
	}
	cfg.Redactor.Add(stored.RefreshToken, stored.AccessToken)
	return stored, r.Version, nil
}

// put writes a record over the version that was read.
func (cfg Config) put(ctx context.Context, key string, r record, expected state.Version) (state.Version, error) {
	value, err := json.Marshal(r)
	if err != nil {
		return 0, fmt.Errorf("encoding the sign-in: %w", err)
	}
	v, err := cfg.Store.Put(ctx, key, value, expected)
	if err != nil {
		return 0, fmt.Errorf("saving the sign-in: %w", err)
	}
	return v, nil
}

// recordBytes is how much a record may have: the tokens are some 2 kB, and grow with
// the claims in them.
const recordBytes = 16 << 10

// load reads the record, and gives a store that has lost it, or holds an older one, the
// newer one of this process.
func (s *Source) load(ctx context.Context) error {
	stored, version, err := s.cfg.fetch(ctx, s.key)
	if err != nil {
		return err
	}
	if s.known && s.current.RefreshToken != "" && !s.current.Refused && s.current.serial() > stored.serial() {
		what := "an older record of the sign-in"
		if version == 0 {
			what = "no record of the sign-in any more"
		}
		s.cfg.Log.Warnf("profile %q: %s holds %s; it is given the newer one that this process holds", s.cfg.Profile, s.cfg.Store, what)
		s.version = version
		return s.put(ctx)
	}
	s.current, s.version, s.known = stored, version, version != 0
	s.publishStatus()
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
	stored, version, err := s.cfg.fetch(ctx, s.key)
	if err != nil {
		return err
	}
	switch ours := s.current; {
	case stored.serial() > ours.serial(), stored.serial() == ours.serial() && stored.Refused == ours.Refused && stored.RefreshToken == ours.RefreshToken && stored.Renewing.IsZero():
		// Somebody has signed in since; or it was written after all, and only the news of
		// it was lost.
		s.current, s.version, s.unsaved = stored, version, false
		return nil
	case ours.Refused && stored.RefreshToken != ours.RefreshToken:
		s.current, s.version, s.unsaved = stored, version, false // what was refused is no longer there
		return nil
	}
	s.version = version
	return s.put(ctx)
}

func (s *Source) put(ctx context.Context) error {
	v, err := s.cfg.put(ctx, s.key, s.current, s.version)
	if err != nil {
		return err
	}
	s.version, s.unsaved, s.known = v, false, true
	s.publishStatus()
	return nil
}

func (s *Source) saveUnderLease(ctx context.Context) error {
	lease, err := s.cfg.Store.Lease(ctx, s.key)
	if err != nil {
		return fmt.Errorf("waiting for the sign-in: %w", err)
	}
	defer lease.Release()
	return s.save(ctx)
}
