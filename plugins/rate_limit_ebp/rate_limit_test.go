package rate_limit_ebp

import (
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	_ "github.com/redpanda-data/benthos/v4/public/components/io"
	_ "github.com/redpanda-data/benthos/v4/public/components/pure"

	"github.com/benthos-ebp/benthos-ebp/internal/connection"
	"github.com/benthos-ebp/benthos-ebp/internal/docgen"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/quota"
	"github.com/benthos-ebp/benthos-ebp/internal/state"
	_ "github.com/benthos-ebp/benthos-ebp/plugins/input_ebp"
)

func tryOpen(t *testing.T, yaml string) (*rateLimit, error) {
	t.Helper()
	for _, env := range []string{connection.EnvURL, connection.EnvState, connection.EnvSubscriptionKey} {
		t.Setenv(env, "")
	}
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	return parse(t, yaml)
}

func parse(t *testing.T, yaml string) (*rateLimit, error) {
	t.Helper()
	conf, err := rateLimitSpec().ParseYAML(yaml, nil)
	require.NoError(t, err)
	return rateLimitFromParsed(conf, service.MockResources())
}

func open(t *testing.T, yaml string) *rateLimit {
	t.Helper()
	r, err := tryOpen(t, yaml)
	require.NoError(t, err)
	t.Cleanup(func() { _ = r.Close(context.Background()) })
	return r
}

// ofComponents is the count that an ebp component with these settings has.
func ofComponents(t *testing.T, location, url, key, name string) *quota.Account {
	t.Helper()
	s, err := state.Open(location)
	require.NoError(t, err)
	return quota.New(quota.Config{Name: connection.AccountName(url, key, name), Limits: quota.Limits{PerSecond: 1, PerDay: 10_000}, Store: s})
}

func TestItsCallsCountTogetherWithThoseOfTheComponents(t *testing.T) {
	for name, c := range map[string]struct{ yaml, url, key, account string }{
		"key":     {`subscription_key: secret`, connection.DefaultURL, "secret", ""},
		"account": {`{subscription_key: another, account: ours}`, connection.DefaultURL + "/", "secret", "ours"},
		"url":     {`{subscription_key: secret, url: "https://ebp.example"}`, "https://ebp.example", "secret", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := open(t, c.yaml)
			location, err := connection.DefaultState()
			require.NoError(t, err)
			wait, err := r.Access(t.Context())
			require.NoError(t, err)
			assert.Zero(t, wait)

			component := ofComponents(t, location, c.url, c.key, c.account)
			wait, err = component.Try(t.Context())
			require.NoError(t, err)
			assert.Positive(t, wait, "it sees the pace")
			time.Sleep(wait)
			require.NoError(t, component.Wait(t.Context()))
			assert.Equal(t, 9998, component.Remaining(), "and the count")
		})
	}
}

func TestItIsToldApartFromOtherSubscriptions(t *testing.T) {
	r := open(t, `subscription_key: secret`)
	location, err := connection.DefaultState()
	require.NoError(t, err)
	_, err = r.Access(t.Context())
	require.NoError(t, err)
	wait, err := ofComponents(t, location, connection.DefaultURL, "another", "").Try(t.Context())
	require.NoError(t, err)
	assert.Zero(t, wait)
}

func TestTheEnvironmentStandsInForFieldsLeftEmpty(t *testing.T) {
	location := "file:" + t.TempDir()
	t.Setenv(connection.EnvURL, "https://ebp.example")
	t.Setenv(connection.EnvState, location)
	t.Setenv(connection.EnvSubscriptionKey, "secret")
	r, err := parse(t, `{}`)
	require.NoError(t, err)
	_, err = r.Access(t.Context())
	require.NoError(t, err)
	require.NoError(t, r.Close(t.Context()))
	wait, err := ofComponents(t, location, "https://ebp.example", "secret", "").Try(t.Context())
	require.NoError(t, err)
	assert.Positive(t, wait)
}

