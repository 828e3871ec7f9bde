package sandbox_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
)

// brief is what the tests compare of an event.
type brief struct {
	Grant, Outcome             string
	Presented, Issued, Lineage int
	Answered                   bool
}

func briefs(s *sandbox.Server) []brief {
	out := []brief{}
	for _, e := range s.TokenEvents() {
		out = append(out, brief{e.Grant, e.Outcome, e.Presented, e.Issued, e.Lineage, e.Answered})
	}
	return out
}

func TestTokenEventsTellWhatBecameOfEachToken(t *testing.T) {
	k := &clock{time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)}
	c := start(t, sandbox.Options{Rows: 1, Now: k.read, RefreshTokenLifetime: time.Hour})
	// Token 1 of sign-in 1 is that of Credentials, which signs in again where it is dead.
	first := c.s.NewRefreshToken()   // 2
	other := c.s.NewRefreshToken()   // 3
	late := c.s.NewRefreshToken()    // 4
	_, got := refresh(t, c.s, first) // 5
	refresh(t, c.s, first)
	refresh(t, c.s, "never issued")
	refresh(t, c.s, other, "client_secret", "x")
	refresh(t, c.s, other, "grant_type", "password")
	refresh(t, c.s, other, "refresh_token", "")
	refresh(t, c.s, other, "scope", "openid everything")
	refresh(t, c.s, other) // 6
	k.now = k.now.Add(time.Hour)
	refresh(t, c.s, late)          // and 7, by Credentials
	fresh := c.s.NewRefreshToken() // 8
	c.s.RevokeTokens()
	refresh(t, c.s, fresh) // and 9, by Credentials
	refresh(t, c.s, other)
	require.Equal(t, []brief{
		{"refresh_token", sandbox.TokenIssued, 2, 5, 2, true},
		{"refresh_token", sandbox.TokenReplayed, 2, 0, 2, true},
		{"refresh_token", sandbox.TokenUnknown, 0, 0, 0, true},
		{"refresh_token", sandbox.TokenInvalidClient, 3, 0, 3, true},
		{"other", sandbox.TokenUnsupportedGrant, 3, 0, 3, true},
		{"refresh_token", sandbox.TokenInvalidRequest, 0, 0, 0, true},
		{"refresh_token", sandbox.TokenInvalidScope, 3, 0, 3, true},
		{"refresh_token", sandbox.TokenIssued, 3, 6, 3, true},
		{"refresh_token", sandbox.TokenExpired, 4, 0, 4, true},
		{"refresh_token", sandbox.TokenRevoked, 8, 0, 6, true},
		{"refresh_token", sandbox.TokenReplayed, 3, 0, 3, true},
	}, briefs(c.s))
	require.Equal(t, 2, c.s.Replays())
	require.Equal(t, 11, c.s.TokenCalls())
	require.Equal(t, time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), c.s.TokenEvents()[0].Time)
	require.Regexp(t, `^127\.0\.0\.1:\d+$`, c.s.TokenEvents()[0].Remote)

	for token, want := range map[string]struct {
		serial int
		state  string
	}{
		first: {2, sandbox.RefreshUsed}, late: {4, sandbox.RefreshRevoked}, got.RefreshToken: {5, sandbox.RefreshRevoked},
		fresh: {8, sandbox.RefreshRevoked}, "never issued": {0, sandbox.RefreshUnknown}, c.s.NewRefreshToken(): {10, sandbox.RefreshUnused},
	} {
		serial, state := c.s.RefreshTokenSerial(token)
		assert.Equal(t, want.serial, serial)
		assert.Equal(t, want.state, state, want.serial)
	}

	c.s.ResetCalls()
	require.Empty(t, c.s.TokenEvents())
	require.Zero(t, c.s.Replays())
	require.Zero(t, c.s.TokenCalls())
}

func TestTokenEventsTellALostAnswerFromALostRequest(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	for _, k := range []struct {
		name  string
		fault sandbox.Fault
		want  brief
	}{
		{"dropped before", sandbox.Fault{DropBefore: true}, brief{"refresh_token", sandbox.TokenDropped, 2, 0, 2, false}},
		{"dropped after", sandbox.Fault{DropAfter: true}, brief{"refresh_token", sandbox.TokenIssued, 3, 4, 3, false}},
		{"cut", sandbox.Fault{Truncate: true}, brief{"refresh_token", sandbox.TokenIssued, 5, 6, 4, false}},
		{"instead", sandbox.Fault{Status: 503}, brief{"refresh_token", sandbox.TokenFault, 7, 0, 5, true}},
	} {
		t.Run(k.name, func(t *testing.T) {
			c.s.ResetCalls()
			c.s.SetFault(func(sandbox.Call) *sandbox.Fault { return &k.fault })
			post(context.Background(), c.s, c.s.NewRefreshToken())
			require.Equal(t, []brief{k.want}, briefs(c.s))
		})
	}
}

// post refreshes without a look at the answer.
func post(ctx context.Context, s *sandbox.Server, token string) {
	c := s.Credentials()
	form := url.Values{"grant_type": {"refresh_token"}, "client_id": {c.ClientID}, "client_secret": {c.ClientSecret}, "refresh_token": {token}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.LoginURL()+"/connect/token", strings.NewReader(form.Encode()))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	// A client of its own: a reused connection would be tried again.
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err == nil {
		resp.Body.Close()
	}
}

