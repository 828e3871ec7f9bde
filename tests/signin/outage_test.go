//go:build unix

package signin

import (
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp/auth"
	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
	"github.com/benthos-ebp/benthos-ebp/internal/state"
	"github.com/benthos-ebp/benthos-ebp/internal/testserver"
)

// durableRedis writes each change to its disk, forgetfulRedis none.
func durableRedis(t *testing.T) (*testserver.Server, string) {
	s := testserver.Redis(t, "--save", "", "--appendonly", "yes", "--appendfsync", "always")
	return s, s.RedisURL()
}

func forgetfulRedis(t *testing.T) (*testserver.Server, string) {
	s := testserver.Redis(t, "--save", "", "--appendonly", "no")
	return s, s.RedisURL()
}

func testPostgres(t *testing.T) (*testserver.Server, string) { return testserver.Postgres(t) }

// Processes go on renewing every second while the server that keeps their sign-in goes
// away and comes back, with a signal that it obeys and with one that it cannot.
func TestAStateThatIsRestartedLosesNoSignIn(t *testing.T) {
	if testing.Short() {
		t.Skip("starts servers and processes")
	}
	for name, c := range map[string]struct {
		start func(t *testing.T) (*testserver.Server, string)
		// replays is whether a store that forgot everything may make a process use a token
		// that another one has used: its own is the newest that it knows.
		replays bool
	}{
		"redis":              {durableRedis, false},
		"redis without disk": {forgetfulRedis, true},
		"postgres":           {testPostgres, false},
	} {
		t.Run(name, func(t *testing.T) {
			server, location := c.start(t)
			t.Parallel()
			const seconds = 14
			s := startSandbox(t, sandbox.Options{AccessTokenLifetime: time.Second})
			seed := s.NewRefreshToken()
			var all []*process
			for range 3 {
				env := append(environment(s, "call", location, seed), envSeconds+"="+strconv.Itoa(seconds), envPace+"=20")
				all = append(all, startProcess(t, env))
			}
			for i, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL, syscall.SIGKILL} {
				pause(2*time.Second + time.Duration(i)*170*time.Millisecond)
				if strings.HasPrefix(name, "postgres") && signal == syscall.SIGTERM {
					signal = syscall.SIGINT // TERM would wait for its clients
				}
				server.End(signal)
				pause(300 * time.Millisecond)
				server.Start()
			}
			for _, p := range all {
				assert.NoError(t, p.cmd.Wait(), "%s", p.printed())
			}
			if !c.replays {
				assert.Zero(t, s.Replays(), "%s", all[0].printed())
			}
			// In the end the state holds the sign-in, and a new process goes on with it.
			store, err := state.Open(location)
			require.NoError(t, err)
			defer store.Close()
			next := auth.NewSource(signIn(t, s, store, "", &log{}))
			assert.NoError(t, next.Renew(t.Context()), "%s", all[0].printed())
			assert.NoError(t, closeSource(next))
			calls, last := 0, time.Time{}
			for _, call := range s.Calls() {
				if call.Status == 200 {
					calls, last = calls+1, call.Time
				}
			}
			t.Logf("%s: %d calls, %d token calls, %d replays", name, calls, s.TokenCalls(), s.Replays())
			assert.Less(t, time.Since(last), 4*time.Second, "nobody called any more after the last restart: %s", all[0].printed())
		})
	}
}
