package browser

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	ucli "github.com/urfave/cli/v2"

	"github.com/benthos-ebp/benthos-ebp/internal/cli"
	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
	"github.com/benthos-ebp/benthos-ebp/internal/testserver"
)

// office is a machine with the commands, and an EBP to sign in to.
type office struct {
	t        *testing.T
	server   *sandbox.Server
	redirect string
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{t: t, redirect: fmt.Sprintf("http://localhost:%d", testserver.FreePort(t))}
	var err error
	o.server, err = sandbox.Start(sandbox.Options{Rows: 1, RedirectURIs: []string{o.redirect}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = o.server.Close() })
	creds := o.server.Credentials()
	for name, v := range map[string]string{
		"EBP_URL": o.server.URL(), "EBP_LOGIN_URL": o.server.LoginURL(), "EBP_REFRESH_TOKEN": "",
		"EBP_CLIENT_ID": creds.ClientID, "EBP_CLIENT_SECRET": creds.ClientSecret, "EBP_SUBSCRIPTION_KEY": creds.SubscriptionKey,
		"EBP_STATE": "file:" + filepath.Join(t.TempDir(), "state"), "EBP_REDIRECT_URL": o.redirect,
		"BROWSER": "true", // the tests open the address themselves
	} {
		t.Setenv(name, v)
	}
	return o
}

// terminal is a command under way, and what it has printed.
type terminal struct {
	t     *testing.T
	mu    sync.Mutex
	text  bytes.Buffer
	ended chan error
}

// Write implements io.Writer.
func (c *terminal) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.Write(p)
}

func (c *terminal) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

func (o *office) start(args ...string) *terminal {
	o.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	o.t.Cleanup(cancel)
	c := &terminal{t: o.t, ended: make(chan error, 1)}
	app := &ucli.App{
		Name: "benthos-ebp", Reader: strings.NewReader(""), Writer: c, ErrWriter: c, Commands: cli.Commands(),
		ExitErrHandler: func(*ucli.Context, error) {},
	}
	go func() { c.ended <- app.RunContext(ctx, append([]string{"benthos-ebp"}, args...)) }()
	return c
}

var addressLine = regexp.MustCompile(`(?m)^ {2}(http\S+/connect/authorize\?\S+)$`)

// address is the one to open, once it is printed.
func (c *terminal) address() string {
	c.t.Helper()
	require.Eventually(c.t, func() bool { return addressLine.MatchString(c.String()) }, pageTime, 5*time.Millisecond)
	return addressLine.FindStringSubmatch(c.String())[1]
}

// end waits for the end of the command.
func (c *terminal) end() error {
	c.t.Helper()
	select {
	case err := <-c.ended:
		return err
	case <-time.After(pageTime):
		require.FailNow(c.t, "the command did not end", c.String())
		return nil
	}
}
