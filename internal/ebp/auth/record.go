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
	"slices"
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
	// Origin names the sign-in, or the signing out, that this record goes back to: another
	// one for each time that a person did so, and for each seed. Renewals keep it. Before
	// are those of the records that it replaced, the last first.
	Origin string   `json:"origin,omitempty"`
	Before []string `json:"before,omitempty"`
	// Seeds are the digests of the configured refresh tokens that were used, the last
	// first: each is used once.
	Seeds []string `json:"seeds,omitempty"`
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

// mostRemembered is how many origins and seeds a record remembers.
const mostRemembered = 16

// remember puts one in front of a list.
func remember(one string, list []string) []string {
	out := []string{one}
	for _, other := range list {
		if other != one && len(out) < mostRemembered {
			out = append(out, other)
		}
	}
	return out
}

// replacing gives the record of a new origin what it has to remember of the one that it
// replaces.
func (r record) replacing(before record, origin string) record {
	r.Origin, r.Before, r.Seeds = origin, before.Before, before.Seeds
	if before.Origin != "" {
		r.Before = remember(before.Origin, before.Before)
	}
	return r
}

// newerThan reports whether r is what a store should hold that holds o. Within a sign-in
// the serial tells. Of two sign-ins it is the one that replaced the other; where neither
// knows of the other, the one in the store stays, since a person has made it. No clock
// decides between persons.
func (r record) newerThan(o record) bool {
	if r.Origin == o.Origin {
		return r.serial() > o.serial()
	}
	return o.Origin == "" || slices.Contains(r.Before, o.Origin) // "": nobody had signed in yet
}

// essence is the same for two records that differ in nothing but the note of an exchange.
func (r record) essence() string {
	return fmt.Sprint(r.serial(), r.Origin, digest(r.RefreshToken), r.Refused, r.SignedOut, r.Seeds)
}

// idle returns the record without the note of an exchange.
func (r record) idle() record {
	r.Renewing, r.RenewingBy, r.RenewingSeed = time.Time{}, "", ""
	return r
}

// renewBefore is how long before its end an access token is no longer used; a fifth of
// its life where that is less.
const renewBefore = time.Minute

func (r record) margin() time.Duration { return max(0, min(renewBefore, r.life()/5)) }

// life is how long the access token was given for.
func (r record) life() time.Duration { return r.Expires.Sub(r.Obtained) }

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
	if s.known && s.current.RefreshToken != "" && !s.current.Refused && (version == 0 || s.current.newerThan(stored)) {
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

// save writes current over the version that was last read, and merges it where somebody
// else has written since.
func (s *Source) save(ctx context.Context) error {
	err := s.put(ctx)
	if errors.Is(err, state.ErrConflict) {
		return s.merge(ctx)
	}
	return err
}

// merge writes current unless the store holds a record that should stay: a newer one, or
// this very one, whose writing only seemed to have failed.
func (s *Source) merge(ctx context.Context) error {
	stored, version, err := s.cfg.fetch(ctx, s.key)
	if err != nil {
		return err
	}
	ours := s.current
	stays := version != 0 && (stored.essence() == ours.essence() || stored.Origin != ours.Origin && !ours.newerThan(stored) ||
		stored.newerThan(ours) || ours.Refused && stored.RefreshToken != ours.RefreshToken)
	if stays {
		s.current, s.version, s.unsaved, s.known = stored, version, false, true
		s.publishStatus()
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

// saveLate saves what could not be saved before. It does not insist on the lease, which
// somebody may hold who waits for an answer: of two that write at once one has to merge.
func (s *Source) saveLate(ctx context.Context) error {
	release := s.cfg.leaseOrNot(ctx, s.key)
	defer release()
	if !s.unsaved {
		return nil
	}
	return s.merge(ctx)
}

// leasePatience is how long to wait for a lease that is good to have.
const leasePatience = 5 * time.Second

// leaseOrNot takes a lease if it can be had soon.
func (cfg Config) leaseOrNot(ctx context.Context, key string) (release func()) {
	patience := leasePatience
	if end, ok := ctx.Deadline(); ok {
		patience = min(patience, time.Until(end)/2)
	}
	soon, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	lease, err := cfg.Store.Lease(soon, key)
	if err != nil {
		return func() {}
	}
	return lease.Release
}
