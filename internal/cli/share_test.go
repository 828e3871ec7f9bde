package cli

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/connection"
	"github.com/benthos-ebp/benthos-ebp/internal/state"
)

// ownCorner returns a part of a database that nobody else uses.
func ownCorner(t *testing.T, location string) string {
	t.Helper()
	u, err := url.Parse(location)
	require.NoError(t, err)
	name := "cli_test_" + strings.ToLower(rand.Text())
	q := u.Query()
	if u.Scheme == "redis" {
		q.Set("prefix", name+":")
	} else {
		db, err := pgx.Connect(t.Context(), location)
		require.NoError(t, err)
		_, err = db.Exec(t.Context(), "CREATE SCHEMA "+name)
		require.NoError(t, err)
		t.Cleanup(func() {
			_, _ = db.Exec(context.Background(), "DROP SCHEMA "+name+" CASCADE")
			_ = db.Close(context.Background())
		})
		q.Set("search_path", name)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// Two servers know the same EBP_STATE and nothing else of each other.
func TestASignInOnOneServerIsThereOnTheOther(t *testing.T) {
	for _, variable := range []string{"EBP_TEST_REDIS_URL", "EBP_TEST_POSTGRES_DSN"} {
		t.Run(variable, func(t *testing.T) {
			if os.Getenv(variable) == "" {
				t.Skipf("%s is not set: eval \"$(bash .ci/servers start)\"", variable)
			}
			location := ownCorner(t, os.Getenv(variable))
			d := newDesk(t)
			t.Setenv(connection.EnvState, location)
			printed := ""
			run := func(args ...string) string {
				out, notes, err := d.run(t, args...)
				require.NoError(t, err)
				printed += out + notes
				return out
			}
			r := d.start(t, nil, "login")
			newVisitor(t).signIn(t, r.address(t), camille, "allow")
			require.NoError(t, r.end(t), r.notes.String())
			printed += r.out.String() + r.notes.String()

			assert.Contains(t, run("token"), camille)
			assert.Contains(t, run("token", "--refresh"), "signed in      yes")
			assert.Contains(t, run("logout"), camille)
			_, _, err := d.run(t, "token")
			require.ErrorContains(t, err, "somebody has signed out")
			assert.Zero(t, d.server.Replays())

			u, err := url.Parse(location)
			require.NoError(t, err)
			assert.Contains(t, printed, u.Host, "which store it is")
			if password, has := u.User.Password(); has {
				assert.NotContains(t, printed, password)
			}
			assert.NoDirExists(t, d.state)
		})
	}
}

// forgetful is a store that keeps nothing across a restart.
type forgetful struct{ *state.Memory }

func (forgetful) Durability(context.Context) string { return "it keeps nothing across a restart" }

func TestLoginWarnsOfAStateThatForgets(t *testing.T) {
	var notes strings.Builder
	warnOfForgetful(t.Context(), forgetful{state.NewMemory()}, &talk{notes: &notes})
	assert.Contains(t, notes.String(), "it keeps nothing across a restart")
	notes.Reset()
	warnOfForgetful(t.Context(), state.NewMemory(), &talk{notes: &notes})
	assert.Empty(t, notes.String())
}
