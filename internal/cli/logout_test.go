package cli

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/connection"
)

func TestLogoutForgetsTheTokensAndSaysWhatItCannotDo(t *testing.T) {
	d := signedIn(t)
	calls := len(d.server.TokenEvents())
	out, notes, err := d.run(t, "logout")
	require.NoError(t, err)
	assert.Regexp(t, `(?m)^signed out +Camille Martin <camille\.martin@example\.fr>$`, out)
	assert.Contains(t, out, "holds no token of this profile any more")
	assert.Regexp(t, `a copy of it would work until 20\d\d-`, notes)
	assert.Regexp(t, `may read until their access token ends, at 20\d\d-`, notes)
	assert.Len(t, d.server.TokenEvents(), calls, "EBP has nothing to be told")

	_, _, err = d.run(t, "token")
	require.ErrorContains(t, err, "somebody has signed out")
	assert.Equal(t, connection.ExitCredentials, ExitCode(1))
}

func TestLogoutOfNobodySucceedsAndSaysSo(t *testing.T) {
	d := newDesk(t)
	for range 2 {
		out, _, err := d.run(t, "logout", "--profile", "archive")
		require.NoError(t, err)
		assert.Regexp(t, `(?m)^signed out +nobody was signed in$`, out)
	}
	assert.Equal(t, 0, ExitCode(0))
}

func TestLogoutIsAboutOneProfile(t *testing.T) {
	d := signedIn(t)
	_, _, err := d.run(t, "logout", "--profile", "archive")
	require.NoError(t, err)
	out, _, err := d.run(t, "token")
	require.NoError(t, err)
	assert.Contains(t, out, camille)
}

func TestLogoutTellsOfARefreshTokenThatIsStillConfigured(t *testing.T) {
	d := signedIn(t)
	t.Setenv(connection.EnvRefreshToken, d.server.NewRefreshToken())
	_, notes, err := d.run(t, "logout")
	require.NoError(t, err)
	assert.Contains(t, notes, "EBP_REFRESH_TOKEN")
}

func TestLogoutGivesScriptsOneObject(t *testing.T) {
	d := signedIn(t)
	out, _, err := d.run(t, "logout", "--format", "json")
	require.NoError(t, err)
	var result logoutResult
	require.NoError(t, json.Unmarshal([]byte(out), &result))
	assert.True(t, result.WasSignedIn)
	assert.WithinDuration(t, time.Now().AddDate(0, 0, 30), result.RefreshExpires, 2*time.Hour)
}

func TestLogoutOfTheSandboxInsideARunExplainsItself(t *testing.T) {
	d := newDesk(t)
	for _, command := range []string{"logout", "token", "login"} {
		_, _, err := d.run(t, command, "--url", "sandbox:")
		require.ErrorContains(t, err, `start "benthos-ebp sandbox" in another terminal`)
	}
}
