package sandbox_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
)

func TestCodeIsExchangedForTokensThatWork(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	text := code(t, c.s, "code_challenge", s256(verifier), "code_challenge_method", "S256", "nonce", "a nonce", "response_mode", "query")
	require.Len(t, text, 43)
	status, got := exchange(t, c.s, text, "code_verifier", verifier)
	require.Equal(t, 200, status)
	require.Len(t, got.RefreshToken, 43)
	require.Equal(t, 3600, got.ExpiresIn)
	require.Equal(t, "Bearer", got.TokenType)
	require.Equal(t, "openid profile offline_access", got.Scope)

	c.header.Set("Authorization", "Bearer "+got.AccessToken)
	require.Equal(t, 200, c.get("/gescom/api/v1/Folders").status)

	id := claims(t, got.IDToken)
	require.Equal(t, "a nonce", id["nonce"])
	require.Equal(t, c.s.Credentials().ClientID, id["aud"])
	require.NotContains(t, claims(t, got.AccessToken), "nonce")
	signed := got.IDToken[:strings.LastIndexByte(got.IDToken, '.')]
	mac := hmac.New(sha256.New, []byte(c.s.Credentials().ClientSecret))
	mac.Write([]byte(signed))
	require.Equal(t, signed+"."+base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), got.IDToken, "the client can check it")

	status, next := refresh(t, c.s, got.RefreshToken)
	require.Equal(t, 200, status)
	require.NotContains(t, claims(t, next.IDToken), "nonce")
	status, refusal := refresh(t, c.s, got.RefreshToken)
	require.Equal(t, 400, status)
	require.Equal(t, "invalid_grant", refusal.Error)
	require.Equal(t, []brief{
		{"authorization_code", sandbox.TokenIssued, 0, 2, 2, true},
		{"refresh_token", sandbox.TokenIssued, 2, 3, 2, true},
		{"refresh_token", sandbox.TokenReplayed, 2, 0, 2, true},
	}, briefs(c.s))
}

func TestCodeIsBoundToItsRequest(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	s256Request := []string{"code_challenge", s256(verifier), "code_challenge_method", "S256"}
	plainRequest := []string{"code_challenge", verifier}
	for _, k := range []struct {
		name    string
		request []string
		form    []string
		want    int
	}{
		{"as asked", nil, nil, 200},
		{"verifier", s256Request, []string{"code_verifier", verifier}, 200},
		{"plain verifier", plainRequest, []string{"code_verifier", verifier}, 200},
		{"no verifier", s256Request, nil, 400},
		{"no plain verifier", plainRequest, nil, 400},
		{"wrong verifier", s256Request, []string{"code_verifier", verifier + "x"}, 400},
		{"wrong plain verifier", plainRequest, []string{"code_verifier", verifier + "x"}, 400},
		{"challenge as verifier", s256Request, []string{"code_verifier", s256(verifier)}, 400},
		{"verifier without challenge", nil, []string{"code_verifier", verifier}, 400},
		{"short verifier", []string{"code_challenge", s256("short"), "code_challenge_method", "S256"}, []string{"code_verifier", "short"}, 400},
		{"wrong address", nil, []string{"redirect_uri", redirectURI + "/"}, 400},
		{"no address", nil, []string{"redirect_uri", ""}, 400},
		{"another code", nil, []string{"code", "x"}, 400},
		{"no code", nil, []string{"code", ""}, 400},
	} {
		t.Run(k.name, func(t *testing.T) {
			c.s.ResetCalls()
			text := code(t, c.s, k.request...)
			status, got := exchange(t, c.s, text, k.form...)
			require.Equal(t, k.want, status)
			outcome := c.s.TokenEvents()[0].Outcome
			if k.want == 200 {
				require.Equal(t, sandbox.TokenIssued, outcome)
				return
			}
			require.Equal(t, "invalid_grant", got.Error)
			require.Equal(t, sandbox.TokenInvalidCode, outcome)
			require.Empty(t, got.AccessToken)
		})
	}
}

func TestCodeOfAnotherClientIsRefusedAndNotUsedUp(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	text := code(t, c.s)
	for _, name := range []string{"client_id", "client_secret"} {
		status, got := exchange(t, c.s, text, name, "x")
		require.Equal(t, 400, status)
		require.Equal(t, "invalid_client", got.Error)
	}
	status, _ := exchange(t, c.s, text)
	require.Equal(t, 200, status)
}

