package sandbox_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
)

// gateway is the refusal of the API management.
func gateway(t *testing.T, r reply, status int) string {
	t.Helper()
	require.Equal(t, status, r.status, r.body)
	var e struct {
		StatusCode int
		Message    string
	}
	require.NoError(t, json.Unmarshal([]byte(r.body), &e))
	require.Equal(t, status, e.StatusCode)
	return e.Message
}

func TestSubscriptionKeyIsAskedFor(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	c.header.Set("ebp-subscription-key", c.s.SecondaryKey())
	require.Equal(t, 200, c.get("/gescom/api/v1/Folders").status)
	c.header.Set("ebp-subscription-key", "wrong")
	require.Contains(t, gateway(t, c.get("/gescom/api/v1/Folders"), 401), "invalid subscription key")
	c.header.Del("ebp-subscription-key")
	require.Contains(t, gateway(t, c.get("/gescom/api/v1/Folders"), 401), "missing subscription key")
}

func TestBearerTokenIsAskedFor(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	for _, v := range []string{"", "Bearer", "Bearer x", "Bearer a.b.c", "Basic YTpi"} {
		c.header.Set("Authorization", v)
		refused(t, c.get("/gescom/api/v1/Folders"), 401)
	}
}

func TestOneCallPerSecond(t *testing.T) {
	k := &clock{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	c := start(t, sandbox.Options{Rows: 1, PerSecond: 1, PerDay: 10, Now: k.read})
	get := func() reply { return c.get("/gescom/api/v1/Folders") }
	require.Equal(t, 200, get().status)
	k.now = k.now.Add(999 * time.Millisecond)
	r := get()
	require.Equal(t, "Rate limit is exceeded. Try again in 1 seconds.", gateway(t, r, 429))
	require.Equal(t, "1", r.header.Get("Retry-After"))
	k.now = k.now.Add(time.Millisecond)
	require.Equal(t, 200, get().status, "refused calls do not push the window")
	require.Equal(t, 8, c.s.QuotaLeft(), "refused calls do not count")
	require.NotEmpty(t, r.header.Get("Date"))
}

func TestSlidingWindow(t *testing.T) {
	for _, k := range []struct {
		rate   float64
		calls  int
		window time.Duration
	}{{3, 3, time.Second}, {0.5, 1, 2 * time.Second}, {2.5, 3, 1200 * time.Millisecond}} {
		at := &clock{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
		c := start(t, sandbox.Options{Rows: 1, PerSecond: k.rate, Now: at.read})
		for range k.calls {
			require.Equal(t, 200, c.get("/gescom/api/v1/Folders").status)
		}
		at.now = at.now.Add(k.window - time.Millisecond)
		require.Equal(t, 429, c.get("/gescom/api/v1/Folders").status)
		at.now = at.now.Add(time.Millisecond)
		require.Equal(t, 200, c.get("/gescom/api/v1/Folders").status)
	}
}

func TestDailyQuotaTurnsAtMidnight(t *testing.T) {
	k := &clock{time.Date(2026, 1, 2, 21, 4, 5, 0, time.UTC)}
	c := start(t, sandbox.Options{Rows: 1, PerDay: 3, Now: k.read, AccessTokenLifetime: 1000 * time.Hour})
	c.s.SetQuotaUsed(1)
	for range 2 {
		require.Equal(t, 200, c.get("/gescom/api/v1/Folders").status)
	}
	refresh(t, c.s, c.s.NewRefreshToken())
	r := c.get("/gescom/api/v1/Folders")
	require.Equal(t, "Out of call volume quota. Quota will be replenished in 02:55:55.", gateway(t, r, 403))
	require.Equal(t, 0, c.s.QuotaLeft())
	k.now = k.now.Add(3 * time.Hour)
	require.Equal(t, 200, c.get("/gescom/api/v1/Folders").status)
	require.Equal(t, 2, c.s.QuotaLeft())
}

func TestZeroMeansNoLimit(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	for range 20 {
		require.Equal(t, 200, c.get("/gescom/api/v1/Folders").status)
	}
	require.Equal(t, -1, c.s.QuotaLeft())
}

func TestLatencyIsAdded(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1, Latency: 30 * time.Millisecond})
	begin := time.Now()
	require.Equal(t, 200, c.get("/gescom/api/v1/Folders").status)
	require.GreaterOrEqual(t, time.Since(begin), 30*time.Millisecond)
}

func TestEveryAnswerIsDatedByTheClockOfTheSandbox(t *testing.T) {
	k := &clock{time.Date(2031, 10, 26, 2, 30, 0, 999_000_000, time.FixedZone("", 2*3600))}
	c := start(t, sandbox.Options{Rows: 1, Now: k.read, AccessTokenLifetime: 1000 * time.Hour})
	for path, status := range map[string]int{
		"/gescom/api/v1/Folders":                200,
		"/gescom/api/v1/Folders/1/GenericQuery": 400,
		"/gescom/api/v1/Nothing":                404,
		"/connect/token":                        405,
		"/connect/authorize":                    400,
		"/sandbox/calls":                        200,
		"/.well-known/openid-configuration":     200,
	} {
		r := c.get(path)
		require.Equal(t, status, r.status, path)
		require.Equal(t, []string{"Sun, 26 Oct 2031 00:30:00 GMT"}, r.header.Values("Date"), path)
	}
	c.header.Set("Authorization", "Bearer x")
	require.Equal(t, "Sun, 26 Oct 2031 00:30:00 GMT", c.get("/gescom/api/v1/Folders").header.Get("Date"))
	// It is the time of the answer, not of the call, and a fault may have another.
	c.s.SetFault(func(sandbox.Call) *sandbox.Fault {
		k.now = k.now.Add(time.Millisecond)
		return &sandbox.Fault{Status: 503}
	})
	require.Equal(t, "Sun, 26 Oct 2031 00:30:01 GMT", c.get("/gescom/api/v1/Folders").header.Get("Date"))
	c.s.SetFault(func(sandbox.Call) *sandbox.Fault {
		return &sandbox.Fault{Header: http.Header{"Date": {"Mon, 01 Jan 2024 00:00:00 GMT"}}}
	})
	require.Equal(t, "Mon, 01 Jan 2024 00:00:00 GMT", c.get("/gescom/api/v1/Folders").header.Get("Date"))
}
