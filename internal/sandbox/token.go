package sandbox

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// tokenOperation names calls of the token endpoint.
const tokenOperation = "oauth.token"

// RefreshTokenLifetime is how long a refresh token is valid (L71).
const RefreshTokenLifetime = 30 * 24 * time.Hour

// tokenScope is what a sign-in with offline access is granted (L53).
const tokenScope = "openid profile offline_access"

// tokenBook is the authorization server's memory.
type tokenBook struct {
	lifetime time.Duration

	keyMu  sync.RWMutex
	secret []byte

	mu      sync.Mutex
	refresh map[string]time.Time // unused refresh tokens and their expiry
	serial  int
	current string // the token Credentials hands out while it is not used
}

func newTokenBook(o Options) *tokenBook {
	b := &tokenBook{lifetime: o.AccessTokenLifetime, refresh: map[string]time.Time{}, secret: make([]byte, 32)}
	rand.Read(b.secret)
	first := o.Credentials.RefreshToken
	if first == "" {
		sum := sha256.Sum256(fmt.Appendf(nil, "sandbox refresh token %d", o.Seed))
		first = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	b.current = first
	b.refresh[first] = o.Now().Add(RefreshTokenLifetime)
	return b
}

// signIn makes a new refresh token: 43 characters, opaque.
func (b *tokenBook) signIn(now time.Time) string {
	raw := make([]byte, 32)
	rand.Read(raw)
	t := base64.RawURLEncoding.EncodeToString(raw)
	b.refresh[t] = now.Add(RefreshTokenLifetime)
	return t
}

// take uses up a refresh token, and reports whether it was valid.
func (b *tokenBook) take(token string, now time.Time) bool {
	expiry, ok := b.refresh[token]
	delete(b.refresh, token)
	return ok && now.Before(expiry)
}

// jwt signs claims as an access or identity token.
func (b *tokenBook) jwt(typ string, claims map[string]any) string {
	head, _ := json.Marshal(map[string]string{"alg": "HS256", "typ": typ, "kid": "sandbox"})
	body, _ := json.Marshal(claims)
	signed := base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString(body)
	return signed + "." + b.sign(signed)
}

func (b *tokenBook) sign(signed string) string {
	b.keyMu.RLock()
	m := hmac.New(sha256.New, b.secret)
	b.keyMu.RUnlock()
	m.Write([]byte(signed))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// check returns why an access token is refused, or "".
func (b *tokenBook) check(token string, now time.Time) string {
	const unknown = "Le jeton d'accès est inconnu"
	i := strings.LastIndexByte(token, '.')
	if i < 0 || !hmac.Equal([]byte(token[i+1:]), []byte(b.sign(token[:i]))) {
		return unknown
	}
	head, body, _ := strings.Cut(token[:i], ".")
	var h struct{ Typ string }
	var c struct{ Exp int64 }
	if !decodePart(head, &h) || !decodePart(body, &c) || h.Typ != "at+jwt" {
		return unknown
	}
	if now.Unix() >= c.Exp {
		return "Le jeton d'accès a expiré"
	}
	return ""
}

func decodePart(part string, v any) bool {
	raw, err := base64.RawURLEncoding.DecodeString(part)
	return err == nil && json.Unmarshal(raw, v) == nil
}

// Credentials returns what a client needs: the keys, and a refresh token that
// is valid now. While that token is not used, the same one is returned.
func (s *Server) Credentials() Credentials {
	c := s.options.Credentials
	b := s.tokens
	b.mu.Lock()
	defer b.mu.Unlock()
	now := s.options.Now()
	if expiry, ok := b.refresh[b.current]; !ok || !now.Before(expiry) {
		b.current = b.signIn(now)
	}
	c.RefreshToken = b.current
	return c
}

// NewRefreshToken signs in again: it returns another refresh token, valid
// once and for 30 days. The tokens of other sign-ins stay valid.
func (s *Server) NewRefreshToken() string {
	s.tokens.mu.Lock()
	defer s.tokens.mu.Unlock()
	return s.tokens.signIn(s.options.Now())
}

// AccessToken returns a valid access token without a call of the token
// endpoint, for tests that do not care about tokens.
func (s *Server) AccessToken() string {
	return s.tokens.access(s.options.Now())
}

// RevokeTokens refuses every access and refresh token issued so far, as if
// the user had changed the password.
func (s *Server) RevokeTokens() {
	b := s.tokens
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.refresh)
	fresh := make([]byte, 32)
	rand.Read(fresh)
	b.keyMu.Lock()
	b.secret = fresh
	b.keyMu.Unlock()
}

func (b *tokenBook) access(now time.Time) string {
	return b.jwt("at+jwt", b.claims(now))
}

// claims are those of the document (L97) and of real tokens.
func (b *tokenBook) claims(now time.Time) map[string]any {
	b.mu.Lock()
	b.serial++
	n := b.serial
	b.mu.Unlock()
	return map[string]any{
		"iss": "https://sandbox", "sub": "5b1f6f1e-7d0c-4d8e-9a51-0c6c1f3a2b4d",
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(b.lifetime).Unix(), "jti": fmt.Sprintf("%032X", n),
		"ebp.email": "camille.martin@example.fr", "family_name": "Martin", "given_name": "Camille",
		"scope": strings.Fields(tokenScope),
	}
}

// serveToken is POST /connect/token (L66). Only a form body is read.
func (s *Server) serveToken(r *http.Request) answer {
	if r.Method != http.MethodPost {
		return oauthError(http.StatusMethodNotAllowed, "invalid_request")
	}
	if t, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); t != "application/x-www-form-urlencoded" {
		return oauthError(http.StatusBadRequest, "invalid_request")
	}
	r.Body = http.MaxBytesReader(nil, r.Body, 1<<20)
	if err := r.ParseForm(); err != nil {
		return oauthError(http.StatusBadRequest, "invalid_request")
	}
	f := r.PostForm
	id, secret := f.Get("client_id"), f.Get("client_secret")
	if user, pass, ok := r.BasicAuth(); ok && id == "" {
		id, _ = url.QueryUnescape(user)
		secret, _ = url.QueryUnescape(pass)
	}
	want := s.options.Credentials
	if !same(id, want.ClientID) || !same(secret, want.ClientSecret) {
		return oauthError(http.StatusBadRequest, "invalid_client")
	}
	switch f.Get("grant_type") {
	case "refresh_token":
	case "":
		return oauthError(http.StatusBadRequest, "invalid_request")
	default:
		return oauthError(http.StatusBadRequest, "unsupported_grant_type")
	}
	if f.Get("refresh_token") == "" {
		return oauthError(http.StatusBadRequest, "invalid_request")
	}
	now := s.options.Now()
	s.tokens.mu.Lock()
	ok := s.tokens.take(f.Get("refresh_token"), now)
	next := ""
	if ok {
		next = s.tokens.signIn(now)
	}
	s.tokens.mu.Unlock()
	if !ok {
		return oauthError(http.StatusBadRequest, "invalid_grant")
	}
	claims := s.tokens.claims(now)
	claims["aud"] = want.ClientID
	a := jsonAnswer(http.StatusOK, struct {
		IDToken      string `json:"id_token"`
		AccessToken  string `json:"access_token"`
		ExpiresIn    int    `json:"expires_in"`
		TokenType    string `json:"token_type"`
		RefreshToken string `json:"refresh_token"`
		Scope        string `json:"scope"`
	}{
		s.tokens.jwt("JWT", claims), s.tokens.access(now),
		int(s.options.AccessTokenLifetime / time.Second), "Bearer", next, tokenScope,
	})
	a.header = http.Header{"Cache-Control": {"no-store, no-cache, max-age=0"}, "Pragma": {"no-cache"}}
	return a
}

func oauthError(status int, code string) answer {
	return jsonAnswer(status, map[string]string{"error": code})
}