func TestEffectStaysWhenTheClientLeavesBeforeTheAnswer(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	token := c.s.NewRefreshToken()
	c.s.SetFault(func(sandbox.Call) *sandbox.Fault { return &sandbox.Fault{DelayAfter: time.Hour} })
	ctx, leave := context.WithCancel(context.Background())
	left := make(chan struct{})
	go func() {
		defer close(left)
		post(ctx, c.s, token)
	}()
	require.Eventually(t, func() bool { return len(c.s.TokenEvents()) == 1 }, 10*time.Second, time.Millisecond, "known before it is answered")
	_, state := c.s.RefreshTokenSerial(token)
	require.Equal(t, sandbox.RefreshUsed, state)
	leave()
	<-left
	require.Eventually(t, func() bool { return c.s.TokenCalls() == 1 }, 10*time.Second, time.Millisecond, "it does not wait for a client that left")
	require.Equal(t, []brief{{"refresh_token", sandbox.TokenIssued, 2, 3, 2, false}}, briefs(c.s))
	c.s.SetFault(nil)
	status, _ := refresh(t, c.s, token)
	require.Equal(t, 400, status)
	require.Equal(t, 1, c.s.Replays())
}

func TestNothingIsDoneForAClientThatLeavesBeforeTheEffect(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	token := c.s.NewRefreshToken()
	began := make(chan struct{})
	c.s.SetFault(func(sandbox.Call) *sandbox.Fault {
		close(began)
		return &sandbox.Fault{Delay: time.Hour}
	})
	ctx, leave := context.WithCancel(context.Background())
	go func() {
		<-began
		leave()
	}()
	post(ctx, c.s, token)
	require.Eventually(t, func() bool { return c.s.TokenCalls() == 1 }, 10*time.Second, time.Millisecond)
	require.Equal(t, []brief{{"refresh_token", sandbox.TokenDropped, 2, 0, 2, false}}, briefs(c.s))
	c.s.SetFault(nil)
	status, _ := refresh(t, c.s, token)
	require.Equal(t, 200, status)
}

func TestDelayAfterHoldsAnAnswerBack(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1, PerDay: 10})
	c.s.SetFault(func(sandbox.Call) *sandbox.Fault { return &sandbox.Fault{DelayAfter: 30 * time.Millisecond} })
	begin := time.Now()
	require.Equal(t, 200, c.get("/gescom/api/v1/Folders").status)
	require.GreaterOrEqual(t, time.Since(begin), 30*time.Millisecond)
	require.Equal(t, 9, c.s.QuotaLeft())
}

func TestWhoHasReadAnAnswerFindsItRecorded(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	token := c.s.NewRefreshToken()
	for range 100 {
		_, got := refresh(t, c.s, token)
		token = got.RefreshToken
		events := c.s.TokenEvents()
		require.True(t, events[len(events)-1].Answered)
	}
}

func TestTokenEventsAreInTheOrderOfTheirEffects(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	tokens := []string{c.s.NewRefreshToken(), c.s.NewRefreshToken(), c.s.NewRefreshToken(), c.s.NewRefreshToken()}
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() { refresh(t, c.s, tokens[i%4]) })
	}
	wg.Wait()
	last := 0
	used := map[int]bool{}
	for _, e := range c.s.TokenEvents() {
		require.Equal(t, used[e.Presented], e.Outcome == sandbox.TokenReplayed, "the first one wins")
		used[e.Presented] = true
		if e.Outcome == sandbox.TokenIssued {
			require.Greater(t, e.Issued, last)
			last = e.Issued
		}
	}
	require.Len(t, used, 4)
	require.Equal(t, 8, c.s.Replays())
}

// inspect reads a view of the sandbox without any credentials.
func inspect(t *testing.T, s *sandbox.Server, path string, into any) string {
	t.Helper()
	resp, err := http.Get(s.URL() + path)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, 200, resp.StatusCode)
	var raw json.RawMessage
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&raw))
	require.NoError(t, json.Unmarshal(raw, into))
	return string(raw)
}

func TestAnotherProcessCanCountReplays(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	creds := c.s.Credentials()
	_, got := refresh(t, c.s, creds.RefreshToken)
	refresh(t, c.s, creds.RefreshToken)
	var view struct {
		Calls, Replays int
		Events         []sandbox.TokenEvent
	}
	raw := inspect(t, c.s, "/sandbox/tokens", &view)
	require.Equal(t, 2, view.Calls)
	require.Equal(t, 1, view.Replays)
	require.Len(t, view.Events, 2)
	require.Equal(t, sandbox.TokenIssued, view.Events[0].Outcome)
	require.Equal(t, 2, view.Events[0].Issued)
	require.True(t, view.Events[0].Answered)
	require.Equal(t, sandbox.TokenReplayed, view.Events[1].Outcome)
	for _, secret := range []string{creds.RefreshToken, creds.ClientSecret, got.RefreshToken, got.AccessToken, got.IDToken} {
		require.NotContains(t, raw, secret)
	}
	require.Empty(t, c.s.Calls(), "a look is no call")
}

func TestAnotherProcessCanSeeThePaceOfCalls(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 123456789, time.UTC)
	c := start(t, sandbox.Options{Rows: 1, Now: func() time.Time { return at }})
	c.get("/gescom/api/v1/Folders")
	c.get(gescom + "/Clients")
	type call struct {
		Time              time.Time
		Operation, Folder string
		Status            int
	}
	var view struct {
		Total int
		Calls []call
	}
	inspect(t, c.s, "/sandbox/calls", &view)
	require.Equal(t, 2, view.Total)
	require.Equal(t, call{at, "gescom.folders.list", "", 200}, view.Calls[0])
	require.Equal(t, "3691", view.Calls[1].Folder)
	inspect(t, c.s, "/sandbox/calls", &view)
	require.Equal(t, 2, view.Total, "a look is no call")

	require.Equal(t, 405, c.do(http.MethodPost, "/sandbox/calls").status)
}
