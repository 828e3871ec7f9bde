package cli

import (
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/connection"
	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
)

func TestLoginKeepsTheTokensOfWhoSignsInAndListsTheDossiers(t *testing.T) {
	d := newDesk(t)
	r := d.start(t, nil, "login")
	page := newVisitor(t).signIn(t, r.address(t), camille, "allow")
	require.NoError(t, r.end(t), r.notes.String())

	assert.Contains(t, page.text, "Connexion à EBP réussie")
	assert.Contains(t, page.text, "You are signed in to EBP")
	assert.Contains(t, page.text, "Camille Martin &lt;"+camille+"&gt;")
	assert.Equal(t, d.redirect+"/done", page.address, "the code must not stay in the browser's history")
	d.assertNoSecret(t, page.text)
	assert.GreaterOrEqual(t, len(d.wire.secrets), 5, "code, verifier, client secret and tokens were looked for")

	out := r.out.String()
	for _, line := range []string{
		`(?m)^signed in +Camille Martin <camille\.martin@example\.fr>$`, `(?m)^profile +default$`, `(?m)^tokens in +file:`,
		`(?m)^good until +20\d\d-\d\d-\d\d \d\d:\d\d \(in 30 days\)`, `(?m)^PRODUCT +ID +NAME$`, `(?m)^gescom +3691 +INV40V12_C3$`,
	} {
		assert.Regexp(t, line, out)
	}

	// Whoever reads the tokens can act for Camille.
	var tokens int
	for _, file := range d.storedFiles(t) {
		info, err := os.Stat(file)
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode().Perm(), file)
		if name := filepath.Base(file); strings.HasPrefix(name, "tokens") && strings.HasSuffix(name, ".json") {
			tokens++
		}
	}
	assert.Equal(t, 1, tokens, "one record holds the tokens")
	info, err := os.Stat(d.state)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o700), info.Mode().Perm())
}

func TestLoginGivesScriptsOneObject(t *testing.T) {
	d := newDesk(t)
	r := d.start(t, nil, "login", "--format", "json", "--profile", "archive")
	newVisitor(t).signIn(t, r.address(t), "paul.durand@example.fr", "allow")
	require.NoError(t, r.end(t))
	var result loginResult
	require.NoError(t, json.Unmarshal([]byte(r.out.String()), &result), r.out.String())
	assert.Equal(t, "archive", result.Profile)
	assert.Equal(t, "paul.durand@example.fr", result.Email)
	assert.Equal(t, "Paul Durand", result.Name)
	assert.Contains(t, result.Store, d.state)
	assert.WithinDuration(t, time.Now().Add(time.Hour), result.AccessExpires, time.Minute)
	assert.WithinDuration(t, time.Now().AddDate(0, 0, 30), result.RefreshExpires, 2*time.Hour)
	assert.Contains(t, result.Folders, folder{ID: "3691", Name: "INV40V12_C3", Product: "gescom"})
	assert.Empty(t, result.FoldersError)
}

func TestLoginOpensTheBrowserWithoutOurSecrets(t *testing.T) {
	d := newDesk(t)
	dir := t.TempDir()
	opener := filepath.Join(dir, "opener")
	require.NoError(t, os.WriteFile(opener, []byte("#!/bin/sh\necho \"$1\" >"+dir+"/address\nenv >"+dir+"/env\nmv "+dir+"/address "+dir+"/opened\n"), 0o700))
	t.Setenv("BROWSER", opener)
	r := d.start(t, nil, "login", "--timeout", "20s")
	address := r.address(t)
	require.Eventually(t, func() bool { _, err := os.Stat(dir + "/opened"); return err == nil }, patienceOfTests, 5*time.Millisecond)
	opened, err := os.ReadFile(dir + "/opened")
	require.NoError(t, err)
	assert.Equal(t, address, strings.TrimSpace(string(opened)))
	env, err := os.ReadFile(dir + "/env")
	require.NoError(t, err)
	d.assertNoSecret(t, string(env))
	assert.NotContains(t, address, "code_verifier")
	r.interrupt()
	require.EqualError(t, r.end(t), "interrupted")
}

func TestLoginWithoutABrowserSaysWhatToDo(t *testing.T) {
	d := newDesk(t)
	t.Setenv("BROWSER", "")
	t.Setenv("DISPLAY", "")
	t.Setenv("WAYLAND_DISPLAY", "")
	t.Setenv("WSL_DISTRO_NAME", "")
	for ssh, say := range map[string]string{"": "No browser could be opened", "10.0.0.1 50000 10.0.0.2 22": "ssh -L"} {
		t.Setenv("SSH_CONNECTION", ssh)
		r := d.start(t, nil, "login")
		page := newVisitor(t).signIn(t, r.address(t), camille, "allow") // it waits all the same
		require.NoError(t, r.end(t))
		assert.Contains(t, page.text, "réussie")
		assert.Contains(t, r.notes.String(), say)
		assert.Contains(t, r.notes.String(), "--no-browser")
	}
}

