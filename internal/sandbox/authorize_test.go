package sandbox_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
)

func TestAuthorizeRedirectsNobodyToAnAddressThatIsNotRegistered(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	for _, to := range []string{
		"https://evil.example", "http://localhost:3333.evil.example", "http://localhost:33333", "http://localhost:3333@evil.example",
		"http://localhost:3333/../..//evil.example", "http://localhost:3333/callback", "http://localhost:3333//", "http://localhost:3333?a=b",
		"http://localhost:3333#x", "https://localhost:3333", "HTTP://LOCALHOST:3333", "//evil.example", "/\\evil.example", " http://localhost:3333",
		"http://localhost:3333\r\nSet-Cookie: a=b", "javascript:alert(1)", "",
	} {
		// Also where something else is wrong, which is told by a redirect.
		for _, scope := range []string{"openid", "nonsense"} {
			r := newBrowser(t, c.s).open(authorize(c.s, "redirect_uri", to, "scope", scope))
			require.Equal(t, 400, r.status, to)
			require.Empty(t, r.header.Get("Location"), to)
			require.Contains(t, r.header.Get("Content-Type"), "text/html")
			require.Contains(t, r.body, "redirect_uri")
		}
	}
	twice := authorize(c.s) + "&redirect_uri=" + url.QueryEscape("https://evil.example")
	require.Equal(t, 400, newBrowser(t, c.s).open(twice).status)
}

func TestNoPageRedirectsToAnAddressThatIsNotRegistered(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	evil := strings.TrimPrefix(authorize(c.s, "redirect_uri", "https://evil.example"), "/connect/authorize")
	b := newBrowser(t, c.s)
	good := b.signIn(authorize(c.s), "camille.martin@example.fr")
	form := url.Values{"csrf": {csrfOf(t, b.open(good))}, "decision": {"allow"}, "email": {"a@example.fr"}, "password": {"any"}}
	for _, path := range []string{"/account/login", "/consent"} {
		for _, r := range []reply{b.open(path + evil), b.submit(path+evil, form)} {
			require.Equal(t, 400, r.status)
			require.Empty(t, r.header.Get("Location"))
		}
	}
}

func TestAuthorizeRefusesAnUnknownClientOnAPage(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	for _, id := range []string{"", "somebody", "sandbox-client "} {
		r := newBrowser(t, c.s).open(authorize(c.s, "client_id", id))
		require.Equal(t, 400, r.status)
		require.Empty(t, r.header.Get("Location"))
		require.Contains(t, r.body, "client_id")
	}
}

func TestAuthorizeTellsTheClientWhatElseIsWrong(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	for _, k := range []struct{ name, value, want string }{
		{"response_type", "token", "unsupported_response_type"}, {"response_type", "code id_token", "unsupported_response_type"},
		{"response_type", "", "invalid_request"}, {"response_mode", "fragment", "invalid_request"},
		{"scope", "", "invalid_request"}, {"scope", "openid everything", "invalid_scope"}, {"scope", "profile offline_access", "invalid_scope"},
		{"code_challenge", "short", "invalid_request"}, {"code_challenge", strings.Repeat("é", 43), "invalid_request"},
		{"code_challenge", strings.Repeat("a", 129), "invalid_request"}, {"prompt", "none", "login_required"},
	} {
		back := location(t, newBrowser(t, c.s).open(authorize(c.s, k.name, k.value)))
		require.Equal(t, "localhost:3333", back.Host, k)
		require.Equal(t, k.want, back.Query().Get("error"), k)
		require.NotEmpty(t, back.Query().Get("error_description"), k)
		require.Equal(t, "the state & more", back.Query().Get("state"), k)
		require.Empty(t, back.Query().Get("code"))
	}
	back := location(t, newBrowser(t, c.s).open(authorize(c.s, "code_challenge", s256(verifier), "code_challenge_method", "S512")))
	require.Equal(t, "invalid_request", back.Query().Get("error"))
	back = location(t, newBrowser(t, c.s).open(authorize(c.s)+"&scope=openid"))
	require.Equal(t, "invalid_request", back.Query().Get("error"), "given twice")
	back = location(t, newBrowser(t, c.s).open(authorize(c.s, "scope", "", "state", "")))
	require.NotContains(t, back.Query(), "state", "none was sent")
}

func TestRegisteredAddressesAreExactButForASlashAtTheEnd(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1, RedirectURIs: []string{"https://one.example/cb?x=1", "http://127.0.0.1:9/done/"}})
	for _, to := range []string{"https://one.example/cb?x=1", "http://127.0.0.1:9/done/", "http://127.0.0.1:9/done"} {
		b := newBrowser(t, c.s)
		back := b.decide(b.signIn(authorize(c.s, "redirect_uri", to), "camille.martin@example.fr"), "allow")
		require.True(t, strings.HasPrefix(back.String(), to), back)
		require.NotEmpty(t, back.Query().Get("code"))
		require.Equal(t, "the state & more", back.Query().Get("state"))
		require.Equal(t, strings.Contains(to, "?"), back.Query().Get("x") == "1")
	}
	for _, to := range []string{redirectURI, "https://one.example/cb", "https://one.example/cb?x=1&y=2", "http://127.0.0.1:9/Done"} {
		require.Equal(t, 400, newBrowser(t, c.s).open(authorize(c.s, "redirect_uri", to)).status, to)
	}
	slash := start(t, sandbox.Options{Rows: 1})
	require.Equal(t, 302, newBrowser(t, slash.s).open(authorize(slash.s, "redirect_uri", redirectURI+"/")).status)
}

