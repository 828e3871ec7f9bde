package sandbox

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// mint signs the tokens that clients can read, and knows its own again.
type mint struct {
	lifetime time.Duration // of access tokens
	serial   atomic.Int64

	mu      sync.RWMutex
	secret  []byte
	refused map[int]bool // sign-ins whose access tokens are refused
}

func newMint(lifetime time.Duration) *mint {
	m := &mint{lifetime: lifetime, refused: map[int]bool{}}
	m.renew()
	return m
}

// renew takes a new secret, so that no token issued so far is accepted.
func (m *mint) renew() {
	fresh := make([]byte, 32)
	rand.Read(fresh)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.secret = fresh
}

// refuse refuses the access tokens of one sign-in from now on.
func (m *mint) refuse(lineage int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refused[lineage] = true
}

// claims are those of the document (L97) and of real tokens. Times are whole
// seconds: the expiry is rounded up, or a token of one second would be dead
// before it arrives.
func (m *mint) claims(issuer string, s *signIn, scope []string, now time.Time) map[string]any {
	return map[string]any{
		"iss": issuer, "sub": s.account.subject, "sid": fmt.Sprintf("%032X", s.lineage),
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(m.lifetime + time.Second - 1).Unix(),
		"jti":       fmt.Sprintf("%032X", m.serial.Add(1)),
		"ebp.email": s.account.email, "family_name": s.account.family, "given_name": s.account.given,
		"scope": scope,
	}
}

// access returns an access token.
func (m *mint) access(claims map[string]any) string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return jwt("at+jwt", claims, m.secret)
}

// expiresIn is what the token endpoint says: whole seconds, rounded down.
func (m *mint) expiresIn() int { return max(int(m.lifetime/time.Second), 1) }

// check returns why an access token is refused, or "".
func (m *mint) check(token string, now time.Time) string {
	const unknown = "Le jeton d'accès est inconnu"
	i := strings.LastIndexByte(token, '.')
	if i < 0 {
		return unknown
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	if !hmac.Equal([]byte(token[i+1:]), []byte(signature(token[:i], m.secret))) {
		return unknown
	}
	head, body, _ := strings.Cut(token[:i], ".")
	var h struct{ Typ string }
	var c struct {
		Exp int64
		Sid string
	}
	if !decodePart(head, &h) || !decodePart(body, &c) || h.Typ != "at+jwt" {
		return unknown
	}
	lineage, err := strconv.ParseInt(c.Sid, 16, 64)
	if err != nil || m.refused[int(lineage)] {
		return "Le jeton d'accès a été révoqué"
	}
	if now.Unix() >= c.Exp {
		return "Le jeton d'accès a expiré"
	}
	return ""
}

// jwt signs claims as an access or identity token.
func jwt(typ string, claims map[string]any, secret []byte) string {
	head, _ := json.Marshal(map[string]string{"alg": "HS256", "typ": typ, "kid": "sandbox"})
	body, _ := json.Marshal(claims)
	signed := base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString(body)
	return signed + "." + signature(signed, secret)
}

func signature(signed string, secret []byte) string {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(signed))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

func decodePart(part string, v any) bool {
	raw, err := base64.RawURLEncoding.DecodeString(part)
	return err == nil && json.Unmarshal(raw, v) == nil
}