func TestLoginSaysWhenItsPortIsTaken(t *testing.T) {
	d := newDesk(t)
	u, err := url.Parse(d.redirect)
	require.NoError(t, err)
	for _, host := range []string{"127.0.0.1", "::1"} {
		taken, err := net.Listen("tcp", net.JoinHostPort(host, u.Port()))
		if err != nil && host == "::1" {
			t.Skipf("this machine has no ::1: %v", err)
		}
		require.NoError(t, err)
		_, _, err = d.run(t, "login")
		require.NoError(t, taken.Close())
		require.ErrorContains(t, err, "cannot listen on port "+u.Port())
		for _, part := range []string{"address already in use", "--no-browser", "--redirect", "registered", "revendeurs.fr@ebp.com"} {
			require.ErrorContains(t, err, part)
		}
		assert.Equal(t, 1, ExitCode(1))
	}
}

func TestAnAnswerOfAnotherSignInDoesNotEndTheWait(t *testing.T) {
	d := newDesk(t)
	r := d.start(t, nil, "login")
	address := r.address(t)
	stale := newVisitor(t).open(t, d.redirect+"/?code=abc&state=of-yesterday")
	assert.Equal(t, http.StatusBadRequest, stale.status)
	assert.Contains(t, stale.text, "This answer belongs to another attempt to sign in")
	page := newVisitor(t).signIn(t, address, camille, "allow")
	require.NoError(t, r.end(t))
	assert.Contains(t, page.text, "réussie")
}

func TestLoginTellsOfStrangeAnswersWhenItsTimeIsOver(t *testing.T) {
	d := newDesk(t)
	r := d.start(t, nil, "login", "--timeout", "1s")
	r.address(t)
	newVisitor(t).open(t, d.redirect+"/?code=abc&state=of-yesterday")
	err := r.end(t)
	require.ErrorContains(t, err, "nobody has signed in within 1 second")
	require.ErrorContains(t, err, "what did come (1 times) belongs to another attempt")
	assert.Equal(t, 1, ExitCode(1))

	_, _, err = d.run(t, "login", "--timeout", "50ms")
	require.ErrorContains(t, err, "nobody has signed in within 50ms: begin again")
}

func TestLoginThatIsDeniedEndsWithASentence(t *testing.T) {
	d := newDesk(t)
	r := d.start(t, nil, "login")
	page := newVisitor(t).signIn(t, r.address(t), camille, "deny")
	err := r.end(t)
	require.ErrorContains(t, err, "EBP did not allow it (access_denied")
	assert.Equal(t, connection.ExitCredentials, ExitCode(1))
	assert.Contains(t, page.text, "n&#39;a pas abouti")
	assert.Contains(t, page.text, "access_denied")
	assert.NotContains(t, page.address, "state=")
	_, _, err = d.run(t, "token")
	require.ErrorContains(t, err, "nobody has signed in")
}

// clock is a time that a test can move.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *clock) options(o *sandbox.Options) { o.Now = c.now }

func TestLoginWithACodeThatIsTooOldEndsWithASentence(t *testing.T) {
	var c clock
	d := newDesk(t, c.options)
	r := d.start(t, nil, "login")
	v := newVisitor(t)
	v.stopAt = d.redirect
	back := v.signIn(t, r.address(t), camille, "allow")
	require.NotEmpty(t, back.location)
	c.ahead.Store(int64(6 * time.Minute))
	v.stopAt = ""
	page := v.open(t, back.location)
	err := r.end(t)
	require.ErrorContains(t, err, "the code is older than 5 minutes")
	assert.Equal(t, connection.ExitCredentials, ExitCode(1))
	assert.Contains(t, page.text, "the code is older than 5 minutes")
}

func TestLoginWithTheWrongClientSecretEndsWithASentence(t *testing.T) {
	d := newDesk(t)
	t.Setenv(connection.EnvClientSecret, "not-the-secret")
	r := d.start(t, nil, "login")
	newVisitor(t).signIn(t, r.address(t), camille, "allow")
	err := r.end(t)
	require.ErrorContains(t, err, "EBP does not know this client id with this client secret")
	require.ErrorContains(t, err, "check them against EBP's e-mail")
	assert.Equal(t, connection.ExitCredentials, ExitCode(1))
}