func TestCodeThatComesTwiceRevokesItsTokens(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	text := code(t, c.s)
	_, got := exchange(t, c.s, text)
	_, next := refresh(t, c.s, got.RefreshToken)
	other := c.s.NewRefreshToken()
	c.header.Set("Authorization", "Bearer "+next.AccessToken)
	require.Equal(t, 200, c.get("/gescom/api/v1/Folders").status)

	status, refusal := exchange(t, c.s, text)
	require.Equal(t, 400, status)
	require.Equal(t, "invalid_grant", refusal.Error)
	for _, token := range []string{got.AccessToken, next.AccessToken} {
		c.header.Set("Authorization", "Bearer "+token)
		require.Contains(t, refused(t, c.get("/gescom/api/v1/Folders"), 401).Message, "révoqué")
	}
	_, state := c.s.RefreshTokenSerial(next.RefreshToken)
	require.Equal(t, sandbox.RefreshRevoked, state)
	status, _ = refresh(t, c.s, next.RefreshToken)
	require.Equal(t, 400, status)
	status, _ = refresh(t, c.s, other)
	require.Equal(t, 200, status, "other sign-ins stay")
	events := c.s.TokenEvents()
	require.Equal(t, sandbox.TokenCodeReplayed, events[2].Outcome)
	require.Equal(t, sandbox.TokenRevoked, events[3].Outcome)
	require.Equal(t, events[0].Lineage, events[2].Lineage)
	require.Zero(t, c.s.Replays(), "no refresh token came twice")
}

func TestOneOfTwoExchangesOfACodeWins(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	text := code(t, c.s)
	var won atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if status, _ := exchange(t, c.s, text); status == 200 {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, won.Load())
}

func TestCodesExpireByTheSandboxClock(t *testing.T) {
	for lifetime, o := range map[time.Duration]sandbox.Options{5 * time.Minute: {}, time.Second: {CodeLifetime: time.Second}} {
		k := &clock{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
		o.Rows, o.Now = 1, k.read
		c := start(t, o)
		fresh, late := code(t, c.s), code(t, c.s)
		k.now = k.now.Add(lifetime - 1)
		status, _ := exchange(t, c.s, fresh)
		require.Equal(t, 200, status)
		k.now = k.now.Add(1)
		status, got := exchange(t, c.s, late)
		require.Equal(t, 400, status)
		require.Equal(t, "invalid_grant", got.Error)
		require.Equal(t, sandbox.TokenCodeExpired, c.s.TokenEvents()[1].Outcome)
	}
}

func TestRevokedSignInsTakeTheirCodesAlong(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	text := code(t, c.s)
	c.s.RevokeTokens()
	status, got := exchange(t, c.s, text)
	require.Equal(t, 400, status)
	require.Equal(t, "invalid_grant", got.Error)
}

func TestRefreshTokenComesOnlyWithOfflineAccess(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	_, got := exchange(t, c.s, code(t, c.s, "scope", "openid profile"))
	require.Empty(t, got.RefreshToken)
	require.NotEmpty(t, got.AccessToken)
	require.Equal(t, "openid profile", got.Scope)
	require.Zero(t, c.s.TokenEvents()[0].Issued)
}

func TestIdentityTokenComesOnlyWithOpenID(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	status, got := refresh(t, c.s, c.s.NewRefreshToken(), "scope", "profile offline_access")
	require.Equal(t, 200, status)
	require.Empty(t, got.IDToken)
	require.Equal(t, "profile offline_access", got.Scope)
	require.Equal(t, []any{"profile", "offline_access"}, claims(t, got.AccessToken)["scope"])
	_, got = refresh(t, c.s, got.RefreshToken)
	require.NotEmpty(t, got.IDToken, "the next one has all rights again")
}

func TestRefreshTokensExpireAfterTheirLifetime(t *testing.T) {
	for lifetime, o := range map[time.Duration]sandbox.Options{30 * 24 * time.Hour: {}, time.Minute: {RefreshTokenLifetime: time.Minute}} {
		k := &clock{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
		o.Rows, o.Now = 1, k.read
		c := start(t, o)
		token := c.s.NewRefreshToken()
		k.now = k.now.Add(lifetime - 1)
		status, got := refresh(t, c.s, token)
		require.Equal(t, 200, status)
		k.now = k.now.Add(lifetime - 1)
		status, got = refresh(t, c.s, got.RefreshToken)
		require.Equal(t, 200, status, "each has the whole time again")
		k.now = k.now.Add(lifetime)
		status, _ = refresh(t, c.s, got.RefreshToken)
		require.Equal(t, 400, status)
	}
}

func TestAccessTokensLiveAtLeastAsLongAsIsSaid(t *testing.T) {
	for _, k := range []struct {
		lifetime time.Duration
		says     int
	}{{time.Second, 1}, {1999 * time.Millisecond, 1}, {2500 * time.Millisecond, 2}, {300 * time.Millisecond, 1}, {time.Hour, 3600}} {
		at := &clock{time.Date(2026, 1, 2, 3, 4, 5, 900e6, time.UTC)}
		c := start(t, sandbox.Options{Rows: 1, AccessTokenLifetime: k.lifetime, Now: at.read})
		_, got := refresh(t, c.s, c.s.NewRefreshToken())
		require.Equal(t, k.says, got.ExpiresIn, k.lifetime)
		c.header.Set("Authorization", "Bearer "+got.AccessToken)
		at.now = at.now.Add(k.lifetime - 1)
		require.Equal(t, 200, c.get("/gescom/api/v1/Folders").status, k.lifetime)
		at.now = at.now.Add(time.Second + 1)
		require.Equal(t, 401, c.get("/gescom/api/v1/Folders").status, k.lifetime)
	}
}
