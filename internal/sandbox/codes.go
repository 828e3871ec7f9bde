package sandbox

import (
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"time"
)

// maxCodes bounds the memory of authorization codes; the oldest are forgotten.
const maxCodes = 10_000

// authCode is an authorization code and what it is bound to.
type authCode struct {
	signIn    *signIn
	request   *authorizeRequest
	expires   time.Time
	presented bool
}

// newCode ends a passage through the pages: it starts a sign-in, and returns
// the code with which the client fetches its tokens.
func (s *Server) newCode(a account, r *authorizeRequest) string {
	b := s.tokens
	b.mu.Lock()
	defer b.mu.Unlock()
	text := randomText()
	b.codes.add(text, &authCode{
		signIn: b.signIn(a, r.scope), request: r, expires: s.options.Now().Add(s.options.CodeLifetime),
	})
	return text
}

// grantCode uses an authorization code up (L71: once, within five minutes),
// also when the rest of the call is wrong, as IdentityServer does. A code that
// comes again is in the wrong hands or was: what it gave is withdrawn (RFC
// 6749 §4.1.2).
func (b *tokenBook) grantCode(form url.Values, now time.Time) (granted, string) {
	c, ok := b.codes.get(form.Get("code"))
	if !ok {
		return granted{}, TokenInvalidCode
	}
	g := granted{signIn: c.signIn, scope: c.signIn.scope, nonce: c.request.nonce}
	if c.presented {
		c.signIn.revoked = true
		b.mint.refuse(c.signIn.lineage)
		return g, TokenCodeReplayed
	}
	c.presented = true
	switch {
	case c.signIn.revoked:
		return g, TokenRevoked
	case !now.Before(c.expires):
		return g, TokenCodeExpired
	case form.Get("redirect_uri") != c.request.redirectURI, !c.request.verifies(form.Get("code_verifier")):
		return g, TokenInvalidCode
	}
	return g, TokenIssued
}

// verifies reports whether a verifier fits the challenge of the request (RFC
// 7636). A verifier without a challenge fits nothing: the challenge was lost
// on the way.
func (r *authorizeRequest) verifies(verifier string) bool {
	if r.challenge == "" {
		return verifier == ""
	}
	if !pkceText(verifier) {
		return false
	}
	if r.method == "S256" {
		sum := sha256.Sum256([]byte(verifier))
		verifier = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return same(verifier, r.challenge)
}
