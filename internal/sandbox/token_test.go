package sandbox_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
)

type tokens struct {
	IDToken      string `json:"id_token"`
	AccessToken  string `json:"access_token"`
	ExpiresIn    int    `json:"expires_in"`
	TokenType    string `json:"token_type"`
	RefreshToken string `json:"refresh_token"`
	Scope        string `json:"scope"`
	Error        string `json:"error"`
}

// refresh posts a refresh, with changes to the form given as pairs.
func refresh(t *testing.T, s *sandbox.Server, token string, changes ...string) (int, tokens) {
	t.Helper()
	c := s.Credentials()
	form := url.Values{"grant_type": {"refresh_token"}, "client_id": {c.ClientID}, "client_secret": {c.ClientSecret}, "refresh_token": {token}}
	for i := 0; i < len(changes); i += 2 {
		form.Set(changes[i], changes[i+1])
	}
	resp, err := http.PostForm(s.LoginURL()+"/connect/token", form)
	require.NoError(t, err)
	defer resp.Body.Close()
	var out tokens
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&out))
	return resp.StatusCode, out
}

func TestRefreshTokenIsSingleUse(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	first := c.s.Credentials().RefreshToken
	require.Equal(t, first, c.s.Credentials().RefreshToken, "unused: the same one")
	status, got := refresh(t, c.s, first)
	require.Equal(t, 200, status)
	require.Len(t, got.RefreshToken, 43)
	require.NotEqual(t, first, got.RefreshToken)
	require.Equal(t, 3600, got.ExpiresIn)
	require.Equal(t, "Bearer", got.TokenType)
	require.Equal(t, "openid profile offline_access", got.Scope)
	require.NotEmpty(t, got.IDToken)

	status, refusal := refresh(t, c.s, first)
	require.Equal(t, 400, status)
	require.Equal(t, "invalid_grant", refusal.Error)

	status, _ = refresh(t, c.s, got.RefreshToken)
	require.Equal(t, 200, status)
	require.NotEqual(t, first, c.s.Credentials().RefreshToken, "used: a new sign-in")
	require.Equal(t, 3, c.s.TokenCalls())
	require.Empty(t, c.s.Calls(), "token calls are not API calls")
}

func TestRefreshTokenIsSingleUseUnderConcurrency(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	token := c.s.NewRefreshToken()
	var won atomic.Int32
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if status, _ := refresh(t, c.s, token); status == 200 {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, won.Load())
}

func TestAccessTokenIsReadableJWT(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	_, got := refresh(t, c.s, c.s.NewRefreshToken())
	parts := strings.Split(got.AccessToken, ".")
	require.Len(t, parts, 3)
	var head, claims map[string]any
	for i, into := range []*map[string]any{&head, &claims} {
		b, err := base64.RawURLEncoding.DecodeString(parts[i])
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(b, into))
	}
	require.Equal(t, "at+jwt", head["typ"])
	for _, name := range []string{"ebp.email", "sub", "exp", "family_name", "given_name"} {
		require.Contains(t, claims, name)
	}
	require.NotContains(t, claims, "aud")
}

func TestOldAccessTokensStayValidUntilTheyExpire(t *testing.T) {
	k := &clock{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	c := start(t, sandbox.Options{Rows: 1, Now: k.read, AccessTokenLifetime: time.Minute})
	_, one := refresh(t, c.s, c.s.NewRefreshToken())
	require.Equal(t, 60, one.ExpiresIn)
	_, two := refresh(t, c.s, one.RefreshToken)
	for _, token := range []string{one.AccessToken, two.AccessToken} {
		c.header.Set("Authorization", "Bearer "+token)
		require.Equal(t, 200, c.get("/gescom/api/v1/Folders").status)
	}
	k.now = k.now.Add(time.Minute)
	e := refused(t, c.get("/gescom/api/v1/Folders"), 401)
	require.Equal(t, "Unauthorized", e.Errors[0].ErrorCode)

	k.now = k.now.Add(31 * 24 * time.Hour)
	status, refusal := refresh(t, c.s, two.RefreshToken)
	require.Equal(t, 400, status)
	require.Equal(t, "invalid_grant", refusal.Error, "30 days")
}

func TestTokenEndpointRefusesWhatIsNotTheForm(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	for _, k := range []struct {
		name, value, want string
	}{
		{"client_id", "x", "invalid_client"}, {"client_secret", "x", "invalid_client"},
		{"grant_type", "password", "unsupported_grant_type"}, {"grant_type", "", "invalid_request"},
		{"refresh_token", "", "invalid_request"}, {"refresh_token", "x", "invalid_grant"},
	} {
		status, got := refresh(t, c.s, c.s.Credentials().RefreshToken, k.name, k.value)
		require.Equal(t, 400, status)
		require.Equal(t, k.want, got.Error, k)
	}
	resp, err := http.Post(c.s.LoginURL()+"/connect/token", "application/json", strings.NewReader(`{"grant_type":"refresh_token"}`))
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, 400, resp.StatusCode)
	var out tokens
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&out))
	require.Equal(t, "invalid_request", out.Error)
	status, _ := refresh(t, c.s, c.s.Credentials().RefreshToken)
	require.Equal(t, 200, status, "refusals do not use the token up")
}

func TestRevokedTokensAreRefused(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	old := c.s.Credentials().RefreshToken
	c.s.RevokeTokens()
	status, _ := refresh(t, c.s, old)
	require.Equal(t, 400, status)
	refused(t, c.get("/gescom/api/v1/Folders"), 401)
	status, _ = refresh(t, c.s, c.s.NewRefreshToken())
	require.Equal(t, 200, status)
}
