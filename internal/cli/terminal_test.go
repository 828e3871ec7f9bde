//go:build linux

package cli

import (
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/benthos-ebp/benthos-ebp/internal/connection"
)

// newTerminal returns a terminal: what the program is given, and the person's side of it.
func newTerminal(t *testing.T) (program, person *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no terminal can be had here: %v", err)
	}
	t.Cleanup(func() { _ = person.Close() })
	require.NoError(t, unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = program.Close() })
	return program, person
}

// awaitSilence waits until the terminal does not show what is typed.
func awaitSilence(t *testing.T, terminal *os.File) {
	t.Helper()
	require.Eventually(t, func() bool {
		settings, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
		return err == nil && settings.Lflag&unix.ECHO == 0
	}, patienceOfTests, eventually)
}

func TestASecretThatIsMissingIsAskedForAndNotShown(t *testing.T) {
	d := newDesk(t)
	secret := d.server.Credentials().ClientSecret
	t.Setenv(connection.EnvClientSecret, "")
	program, person := newTerminal(t)
	r := d.start(t, program, "login", "--no-browser", "--timeout", "20s")
	awaitSilence(t, program)
	assert.Contains(t, r.notes.String(), "Client secret ($EBP_CLIENT_SECRET is not set; what you type is not shown): ")
	_, err := io.WriteString(person, secret+"\n")
	require.NoError(t, err)
	end := signInElsewhere(t, r.address(t), d.redirect, "allow")
	_, err = io.WriteString(person, end+"\n")
	require.NoError(t, err)
	require.NoError(t, r.end(t), r.notes.String())

	echoed := make([]byte, 64<<10)
	require.NoError(t, person.SetReadDeadline(time.Now().Add(5*time.Second)))
	n, err := person.Read(echoed)
	require.NoError(t, err)
	assert.NotContains(t, string(echoed[:n]), secret)
}

func TestTheKeyIsAskedForWhereDossiersAreListed(t *testing.T) {
	d := signedIn(t)
	key := d.server.Credentials().SubscriptionKey
	t.Setenv(connection.EnvSubscriptionKey, "")
	program, person := newTerminal(t)
	r := d.start(t, program, "folders", "--product", "gescom")
	awaitSilence(t, program)
	assert.Contains(t, r.notes.String(), "Subscription key ($EBP_SUBSCRIPTION_KEY")
	_, err := io.WriteString(person, key+"\n")
	require.NoError(t, err)
	require.NoError(t, r.end(t), r.notes.String())
	assert.Contains(t, r.out.String(), "3691")
}

func TestAnInterruptedQuestionLeavesTheTerminalAsItWas(t *testing.T) {
	d := newDesk(t)
	t.Setenv(connection.EnvClientSecret, "")
	program, _ := newTerminal(t)
	r := d.start(t, program, "token")
	awaitSilence(t, program)
	r.interrupt()
	require.EqualError(t, r.end(t), "interrupted")
	settings, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
	require.NoError(t, err)
	assert.NotZero(t, settings.Lflag&unix.ECHO)
}