// While components wait in line, one that only looks whether a place is free finds none.
func TestItGetsItsTurnAmongComponentsThatUseAllOfThePace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, `{subscription_key: secret, state: "memory:"}`)
		component := quota.New(quota.Config{Name: connection.AccountName(connection.DefaultURL, "secret", ""), Limits: quota.Limits{PerSecond: 1}, Store: r.store})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for range 5 {
			go func() {
				for component.Wait(ctx) == nil {
					runtime.Gosched()
				}
			}()
		}
		calls := 0
		for ctx.Err() == nil {
			wait, err := r.Access(ctx)
			if ctx.Err() != nil {
				break
			}
			require.NoError(t, err)
			if wait == 0 {
				calls++
			}
			time.Sleep(wait)
		}
		assert.GreaterOrEqual(t, calls, 20, "about every other call of the minute")
	})
}

func TestALongWaitIsHandedBack(t *testing.T) {
	r := open(t, `{subscription_key: secret, state: "memory:", per_second: 0, per_day: 2}`)
	for range 2 {
		wait, err := r.Access(t.Context())
		require.NoError(t, err)
		assert.Zero(t, wait)
	}
	wait, err := r.Access(t.Context())
	require.NoError(t, err, "a day that is used up is waited for")
	assert.Positive(t, wait)
	assert.LessOrEqual(t, wait, time.Minute)
}

func TestAccessEndsWithItsContext(t *testing.T) {
	r := open(t, `{subscription_key: secret, state: "memory:", per_second: 0.5}`)
	_, err := r.Access(t.Context())
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err = r.Access(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Less(t, time.Since(start), time.Second)
}

func TestWhatCannotWorkIsRefused(t *testing.T) {
	for yaml, want := range map[string]string{
		`{}`: "set subscription_key ($EBP_SUBSCRIPTION_KEY), or account",
		`{account: a, state: "carrier:secret@pigeon"}`: "is not known",
		`{account: a, per_second: -1}`:                 negative,
		`{account: a, per_minute: -1}`:                 negative,
		`{account: a, per_day: -1}`:                    negative,
	} {
		_, err := tryOpen(t, yaml)
		require.ErrorContains(t, err, want, yaml)
		assert.NotContains(t, err.Error(), "secret")
	}
}

func TestMistakesAreLinted(t *testing.T) {
	linter := service.NewEnvironment().NewComponentConfigLinter()
	for yaml, want := range map[string]string{
		`ebp: {}`:                  "",
		`ebp: {per_second: -1}`:    negative,
		`ebp: {per_minute: -1}`:    negative,
		`ebp: {per_day: -1}`:       negative,
		`ebp: {per_month: 100000}`: "not recognised",
	} {
		lints, err := linter.LintRateLimitYAML([]byte(yaml))
		require.NoError(t, err)
		if want == "" {
			assert.Empty(t, lints, yaml)
			continue
		}
		require.Len(t, lints, 1, yaml)
		assert.Contains(t, lints[0].What, want, yaml)
	}
}

func TestTheExamplesLint(t *testing.T) {
	env := service.GlobalEnvironment()
	samples, err := docgen.Samples(env, docgen.Component{Type: docgen.TypeRateLimit, Name: "ebp"})
	require.NoError(t, err)
	require.NotEmpty(t, samples)
	linter := env.FullConfigSchema("", "").NewStreamConfigLinter().SetSkipEnvVarCheck(true)
	for _, s := range samples {
		lints, err := linter.LintYAML([]byte(s.Config))
		require.NoError(t, err)
		assert.Empty(t, lints, s.Title)
	}
}

func TestTheHostsHTTPProcessorKeepsToIt(t *testing.T) {
	var calls atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
	defer server.Close()
	b := service.NewStreamBuilder()
	require.NoError(t, b.SetYAML(`
input:
  generate: {count: 4, interval: "", mapping: root = "x"}
pipeline:
  threads: 4
  processors:
    - http: {url: "`+server.URL+`", rate_limit: ebp_calls}
output:
  drop: {}
rate_limit_resources:
  - label: ebp_calls
    ebp: {account: a, per_second: 5, state: "file:`+t.TempDir()+`"}
logger: {level: none}
`))
	stream, err := b.Build()
	require.NoError(t, err)
	start := time.Now()
	require.NoError(t, stream.Run(t.Context()))
	assert.EqualValues(t, 4, calls.Load())
	assert.GreaterOrEqual(t, time.Since(start), 3*time.Second/5)
}
