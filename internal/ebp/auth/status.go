package auth

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/benthos-ebp/benthos-ebp/internal/state"
)

// Status is what is known of a sign-in. It holds no secret.
type Status struct {
	Profile string `json:"profile"`
	// Store names where the tokens are.
	Store string `json:"store"`
	// SignedIn is false where there is no refresh token that may work, and Reason says
	// why.
	SignedIn bool   `json:"signed_in"`
	Reason   string `json:"reason,omitempty"`
	// Email and Name are those of the person who signed in, as the access token claims
	// them (L97); the token's signature is EBP's business and is not checked.
	Email string `json:"email,omitempty"`
	Name  string `json:"name,omitempty"`
	// AccessExpires and RefreshExpires are when the tokens end. The latter is reckoned:
	// 30 days after the token came (L71).
	AccessExpires  time.Time `json:"access_token_expires,omitzero"`
	RefreshExpires time.Time `json:"refresh_token_expires,omitzero"`
	// Renewed is when the tokens came, SignedInAt when the person signed in here.
	Renewed    time.Time `json:"renewed,omitzero"`
	SignedInAt time.Time `json:"signed_in_at,omitzero"`
	// Interrupted is when a renewal was begun whose outcome is not known, by RenewingBy.
	Interrupted time.Time `json:"interrupted,omitzero"`
	RenewingBy  string    `json:"renewing_by,omitempty"`
}

// Inspect reads the sign-in from the store. It makes no call.
func Inspect(ctx context.Context, cfg Config) (Status, error) {
	cfg = cfg.complete()
	r, version, err := cfg.fetch(ctx, Key(cfg.URL, cfg.ClientID, cfg.Profile))
	if err != nil {
		return Status{}, err
	}
	return cfg.status(r, version), nil
}

func (cfg Config) status(r record, version state.Version) Status {
	out := Status{Profile: cfg.Profile, Store: cfg.Store.String(), SignedInAt: r.SignedIn, Interrupted: r.Renewing, RenewingBy: r.RenewingBy}
	out.Email, out.Name = who(r.AccessToken)
	if r.RefreshToken != "" {
		out.Renewed, out.AccessExpires, out.RefreshExpires = r.Obtained, r.Expires, r.Obtained.Add(cfg.RefreshLifetime)
	}
	switch {
	case version == 0:
		out.Reason = "nobody has signed in"
	case r.SignedOut:
		out.Reason = "somebody has signed out"
	case r.Refused && r.Reason != "":
		out.Reason = r.Reason
	case r.Refused:
		out.Reason = "EBP has refused the refresh token"
	case r.RefreshToken == "":
		out.Reason = "there is no refresh token"
	case cfg.Now().After(out.RefreshExpires):
		out.Reason = "the refresh token has reached its end"
	default:
		out.SignedIn = true
	}
	return out
}

// publishStatus makes what is known of current readable without the turn.
func (s *Source) publishStatus() {
	status := s.cfg.status(s.current, s.version)
	s.mu.Lock()
	s.status = status
	s.mu.Unlock()
	s.cfg.Watch(status)
}

// who reads the claims of an access token. What is none has none.
func who(accessToken string) (email, name string) {
	parts := strings.Split(accessToken, ".")
	if len(parts) != 3 {
		return "", ""
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", ""
	}
	var claims struct {
		Email  string `json:"ebp.email"`
		Family string `json:"family_name"`
		Given  string `json:"given_name"`
	}
	if json.Unmarshal(raw, &claims) != nil {
		return "", ""
	}
	return claims.Email, strings.TrimSpace(claims.Given + " " + claims.Family)
}

// SignOut forgets the tokens of a sign-in. It makes no call: EBP documents none that
// would withdraw a token, so the refresh token stays good at EBP until it ends. Programs
// that use the sign-in have none once their access token ends. It reports whether there
// was a sign-in.
func SignOut(ctx context.Context, cfg Config) (was bool, err error) {
	cfg = cfg.complete()
	err = cfg.replace(ctx, func(before record) (record, error) {
		was = before.RefreshToken != ""
		return record{Serial: before.nextSerial(cfg.Now()), SignedOut: true}, nil
	})
	return was, err
}

// replace writes a record, on a person's request, over what the store holds: a damaged
// one is put aside.
func (cfg Config) replace(ctx context.Context, change func(before record) (record, error)) error {
	key := Key(cfg.URL, cfg.ClientID, cfg.Profile)
	// A renewal that waits for its answer holds the lease. A person need not wait as long,
	// nor lose what they got: what the renewal saves in the end makes way for it.
	release := cfg.leaseOrNot(ctx, key)
	defer release()
	for tries := 1; ; tries++ {
		before, version, err := cfg.fetch(ctx, key)
		if errors.Is(err, state.ErrDamaged) {
			where, asideErr := cfg.Store.SetAside(ctx, key)
			if asideErr != nil {
				return fmt.Errorf("%w; putting it aside: %w", err, asideErr)
			}
			cfg.Log.Warnf("profile %q: the record of the last sign-in was damaged; it is now at %s", cfg.Profile, where)
			before, version, err = record{}, 0, nil
		}
		if err != nil {
			return err
		}
		next, err := change(before)
		if err != nil {
			return err
		}
		_, err = cfg.put(ctx, key, next.replacing(before, rand.Text()), version)
		if errors.Is(err, state.ErrConflict) && tries < mostTries {
			continue // a renewal was saved after its lease was lost
		}
		return err
	}
}
