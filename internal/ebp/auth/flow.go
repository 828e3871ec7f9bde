package auth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/url"

	"golang.org/x/oauth2"

	"github.com/benthos-ebp/benthos-ebp/internal/state"
)

// Flow is one sign-in of a person: authorization code with PKCE (RFC 7636), although
// EBP does not ask for the latter.
type Flow struct {
	cfg             Config
	oauth           oauth2.Config
	state, verifier string
}

// Reasons why a person's sign-in fails, to be told apart by errors.Is.
var (
	// ErrStateMismatch: the answer belongs to another sign-in, or to nobody's.
	ErrStateMismatch = errors.New("the answer does not belong to this sign-in")
	// ErrDenied: the person, or EBP, said no.
	ErrDenied = errors.New("EBP did not allow it")
	// ErrCodeRefused: the code was used before, or is older than its five minutes (L81).
	ErrCodeRefused = errors.New("the code is older than 5 minutes, was used before, or belongs to another redirect address")
	// ErrClientRefused: the client id or secret is wrong.
	ErrClientRefused = errors.New("EBP does not know this client id with this client secret")
	// ErrNoRefreshToken: the scope offline_access is missing (L83).
	ErrNoRefreshToken = errors.New("EBP gave no refresh token: oauth2.scopes must hold offline_access")
)

// NewFlow prepares a sign-in that comes back to redirect, which must be an address that
// EBP has registered for the client (L52).
func NewFlow(cfg Config, redirect string) *Flow {
	cfg = cfg.complete()
	f := &Flow{cfg: cfg, oauth: cfg.oauth(redirect), state: rand.Text(), verifier: oauth2.GenerateVerifier()}
	cfg.Redactor.Add(f.verifier)
	return f
}

// URL is the page where the person signs in. It holds no secret: a code that is got with
// it is worth nothing without what stays here.
func (f *Flow) URL() string {
	return f.oauth.AuthCodeURL(f.state, oauth2.S256ChallengeOption(f.verifier))
}

// Ready returns an error where the tokens could not be saved: a code that is got for
// nothing is a person's time.
func (f *Flow) Ready(ctx context.Context) error {
	key := Key(f.cfg.URL, f.cfg.ClientID, f.cfg.Profile)
	lease, err := f.cfg.Store.Lease(ctx, key)
	if err != nil {
		return fmt.Errorf("preparing %s for the tokens: %w", f.cfg.Store, err)
	}
	defer lease.Release()
	// A damaged record is put aside once there is another one.
	if err := f.cfg.Store.Reserve(ctx, key, recordBytes); err != nil && !errors.Is(err, state.ErrDamaged) {
		return fmt.Errorf("preparing %s for the tokens: %w", f.cfg.Store, err)
	}
	return nil
}

// Belongs reports whether an answer carries this sign-in's state: others, such as those
// of a page that was left open, change nothing and may be ignored.
func (f *Flow) Belongs(answer url.Values) bool {
	return subtle.ConstantTimeCompare([]byte(answer.Get("state")), []byte(f.state)) == 1
}

// Finish takes the query of the address that EBP sent the person back to, exchanges its
// code and saves the tokens. The tokens that were there before are replaced.
func (f *Flow) Finish(ctx context.Context, answer url.Values) (Status, error) {
	if !f.Belongs(answer) {
		return Status{}, fmt.Errorf("signing in: %w: begin again, and use the newest page only", ErrStateMismatch)
	}
	if code := answer.Get("error"); code != "" {
		said := code
		if d := answer.Get("error_description"); d != "" {
			said += ": " + d
		}
		return Status{}, fmt.Errorf("signing in: %w (%s)", ErrDenied, f.cfg.Redactor.String(said))
	}
	code := answer.Get("code")
	if code == "" {
		return Status{}, fmt.Errorf("signing in: %w: the address holds no code", ErrStateMismatch)
	}
	f.cfg.Redactor.Add(code)
	t, err := f.oauth.Exchange(context.WithValue(ctx, oauth2.HTTPClient, f.cfg.HTTP), code, oauth2.VerifierOption(f.verifier))
	if err != nil {
		return Status{}, f.exchangeFailed(err)
	}
	if t.RefreshToken == "" {
		return Status{}, fmt.Errorf("signing in: %w", ErrNoRefreshToken)
	}
	var saved record
	// Saving has time of its own: the tokens exist, whoever waits.
	own, cancel := context.WithTimeout(context.WithoutCancel(ctx), turnTime)
	defer cancel()
	err = f.cfg.replace(own, func(before record) (record, error) {
		saved = f.cfg.granted(before, t)
		saved.SignedIn = saved.Obtained
		return saved, nil
	})
	if err != nil {
		return Status{}, fmt.Errorf("the sign-in succeeded, but its tokens could not be kept: %w", err)
	}
	return f.cfg.status(saved, 1), nil
}

func (f *Flow) exchangeFailed(err error) error {
	var answer *oauth2.RetrieveError
	if !errors.As(err, &answer) {
		return fmt.Errorf("signing in: asking %s for the tokens: %s", f.cfg.URL.Host, f.cfg.Redactor.String(err.Error()))
	}
	said := f.cfg.Redactor.String(fmt.Sprintf("%s answered %d %s", f.cfg.URL.Host, answer.Response.StatusCode, answer.ErrorCode))
	switch answer.ErrorCode {
	case "invalid_grant":
		return fmt.Errorf("signing in: %w: begin again (%s)", ErrCodeRefused, said)
	case "invalid_client", "unauthorized_client":
		return fmt.Errorf("signing in: %w: check them against EBP's e-mail (%s)", ErrClientRefused, said)
	}
	return fmt.Errorf("signing in: %s: check oauth2.url", said)
}
