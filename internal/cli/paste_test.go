package cli

import (
	"io"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/connection"
)

// signInElsewhere is what a person does on another machine: sign in, and copy the
// address at which the browser ends.
func signInElsewhere(t *testing.T, address, redirect, decision string) string {
	t.Helper()
	v := newVisitor(t)
	v.stopAt = redirect
	end := v.signIn(t, address, camille, decision).location
	require.True(t, strings.HasPrefix(end, redirect), end)
	return end
}

func TestLoginTakesAPastedAddressOnAMachineWithoutABrowser(t *testing.T) {
	for name, pasted := range map[string]func(end string) string{
		"as copied":            func(end string) string { return end },
		"quoted, with spaces":  func(end string) string { return "  \"" + end + "\" \t" },
		"the query":            func(end string) string { _, q, _ := strings.Cut(end, "?"); return "?" + q },
		"the query, bare":      func(end string) string { _, q, _ := strings.Cut(end, "?"); return q },
		"code and state alone": codeAndState,
		"out of a mail":        func(end string) string { return "<" + strings.ReplaceAll(end, "&", "&amp;") + ">" },
		"a very long line":     func(end string) string { return end + "&padding=" + strings.Repeat("x", 70_000) },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			in, keyboard := io.Pipe()
			r := d.start(t, in, "login", "--no-browser")
			end := signInElsewhere(t, r.address(t), d.redirect, "allow")
			_, err := io.WriteString(keyboard, pasted(end)+"\n")
			require.NoError(t, err)
			require.NoError(t, r.end(t), r.notes.String())
			assert.Contains(t, r.out.String(), camille)
		})
	}
}

func codeAndState(end string) string {
	u, _ := url.Parse(end)
	return url.Values{"code": u.Query()["code"], "state": u.Query()["state"]}.Encode()
}

func TestAPasteThatCannotBeRightIsExplainedAndAskedForAgain(t *testing.T) {
	d := newDesk(t)
	in, keyboard := io.Pipe()
	r := d.start(t, in, "login", "--no-browser")
	address := r.address(t)
	for _, test := range [][2]string{
		{"", "there is nothing in it"},
		{"hello", "it holds no code"},
		{d.redirect + "/?code=abc&state=other", "belongs to another attempt"},
		{d.redirect + "/?code=abc", "it holds no state"},
		{address, "it is the address to open"},
		{"code=%zz&state=x", "it is damaged"},
	} {
		_, err := io.WriteString(keyboard, test[0]+"\n")
		require.NoError(t, err)
		require.Eventually(t, func() bool { return strings.Contains(r.notes.String(), test[1]) }, patienceOfTests, eventually, test[1])
	}
	_, err := io.WriteString(keyboard, signInElsewhere(t, address, d.redirect, "allow")+"\n")
	require.NoError(t, err)
	require.NoError(t, r.end(t))
	assert.Equal(t, 6, strings.Count(r.notes.String(), "Paste again:"))
}

func TestAPastedRefusalEndsTheLogin(t *testing.T) {
	d := newDesk(t)
	in, keyboard := io.Pipe()
	r := d.start(t, in, "login", "--no-browser")
	_, err := io.WriteString(keyboard, signInElsewhere(t, r.address(t), d.redirect, "deny")+"\n")
	require.NoError(t, err)
	require.ErrorContains(t, r.end(t), "EBP did not allow it")
	assert.Equal(t, connection.ExitCredentials, ExitCode(1))
}

func TestACodeThatWasUsedBeforeIsNotTakenForASignIn(t *testing.T) {
	d := newDesk(t)
	in, keyboard := io.Pipe()
	r := d.start(t, in, "login", "--no-browser")
	end := signInElsewhere(t, r.address(t), d.redirect, "allow")
	u, err := url.Parse(end)
	require.NoError(t, err)
	changed := u.Query()
	changed.Set("code", "somebody-elses-code")
	_, err = io.WriteString(keyboard, d.redirect+"?"+changed.Encode()+"\n")
	require.NoError(t, err)
	require.ErrorContains(t, r.end(t), "was used before")
	assert.Equal(t, connection.ExitCredentials, ExitCode(1))
}

// EBP registers an address of the web for some clients: nobody listens there for us.
func TestLoginTakesAnAnswerPastedFromAnyRegisteredAddress(t *testing.T) {
	d := newDesk(t)
	in, keyboard := io.Pipe()
	const redirect = "https://etl.example/cb"
	r := d.start(t, in, "login", "--no-browser", "--redirect", redirect)
	_, err := io.WriteString(keyboard, signInElsewhere(t, r.address(t), redirect, "allow")+"\n")
	require.NoError(t, err)
	require.NoError(t, r.end(t))
}

func TestAWaitForAPasteEnds(t *testing.T) {
	d := newDesk(t)
	_, _, err := d.run(t, "login", "--no-browser")
	require.ErrorContains(t, err, "the input ended before an address was pasted")

	in, _ := io.Pipe()
	r := d.start(t, in, "login", "--no-browser", "--timeout", "50ms")
	require.ErrorContains(t, r.end(t), "nobody has signed in within 50ms")

	r = d.start(t, in, "login", "--no-browser")
	r.address(t)
	r.interrupt()
	require.EqualError(t, r.end(t), "interrupted")
	assert.Equal(t, 1, ExitCode(1))
}
