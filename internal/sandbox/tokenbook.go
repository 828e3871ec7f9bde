package sandbox

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"time"
)

// tokenScope is what a sign-in with offline access is granted (L53).
const tokenScope = "openid profile offline_access"

// The states of a refresh token, as RefreshTokenSerial tells them.
const (
	RefreshUnused  = "unused"  // it would be accepted now
	RefreshUsed    = "used"    // it was exchanged for the next one
	RefreshExpired = "expired" // it was never used, and it is too late
	RefreshRevoked = "revoked" // it was never used, and its sign-in is withdrawn
	RefreshUnknown = "unknown" // this sandbox never issued it
)

// signIn is one passage through the sign-in page, or what stands for one. All
// tokens that follow from it share it.
type signIn struct {
	lineage int // its number, from 1
	account account
	scope   []string
	revoked bool
}

// refreshToken is what is known of a refresh token besides its text.
type refreshToken struct {
	serial  int // its number, from 1
	signIn  *signIn
	expires time.Time
	used    bool
}

func (t *refreshToken) state(now time.Time) string {
	switch {
	case t == nil:
		return RefreshUnknown
	case t.used:
		return RefreshUsed
	case t.signIn.revoked:
		return RefreshRevoked
	case !now.Before(t.expires):
		return RefreshExpired
	}
	return RefreshUnused
}

// tokenBook is the authorization server's memory.
type tokenBook struct {
	mint            *mint
	refreshLifetime time.Duration

	mu       sync.Mutex
	unused   map[string]*refreshToken
	used     *memory[*refreshToken]
	codes    *memory[*authCode]
	serials  int
	lineages int
	current  string // the token Credentials hands out while it is not used
}

func newTokenBook(o Options) *tokenBook {
	b := &tokenBook{
		mint: newMint(o.AccessTokenLifetime), refreshLifetime: o.RefreshTokenLifetime,
		unused: map[string]*refreshToken{}, used: newMemory[*refreshToken](maxCalls),
		codes: newMemory[*authCode](maxCodes),
	}
	b.current = o.Credentials.RefreshToken
	if b.current == "" {
		sum := sha256.Sum256(fmt.Appendf(nil, "sandbox refresh token %d", o.Seed))
		b.current = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	b.keep(b.current, b.signIn(defaultAccount, strings.Fields(tokenScope)), o.Now())
	return b
}

// signIn starts a lineage of tokens.
func (b *tokenBook) signIn(a account, scope []string) *signIn {
	b.lineages++
	return &signIn{lineage: b.lineages, account: a, scope: scope}
}

// issue makes a new refresh token: 43 characters, opaque.
func (b *tokenBook) issue(s *signIn, now time.Time) (string, *refreshToken) {
	text := randomText()
	return text, b.keep(text, s, now)
}

func (b *tokenBook) keep(text string, s *signIn, now time.Time) *refreshToken {
	b.serials++
	t := &refreshToken{serial: b.serials, signIn: s, expires: now.Add(b.refreshLifetime)}
	b.unused[text] = t
	return t
}

// find returns a refresh token this sandbox issued, or nil.
func (b *tokenBook) find(text string) *refreshToken {
	if t, ok := b.unused[text]; ok {
		return t
	}
	t, _ := b.used.get(text)
	return t
}

// use marks an unused refresh token as used.
func (b *tokenBook) use(text string, t *refreshToken) {
	t.used = true
	delete(b.unused, text)
	b.used.add(text, t)
}

// randomText is what tokens, codes and sessions are made of.
func randomText() string {
	raw := make([]byte, 32)
	rand.Read(raw)
	return base64.RawURLEncoding.EncodeToString(raw)
}

// Credentials returns what a client needs: the keys, and a refresh token that
// is valid now. While that token is not used, the same one is returned.
func (s *Server) Credentials() Credentials {
	c := s.options.Credentials
	b := s.tokens
	b.mu.Lock()
	defer b.mu.Unlock()
	now := s.options.Now()
	if b.find(b.current).state(now) != RefreshUnused {
		b.current, _ = b.issue(b.signIn(defaultAccount, strings.Fields(tokenScope)), now)
	}
	c.RefreshToken = b.current
	return c
}

// NewRefreshToken signs in again: it returns another refresh token, valid
// once and for Options.RefreshTokenLifetime. The tokens of other sign-ins
// stay valid.
func (s *Server) NewRefreshToken() string {
	b := s.tokens
	b.mu.Lock()
	defer b.mu.Unlock()
	text, _ := b.issue(b.signIn(defaultAccount, strings.Fields(tokenScope)), s.options.Now())
	return text
}

// RefreshTokenSerial looks a refresh token up: its number as TokenEvent has
// it, and its state now, one of RefreshUnused, RefreshUsed, RefreshExpired,
// RefreshRevoked and RefreshUnknown (then the number is 0). Looking uses
// nothing up. Of used tokens the last 100 000 are known.
func (s *Server) RefreshTokenSerial(token string) (serial int, state string) {
	b := s.tokens
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.find(token)
	if t != nil {
		serial = t.serial
	}
	return serial, t.state(s.options.Now())
}

// AccessToken returns a valid access token without a call of the token
// endpoint, for tests that do not care about tokens.
func (s *Server) AccessToken() string {
	all := &signIn{account: defaultAccount}
	m := s.tokens.mint
	return m.access(m.claims(s.LoginURL(), all, strings.Fields(tokenScope), s.options.Now()))
}

// RevokeTokens refuses every access token, refresh token and authorization
// code issued so far and signs every browser out, as if the user had changed
// the password.
func (s *Server) RevokeTokens() {
	b := s.tokens
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range b.unused {
		t.signIn.revoked = true
	}
	for _, c := range b.codes.values {
		c.signIn.revoked = true
	}
	b.mint.renew()
	s.sessions.forget()
}
