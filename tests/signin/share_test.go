package signin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/connection"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/catalog"
	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
	"github.com/benthos-ebp/benthos-ebp/internal/testserver"
)

const (
	envSeconds = "SIGNIN_TEST_SECONDS"
	envPace    = "SIGNIN_TEST_PACE"
	envAhead   = "SIGNIN_TEST_AHEAD"
)

// callForAWhile is a process that makes calls, as a component of a pipeline does.
func callForAWhile() error {
	conf, err := service.NewConfigSpec().Fields(connection.Fields()...).ParseYAML("calls: {per_second: "+os.Getenv(envPace)+", per_day: 0}", nil)
	if err != nil {
		return err
	}
	c, err := connection.FromParsed(conf)
	if err != nil {
		return err
	}
	client, err := c.Open(service.MockResources())
	if err != nil {
		return err
	}
	seconds, err := strconv.Atoi(os.Getenv(envSeconds))
	if err != nil {
		return err
	}
	folders, _ := catalog.Lookup("gescom.folders.list")
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(seconds)*time.Second)
	defer cancel()
	calls, failed := 0, 0
	for ctx.Err() == nil {
		_, err := client.Do(ctx, ebp.Request{Operation: folders})
		switch {
		case err == nil:
			calls++
		case !errors.Is(err, context.DeadlineExceeded):
			failed++
			fmt.Println("failed:", err)
			time.Sleep(50 * time.Millisecond)
		}
	}
	fmt.Printf("made %d calls, %d failed\n", calls, failed)
	return client.Close()
}

// Eight processes on one state, with access tokens of one second: each token is renewed
// by one of them, and together they call once a second.
func TestEightProcessesShareOneSignInAndOnePace(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes and waits")
	}
	seconds := amount(t, "EBP_TEST_SECONDS", 6)
	for name, location := range map[string]func(t *testing.T) string{
		"file":     func(t *testing.T) string { return "file:" + t.TempDir() },
		"redis":    redisLocation,
		"postgres": postgresLocation,
	} {
		t.Run(name, func(t *testing.T) {
			where := location(t)
			t.Parallel() // each waits most of its time
			s := startSandbox(t, sandbox.Options{AccessTokenLifetime: time.Second, PerSecond: 1, PerDay: 10000})
			var all []*process
			for range 8 {
				env := append(environment(s, "call", where, s.Credentials().RefreshToken), envSeconds+"="+strconv.Itoa(seconds), envPace+"=1")
				all = append(all, startProcess(t, env))
			}
			for _, p := range all {
				assert.NoError(t, p.cmd.Wait(), "%s", p.printed())
				assert.Contains(t, p.printed(), " 0 failed")
			}
			assert.Zero(t, s.Replays())
			seen := map[int]bool{}
			for _, e := range s.TokenEvents() {
				assert.Equal(t, sandbox.TokenIssued, e.Outcome)
				assert.False(t, seen[e.Presented], "refresh token %d was used twice", e.Presented)
				seen[e.Presented] = true
			}
			assert.GreaterOrEqual(t, len(seen), seconds/2, "the tokens were not short enough to test anything")
			calls := s.Calls()
			require.GreaterOrEqual(t, len(calls), seconds*8/10-1, "the pace was not used")
			first, last, tooSoon := calls[0].Time, calls[0].Time, 0
			for _, c := range calls {
				if c.Status == http.StatusTooManyRequests {
					tooSoon++
				}
				if c.Time.Before(first) {
					first = c.Time
				}
				if c.Time.After(last) {
					last = c.Time
				}
			}
			rate := float64(len(calls)-1) / last.Sub(first).Seconds()
			assert.LessOrEqual(t, rate, 1.0)
			// A machine that stands still for more than 15 ms between a call's turn and its
			// sending brings the next one too close.
			assert.LessOrEqual(t, tooSoon, 1+seconds/30)
			t.Logf("%s: %d calls of 8 processes in %.1f s, %.3f per second, %d too soon, %d renewals, no token twice", name, len(calls), last.Sub(first).Seconds(), rate, tooSoon, len(seen))
		})
	}
}

func redisLocation(t *testing.T) string {
	t.Helper()
	u := os.Getenv("EBP_TEST_REDIS_URL")
	if u == "" {
		testserver.Missing(t, "EBP_TEST_REDIS_URL is not set: `eval \"$(bash .ci/servers start)\"` starts a Redis")
	}
	return u + "?prefix=" + strings.ToLower(strings.NewReplacer("/", "-").Replace(t.Name())) + strconv.FormatInt(time.Now().UnixNano(), 36) + ":"
}

// postgresLocation is a schema of the test's own.
func postgresLocation(t *testing.T) string {
	t.Helper()
	dsn := os.Getenv("EBP_TEST_POSTGRES_DSN")
	if dsn == "" {
		testserver.Missing(t, "EBP_TEST_POSTGRES_DSN is not set: `eval \"$(bash .ci/servers start)\"` starts a Postgres")
	}
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	schema := "signin_" + strconv.FormatInt(time.Now().UnixNano(), 36)
	_, err = conn.Exec(t.Context(), "CREATE SCHEMA "+schema)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, _ = conn.Exec(context.Background(), "DROP SCHEMA "+schema+" CASCADE")
		_ = conn.Close(context.Background())
	})
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()
	return u.String()
}
