package cli

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/connection"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/auth"
)

func TestTokenSaysWhoIsSignedInAndUntilWhen(t *testing.T) {
	d := signedIn(t)
	out, notes, err := d.run(t, "token")
	require.NoError(t, err)
	for _, line := range []string{
		`(?m)^profile +default$`, `(?m)^signed in +yes$`, `(?m)^who +Camille Martin <camille\.martin@example\.fr>$`,
		`(?m)^state +file:`, `(?m)^since +20.*\d:\d\d \(`, `(?m)^last renewal +20`,
		`(?m)^access token +good until .*\(in 60 minutes\)$`, `(?m)^refresh token +good until .*\(in 30 days\)$`,
	} {
		assert.Regexp(t, line, out)
	}
	assert.Empty(t, notes)

	out, _, err = d.run(t, "token", "--format", "json")
	require.NoError(t, err)
	var status auth.Status
	require.NoError(t, json.Unmarshal([]byte(out), &status))
	assert.True(t, status.SignedIn)
	assert.Equal(t, camille, status.Email)
	assert.Zero(t, d.server.CallCount()-1, "looking makes no call; login made one")
}

func TestTokenRefreshRenewsTheSignInNow(t *testing.T) {
	d := signedIn(t)
	read := func(args ...string) auth.Status {
		out, _, err := d.run(t, append([]string{"token", "--format", "json"}, args...)...)
		require.NoError(t, err)
		var s auth.Status
		require.NoError(t, json.Unmarshal([]byte(out), &s))
		return s
	}
	before := read()
	calls := len(d.server.TokenEvents())
	after := read("--refresh")
	assert.True(t, after.Renewed.After(before.Renewed))
	assert.Equal(t, before.SignedInAt, after.SignedInAt)
	assert.Len(t, d.server.TokenEvents(), calls+1)
	assert.Zero(t, d.server.Replays())
	assert.Equal(t, after, read())
}

func TestTokenWithoutASignInEndsWithCode3(t *testing.T) {
	d := newDesk(t)
	out, _, err := d.run(t, "token", "--profile", "archive")
	require.ErrorContains(t, err, "profile \"archive\" is not signed in to EBP: nobody has signed in; run `benthos-ebp login --profile archive`")
	assert.Regexp(t, `(?m)^signed in +no: nobody has signed in$`, out)
	assert.Equal(t, connection.ExitCredentials, ExitCode(1))

	out, _, err = d.run(t, "token", "--format", "json")
	require.ErrorContains(t, err, "run `benthos-ebp login`")
	var status auth.Status
	require.NoError(t, json.Unmarshal([]byte(out), &status))
	assert.False(t, status.SignedIn)

	_, _, err = d.run(t, "token", "--refresh")
	require.ErrorContains(t, err, "not signed in")
	assert.Equal(t, connection.ExitCredentials, ExitCode(1))
	assert.Empty(t, d.server.TokenEvents(), "there was nothing to renew with")
}

func TestTokenTellsOfAConfiguredRefreshToken(t *testing.T) {
	d := newDesk(t)
	t.Setenv(connection.EnvRefreshToken, d.server.NewRefreshToken())
	_, _, err := d.run(t, "token")
	require.ErrorContains(t, err, "try the refresh token of $EBP_REFRESH_TOKEN")
	out, _, err := d.run(t, "token", "--refresh")
	require.NoError(t, err)
	assert.Contains(t, out, camille)
}

func TestTokenRefreshThatEBPRefusesEndsWithCode3(t *testing.T) {
	var c clock
	d := signedIn(t, c.options)
	c.ahead.Store(int64(31 * 24 * time.Hour))
	_, _, err := d.run(t, "token", "--refresh")
	require.ErrorContains(t, err, "benthos-ebp login")
	assert.Equal(t, connection.ExitCredentials, ExitCode(1))
	out, _, err := d.run(t, "token")
	require.Error(t, err)
	assert.Regexp(t, `(?m)^signed in +no: `, out)
	assert.NotContains(t, out, "good until", "EBP does not take it any more")
	assert.Equal(t, connection.ExitCredentials, ExitCode(1))
}

func TestTokenReportsADamagedRecordAndLoginPutsItAside(t *testing.T) {
	d := signedIn(t)
	damaged := 0
	for _, file := range d.storedFiles(t) {
		if strings.Contains(file, "tokens") && strings.HasSuffix(file, ".json") {
			require.NoError(t, os.Truncate(file, 20))
			damaged++
		}
	}
	require.Equal(t, 1, damaged)
	_, _, err := d.run(t, "token")
	require.ErrorContains(t, err, "damaged")
	assert.Equal(t, 1, ExitCode(1))

	r := d.start(t, nil, "login")
	newVisitor(t).signIn(t, r.address(t), camille, "allow")
	require.NoError(t, r.end(t))
	assert.Contains(t, r.notes.String(), "warning: profile \"default\": the record of the last sign-in was damaged; it is now at ")
	_, _, err = d.run(t, "token")
	require.NoError(t, err)
}

func TestASignInNearItsEndIsDescribedInWords(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.Local)
	pairs := map[string]string{}
	for _, p := range describe(auth.Status{
		Profile: "default", SignedIn: true, Email: "a@b", Store: "file:/x", Renewed: now.Add(-25 * 24 * time.Hour),
		AccessExpires: now.Add(-24 * 24 * time.Hour), RefreshExpires: now.Add(5 * 24 * time.Hour),
		Interrupted: now.Add(-time.Minute), RenewingBy: "process 12 on etl1",
	}, now) {
		pairs[p[0]] = p[1]
	}
	assert.Equal(t, "ended 2026-02-05 12:00 (24 days ago); the next run renews it", pairs["access token"])
	assert.Equal(t, "good until 2026-03-06 12:00 (in 5 days)", pairs["refresh token"])
	assert.Equal(t, "2026-02-04 12:00 (25 days ago)", pairs["last renewal"])
	assert.Contains(t, pairs["renewal"], "begun 2026-03-01 11:59 by process 12 on etl1 and not finished")
	assert.Empty(t, pairs["since"], "who came with a refresh token did not sign in here")
}

func TestTextsOfServersCannotDriveTheTerminal(t *testing.T) {
	assert.Equal(t, "a [31m b", printable("a\x1b[31m\nb"))
	assert.Equal(t, "Zoé <z@x>", person("Zoé", "z@x"))
	assert.Equal(t, "z@x", person("", "z@x"))
	assert.NotEmpty(t, person("", ""))
}