func TestCallbackIsNotToBeCalledDirectly(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	r := newBrowser(t, c.s).open(strings.Replace(authorize(c.s), "authorize?", "authorize/callback?", 1))
	require.Equal(t, 400, r.status)
	require.Empty(t, r.header.Get("Location"))
	require.Contains(t, r.body, "/connect/authorize")
}

func TestPromptsAreHeeded(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	b := newBrowser(t, c.s)
	b.signIn(authorize(c.s), "camille.martin@example.fr")
	require.Equal(t, "/consent", location(t, b.open(authorize(c.s))).Path, "already signed in")
	require.Equal(t, "/consent", location(t, b.open(authorize(c.s, "prompt", "consent select_account"))).Path)
	require.Equal(t, "/account/login", location(t, b.open(authorize(c.s, "prompt", "login"))).Path)
	require.Equal(t, "/consent", strings.Split(b.signIn(authorize(c.s, "prompt", "login"), "a@example.fr"), "?")[0])
	require.Equal(t, "consent_required", location(t, b.open(authorize(c.s, "prompt", "none"))).Query().Get("error"))
	c.s.RevokeTokens()
	require.Equal(t, "/account/login", location(t, b.open(authorize(c.s))).Path, "signed out")
}

func TestPagesEscapeWhatTheyReflect(t *testing.T) {
	const markup = `"><script>alert('x')</script>&amp;`
	c := start(t, sandbox.Options{Rows: 1, Credentials: sandbox.Credentials{ClientID: markup}})
	b := newBrowser(t, c.s)
	login := location(t, b.open(authorize(c.s))).String()
	page := b.open(login)
	consent := b.signIn(authorize(c.s), "camille.martin@example.fr")
	csrf := csrfOf(t, b.open(consent))
	for name, r := range map[string]reply{
		"client":         page,
		"consent":        b.open(consent),
		"query":          b.open(consent + "&x=" + url.QueryEscape(markup)),
		"e-mail":         b.submit(login, url.Values{"csrf": {csrf}, "email": {markup}, "password": {"any"}}),
		"unknown client": b.open(authorize(c.s, "client_id", markup+"!")),
		"address":        b.open(authorize(c.s, "redirect_uri", markup)),
	} {
		assert.NotContains(t, r.body, "<script", name)
		if name != "query" {
			assert.Contains(t, r.body, "&lt;script&gt;", name)
		}
	}
	back := location(t, b.open(authorize(c.s, "scope", "openid "+markup)))
	require.NotContains(t, back.RawQuery, "alert")
}

func TestPagesAreNoCallsAndMeetNoFaults(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	c.s.SetFault(func(sandbox.Call) *sandbox.Fault { return &sandbox.Fault{Status: 503} })
	code(t, c.s)
	require.Zero(t, c.s.CallCount())
	require.Zero(t, c.s.TokenCalls())
}

func TestPagesRefuseOtherMethods(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	b := newBrowser(t, c.s)
	for path, method := range map[string]string{"/connect/authorize": http.MethodPost, "/account/login": http.MethodPut, "/consent": http.MethodDelete} {
		req, err := http.NewRequest(method, c.s.LoginURL()+path, nil)
		require.NoError(t, err)
		r := b.do(req)
		require.Equal(t, 405, r.status, path)
		require.Contains(t, r.header.Get("Allow"), "GET")
	}
}

func TestDiscoveryDescribesTheAuthorizationServer(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	var d struct {
		Issuer    string
		Authorize string   `json:"authorization_endpoint"`
		Token     string   `json:"token_endpoint"`
		JWKS      string   `json:"jwks_uri"`
		Scopes    []string `json:"scopes_supported"`
		PKCE      []string `json:"code_challenge_methods_supported"`
	}
	inspect(t, c.s, "/.well-known/openid-configuration", &d)
	base := c.s.LoginURL()
	require.Equal(t, base, d.Issuer)
	require.Equal(t, base+"/connect/authorize", d.Authorize)
	require.Equal(t, base+"/connect/token", d.Token)
	require.Equal(t, []string{"openid", "profile", "offline_access"}, d.Scopes)
	require.Equal(t, []string{"plain", "S256"}, d.PKCE)
	var keys struct{ Keys []any }
	inspect(t, c.s, strings.TrimPrefix(d.JWKS, base), &keys)
	require.NotNil(t, keys.Keys)
	_, got := refresh(t, c.s, c.s.NewRefreshToken())
	require.Equal(t, d.Issuer, claims(t, got.IDToken)["iss"])
}
