package sandbox

import (
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// tokenOperation names calls of the token endpoint.
const tokenOperation = "oauth.token"

// tokenCall is a call of the token endpoint, read but not yet acted upon.
type tokenCall struct {
	method string
	issuer string
	isForm bool
	form   url.Values
	event  TokenEvent
	logged *TokenEvent // once the outcome is known
}

// readTokenCall reads a call. Only a form body is read.
func (s *Server) readTokenCall(r *http.Request) *tokenCall {
	c := &tokenCall{method: r.Method, issuer: issuer(r), event: TokenEvent{Remote: r.RemoteAddr}}
	if t, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); t != "application/x-www-form-urlencoded" {
		return c
	}
	r.Body = http.MaxBytesReader(nil, r.Body, 1<<20)
	if err := r.ParseForm(); err != nil {
		return c
	}
	c.isForm, c.form = true, r.PostForm
	if user, pass, ok := r.BasicAuth(); ok && c.form.Get("client_id") == "" {
		id, _ := url.QueryUnescape(user)
		secret, _ := url.QueryUnescape(pass)
		c.form.Set("client_id", id)
		c.form.Set("client_secret", secret)
	}
	switch grant := c.form.Get("grant_type"); grant {
	case "", "refresh_token", "authorization_code":
		c.event.Grant = grant
	default:
		c.event.Grant = "other" // its text is the client's, who knows what it holds
	}
	if text := c.form.Get("refresh_token"); text != "" {
		s.tokens.mu.Lock()
		defer s.tokens.mu.Unlock()
		if t := s.tokens.find(text); t != nil {
			c.event.Presented, c.event.Lineage = t.serial, t.signIn.lineage
		}
	}
	return c
}

// logToken records the outcome of a call.
func (s *Server) logToken(c *tokenCall, outcome string) {
	c.event.Time, c.event.Outcome = s.options.Now(), outcome
	c.logged = s.tokenLog.add(c.event)
}

// serveToken is POST /connect/token (L66).
func (s *Server) serveToken(c *tokenCall) answer {
	b := s.tokens
	b.mu.Lock()
	defer b.mu.Unlock()
	now := s.options.Now()
	g, outcome := s.grant(c, now)
	if g.signIn != nil {
		c.event.Lineage = g.signIn.lineage
	}
	if outcome != TokenIssued {
		s.logToken(c, outcome)
		return tokenRefusal(c, outcome)
	}
	out := tokenAnswer{ExpiresIn: b.mint.expiresIn(), TokenType: "Bearer", Scope: strings.Join(g.scope, " ")}
	if slices.Contains(g.signIn.scope, "offline_access") {
		text, t := b.issue(g.signIn, now)
		out.RefreshToken, c.event.Issued = text, t.serial
	}
	s.logToken(c, outcome)
	out.AccessToken = b.mint.access(b.mint.claims(c.issuer, g.signIn, g.scope, now))
	if slices.Contains(g.scope, "openid") {
		claims := b.mint.claims(c.issuer, g.signIn, g.scope, now)
		claims["aud"] = s.options.Credentials.ClientID
		if g.nonce != "" {
			claims["nonce"] = g.nonce
		}
		// With the client's secret, as OpenID Connect has it for this algorithm:
		// the client can check it.
		out.IDToken = jwt("JWT", claims, []byte(s.options.Credentials.ClientSecret))
	}
	a := jsonAnswer(http.StatusOK, out)
	a.header = tokenHeader()
	return a
}

// tokenAnswer is what the real service answers; members without a value are
// left out.
type tokenAnswer struct {
	IDToken      string `json:"id_token,omitempty"`
	AccessToken  string `json:"access_token"`
	ExpiresIn    int    `json:"expires_in"`
	TokenType    string `json:"token_type"`
	RefreshToken string `json:"refresh_token,omitempty"`
	Scope        string `json:"scope"`
}

// granted is what a call of the token endpoint is given, or would have been.
type granted struct {
	signIn *signIn
	scope  []string
	nonce  string
}

// grant checks a call and uses up what it presents.
func (s *Server) grant(c *tokenCall, now time.Time) (granted, string) {
	if c.method != http.MethodPost || !c.isForm {
		return granted{}, TokenInvalidRequest
	}
	want := s.options.Credentials
	if !same(c.form.Get("client_id"), want.ClientID) || !same(c.form.Get("client_secret"), want.ClientSecret) {
		return granted{}, TokenInvalidClient
	}
	switch c.event.Grant {
	case "refresh_token":
		return s.tokens.grantRefresh(c.form, now)
	case "authorization_code":
		return s.tokens.grantCode(c.form, now)
	case "":
		return granted{}, TokenInvalidRequest
	}
	return granted{}, TokenUnsupportedGrant
}

// grantRefresh uses a refresh token up. A narrower scope may be asked for
// (RFC 6749 §6); the next refresh token has the whole one again.
func (b *tokenBook) grantRefresh(form url.Values, now time.Time) (granted, string) {
	text := form.Get("refresh_token")
	if text == "" {
		return granted{}, TokenInvalidRequest
	}
	t := b.find(text)
	switch t.state(now) {
	case RefreshUnknown:
		return granted{}, TokenUnknown
	case RefreshUsed:
		return granted{}, TokenReplayed
	case RefreshRevoked:
		return granted{}, TokenRevoked
	case RefreshExpired:
		return granted{}, TokenExpired
	}
	scope := t.signIn.scope
	if asked := strings.Fields(form.Get("scope")); len(asked) > 0 {
		for _, one := range asked {
			if !slices.Contains(scope, one) {
				return granted{}, TokenInvalidScope
			}
		}
		scope = asked
	}
	b.use(text, t)
	return granted{signIn: t.signIn, scope: scope}, TokenIssued
}

// tokenRefusal is how IdentityServer says no: it does not tell why a grant is
// not valid.
func tokenRefusal(c *tokenCall, outcome string) answer {
	status, code := http.StatusBadRequest, "invalid_grant"
	if c.method != http.MethodPost {
		status = http.StatusMethodNotAllowed
	}
	switch outcome {
	case TokenInvalidRequest, TokenInvalidClient, TokenInvalidScope, TokenUnsupportedGrant:
		code = outcome
	}
	a := jsonAnswer(status, map[string]string{"error": code})
	a.header = tokenHeader()
	return a
}

func tokenHeader() http.Header {
	return http.Header{"Cache-Control": {"no-store, no-cache, max-age=0"}, "Pragma": {"no-cache"}}
}

// issuer is the address under which a client has reached this server.
func issuer(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}
