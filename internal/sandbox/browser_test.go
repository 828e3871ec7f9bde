package sandbox_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
)

const redirectURI = "http://localhost:3333"

// browser goes through the pages as a person does. It follows no redirect by
// itself.
type browser struct {
	t    *testing.T
	s    *sandbox.Server
	http *http.Client
}

func newBrowser(t *testing.T, s *sandbox.Server) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &browser{t, s, &http.Client{Jar: jar, CheckRedirect: stay}}
}

func (b *browser) do(req *http.Request) reply {
	b.t.Helper()
	resp, err := b.http.Do(req)
	require.NoError(b.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(b.t, err)
	for _, k := range [][2]string{{"Cache-Control", "no-store"}, {"X-Frame-Options", "DENY"}, {"Referrer-Policy", "no-referrer"}} {
		require.Equal(b.t, k[1], resp.Header.Get(k[0]), req.URL)
	}
	require.Contains(b.t, resp.Header.Get("Content-Security-Policy"), "default-src 'none'")
	return reply{resp.StatusCode, resp.Header, string(body), nil}
}

func (b *browser) open(path string) reply {
	b.t.Helper()
	req, err := http.NewRequest(http.MethodGet, b.s.LoginURL()+path, nil)
	require.NoError(b.t, err)
	return b.do(req)
}

// submit posts a form as a page at the same address does.
func (b *browser) submit(path string, form url.Values) reply {
	b.t.Helper()
	req, err := http.NewRequest(http.MethodPost, b.s.LoginURL()+path, strings.NewReader(form.Encode()))
	require.NoError(b.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.do(req)
}

var csrfField = regexp.MustCompile(`name="csrf" value="([^"]{43})"`)

func csrfOf(t *testing.T, page reply) string {
	t.Helper()
	found := csrfField.FindStringSubmatch(page.body)
	require.NotNil(t, found, page.body)
	return found[1]
}

// location is where an answer leads.
func location(t *testing.T, r reply) *url.URL {
	t.Helper()
	require.Contains(t, []int{302, 303}, r.status, r.body)
	u, err := url.Parse(r.header.Get("Location"))
	require.NoError(t, err)
	return u
}

// authorize is the address of a request, with changes given as pairs; an empty
// value takes a parameter away.
func authorize(s *sandbox.Server, changes ...string) string {
	q := url.Values{
		"response_type": {"code"}, "client_id": {s.Credentials().ClientID}, "redirect_uri": {redirectURI},
		"scope": {"openid profile offline_access"}, "state": {"the state & more"},
	}
	for i := 0; i < len(changes); i += 2 {
		q.Set(changes[i], changes[i+1])
		if changes[i+1] == "" {
			q.Del(changes[i])
		}
	}
	return "/connect/authorize?" + q.Encode()
}

// signIn goes from a request to the consent page, whose address it returns.
func (b *browser) signIn(path, email string) string {
	b.t.Helper()
	login := location(b.t, b.open(path)).String()
	page := b.open(login)
	require.Equal(b.t, 200, page.status)
	sent := b.submit(login, url.Values{"csrf": {csrfOf(b.t, page)}, "email": {email}, "password": {"any"}})
	require.Equal(b.t, 303, sent.status, sent.body)
	return location(b.t, sent).String()
}

// decide presses a button of the consent page, and returns where it leads.
func (b *browser) decide(consent, decision string) *url.URL {
	b.t.Helper()
	page := b.open(consent)
	require.Equal(b.t, 200, page.status)
	return location(b.t, b.submit(consent, url.Values{"csrf": {csrfOf(b.t, page)}, "decision": {decision}}))
}

// code goes through all pages and returns the code.
func code(t *testing.T, s *sandbox.Server, changes ...string) string {
	t.Helper()
	b := newBrowser(t, s)
	back := b.decide(b.signIn(authorize(s, changes...), "camille.martin@example.fr"), "allow")
	require.NotEmpty(t, back.Query().Get("code"), back)
	return back.Query().Get("code")
}

// exchange posts a code, with changes to the form given as pairs.
func exchange(t *testing.T, s *sandbox.Server, code string, changes ...string) (int, tokens) {
	t.Helper()
	return refresh(t, s, "", append([]string{"grant_type", "authorization_code", "code", code, "redirect_uri", redirectURI}, changes...)...)
}

const verifier = "the-verifier-of-a-test-is-43-characters-long"

func s256(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// claims reads a token without a look at its signature.
func claims(t *testing.T, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	require.Len(t, parts, 3)
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	require.NoError(t, err)
	var out map[string]any
	require.NoError(t, json.Unmarshal(raw, &out))
	return out
}
