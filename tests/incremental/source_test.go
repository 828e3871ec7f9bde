package incremental

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
)

// folder is the dossier of tests that need one.
const folder = "3691"

var paris = func() *time.Location {
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		panic(err)
	}
	return zone
}()

// morning is when tests begin unless they say otherwise: long after every date of the
// sandbox's data, far from a change of the clocks.
var morning = time.Date(2026, 3, 10, 8, 0, 0, 0, time.UTC)

// ebpClock is the clock of a sandbox. It stands still until the test moves it, and never
// goes back.
type ebpClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *ebpClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *ebpClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// stampOf is how EBP writes an instant: what a clock on the wall in Paris shows.
func stampOf(at time.Time) string { return at.In(paris).Format("2006-01-02T15:04:05") }

// source is the sandbox of one test.
type source struct {
	*sandbox.Server
	clock *ebpClock
	state string
	calls string // the field of that name
}

const noLimit = "{ per_second: 0, per_day: 0 }"

// newSource starts a sandbox whose clock begins at an instant. Its tokens outlive every
// jump of the clock, so that each call that it counts is one of the list.
func newSource(t testing.TB, start time.Time, o sandbox.Options) *source {
	t.Helper()
	s := &source{clock: &ebpClock{now: start}, state: "file:" + t.TempDir(), calls: noLimit}
	o.Now = s.clock.Now
	o.AccessTokenLifetime, o.RefreshTokenLifetime = 1000*time.Hour*24, 10_000*time.Hour*24
	var err error
	s.Server, err = sandbox.Start(o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// connection writes the fields that every input of the source needs; it reads as fast as
// it can.
func (s *source) connection() string {
	c := s.Credentials()
	return fmt.Sprintf(`
    url: %q
    subscription_key: %q
    state: %q
    oauth2: { url: %q, client_id: %q, client_secret: %q, refresh_token: %q }
    calls: %s
    http: { backoff: { initial_interval: 5ms, max_interval: 20ms } }
`, s.URL(), c.SubscriptionKey, s.state, s.LoginURL(), c.ClientID, c.ClientSecret, c.RefreshToken, s.calls)
}

// exec changes the data as somebody working in EBP does.
func (s *source) exec(t testing.TB, query string, args ...any) {
	t.Helper()
	require.NoError(t, s.Exec(query, args...))
}

// query reads the data behind EBP's back.
func (s *source) query(t testing.TB, query string, args ...any) [][]any {
	t.Helper()
	rows, err := s.Query(query, args...)
	require.NoError(t, err)
	return rows
}

// number returns the one number that a query selects.
func (s *source) number(t testing.TB, query string, args ...any) int {
	t.Helper()
	return int(s.query(t, query, args...)[0][0].(int64))
}

// amount reads how much of something a test should do.
func amount(t testing.TB, name string, usual int) int {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		return usual
	}
	n, err := strconv.Atoi(v)
	require.NoError(t, err, name)
	return n
}