// What is wrong with the settings is said before anybody types a password.
func TestLoginRefusesWhatCannotWorkBeforeItAsksAnybody(t *testing.T) {
	d := newDesk(t)
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for _, test := range []struct {
		args        []string
		env         [2]string
		errContains string
		code        int
	}{
		{args: []string{"--state", "file:" + file + "/state"}, errContains: "preparing file:" + file, code: 1},
		{args: []string{"--state", "memory:"}, errContains: "ends with this command", code: 1},
		{args: []string{"--state", "redis://u:pw@host"}, errContains: "--state holds a password", code: 1},
		{args: []string{"--url", "sandbox:"}, errContains: `start "benthos-ebp sandbox" in another terminal`, code: 1},
		{args: []string{"--scopes", "openid profile"}, errContains: "lack offline_access", code: 1},
		{args: []string{"--redirect", "https://etl.example/cb"}, errContains: "for another address use --no-browser", code: 1},
		{args: []string{"--redirect", "http://10.1.2.3:3333"}, errContains: "nothing can listen at http://10.1.2.3:3333", code: 1},
		{args: []string{"--redirect", "localhost:3333"}, errContains: "is not an address such as http://localhost:3333", code: 1},
		{args: []string{"--redirect", "http://localhost:3333/?a=b"}, errContains: "must not hold a user, a query", code: 1},
		{args: []string{"--timeout", "0s"}, errContains: "--timeout must be longer", code: 1},
		{args: []string{"--format", "xml"}, errContains: `unknown format "xml"`, code: 1},
		{args: []string{"now"}, errContains: `login takes no argument, but was given "now"`, code: 1},
		{env: [2]string{connection.EnvClientSecret, ""}, errContains: "oauth2.client_secret ($EBP_CLIENT_SECRET) is not set", code: 3},
		{env: [2]string{connection.EnvClientID, ""}, errContains: "oauth2.client_id ($EBP_CLIENT_ID) is not set", code: 3},
		{env: [2]string{connection.EnvLoginURL, "http://ebp.example"}, errContains: "plain http", code: 1},
	} {
		t.Run(strings.Join(test.args, " ")+test.env[0], func(t *testing.T) {
			if test.env[0] != "" {
				t.Setenv(test.env[0], test.env[1])
			}
			_, notes, err := d.run(t, append([]string{"login"}, test.args...)...)
			require.ErrorContains(t, err, test.errContains)
			assert.Equal(t, test.code, ExitCode(1))
			assert.NotContains(t, notes, "/connect/authorize")
		})
	}
}

func TestLoginWithoutAUsableKeySucceedsAndSaysWhatIsMissing(t *testing.T) {
	d := newDesk(t)
	for key, say := range map[string]string{
		"":      "the subscription key is missing: set EBP_SUBSCRIPTION_KEY",
		"wrong": "check subscription_key",
	} {
		t.Setenv(connection.EnvSubscriptionKey, key)
		r := d.start(t, nil, "login")
		newVisitor(t).signIn(t, r.address(t), camille, "allow")
		require.NoError(t, r.end(t))
		assert.Contains(t, r.out.String(), camille)
		assert.Contains(t, r.notes.String(), "You are signed in, but the dossiers could not be listed: ")
		assert.Contains(t, r.notes.String(), say)
	}
	assert.Equal(t, 0, ExitCode(0))
}

func TestLoginListsTheDossiersOfBatimentWhereThereIsNoGescom(t *testing.T) {
	d := newDesk(t)
	d.server.SetFault(func(c sandbox.Call) *sandbox.Fault {
		if strings.HasPrefix(c.Path, "/gescom/") {
			return &sandbox.Fault{Status: http.StatusForbidden}
		}
		return nil
	})
	r := d.start(t, nil, "login")
	newVisitor(t).signIn(t, r.address(t), camille, "allow")
	require.NoError(t, r.end(t), r.notes.String())
	assert.Regexp(t, `(?m)^batiment +7120 `, r.out.String())

	d.server.SetFault(func(c sandbox.Call) *sandbox.Fault {
		if strings.Contains(c.Path, "/api/") {
			return &sandbox.Fault{Status: http.StatusNotFound}
		}
		return nil
	})
	r = d.start(t, nil, "login")
	newVisitor(t).signIn(t, r.address(t), camille, "allow")
	require.NoError(t, r.end(t))
	assert.Contains(t, r.notes.String(), "Hubbix has no list of them: the tenant or domain id is shown by the application")
}

func TestLoginReplacesWhoWasSignedInBefore(t *testing.T) {
	d := signedIn(t)
	r := d.start(t, nil, "login")
	newVisitor(t).signIn(t, r.address(t), "paul.durand@example.fr", "allow")
	require.NoError(t, r.end(t))
	out, _, err := d.run(t, "token")
	require.NoError(t, err)
	assert.Contains(t, out, "Paul Durand")
	assert.NotContains(t, out, "Camille")
}
