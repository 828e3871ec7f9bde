package sandbox_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
)

func TestSignInPageAsksInFrenchWithStableNames(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	b := newBrowser(t, c.s)
	page := b.open(location(t, b.open(authorize(c.s))).String())
	require.Equal(t, 200, page.status)
	require.Equal(t, "text/html; charset=utf-8", page.header.Get("Content-Type"))
	for _, want := range []string{
		`<html lang="fr">`, "Connectez-vous", c.s.Credentials().ClientID, "n'importe quel mot de passe",
		`<label for="email">`, `id="email" name="email"`, `value="camille.martin@example.fr"`,
		`<label for="password">`, `id="password" name="password"`, `id="sign-in"`,
	} {
		require.Contains(t, page.body, want)
	}
	require.NotRegexp(t, `(src|href)="(https?:)?//`, page.body, "no resource from elsewhere")
	require.NotContains(t, page.body, "<script")

	consent := b.open(b.signIn(authorize(c.s, "scope", "openid offline_access"), "camille.martin@example.fr"))
	for _, want := range []string{`id="allow"`, `id="deny"`, "camille.martin@example.fr", c.s.Credentials().ClientID, "<code>offline_access</code>"} {
		require.Contains(t, consent.body, want)
	}
	require.NotContains(t, consent.body, "<code>profile</code>")
}

func TestPolicyAllowsTheStyleOfThePage(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	page := newBrowser(t, c.s).open("/connect/authorize")
	style := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(page.body)
	require.NotNil(t, style)
	sum := sha256.Sum256([]byte(style[1]))
	policy := page.header.Get("Content-Security-Policy")
	require.Contains(t, policy, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	require.NotContains(t, policy, "form-action")
}

func TestWrongPasswordsStayOnThePage(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	b := newBrowser(t, c.s)
	login := location(t, b.open(authorize(c.s))).String()
	csrf := csrfOf(t, b.open(login))
	for _, k := range []struct{ email, password, want string }{
		{"a.b@example.fr", "faux", "Identifiant ou mot de passe incorrect."},
		{"a.b@example.fr", "wrong", "Identifiant ou mot de passe incorrect."},
		{"a.b@example.fr", "", "Saisissez votre mot de passe."},
		{"nobody", "any", "Saisissez une adresse e-mail valide."},
		{"", "any", "Saisissez une adresse e-mail valide."},
	} {
		page := b.submit(login, url.Values{"csrf": {csrf}, "email": {k.email}, "password": {k.password}})
		require.Equal(t, 200, page.status)
		require.Contains(t, page.body, k.want)
		require.Contains(t, page.body, `value="`+k.email+`"`)
		require.Equal(t, csrf, csrfOf(t, page), "it can be tried again")
	}
	require.Equal(t, "/account/login", location(t, b.open(authorize(c.s))).Path, "nobody is signed in")
	require.Equal(t, 303, b.submit(login, url.Values{"csrf": {csrf}, "email": {"a.b@example.fr"}, "password": {"right"}}).status)
}

func TestFormsWithoutTheirCSRFTokenAreRefused(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	b, other := newBrowser(t, c.s), newBrowser(t, c.s)
	login := location(t, b.open(authorize(c.s))).String()
	foreign := csrfOf(t, other.open(login))
	anonymous := csrfOf(t, b.open(login))
	for _, csrf := range []string{"", "x", foreign} {
		r := b.submit(login, url.Values{"csrf": {csrf}, "email": {"a@example.fr"}, "password": {"any"}})
		require.Equal(t, 400, r.status)
	}
	require.Equal(t, 400, newBrowser(t, c.s).submit(login, url.Values{"csrf": {anonymous}, "email": {"a@example.fr"}, "password": {"any"}}).status, "no cookie")
	require.Equal(t, 400, newBrowser(t, c.s).submit(login, url.Values{"email": {"a@example.fr"}, "password": {"any"}}).status, "neither")
	require.Equal(t, "/account/login", location(t, b.open(authorize(c.s))).Path, "nobody is signed in")

	consent := b.signIn(authorize(c.s), "camille.martin@example.fr")
	for _, csrf := range []string{"", foreign, anonymous} {
		r := b.submit(consent, url.Values{"csrf": {csrf}, "decision": {"allow"}})
		require.Equal(t, 400, r.status)
		require.Empty(t, r.header.Get("Location"))
	}
	csrf := csrfOf(t, b.open(consent))
	require.Equal(t, 400, b.submit(consent, url.Values{"csrf": {csrf}}).status, "no button")
	require.Equal(t, 400, b.submit(consent, url.Values{"csrf": {csrf}, "decision": {string(make([]byte, 1<<17))}}).status, "too long")
}

func TestSessionCookieIsOutOfReach(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	b := newBrowser(t, c.s)
	login := location(t, b.open(authorize(c.s))).String()
	page := b.open(login)
	before := (&http.Response{Header: page.header}).Cookies()
	sent := b.submit(login, url.Values{"csrf": {csrfOf(t, page)}, "email": {"a@example.fr"}, "password": {"any"}})
	after := (&http.Response{Header: sent.header}).Cookies()
	for _, set := range [][]*http.Cookie{before, after} {
		require.Len(t, set, 1)
		require.True(t, set[0].HttpOnly)
		require.Equal(t, http.SameSiteLaxMode, set[0].SameSite)
		require.Zero(t, set[0].MaxAge)
		require.True(t, set[0].Expires.IsZero(), "it ends with the browser")
	}
	require.NotEqual(t, before[0].Value, after[0].Value, "a session known beforehand is not signed in")
}

func TestConsentNeedsSomebodySignedIn(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	b := newBrowser(t, c.s)
	login := location(t, b.open(authorize(c.s)))
	consent := "/consent?" + login.RawQuery
	require.Equal(t, login.String(), location(t, b.open(consent)).String())
	csrf := csrfOf(t, b.open(login.String()))
	require.Equal(t, login.String(), location(t, b.submit(consent, url.Values{"csrf": {csrf}, "decision": {"allow"}})).String())
}

func TestDenyingTellsTheClient(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	b := newBrowser(t, c.s)
	back := b.decide(b.signIn(authorize(c.s), "camille.martin@example.fr"), "deny")
	require.Equal(t, "localhost:3333", back.Host)
	require.Equal(t, "access_denied", back.Query().Get("error"))
	require.Equal(t, "the state & more", back.Query().Get("state"))
	require.Empty(t, back.Query().Get("code"))
}

func TestAnotherEmailIsAnotherAccount(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	subjects := map[any]bool{}
	for _, k := range []struct{ email, given, family string }{
		{"camille.martin@example.fr", "Camille", "Martin"}, {"jean.dupont@example.fr", "Jean", "Dupont"}, {"élodie@example.fr", "Élodie", ""},
	} {
		b := newBrowser(t, c.s)
		back := b.decide(b.signIn(authorize(c.s), k.email), "allow")
		_, got := exchange(t, c.s, back.Query().Get("code"))
		_, again := refresh(t, c.s, got.RefreshToken)
		for _, token := range []string{got.AccessToken, got.IDToken, again.AccessToken} {
			said := claims(t, token)
			require.Equal(t, k.email, said["ebp.email"])
			require.Equal(t, k.given, said["given_name"])
			require.Equal(t, k.family, said["family_name"])
			require.Regexp(t, `^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`, said["sub"])
			subjects[said["sub"]] = true
		}
	}
	require.Len(t, subjects, 3)
}
